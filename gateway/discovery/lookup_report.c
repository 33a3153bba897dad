/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is told of a look-up: to those who wait, and to store for the keystore.
 */
#include "common/clock.h"
#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "gateway/discovery/lookup_private.h"
#include "gateway/proto.h"

uint64_t
discovery_ttl_s(const struct discovery_lookups *l, enum ks_source source,
    enum proto_answer_status status)
{
	const struct conf_discovery *c = &l->env->conf->discovery;

	switch (status) {
	case PROTO_ANSWER_FOUND:
		return conf_found_s(l->env->conf, (unsigned)source);
	case PROTO_ANSWER_ABSENT:
		return c->absent_s;
	case PROTO_ANSWER_FAILED:
		break;
	}
	return c->failed_s;
}

/* What one source says of the address and of its domain as a whole. */
static struct discovery_answer
say(const struct discovery_wanted *e, size_t i)
{
	struct discovery_answer a = e->ask[i].a;
	enum proto_answer_status domain = e->domain_key.status[i];

	if (!e->domain_key.known && !e->domain_key.open)
		return a;
	if (e->domain_key.open)
		domain = PROTO_ANSWER_FAILED;
	else if (a.until_ms > e->domain_key.until_ms)
		a.until_ms = e->domain_key.until_ms;
	/* whether a failure proves no absence the keystore says, which knows
	   what became of the question before */
	a.domain_failed = domain == PROTO_ANSWER_FAILED;
	if (a.status == PROTO_ANSWER_ABSENT && domain == PROTO_ANSWER_FOUND)
		a.status = PROTO_ANSWER_FOUND;
	return a;
}

void
discovery_tell(struct discovery_waiter *w)
{
	struct discovery_wanted *e = w->entry;
	struct discovery_answer copy[DISCOVERY_SOURCES];
	struct discovery_report r = {
	    .key = e->key, .complete = e->n_open == 0, .answer = copy};

	for (size_t i = 0; i < e->n; i++)
		if (!e->ask[i].open)
			copy[r.n++] = say(e, i);
	w->cb(w->arg, &r);
}

static uint32_t
left_s(uint64_t until_ms, uint64_t now_ms)
{
	return until_ms > now_ms ? (uint32_t)((until_ms - now_ms + 999) / 1000)
				 : 0;
}

struct proto_answer
discovery_said(const struct discovery_answer *a)
{
	return (struct proto_answer){.source = (uint8_t)a->source,
	    .status = (uint8_t)a->status,
	    .reached = a->reached,
	    .domain_failed = a->domain_failed,
	    .ttl_s = left_s(a->until_ms, clock_steady_ms())};
}

void
discovery_note(struct discovery_wanted *e)
{
	struct discovery_lookups *l = e->l;
	struct proto_answer said[DISCOVERY_SOURCES];
	struct proto_answers m = {
	    .key = e->key, .complete = true, .answer = said};
	struct packer p;
	struct buf b;

	for (size_t i = 0; i < e->n; i++) {
		struct discovery_answer a = say(e, i);

		if (!e->ask[i].asked)
			continue;
		e->ask[i].asked = false;
		said[m.n++] = discovery_said(&a);
	}
	if (m.n == 0 || l->store == NULL)
		return;
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	proto_answers_pack(&p, &m);
	if (pack_end(&p) != ERR_OK || ipc_post(l->store, PROTO_ANSWER_NOTE, 0,
					  buf_span(&b), NULL, 0) != ERR_OK)
		log_event(
		    LOG_LVL_WARN, NULL, "note-lost", KV_STR("addr", e->key));
	buf_clear(&b);
}
