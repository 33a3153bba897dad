/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What keys must know: whose messages are at work. It lets private keys be used
 * for these senders only, and believes no worker. What it forgot by dying it is
 * told again.
 */
#include "common/ipc.h"
#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/listener/listener_private.h"

/* A message whose sender keys has not heard of is not signed: that is the
   worker's to say, the post is not tried again. */
static void
tell(struct listener *l, uint16_t type, struct listener_message *m)
{
	struct proto_register reg = {0};
	enum err e = ERR_OK;

	if (l->keys == NULL)
		return;
	buf_reset(&l->scratch);
	if (m != NULL && type == PROTO_REGISTER)
		e = proto_register_sender(m->m.envelope.from_key,
		    m->m.envelope.auth_from, m->arena, &reg);
	if (e == ERR_OK && type == PROTO_REGISTER)
		e = proto_register_pack(&reg, &l->scratch);
	if (e == ERR_OK)
		e = ipc_post(l->keys, type, m == NULL ? 0 : m->node.id,
		    buf_span(&l->scratch), NULL, 0);
	if (e != ERR_OK && e != ERR_CLOSED)
		log_event(LOG_LVL_ERR, m == NULL ? NULL : m->id, "register",
		    KV_ERR(e));
}

/* Nobody speaks for the null sender, and only who is listed for its own. */
static bool
may_be_signed(const struct listener *l, const struct listener_message *m)
{
	return !m->m.inbound && m->m.envelope.from_key != NULL &&
	       m->m.envelope.from_key[0] != '\0' &&
	       conf_may_sign(listener_conf(l), m->m.envelope.client,
		   m->m.envelope.auth_id);
}

void
listener_register(struct listener *l, struct listener_message *m)
{
	m->registered = may_be_signed(l, m);
	if (m->registered)
		tell(l, PROTO_REGISTER, m);
}

void
listener_unregister(struct listener *l, struct listener_message *m)
{
	if (m->registered)
		tell(l, PROTO_UNREGISTER, m);
	m->registered = false;
}

static void
on_msg(void *arg, struct ipc_msg *m)
{
	/* keys does not answer us */
	log_event(LOG_LVL_WARN, NULL, "keys-nonsense", KV_NUM("type", m->type));
}

static void
on_close(void *arg)
{
	listener_keys_clear(arg);
}

void
listener_keys_attach(struct listener *l, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};
	struct listener_message *m;

	listener_keys_clear(l);
	l->keys = ch;
	ipc_attach(ch, l->loop, &events, l);
	/* what another listener said before us, and what keys has forgotten */
	tell(l, PROTO_REGISTER, NULL);
	TAILQ_FOREACH(m, &l->all_jobs, link)
	{
		listener_register(l, m);
	}
}

void
listener_keys_clear(struct listener *l)
{
	ipc_free(l->keys);
	l->keys = NULL;
}
