/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that builds the certificates of our users: for a sender who has
 * none where a rule says so, and before those end that it made; the lists of
 * the CA; the files of what is published. It has no key and reads nothing that
 * a stranger wrote: addresses have been read before they reach it.
 */
#include <time.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "gateway/conf.h"
#include "gateway/issuer/issuer_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "keystore/store.h"

enum {
	KEYSTORE_TRIES = 100, /* of a tenth of a second: store makes it */
	LOOK_MS = 5000,	      /* between two looks at what is due */
	ARENA_MAX = 256 << 20,
};

/* The answer goes to who asked, whatever it is. */
static void
on_issue(
    struct issuer *i, const struct role_peer *from, const struct ipc_msg *m)
{
	struct err_why why = {""};
	const char *addr = NULL;
	struct unpacker u;
	struct buf b;
	enum err e;

	arena_reset(i->arena);
	unpack_begin(&u, m->payload);
	addr = unpack_str(&u, i->arena);
	e = unpack_end(&u);
	if (e == ERR_OK)
		e = issuer_issue(i, m->id, span_str(addr), SPAN(NULL, 0), &why);
	if (e != ERR_OK) {
		char id[TEXT_ID_SIZE];

		text_id(m->id, id);
		log_event(LOG_LVL_WARN, id, "not-issued",
		    KV_STR("addr", addr == NULL ? "" : addr),
		    KV_STR("reason", why.text), KV_ERR(e));
	}
	buf_init(&b, LIMIT_IPC_INLINE);
	if (proto_failure_pack(e,
		e == ERR_OK	      ? ""
		: why.text[0] != '\0' ? why.text
				      : err_text(e),
		&b) != ERR_OK ||
	    ipc_send(from->ch, PROTO_ISSUED, m->id, buf_span(&b), NULL, 0) !=
		ERR_OK)
		role_drop(i->role, from->ch);
	buf_clear(&b);
}

static void
serve(struct issuer *i, const struct role_peer *from, const struct ipc_msg *m)
{
	if (from->id == ROLE_WORKER && m->type == PROTO_ISSUE)
		on_issue(i, from, m);
	else
		log_event(LOG_LVL_ERR, NULL, "unexpected",
		    KV_STR("type", proto_name(m->type)),
		    KV_STR("peer", role_name(from->id)));
}

/* Everything that cannot be had behind the walls. */
static void
open_all(struct issuer *i)
{
	static const struct timespec pause = {0, 100 * 1000 * 1000};
	const char *dir = role_conf(i->role)->paths.keystore;
	struct err_why why = {""};
	enum err e = ERR_NOT_FOUND;

	if (crypto_check_library(&why) != ERR_OK)
		role_refuse(i->role, "%s", why.text);
	digest_init();
	for (int n = 0; n < KEYSTORE_TRIES && e == ERR_NOT_FOUND; n++) {
		e = ks_open(dir, 0, &i->store, &why);
		if (e == ERR_NOT_FOUND)
			nanosleep(&pause, NULL);
	}
	if (e != ERR_OK)
		role_refuse(i->role, "cannot open the keystore %s: %s", dir,
		    why.text[0] != '\0' ? why.text : err_text(e));
	i->arena = arena_new(ARENA_MAX);
	if (i->arena == NULL)
		fatal("out of memory");
}

int
issuer_main(struct role *r)
{
	struct issuer i = {.role = r};
	uint64_t next = clock_steady_ms() + LOOK_MS, now;
	struct role_peer from;
	struct ipc_msg m;
	enum err e;

	open_all(&i);
	role_confine(r);
	role_ready(r);
	for (;;) {
		now = clock_steady_ms();
		e = role_next_within(
		    r, now < next ? (unsigned)(next - now) : 0, &from, &m);
		if (e == ERR_SHUTDOWN)
			break;
		if (e == ERR_OK) {
			serve(&i, &from, &m);
			ipc_msg_clear(&m);
		}
		if (!i.renew && clock_steady_ms() >= next) {
			issuer_scheduled(&i);
			next = clock_steady_ms() + LOOK_MS;
		}
		/* the supervisor starts it again, with all its channels */
		if (i.renew)
			break;
	}
	arena_free(i.arena);
	ks_close(i.store);
	return 0;
}
