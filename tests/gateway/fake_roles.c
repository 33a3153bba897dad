/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Roles that do nothing but what every role does, for the test of the
 * supervisor: linked with gateway/main.c they make a gateway without mail. Each
 * says on standard error what it sees. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/role.h"
#include "keystore/store.h"

static int
blocking(struct role *r)
{
	struct role_peer peer;
	struct ipc_msg m;

	role_confine(r);
	role_ready(r);
	while (role_next(r, &peer, &m) == ERR_OK) {
		log_event(LOG_LVL_INFO, NULL, "heard",
		    KV_STR("peer", role_name(peer.id)),
		    KV_NUM("index", peer.index), KV_NUM("pid", m.id));
		ipc_msg_clear(&m);
	}
	log_event(LOG_LVL_INFO, NULL, "bye", KV_NUM("pid", getpid()));
	return 0;
}

/* Says its process number to whoever it is connected with. */
struct fake {
	struct role *r;
	struct loop *loop;
	struct ipc *peer[64];
	size_t n;
};

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	struct fake *f = arg;

	log_event(LOG_LVL_INFO, NULL, "peer", KV_STR("peer", role_name(id)),
	    KV_NUM("index", index));
	if (ipc_send(ch, 1000, (uint64_t)getpid(), SPAN(NULL, 0), NULL, 0) !=
	    ERR_OK)
		log_event(LOG_LVL_INFO, NULL, "mute", KV_NUM("index", index));
	if (f->n < 64)
		f->peer[f->n++] = ch;
	else
		ipc_free(ch);
}

static void
on_stop(void *arg)
{
	struct fake *f = arg;

	log_event(LOG_LVL_INFO, NULL, "bye", KV_NUM("pid", getpid()));
	loop_stop(f->loop);
}

static void
on_conf(void *arg)
{
	struct fake *f = arg;
	int fd = role_take_fd(f->r, ROLE_FD_TLS_CERT, 0);

	log_event(LOG_LVL_INFO, NULL, "conf",
	    KV_STR("hostname", role_conf(f->r)->hostname),
	    KV_NUM("certificate", fd != -1));
	if (fd != -1)
		close(fd);
}

static int
looping(struct role *r)
{
	static const struct role_events events = {
	    .on_peer = on_peer,
	    .on_stop = on_stop,
	    .on_conf = on_conf,
	};
	struct fake f = {.r = r, .loop = loop_new()};
	int fd = role_take_fd(r, ROLE_FD_LISTEN, 0);

	log_event(LOG_LVL_INFO, NULL, "start", KV_NUM("socket", fd != -1),
	    KV_NUM("uid", getuid()),
	    KV_NUM("environment", getenv("SEALGATE_CONF") != NULL));
	role_attach(r, f.loop, &events, &f);
	role_confine(r);
	role_ready(r);
	loop_run(f.loop);
	for (size_t i = 0; i < f.n; i++)
		ipc_free(f.peer[i]);
	if (fd != -1)
		close(fd);
	_exit(0); /* the loop ends with the process */
}

/* Keys is real and wants a keystore. */
int
store_main(struct role *r)
{
	struct err_why why = {""};
	struct ks_store *s;

	if (ks_open(role_conf(r)->paths.keystore, KS_WRITE | KS_GROUP, &s,
		&why) != ERR_OK)
		role_refuse(r, "%s", why.text);
	ks_close(s);
	return blocking(r);
}

int
pgp_main(struct role *r)
{
	return blocking(r);
}

int
worker_main(struct role *r)
{
	if (strcmp(role_conf(r)->hostname, "refuse.example.com") == 0)
		role_refuse(r, "the worker never runs");
	return blocking(r);
}

int
opener_main(struct role *r)
{
	return blocking(r);
}

int
admission_main(struct role *r)
{
	return blocking(r);
}

int
accounts_main(struct role *r)
{
	return blocking(r);
}

int
extract_main(struct role *r)
{
	return blocking(r);
}

int
issuer_main(struct role *r)
{
	return blocking(r);
}

int
discovery_main(struct role *r)
{
	return looping(r);
}

int
relay_main(struct role *r)
{
	return looping(r);
}

int
portal_main(struct role *r)
{
	return looping(r);
}

int
control_main(struct role *r)
{
	return looping(r);
}

int
listener_main(struct role *r)
{
	return looping(r);
}
