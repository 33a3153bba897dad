/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What was promised and is not had is never a definite no: it may be an
 * attack, and a ladder must not go on because of it.
 */
#include "gateway/decide_tls.h"

#include <string.h>

#include "gateway/decide_private.h"

bool
decide_is_tls(enum rung r)
{
	return r == RUNG_TLS || r == RUNG_TLS_ENCRYPT;
}

enum rung_state
decide_tls_rung(
    const struct tls_state *t, enum rung r, uint64_t now_s, const char **why)
{
	uint8_t want =
	    r == RUNG_TLS ? ENTRY_TLS_AUTHENTICATED : ENTRY_TLS_ENCRYPT;

	*why = "nobody has looked at the mail servers of the domain yet";
	if (t == NULL || t->seen_s == 0) {
		if (t != NULL && t->failed_s != 0)
			*why = t->failed;
		return RUNG_FAILED;
	}
	*why = t->seen.why;
	if (t->seen.level >= want)
		return tls_state_is_within(t->seen_s, now_s, TLS_STATE_HOLDS_S)
			   ? RUNG_HOLDS
			   : RUNG_FAILED;
	if (t->seen.broken)
		return RUNG_FAILED;
	if (t->best >= want) {
		*why = "the domain had better TLS before, and has not now";
		return RUNG_FAILED;
	}
	if (!tls_state_is_within(t->seen_s, now_s, 2 * TLS_STATE_ABSENT_S)) {
		*why = "what is known of the domain's TLS is out of date";
		return RUNG_FAILED;
	}
	return RUNG_ABSENT;
}

enum rung_state
decide_tls_ask(struct db *db, struct arena *a, const char *domain, enum rung r,
    uint64_t now_s, const char **why)
{
	struct db_txn *txn = NULL;
	struct tls_state t;
	enum rung_state state = RUNG_FAILED;
	enum err e = db == NULL ? ERR_DB : db_read(db, &txn);

	if (e == ERR_OK)
		e = tls_state_get(txn, a, domain, &t);
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		state = decide_tls_rung(e == ERR_OK ? &t : NULL, r, now_s, why);
	else
		*why = "what is known of the domain's TLS cannot be read";
	db_end(txn);
	return state;
}

static const enum rung both[] = {RUNG_TLS, RUNG_TLS_ENCRYPT};

void
decide_tls(
    const struct decide_facts *f, struct decision *d, struct arena *arena)
{
	const char *at = strrchr(d->to_key, '@');

	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		enum rung r = both[i];

		if (!decide_has_rung(&d->rules.ladder, r))
			continue;
		d->state[r] =
		    decide_tls_ask(f->tls, arena, at == NULL ? "" : at + 1, r,
			(uint64_t)f->now_s, &d->tls_why[r == RUNG_TLS]);
		if (f->spent == r) {
			d->state[r] = RUNG_SPENT;
			d->tls_why[r == RUNG_TLS] =
			    "it was not to be had at delivery";
		}
	}
}

/* As the walk would go if everything that has failed held after all. */
static void
walk_hopefully(const struct decide_facts *f, const struct decision *d,
    enum rung spent, struct policy_outcome *out)
{
	enum rung_state state[RUNG_COUNT];

	for (unsigned r = 0; r < RUNG_COUNT; r++)
		state[r] =
		    d->state[r] == RUNG_FAILED || d->state[r] == RUNG_LAPSED
			? RUNG_HOLDS
			: d->state[r];
	state[spent] = RUNG_SPENT;
	policy_walk(&d->rules, state, decide_walk_flags(f), out);
}

enum entry_after
decide_tls_after(const struct decide_facts *f, const struct decision *d)
{
	struct policy_outcome o;

	walk_hopefully(f, d, d->outcome.rung, &o);
	if (o.result != POLICY_CHOSEN || o.rung == RUNG_REJECT)
		return ENTRY_AFTER_BOUNCE;
	return o.rung == RUNG_DROP ? ENTRY_AFTER_DROP : ENTRY_AFTER_AGAIN;
}

void
decide_tls_spent(const struct decide_facts *f, struct decision *d)
{
	struct policy_outcome *o = &d->outcome;

	if (!decide_is_tls(f->spent) ||
	    !decide_has_rung(&d->rules.ladder, f->spent) ||
	    (o->result == POLICY_CHOSEN &&
		(policy_rung_sends(o->rung) || o->rung == RUNG_HOLD)))
		return;
	o->result = POLICY_CHOSEN;
	o->rung = f->spent;
	o->strength = policy_strength(f->spent, d->rules.ladder.escrow);
	o->lapsed_escrow = false;
}
