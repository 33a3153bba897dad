/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The ladder: strength of its rungs, which ladder the matching rules give, how
 * it is walked. The promise kept here: no failure leads to a weaker rung, and
 * a rule that raises never lowers.
 */
#include "policy/policy_private.h"

#include <string.h>

#include "common/arena.h"

static const char *const rung_names[RUNG_COUNT] = {
    [RUNG_HOLD] = "hold",
    [RUNG_REJECT] = "reject",
    [RUNG_DROP] = "drop",
    [RUNG_SMIME] = "smime",
    [RUNG_PGP] = "pgp",
    [RUNG_ESCROW] = "escrow",
    [RUNG_TLS] = "tls",
    [RUNG_TLS_ENCRYPT] = "tls-encrypt",
    [RUNG_CLEAR] = "clear",
};

const char *
policy_rung_name(enum rung r)
{
	return (unsigned)r < RUNG_COUNT ? rung_names[r] : "?";
}

enum err
policy_rung_by_name(const char *name, enum rung *out)
{
	for (unsigned r = 0; r < RUNG_COUNT; r++)
		if (strcmp(rung_names[r], name) == 0) {
			*out = (enum rung)r;
			return ERR_OK;
		}
	return ERR_NOT_FOUND;
}

static int
escrow_strength(enum policy_escrow escrow)
{
	switch (escrow) {
	case POLICY_ESCROW_LINK:
		return POLICY_STRENGTH_LINK;
	case POLICY_ESCROW_NOTICE_TLS:
		return POLICY_STRENGTH_TLS;
	case POLICY_ESCROW_FACTOR:
		return POLICY_STRENGTH_FACTOR;
	}
	return POLICY_STRENGTH_LINK;
}

int
policy_strength(enum rung r, enum policy_escrow escrow)
{
	switch (r) {
	case RUNG_HOLD:
	case RUNG_REJECT:
	case RUNG_DROP:
		return POLICY_STRENGTH_SENDS_NOTHING;
	case RUNG_SMIME:
	case RUNG_PGP:
		return POLICY_STRENGTH_SEALED;
	case RUNG_ESCROW:
		return escrow_strength(escrow);
	case RUNG_TLS:
		return POLICY_STRENGTH_TLS;
	case RUNG_TLS_ENCRYPT:
		return POLICY_STRENGTH_TLS_ENCRYPT;
	case RUNG_CLEAR:
		return POLICY_STRENGTH_CLEAR;
	case RUNG_COUNT:
		break;
	}
	return POLICY_STRENGTH_NONE;
}

bool
policy_rung_sends(enum rung r)
{
	return r != RUNG_HOLD && r != RUNG_REJECT && r != RUNG_DROP;
}

/* The store for pick-up is our own: nothing a recipient has or lacks keeps
   escrow from holding. */
bool
policy_rung_ends(enum rung r)
{
	return !policy_rung_sends(r) || r == RUNG_CLEAR || r == RUNG_ESCROW;
}

int
policy_ladder_weakest(const struct policy_ladder *l)
{
	return policy_ladder_weakest_with(l, l->escrow);
}

int
policy_ladder_weakest_with(
    const struct policy_ladder *l, enum policy_escrow escrow)
{
	int weakest = POLICY_STRENGTH_SENDS_NOTHING;

	for (size_t i = 0; i < l->n; i++) {
		int s = policy_strength(l->rung[i], escrow);

		if (policy_rung_sends(l->rung[i]) && s < weakest)
			weakest = s;
	}
	return weakest;
}

bool
policy_has_rung(const struct policy *p, enum rung r)
{
	for (size_t i = 0; i < p->n_rules; i++)
		for (size_t k = 0; k < p->rules[i].ladder.n; k++)
			if (p->rules[i].ladder.rung[k] == r)
				return true;
	return p->auto_rung == r;
}

/* Take over a ladder without the rungs weaker than floor. */
static void
ladder_above(const struct policy_ladder *in, enum policy_escrow escrow,
    int floor, struct policy_ladder *out)
{
	struct policy_ladder l = {.escrow = escrow};

	for (size_t i = 0; i < in->n; i++)
		if (policy_strength(in->rung[i], escrow) >= floor)
			l.rung[l.n++] = in->rung[i];
	if (l.n == 0)
		l.rung[l.n++] = RUNG_HOLD;
	*out = l;
}

const char *
policy_tls_name(enum policy_tls t)
{
	switch (t) {
	case POLICY_TLS_OPPORTUNISTIC:
		return "opportunistic";
	case POLICY_TLS_ENCRYPT:
		return "encrypt";
	case POLICY_TLS_VERIFY:
		return "verify";
	case POLICY_TLS_STS:
		return "mta-sts";
	case POLICY_TLS_DANE:
		break;
	}
	return "dane";
}

static void
take_label(const char *label, struct policy_decision *d)
{
	for (size_t i = 0; i < d->n_labels; i++)
		if (strcmp(d->label[i], label) == 0)
			return;
	if (d->n_labels < POLICY_LABELS_MAX)
		d->label[d->n_labels++] = label;
}

/* What any rule that matches wants. */
static void
take_options(const struct policy_rule *r, struct policy_decision *d)
{
	if (r->together && !d->together)
		d->together_rule = r->name;
	d->together = d->together || r->together;
	if (r->form.sign > d->form.sign)
		d->sign_rule = r->name;
	policy_form_raise(&d->form, &r->form);
	policy_pickup_raise(&d->pickup, &r->pickup);
	d->extra.anonymise = d->extra.anonymise || r->extra.anonymise;
	d->extra.notify = d->extra.notify || r->extra.notify;
	if (r->extra.tls > d->extra.tls)
		d->extra.tls = r->extra.tls;
	if (r->archive > 0 && d->archive_rule[r->archive - 1] == NULL)
		d->archive_rule[r->archive - 1] = r->name;
	if (r->label != NULL)
		take_label(r->label, d);
	if (r->expires_s != 0 &&
	    (d->expires_s == 0 || r->expires_s < d->expires_s))
		d->expires_s = r->expires_s;
}

/* The rules that apply, in file order. */
struct applying {
	const struct policy_rule *decider;
	const struct policy_rule *unsure; /* the first that might decide */
	const struct policy_rule **raising;
	size_t n;
	size_t max;
};

static enum err
add_raising(
    struct applying *a, const struct policy_rule *r, struct arena *arena)
{
	const struct policy_rule **grown;

	if (a->n == a->max) {
		grown = arena_array(arena, 2 * a->max + 8, sizeof(grown[0]));
		if (grown == NULL)
			return ERR_NOMEM;
		if (a->n > 0)
			memcpy(grown, a->raising, a->n * sizeof(grown[0]));
		a->raising = grown;
		a->max = 2 * a->max + 8;
	}
	a->raising[a->n++] = r;
	return ERR_OK;
}

/* The rule that had it held: its ladder counts no more, what else it wants of
   the message does. */
static bool
is_passed_over(const struct policy_rule *r, const struct policy_facts *f)
{
	return f->released && r->ladder.n == 1 &&
	       r->ladder.rung[0] == RUNG_HOLD;
}

static enum err
find_applying(const struct policy *p, const struct policy_facts *f,
    struct arena *arena, struct applying *a)
{
	const struct gate_key key = policy_gate_key(f);
	const char *condition;

	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];
		enum policy_role role;
		bool raises, over;

		if (policy_gate_shut(&p->gates[i], &key))
			continue;
		raises = policy_rule_raises(r);
		over = is_passed_over(r, f);
		if (!raises && a->decider != NULL)
			continue;
		role = policy_rule_role(r, f, &condition);
		if (role == POLICY_DECIDES && !over)
			a->decider = r;
		if (role == POLICY_NO_MATCH ||
		    (role == POLICY_DECIDES && !over))
			continue;
		if (!raises && !over && a->unsure == NULL)
			a->unsure = r;
		if (add_raising(a, r, arena) != ERR_OK)
			return ERR_NOMEM;
	}
	return ERR_OK;
}

/* What the rule that decides leaves open counts as said by it. Where none does
   for sure, but one may, mail waits for a person. */
static const struct policy_ladder *
start_decision(const struct applying *a, struct policy_decision *d)
{
	static const struct policy_ladder held = {.rung = {RUNG_HOLD}, .n = 1};
	const struct policy_rule *r = a->decider;

	if (r != NULL)
		take_options(r, d);
	else
		r = a->unsure;
	d->decider = r->name;
	d->decider_line = r->line;
	d->from_rule = r->name;
	d->from_line = r->line;
	if (d->form.hp == POLICY_HP_UNSET)
		d->form.hp = POLICY_HP_BASELINE;
	if (d->form.cipher == POLICY_CIPHER_UNSET)
		d->form.cipher = POLICY_CIPHER_AES256_CBC;
	if (d->form.sealed == POLICY_SEALED_UNSET)
		d->form.sealed = POLICY_SEALED_LADDER;
	d->on_error_weaker = a->decider != NULL && r->on_error_weaker;
	return a->decider != NULL ? &r->ladder : &held;
}

/* Of what applies the strongest ladder, if escrow is that strong. Best is the
   decider's. */
static void
find_strongest(const struct applying *a, const struct policy_facts *f,
    const struct policy_ladder *best, enum policy_escrow escrow,
    struct policy_choice *out)
{
	int floor = policy_ladder_weakest_with(best, escrow);

	/* of two alike the decider's, then the earlier one's */
	for (size_t i = 0; i < a->n; i++) {
		const struct policy_rule *r = a->raising[i];
		int weakest = policy_ladder_weakest_with(&r->ladder, escrow);

		if (weakest > floor && !is_passed_over(r, f)) {
			floor = weakest;
			best = &r->ladder;
			out->from_rule = r->name;
			out->from_line = r->line;
		}
	}
	ladder_above(best, escrow, floor, &out->ladder);
}

/* Best is the decider's ladder. How strong escrow is depends on what all rules
   that match ask of it, so that comes first: each ladder is judged by what
   would come of it. With an account another may come of it. */
static void
choose_ladder(const struct applying *a, const struct policy_facts *f,
    const struct policy_ladder *best, struct policy_decision *d)
{
	struct policy_choice c = {
	    .from_rule = d->from_rule, .from_line = d->from_line};

	for (size_t i = 0; i < a->n; i++) {
		const struct policy_rule *r = a->raising[i];

		take_options(r, d);
		d->on_error_weaker = d->on_error_weaker && r->on_error_weaker;
		d->raising[d->n_raising++] = r->name;
	}
	d->with_account = c;
	find_strongest(a, f, best, POLICY_ESCROW_FACTOR, &d->with_account);
	find_strongest(a, f, best, policy_pickup_escrow(&d->pickup), &c);
	d->ladder = c.ladder;
	d->from_rule = c.from_rule;
	d->from_line = c.from_line;
}

enum err
policy_decide(const struct policy *p, const struct policy_facts *f,
    struct arena *arena, struct policy_decision *out)
{
	struct policy_decision d = {.auto_rung = p->auto_rung};
	struct applying a = {.decider = NULL};

	if (find_applying(p, f, arena, &a) != ERR_OK)
		return ERR_NOMEM;
	if (a.decider == NULL && a.unsure == NULL) {
		/* released, but no other rule says what is to be done */
		struct policy_facts held = *f;

		if (!f->released)
			return ERR_NO_RULE;
		held.released = false;
		return policy_decide(p, &held, arena, out);
	}
	d.raising = arena_array(arena, a.n + 1, sizeof(d.raising[0]));
	if (d.raising == NULL)
		return ERR_NOMEM;
	choose_ladder(&a, f, start_decision(&a, &d), &d);
	*out = d;
	return ERR_OK;
}

void
policy_decision_use_account(struct policy_decision *d)
{
	if (!d->pickup.account)
		return;
	d->pickup.factor = POLICY_FACTOR_ACCOUNT;
	d->ladder = d->with_account.ladder;
	d->from_rule = d->with_account.from_rule;
	d->from_line = d->with_account.from_line;
}

void
policy_decision_raise(struct policy_decision *d, int floor)
{
	struct policy_ladder l = d->ladder;

	ladder_above(&l, l.escrow, floor, &d->ladder);
}

const char *
rung_state_name(enum rung_state s)
{
	switch (s) {
	case RUNG_FAILED:
		return "failed";
	case RUNG_LAPSED:
		return "lapsed";
	case RUNG_ABSENT:
		return "absent";
	case RUNG_HOLDS:
		return "holds";
	case RUNG_SPENT:
		return "spent";
	}
	return "?";
}

const char *
policy_step_text(enum policy_step s)
{
	switch (s) {
	case POLICY_STEP_NOT_REACHED:
		return "not needed";
	case POLICY_STEP_FAILED:
		return "failed: only a rung as strong may follow";
	case POLICY_STEP_ABSENT:
		return "not available for this recipient";
	case POLICY_STEP_TOO_WEAK:
		return "weaker than a rung that failed";
	case POLICY_STEP_NOT_AFTER:
		return "never taken because another rung failed";
	case POLICY_STEP_NOT_AUTO:
		return "not for automatic mail";
	case POLICY_STEP_CHOSEN:
		return "chosen";
	}
	return "?";
}

/* What the walk has met so far. */
struct walk {
	bool failed;	  /* a rung, whatever on-error says */
	bool waits;	  /* one of them may hold later */
	int floor;	  /* strength of the strongest one that failed */
	int escrow_floor; /* the same without the lapsed: what escrow needs */
};

/* May the rung be looked at although another one has failed? Mail is neither
   bounced nor dropped for an outage: it waits. */
static enum policy_step
after_failure(const struct walk *w, const struct policy_decision *d,
    enum rung r, int strength)
{
	if (r == RUNG_CLEAR)
		return POLICY_STEP_NOT_AFTER;
	if (!policy_rung_sends(r))
		return w->waits ? POLICY_STEP_NOT_AFTER : POLICY_STEP_CHOSEN;
	if (d->on_error_weaker)
		return POLICY_STEP_CHOSEN;
	if (strength < (r == RUNG_ESCROW ? w->escrow_floor : w->floor))
		return POLICY_STEP_TOO_WEAK;
	return POLICY_STEP_CHOSEN;
}

static enum policy_step
fail(struct walk *w, int strength, enum rung_state state)
{
	bool lapsed = state == RUNG_LAPSED;

	w->failed = true;
	w->waits = w->waits || state != RUNG_SPENT;
	if (strength > w->floor)
		w->floor = strength;
	if (!lapsed && strength > w->escrow_floor)
		w->escrow_floor = strength;
	return POLICY_STEP_FAILED;
}

/* One rung; the step says what became of it. */
static enum policy_step
step(struct walk *w, const struct policy_decision *d, enum rung r,
    enum rung_state state)
{
	int strength = policy_strength(r, d->ladder.escrow);
	enum policy_step s = POLICY_STEP_CHOSEN;

	if (w->failed)
		s = after_failure(w, d, r, strength);
	if (s != POLICY_STEP_CHOSEN)
		return s;
	switch (state) {
	case RUNG_ABSENT:
		return POLICY_STEP_ABSENT;
	case RUNG_HOLDS:
		return POLICY_STEP_CHOSEN;
	case RUNG_FAILED:
	case RUNG_LAPSED:
	case RUNG_SPENT:
		break;
	}
	return fail(w, strength, state);
}

static enum rung_state
state_of(enum rung r, const enum rung_state *state)
{
	if (!policy_rung_sends(r) || r == RUNG_CLEAR)
		return RUNG_HOLDS;
	return (unsigned)r < RUNG_COUNT ? state[r] : RUNG_FAILED;
}

static void
choose(struct policy_outcome *o, enum rung r, const struct walk *w,
    const struct policy_decision *d)
{
	o->result = POLICY_CHOSEN;
	o->rung = r;
	o->strength = policy_strength(r, d->ladder.escrow);
	o->lapsed_escrow = r == RUNG_ESCROW && w->floor > w->escrow_floor;
}

static enum policy_step
note(struct policy_outcome *o, enum rung r, enum rung_state s,
    enum policy_step step)
{
	o->trace[o->n].rung = r;
	o->trace[o->n].state = s;
	o->trace[o->n].step = step;
	o->n++;
	return step;
}

void
policy_walk(const struct policy_decision *d, const enum rung_state *state,
    unsigned flags, struct policy_outcome *out)
{
	struct policy_outcome o = {.result = POLICY_DEFER, .rung = RUNG_HOLD};
	struct walk w = {0};

	for (size_t i = 0; i < d->ladder.n; i++) {
		enum rung r = d->ladder.rung[i];
		enum rung_state s = state_of(r, state);
		bool open = o.result == POLICY_DEFER;

		if (open && r == RUNG_ESCROW && (flags & POLICY_AUTO_MAIL)) {
			note(&o, r, s, POLICY_STEP_NOT_AUTO);
			r = d->auto_rung;
			s = RUNG_HOLDS;
		}
		if (!open)
			note(&o, r, s, POLICY_STEP_NOT_REACHED);
		else if (note(&o, r, s, step(&w, d, r, s)) ==
			 POLICY_STEP_CHOSEN)
			choose(&o, r, &w, d);
	}
	if (o.result == POLICY_DEFER && !w.failed) {
		note(&o, RUNG_HOLD, RUNG_HOLDS, POLICY_STEP_CHOSEN);
		choose(&o, RUNG_HOLD, &w, d);
	}
	if (o.result == POLICY_DEFER)
		o.strength = policy_ladder_weakest(&d->ladder);
	*out = o;
}

/* Does this rule end in a refusal for certain? */
static enum policy_rcpt
fate(const struct policy *p, const struct policy_rule *r,
    const enum rung_state *state, unsigned flags)
{
	struct policy_decision d = {
	    .ladder = r->ladder,
	    .auto_rung = p->auto_rung,
	    .on_error_weaker = r->on_error_weaker,
	};
	struct policy_outcome o;
	bool unsignable =
	    (flags & POLICY_UNSIGNABLE) != 0 ||
	    ((flags & POLICY_KEYLESS) != 0 && !r->form.auto_issue);

	policy_walk(&d, state, flags, &o);
	if (o.result != POLICY_CHOSEN)
		return POLICY_RCPT_GO_ON;
	if (o.rung == RUNG_REJECT)
		return POLICY_RCPT_REJECT;
	return policy_rung_sends(o.rung) && unsignable &&
		       r->form.sign == POLICY_SIGN_REQUIRED
		   ? POLICY_RCPT_UNSIGNED
		   : POLICY_RCPT_GO_ON;
}

/* A recipient refused by itself would let the others get what it does not: the
   message as a whole is to be refused. */
static bool
somebody_wants_together(
    const struct policy *p, const struct policy_facts *envelope)
{
	for (size_t i = 0; i < p->n_rules; i++)
		if (p->rules[i].together &&
		    policy_list_truth(&p->rules[i].from, envelope->from,
			envelope) != POLICY_NO)
			return true;
	return false;
}

/* What can come out is the ladder of one of the rules that may turn out to
   decide, or of one that raises above such a ladder, with escrow as strong as
   any rule may make it. */
enum policy_rcpt
policy_could_leave(const struct policy *p, const struct policy_facts *envelope,
    const enum rung_state *state, unsigned flags)
{
	int lowest = POLICY_STRENGTH_SENDS_NOTHING;
	bool certain = false;
	enum policy_rcpt refusal = POLICY_RCPT_NO_RULE, one;
	enum policy_truth truth;
	const char *condition;

	for (size_t i = 0; i < p->n_rules && !certain; i++) {
		const struct policy_rule *r = &p->rules[i];
		int weakest = policy_ladder_weakest(&r->ladder);

		if (policy_rule_raises(r))
			continue;
		truth = policy_rule_envelope(r, envelope, &condition);
		if (truth == POLICY_NO)
			continue;
		if (truth == POLICY_UNSURE)
			return POLICY_RCPT_GO_ON;
		one = fate(p, r, state, flags);
		if (one == POLICY_RCPT_GO_ON)
			return POLICY_RCPT_GO_ON;
		if (refusal == POLICY_RCPT_NO_RULE)
			refusal = one;
		certain = !r->on_message;
		if (weakest < lowest)
			lowest = weakest;
	}
	if (somebody_wants_together(p, envelope))
		return POLICY_RCPT_GO_ON;
	if (refusal == POLICY_RCPT_NO_RULE)
		return refusal;
	for (size_t i = 0; i < p->n_rules; i++) {
		const struct policy_rule *r = &p->rules[i];

		if (policy_rule_raises(r) &&
		    policy_rule_envelope(r, envelope, &condition) !=
			POLICY_NO &&
		    policy_ladder_weakest_with(&r->ladder, p->best_escrow) >
			lowest &&
		    fate(p, r, state, flags) == POLICY_RCPT_GO_ON)
			return POLICY_RCPT_GO_ON;
	}
	return refusal;
}
