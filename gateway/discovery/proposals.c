/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Octets that sources had go to admission, which says what became of them; that
 * settles the answer of the source. One that does not say anything in time has
 * failed.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "gateway/discovery/lookup_private.h"
#include "gateway/proto.h"

void
discovery_proposals_drop(struct discovery_ask *k)
{
	struct discovery_lookups *l = k->entry->l;
	struct discovery_proposal *p, *next;

	for (p = TAILQ_FIRST(&l->proposals); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->ask != k)
			continue;
		TAILQ_REMOVE(&l->proposals, p, link);
		free(p);
	}
	k->n_proposals = 0;
}

static void
conclude(struct discovery_ask *k)
{
	/* what the source did not say in full is no answer */
	k->a.status = k->source_failed || (k->failed && !k->kept)
			  ? PROTO_ANSWER_FAILED
		      : k->kept ? PROTO_ANSWER_FOUND
				: PROTO_ANSWER_ABSENT;
	discovery_ask_close(k);
}

static void
proposal_failed(struct discovery_proposal *p)
{
	struct discovery_ask *k = p->ask;

	TAILQ_REMOVE(&k->entry->l->proposals, p, link);
	free(p);
	k->failed = true;
	discovery_set_text(&k->a.why, "what was found could not be judged");
	if (--k->n_proposals == 0)
		conclude(k);
}

void
discovery_proposals_tick(void *arg)
{
	struct discovery_lookups *l = arg;
	uint64_t now = clock_steady_ms();
	struct discovery_proposal *p;

	while ((p = TAILQ_FIRST(&l->proposals)) != NULL && p->until_ms <= now)
		proposal_failed(p);
	if (p != NULL)
		loop_timer_start(l->tick, p->until_ms - now, 0);
}

/* One kind of what was found. */
static enum err
propose(struct discovery_ask *k, const struct discovery_outcome *o,
    bool openpgp, bool asserted)
{
	struct discovery_lookups *l = k->entry->l;
	struct span blob[DISCOVERY_FOUND_MAX];
	struct proto_propose m = {.source = (uint8_t)k->a.source,
	    .trust = o->plain ? KS_CANDIDATE : KS_DISCOVERED,
	    .asserted = asserted,
	    .openpgp = openpgp,
	    .key = k->entry->key,
	    .url = o->url,
	    .blob = blob};
	struct discovery_proposal *p;
	struct buf b;
	enum err e;

	for (size_t i = 0; i < o->n; i++)
		if (o->found[i].openpgp == openpgp &&
		    o->found[i].asserted == asserted)
			blob[m.n++] = o->found[i].octets;
	if (m.n == 0)
		return ERR_OK;
	if (l->admission == NULL)
		return ERR_CRASHED;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	*p = (struct discovery_proposal){.id = ++l->last_id,
	    .ask = k,
	    .until_ms = clock_steady_ms() + LIMIT_PROPOSED_MS};
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_propose_pack(&m, &b);
	if (e == ERR_OK)
		e = ipc_post(
		    l->admission, PROTO_PROPOSE, p->id, buf_span(&b), NULL, 0);
	buf_clear(&b);
	if (e != ERR_OK) {
		free(p);
		return e;
	}
	if (TAILQ_EMPTY(&l->proposals))
		loop_timer_start(l->tick, LIMIT_PROPOSED_MS, 0);
	TAILQ_INSERT_TAIL(&l->proposals, p, link);
	k->n_proposals++;
	return ERR_OK;
}

enum err
discovery_propose(struct discovery_ask *k, const struct discovery_outcome *o)
{
	enum err e = propose(k, o, true, false);

	if (e == ERR_OK)
		e = propose(k, o, false, true);
	if (e == ERR_OK)
		e = propose(k, o, false, false);
	if (e != ERR_OK)
		discovery_proposals_drop(k);
	return e;
}

/* --- what admission says --- */

static void
tell(struct discovery_answer *a, const struct proto_fate_of *f)
{
	struct discovery_told *t = &a->told[a->n_told];
	char hex[2 * KS_FPR_MAX + 1];

	if (a->n_told == DISCOVERY_TOLD || f->fpr.len > KS_FPR_MAX)
		return;
	text_hex(f->fpr, hex);
	*t = (struct discovery_told){.fate = (enum proto_fate)f->fate,
	    .fpr = strdup(hex),
	    .what = strdup(f->what),
	    .why = strdup(f->why)};
	if (t->fpr == NULL || t->what == NULL || t->why == NULL)
		fatal("out of memory");
	a->n_told++;
}

void
discovery_lookups_proposed(
    struct discovery_lookups *l, uint64_t id, struct span payload)
{
	struct proto_proposed m;
	struct discovery_proposal *p;
	struct discovery_ask *k;

	TAILQ_FOREACH(p, &l->proposals, link)
	if (p->id == id)
		break;
	if (p == NULL)
		return; /* too late */
	arena_reset(l->arena);
	if (proto_proposed_unpack(payload, l->arena, &m) != ERR_OK) {
		proposal_failed(p);
		return;
	}
	k = p->ask;
	TAILQ_REMOVE(&l->proposals, p, link);
	free(p);
	k->failed = k->failed || m.failed;
	if (m.why[0] != '\0')
		discovery_set_text(&k->a.why, m.why);
	for (uint32_t i = 0; i < m.n; i++) {
		uint8_t fate = m.key[i].fate;

		k->kept = k->kept || fate == PROTO_FATE_KEPT ||
			  fate == PROTO_FATE_WAITS;
		k->failed = k->failed || fate == PROTO_FATE_FAILED;
		if (fate == PROTO_FATE_KEPT && m.key[i].ends > 0 &&
		    (k->ends == 0 || m.key[i].ends < k->ends))
			k->ends = m.key[i].ends;
		if (fate != PROTO_FATE_KEPT && m.key[i].why[0] != '\0')
			discovery_set_text(&k->a.why, m.key[i].why);
		tell(&k->a, &m.key[i]);
	}
	if (--k->n_proposals == 0)
		conclude(k);
}

void
discovery_lookups_admission(struct discovery_lookups *l, struct ipc *admission)
{
	struct discovery_proposal *p;

	l->admission = admission;
	while ((p = TAILQ_FIRST(&l->proposals)) != NULL)
		proposal_failed(p);
}
