/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The discovery process: asks the configured sources for keys of an address
 * and reports what each answered. It may reach the network and can write
 * nothing. What an answer means is keystore/'s.
 */
#include "common/arena.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/proto.h"
#include "gateway/role.h"

enum { ARENA_MAX = 1024 * 1024 };

struct discovery {
	struct loop *loop;
	struct arena *arena;
	struct ipc *listener;
};

/* The configuration knows no source, so none is asked, and that is a
   complete answer: nothing failed. */
static void
on_lookup(struct discovery *d, struct ipc_msg *m)
{
	struct unpacker u;
	struct packer p;
	struct buf b;
	struct proto_answers a = {.complete = true};

	unpack_begin(&u, m->payload);
	(void)unpack_u32(&u);
	a.key = unpack_str(&u, d->arena);
	if (unpack_end(&u) != ERR_OK)
		return; /* the listener's budget answers */
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	proto_answers_pack(&p, &a);
	if (pack_end(&p) != ERR_OK ||
	    ipc_post(d->listener, PROTO_ANSWERS, m->id, buf_span(&b), NULL,
		0) != ERR_OK)
		log_event(
		    LOG_LVL_WARN, NULL, "answer-lost", KV_STR("rcpt", a.key));
	buf_clear(&b);
}

static void
on_msg(void *arg, struct ipc_msg *m)
{
	struct discovery *d = arg;

	if (m->type == PROTO_LOOKUP)
		on_lookup(d, m);
	arena_reset(d->arena);
}

static void
on_close(void *arg)
{
	struct discovery *d = arg;

	ipc_free(d->listener);
	d->listener = NULL;
}

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};
	struct discovery *d = arg;

	if (id != ROLE_LISTENER) {
		ipc_free(ch);
		return;
	}
	ipc_free(d->listener);
	d->listener = ch;
	ipc_attach(ch, d->loop, &events, d);
}

static void
on_stop(void *arg)
{
	struct discovery *d = arg;

	loop_stop(d->loop);
}

int
discovery_main(struct role *r)
{
	static const struct role_events events = {
	    .on_peer = on_peer, .on_stop = on_stop};
	struct discovery d = {.loop = loop_new()};

	d.arena = arena_new(ARENA_MAX);
	role_attach(r, d.loop, &events, &d);
	role_confine(r);
	role_ready(r);
	loop_run(d.loop);
	ipc_free(d.listener);
	arena_free(d.arena);
	return 0;
}
