/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What discovery is asked about recipients, and store about the TLS of their
 * domains. Nobody waits for it beyond the budget, and nobody at all while they
 * are down: a missing answer counts as failed, which policy knows how to take.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/listener/jobs.h"
#include "gateway/listener/listener_private.h"
#include "gateway/listener/verify.h"
#include "gateway/proto_tls.h"

struct listener_lookup {
	struct listener_node node;
	TAILQ_ENTRY(listener_lookup) link; /* of its message */
	TAILQ_ENTRY(listener_lookup) all;
	struct listener_message *m;
	uint32_t rcpt;
	bool of_store; /* else discovery's to answer */
};

static void
forget(struct listener *l, struct listener_lookup *q)
{
	listener_table_remove(&l->lookups, &q->node);
	TAILQ_REMOVE(&q->m->lookups, q, link);
	TAILQ_REMOVE(&l->all_lookups, q, all);
	free(q);
}

static void
answered(struct listener *l, struct listener_lookup *q)
{
	struct listener_message *m = q->m;

	forget(l, q);
	if (TAILQ_EMPTY(&m->lookups) && m->state == LISTENER_JOB_LOOKUPS)
		listener_jobs_answered(l, m);
}

/* Nobody is there to answer. */
static void
drop_lookups(struct listener *l, bool of_store)
{
	struct listener_lookup *q, *next;

	for (q = TAILQ_FIRST(&l->all_lookups); q != NULL; q = next) {
		next = TAILQ_NEXT(q, all);
		if (q->of_store == of_store)
			answered(l, q);
	}
}

static enum err
take_answers(struct listener_message *m, uint32_t i, struct span payload)
{
	struct proto_answers got;
	struct unpacker u;

	unpack_begin(&u, payload);
	proto_answers_unpack(&u, m->arena, &got);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if (strcmp(got.key, m->m.answers[i].key) != 0)
		return ERR_IPC;
	m->m.answers[i] = got;
	return ERR_OK;
}

static void
on_msg(void *arg, struct ipc_msg *msg)
{
	struct listener *l = arg;
	struct listener_lookup *q;
	uint8_t verdict;
	enum err e;

	if (msg->type == PROTO_DIRECTORY_IS) {
		if (proto_verdict_unpack(msg->payload, &verdict) == ERR_OK)
			listener_verify_answer(
			    l, msg->id, (enum proto_verdict)verdict);
		return;
	}
	q = listener_table_find(&l->lookups, msg->id);
	if (msg->type != PROTO_ANSWERS || q == NULL || q->of_store)
		return; /* too late */
	e = take_answers(q->m, q->rcpt, msg->payload);
	if (e != ERR_OK)
		log_event(LOG_LVL_WARN, NULL, "lookup-answer", KV_ERR(e));
	answered(l, q);
}

static void
on_close(void *arg)
{
	struct listener *l = arg;

	ipc_free(l->discovery);
	l->discovery = NULL;
	drop_lookups(l, false);
	listener_verify_lost(l, LISTENER_WHOM_LDAP);
}

void
listener_discovery_attach(struct listener *l, struct ipc *ch)
{
	static const struct ipc_events events = {on_msg, on_close};

	if (l->discovery != NULL)
		on_close(l);
	l->discovery = ch;
	ipc_attach(ch, l->loop, &events, l);
}

void
listener_discovery_clear(struct listener *l)
{
	ipc_free(l->discovery);
	l->discovery = NULL;
}

static enum err
ask(struct listener *l, uint64_t id, const char *key)
{
	struct packer p;

	if (l->discovery == NULL)
		return ERR_CLOSED;
	buf_reset(&l->scratch);
	pack_begin(&p, &l->scratch);
	pack_u32(&p, (uint32_t)listener_conf(l)->discovery.timeout_ms);
	pack_str(&p, key);
	if (pack_end(&p) != ERR_OK)
		return p.err;
	return ipc_post(
	    l->discovery, PROTO_LOOKUP, id, buf_span(&l->scratch), NULL, 0);
}

/* Whether the rung tls holds for the domain. */
static enum err
ask_tls(struct listener *l, uint64_t id, const char *key)
{
	const char *at = strrchr(key, '@');
	enum err e;

	if (l->store == NULL || at == NULL || !conf_uses_tls(listener_conf(l)))
		return ERR_CLOSED;
	buf_reset(&l->scratch);
	e = proto_domain_pack(at + 1, &l->scratch);
	return e != ERR_OK ? e
			   : ipc_post(l->store, PROTO_TLS_ASK, id,
				 buf_span(&l->scratch), NULL, 0);
}

static void
wait_for(struct listener *l, struct listener_message *m, uint32_t i,
    bool of_store, uint64_t id)
{
	struct listener_lookup *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return;
	q->m = m;
	q->rcpt = i;
	q->of_store = of_store;
	listener_table_put(&l->lookups, &q->node, id);
	TAILQ_INSERT_TAIL(&m->lookups, q, link);
	TAILQ_INSERT_TAIL(&l->all_lookups, q, all);
	m->lookups_until_ms =
	    clock_steady_ms() + listener_conf(l)->discovery.timeout_ms;
}

void
listener_lookup_start(
    struct listener *l, struct listener_message *m, uint32_t i)
{
	const char *key = m->m.answers[i].key;
	uint64_t id = ++l->next_id;

	if (ask(l, id, key) == ERR_OK)
		wait_for(l, m, i, false, id);
	id = ++l->next_id;
	if (ask_tls(l, id, key) == ERR_OK)
		wait_for(l, m, i, true, id);
}

void
listener_lookup_known(struct listener *l, uint64_t id)
{
	struct listener_lookup *q = listener_table_find(&l->lookups, id);

	if (q != NULL && q->of_store)
		answered(l, q);
}

void
listener_lookups_store_gone(struct listener *l)
{
	drop_lookups(l, true);
}

void
listener_lookups_cancel(struct listener *l, struct listener_message *m)
{
	struct listener_lookup *q;

	while ((q = TAILQ_FIRST(&m->lookups)) != NULL)
		forget(l, q);
}
