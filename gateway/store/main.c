/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process: no network; the only writer of spool and audit log. It holds
 * the signing key of the audit log and no other: bodies come and go sealed.
 */
#include <sysexits.h>

#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/store/spool.h"
#include "gateway/store/store.h"

struct process {
	struct role *role;
	struct store *store;
	struct loop *loop;
	bool failed;
};

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	struct process *p = arg;

	store_add_peer(p->store, id, index, ch);
}

static void
on_stop(void *arg)
{
	struct process *p = arg;

	store_stop(p->store);
}

static void
on_conf(void *arg)
{
	struct process *p = arg;

	store_set_conf(p->store, role_conf(p->role));
}

static void
on_end(void *arg, bool failed)
{
	struct process *p = arg;

	p->failed = failed;
	loop_stop(p->loop);
}

int
store_main(struct role *r)
{
	static const struct role_events events = {
	    .on_peer = on_peer, .on_stop = on_stop, .on_conf = on_conf};
	struct process p = {.role = r};
	struct err_why why = {""};

	store_crash_watch(role_conf(r));
	if (store_open(role_conf(r), &p.store, &why) != ERR_OK)
		role_refuse(r, "%s", why.text);
	role_confine(r);
	p.loop = loop_new();
	role_attach(r, p.loop, &events, &p);
	store_start(p.store, p.loop, on_end, &p);
	role_ready(r);
	if (!p.failed)
		loop_run(p.loop);
	store_close(p.store);
	/* libuv's handles of the role go with the process */
	return p.failed ? EX_IOERR : EX_OK;
}
