/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The relay process: SMTP and LMTP out, DNS; the key of ready entries; no
 * disk. It is told by store what to deliver and tells store what came of it.
 */
#include "common/digest.h"
#include "common/stream.h"
#include "gateway/relay/relay_private.h"

struct process {
	struct role *role;
	struct loop *loop;
	struct relay *relay;
};

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	struct process *p = arg;

	relay_on_peer(p->relay, id, index, ch);
}

static int
take_password(void *arg, unsigned which)
{
	struct process *p = arg;

	return role_take_fd(p->role, ROLE_FD_PASSWORD, which);
}

static void
on_conf(void *arg)
{
	struct process *p = arg;

	relay_on_conf(p->relay, role_conf(p->role));
}

static void
on_stop(void *arg)
{
	struct process *p = arg;

	relay_stop(p->relay);
}

static void
on_stopped(void *arg)
{
	struct process *p = arg;

	loop_stop(p->loop);
}

int
relay_main(struct role *r)
{
	static const struct role_events events = {
	    .on_peer = on_peer, .on_stop = on_stop, .on_conf = on_conf};
	struct process p = {.role = r, .loop = loop_new()};
	struct relay_setup setup = {.loop = p.loop,
	    .conf = role_conf(r),
	    .take_password = take_password,
	    .on_stopped = on_stopped,
	    .arg = &p};
	struct err_why why = {""};
	enum err e;

	digest_init();
	stream_init();
	e = relay_new(&setup, &p.relay, &why);
	if (e != ERR_OK)
		role_refuse(r, "relay: %s", why.text);
	role_confine(r);
	role_attach(r, p.loop, &events, &p);
	role_ready(r);
	loop_run(p.loop);
	relay_free(p.relay);
	/* the supervisor's channel still lives on the loop */
	return 0;
}
