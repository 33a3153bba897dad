/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Questions to the process accounts. One of it does them in turn and a hash
 * takes its time: few passwords wait there at once, and the rest is told to
 * come again.
 */
#include "common/arena.h"
#include "common/clock.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/secret.h"
#include "gateway/listener/auth.h"
#include "gateway/listener/session.h"
#include "gateway/listener/verify.h"

enum {
	WAITING_MAX = 32, /* passwords */
	ARENA_MAX = 128 * 1024,
};

enum err
listener_accounts_sign_in(
    struct listener_session *s, const char *user, const char *password)
{
	struct listener *l = s->l;
	struct proto_sign_in m = {s->section, user, password};
	enum err e;

	if (l->accounts == NULL || l->n_signing_in >= WAITING_MAX)
		return ERR_BUSY;
	buf_reset(&l->scratch);
	e = proto_sign_in_pack(&m, &l->scratch);
	if (e == ERR_OK)
		e = ipc_post(l->accounts, PROTO_SIGN_IN, l->next_id + 1,
		    buf_span(&l->scratch), NULL, 0);
	secret_wipe(l->scratch.data, l->scratch.len);
	buf_reset(&l->scratch);
	if (e != ERR_OK)
		return e;
	listener_table_put(&l->signing_in, &s->auth.node, ++l->next_id);
	s->auth.asked = true;
	l->n_signing_in++;
	return ERR_OK;
}

void
listener_accounts_cancel(struct listener_session *s)
{
	if (!s->auth.asked)
		return;
	listener_table_remove(&s->l->signing_in, &s->auth.node);
	s->auth.asked = false;
	s->l->n_signing_in--;
}

static struct listener_session *
session_of(struct listener *l, uint64_t id)
{
	struct listener_session *s;

	if (listener_table_find(&l->signing_in, id) == NULL)
		return NULL; /* nobody wants to know any more */
	TAILQ_FOREACH(s, &l->sessions, link)
	if (s->auth.asked && s->auth.node.id == id)
		return s;
	return NULL;
}

static void
take_signed_in(struct listener *l, struct ipc_msg *msg, struct arena *a)
{
	struct listener_session *s = session_of(l, msg->id);
	struct proto_signed_in got = {PROTO_UNKNOWN, "", ""};

	if (s == NULL)
		return;
	if (proto_signed_in_unpack(msg->payload, a, &got) != ERR_OK)
		log_event(LOG_LVL_WARN, NULL, "accounts-nonsense",
		    KV_NUM("type", msg->type));
	listener_accounts_cancel(s);
	listener_auth_answer(s, &got);
}

static void
on_msg(void *arg, struct ipc_msg *msg)
{
	struct listener *l = arg;
	struct arena *a = arena_new(ARENA_MAX);
	uint8_t verdict;

	if (a == NULL)
		fatal("out of memory");
	if (msg->type == PROTO_SIGNED_IN)
		take_signed_in(l, msg, a);
	else if (msg->type == PROTO_LISTED_IS &&
		 proto_verdict_unpack(msg->payload, &verdict) == ERR_OK)
		listener_verify_answer(l, msg->id, (enum proto_verdict)verdict);
	arena_free(a);
}

/* Who waits is told to come again. */
static void
on_close(void *arg)
{
	static const struct proto_signed_in unknown = {PROTO_UNKNOWN, "", ""};
	struct listener *l = arg;
	struct listener_session *s, *next;

	listener_accounts_clear(l);
	for (s = TAILQ_FIRST(&l->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (!s->auth.asked)
			continue;
		listener_accounts_cancel(s);
		listener_auth_answer(s, &unknown);
	}
	listener_verify_lost(l, LISTENER_WHOM_LIST);
}

void
listener_accounts_attach(struct listener *l, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};

	if (l->accounts != NULL)
		on_close(l);
	l->accounts = ch;
	ipc_attach(ch, l->loop, &events, l);
}

void
listener_accounts_clear(struct listener *l)
{
	ipc_free(l->accounts);
	l->accounts = NULL;
}
