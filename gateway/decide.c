/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Facts to policy, answers to keystore, states to the walk. No rule of its
 * own, except that what is not known for sure has failed.
 */
#include "gateway/decide_private.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/decide_tls.h"
#include "gateway/groups.h"
#include "gateway/message.h"
#include "gateway/proto.h"
#include "keystore/answers.h"

enum { REMOTE_MAX = 16 };

unsigned
decide_walk_flags(const struct decide_facts *f)
{
	bool automatic = f->from_key[0] == 0 ||
			 (f->message != NULL && f->message->automatic);

	return automatic ? POLICY_AUTO_MAIL : 0;
}

static struct policy_facts
facts_for(const struct decide_facts *f, const char *to_key)
{
	struct policy_facts p = {.from = span_str(f->from_key),
	    .to = span_str(to_key),
	    .released = f->released,
	    .truth = f->truth,
	    .in_group = f->groups == NULL ? NULL : groups_has,
	    .groups = f->groups};

	if (f->message != NULL) {
		p.has_tag = f->message->has_tag;
		p.ambiguous = f->message->ambiguous;
	}
	return p;
}

static enum rung_state
rung_of_key(enum ks_state s)
{
	switch (s) {
	case KS_FAILED:
		return RUNG_FAILED;
	case KS_LAPSED:
		return RUNG_LAPSED;
	case KS_ABSENT:
		return RUNG_ABSENT;
	case KS_HOLDS:
		return RUNG_HOLDS;
	}
	return RUNG_FAILED;
}

static bool
is_definite(const struct decide_facts *f, const char *to_key,
    const struct proto_answer *a)
{
	return a->status != PROTO_ANSWER_FAILED &&
	       (!a->domain_failed ||
		   ks_answer_domain_never_came(
		       f->keys, span_str(to_key), (enum ks_source)a->source));
}

/* What discovery said of the address for this message; what it did not say, or
   nobody asked, is what the keystore remembers, and else has failed. */
static size_t
remote_answers(const struct decide_facts *f, const char *to_key,
    const struct proto_answers *said, struct ks_remote *out)
{
	enum ks_source asked[REMOTE_MAX];
	size_t n = f->n_sources < REMOTE_MAX ? f->n_sources : REMOTE_MAX;

	for (size_t i = 0; i < n; i++)
		asked[i] = (enum ks_source)f->sources[i];
	/* on an error every answer is a failure, which is all it can be */
	(void)!ks_answers_at(
	    f->keys, span_str(to_key), f->now_s, asked, n, out);
	for (uint32_t i = 0; said != NULL && i < said->n; i++)
		for (size_t k = 0; k < n; k++)
			if (said->answer[i].source == (uint8_t)asked[k] &&
			    is_definite(f, to_key, &said->answer[i]))
				out[k].answer =
				    said->answer[i].status == PROTO_ANSWER_FOUND
					? KS_ANSWER_FOUND
					: KS_ANSWER_ABSENT;
	return n;
}

static enum rung_state
look_up(const struct decide_facts *f, const char *to_key, enum ks_kind kind,
    const struct proto_answers *answers, struct arena *arena,
    struct ks_result *out)
{
	struct ks_remote remote[REMOTE_MAX];
	enum rung_state state;
	size_t n;

	if (f->keys == NULL) {
		*out = (struct ks_result){.err = ERR_DB};
		return RUNG_FAILED;
	}
	n = remote_answers(f, to_key, answers, remote);
	ks_lookup(
	    f->keys, span_str(to_key), kind, f->now_s, remote, n, arena, out);
	state = rung_of_key(out->state);
	/* discovery died or was late: no key here proves nothing. With sources
	   each of them counts by what is known of it. */
	if (state == RUNG_ABSENT && answers != NULL && !answers->complete &&
	    n == 0)
		return RUNG_FAILED;
	return state;
}

bool
decide_has_rung(const struct policy_ladder *l, enum rung r)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->rung[i] == r)
			return true;
	return false;
}

void
decide_find_keys(const struct decide_facts *f,
    const struct proto_answers *answers, struct arena *arena,
    struct decision *d)
{
	if (decide_has_rung(&d->rules.ladder, RUNG_SMIME))
		d->state[RUNG_SMIME] =
		    look_up(f, d->to_key, KS_SMIME, answers, arena, &d->smime);
	if (decide_has_rung(&d->rules.ladder, RUNG_PGP))
		d->state[RUNG_PGP] =
		    look_up(f, d->to_key, KS_OPENPGP, answers, arena, &d->pgp);
}

/* Whether the recipient has an account must be known for sure, or another one
   would get what is sealed to less; until then the ladder is the one for whom
   has one, which is as strong. */
static void
find_account(const struct decide_facts *f, struct decision *d)
{
	enum err e = f->keys == NULL ? ERR_DB
				     : ks_account_get(f->keys,
					   span_str(d->to_key), &d->account);

	d->has_account = e == ERR_OK;
	if (e != ERR_NOT_FOUND)
		policy_decision_use_account(&d->rules);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		d->state[RUNG_ESCROW] = RUNG_FAILED;
}

/* What does not fit a mail is not there for certain: the ladder goes on. */
static void
find_pickup(const struct decide_facts *f, struct decision *d)
{
	d->state[RUNG_ESCROW] = f->have_portal ? RUNG_HOLDS : RUNG_FAILED;
	if (policy_pickup_is_attached(&d->rules.pickup)) {
		d->state[RUNG_ESCROW] = RUNG_HOLDS;
		if (f->message != NULL && f->message->raw.len > f->attach_max) {
			d->state[RUNG_ESCROW] = RUNG_ABSENT;
			d->escrow_why = "the message is too large to be "
					"attached to a mail";
		}
	} else if (d->rules.pickup.account &&
		   (decide_has_rung(&d->rules.ladder, RUNG_ESCROW) ||
		       decide_has_rung(
			   &d->rules.with_account.ladder, RUNG_ESCROW))) {
		find_account(f, d);
	}
}

enum err
decide_rcpt(const struct decide_facts *f, const char *to_key,
    const struct proto_answers *answers, struct arena *arena,
    struct decision *out)
{
	struct policy_facts facts = facts_for(f, to_key);
	struct decision d = {.to_key = to_key, .of = f, .facts = facts};

	d.err = policy_decide(f->policy, &facts, arena, &d.rules);
	if (d.err == ERR_NOMEM ||
	    policy_trace_all(f->policy, &facts, LIMIT_TRACE_RULES, arena,
		&d.trace, &d.n_trace, &d.n_lost) != ERR_OK)
		return ERR_NOMEM;
	if (d.err != ERR_OK) {
		*out = d;
		return ERR_OK;
	}
	find_pickup(f, &d);
	policy_decision_raise(&d.rules, f->min_strength);
	decide_find_keys(f, answers, arena, &d);
	decide_tls(f, &d, arena);
	decide_pass(f, &d, arena);
	decide_alone(f, &d);
	*out = d;
	return ERR_OK;
}

int
decide_ladder_floor(const struct policy_ladder *l)
{
	int floor = POLICY_STRENGTH_SEALED;

	for (size_t k = 0; k < l->n; k++) {
		int s = policy_strength(l->rung[k], l->escrow);

		if (policy_rung_sends(l->rung[k]) && s < floor)
			floor = s;
	}
	return floor;
}

int
decide_floor_released(
    const struct decide_facts *f, const char *to_key, struct arena *arena)
{
	struct policy_facts facts = facts_for(f, to_key);
	struct policy_decision d;

	facts.released = true;
	if (policy_decide(f->policy, &facts, arena, &d) != ERR_OK)
		return POLICY_STRENGTH_SEALED;
	return decide_ladder_floor(&d.ladder);
}

/* Is it the message that cannot be written so that only what may be shown is
   shown, and nothing else that may pass? To wait would be of no use. */
static bool
is_fault_of_message(const struct decision *d)
{
	bool is = false;

	for (size_t i = 0; i < d->rules.ladder.n; i++) {
		enum rung r = d->rules.ladder.rung[i];

		if (d->failure[r] == ERR_AMBIGUOUS)
			is = true;
		else if (r != RUNG_CLEAR && policy_rung_sends(r) &&
			 (d->state[r] == RUNG_FAILED ||
			     d->state[r] == RUNG_LAPSED))
			return false;
	}
	return is;
}

void
decide_alone(const struct decide_facts *f, struct decision *d)
{
	d->overruled = NULL;
	d->overruled_by = NULL;
	d->archive_why = NULL;
	d->archive_rule = NULL;
	d->names = (struct variant_names){0};
	if (d->err != ERR_OK)
		return;
	if (!decide_try_pass(d))
		policy_walk(
		    &d->rules, d->state, decide_walk_flags(f), &d->outcome);
	decide_tls_spent(f, d);
	/* clear holds always, but this one could not even be written */
	if (d->outcome.result == POLICY_CHOSEN &&
	    d->failure[d->outcome.rung] != ERR_OK) {
		d->outcome.result = POLICY_DEFER;
		d->outcome.rung = RUNG_HOLD;
	}
	if (d->outcome.result == POLICY_DEFER && is_fault_of_message(d)) {
		d->outcome.result = POLICY_CHOSEN;
		d->outcome.rung = RUNG_REJECT;
	}
	decide_signature(f, d);
}

void
decide_again(const struct decide_facts *f, struct decision *d, enum err failure)
{
	d->state[d->outcome.rung] = RUNG_FAILED;
	d->failure[d->outcome.rung] = failure;
	decide_alone(f, d);
}

enum decide_instead
decide_instead(const struct decide_facts *f, struct decision *d, enum rung rung)
{
	struct policy_outcome o;
	struct policy_decision only = d->rules;
	size_t n = 0;

	if (!decide_has_rung(&d->rules.ladder, rung) ||
	    d->failure[rung] != ERR_OK)
		return DECIDE_NEVER;
	/* rungs that hold give way to this one, those that failed do not */
	for (size_t i = 0; i < d->rules.ladder.n; i++) {
		enum rung r = d->rules.ladder.rung[i];

		if (r == rung || (r != RUNG_CLEAR && policy_rung_sends(r) &&
				     d->state[r] != RUNG_HOLDS))
			only.ladder.rung[n++] = r;
	}
	only.ladder.n = n;
	policy_walk(&only, d->state, decide_walk_flags(f), &o);
	if (o.result == POLICY_DEFER)
		return DECIDE_LATER;
	if (o.rung != rung)
		return DECIDE_NEVER;
	d->outcome.result = POLICY_CHOSEN;
	d->outcome.rung = rung;
	d->outcome.strength = o.strength;
	d->outcome.lapsed_escrow = o.lapsed_escrow;
	decide_signature(f, d);
	if (d->outcome.result == POLICY_DEFER)
		return DECIDE_LATER;
	return d->sign.refused ? DECIDE_NEVER : DECIDE_TAKEN;
}

enum err
decide_promise(const struct decide_facts *f, const char *to_key,
    struct arena *arena, struct err_why *why)
{
	struct policy_facts facts = facts_for(f, to_key);
	enum rung_state state[RUNG_COUNT] = {0};
	struct ks_result smime, pgp;
	const char *at = strrchr(to_key, '@'), *ignored;
	unsigned flags = decide_walk_flags(f) |
			 (!decide_is_unsignable(f)   ? 0
			     : f->signer.why == NULL ? POLICY_KEYLESS
						     : POLICY_UNSIGNABLE);

	state[RUNG_SMIME] = look_up(f, to_key, KS_SMIME, NULL, arena, &smime);
	state[RUNG_PGP] = look_up(f, to_key, KS_OPENPGP, NULL, arena, &pgp);
	state[RUNG_ESCROW] = f->have_portal ? RUNG_HOLDS : RUNG_FAILED;
	for (enum rung r = RUNG_TLS; r <= RUNG_TLS_ENCRYPT; r++)
		if (policy_has_rung(f->policy, r))
			state[r] = decide_tls_ask(f->tls, arena,
			    at == NULL ? "" : at + 1, r, (uint64_t)f->now_s,
			    &ignored);
	switch (policy_could_leave(f->policy, &facts, state, flags)) {
	case POLICY_RCPT_GO_ON:
		return ERR_OK;
	case POLICY_RCPT_REJECT:
		return err_why(why, ERR_POLICY_REJECT,
		    "the rules allow mail to this recipient only protected, "
		    "and there is no key: ask the recipient for a certificate "
		    "or an OpenPGP key");
	case POLICY_RCPT_UNSIGNED:
		return err_why(why, ERR_POLICY_REJECT,
		    "the rules ask for a signature, and it cannot be made: %s",
		    f->signer.why != NULL ? f->signer.why
					  : "there is no key for the sender");
	case POLICY_RCPT_NO_RULE:
		return err_why(why, ERR_NO_RULE,
		    "no rule of this gateway allows mail to this recipient");
	}
	return ERR_OK;
}

const struct ks_record *
decide_key(const struct decision *d, enum rung rung)
{
	if (decide_passes(d) && rung == d->pass.rung)
		return d->pass.key;
	if (rung == RUNG_SMIME)
		return d->smime.chosen;
	if (rung == RUNG_PGP)
		return d->pgp.chosen;
	return NULL;
}
