/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What must hold for every set of rules and every state of the world, on
 * thousands of random ones: no failure leads to a weaker rung, none to clear,
 * raising never lowers, order does not matter where it must not. An oracle that
 * follows the words of the design literally is compared with the real thing.
 * SEED=n is another sequence; tests/long/run takes many.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "policy/policy.h"
#include "tests/policy/rules.h"

enum { CASES = 20000, RULES = 7, TAGS = 3, LADDER = 5, CONDITIONS = 4 };

/* Two of the envelope, two of the message. */
static const struct policy_condition condition[CONDITIONS] = {
    {POLICY_CLIENT, "1.2.3.4", false}, {POLICY_TIME, "mon", false},
    {POLICY_HEADER, "X-A: b", false}, {POLICY_SIZE, "10", false}};

static const char *const tag_text[TAGS] = {"[a]", "[b]", "[c]"};
static const char *const to_text[] = {
    NULL, "@b.example", "a@b.example", "!a@b.example", "@c.example", "ldap:g"};
enum { TO_GROUP = 5, TO_TEXTS = 6 };
static const char *const addr_text[] = {
    "a@b.example", "x@b.example", "a@c.example"};

static uint64_t seed;

static uint64_t
rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static uint64_t
start(void)
{
	const char *s = getenv("SEED");
	uint64_t first = s != NULL ? strtoull(s, NULL, 10) : 20261122;

	seed = first;
	fprintf(stderr, "SEED=%llu\n", (unsigned long long)first);
	return first;
}

/* A rule as the test knows it. */
struct rule {
	char name[8];
	size_t to;
	unsigned tags; /* bits */
	enum { ANY = 0, MUST, MUST_NOT } when[CONDITIONS];
	enum rung rung[LADDER];
	size_t n;
	enum policy_escrow escrow;
	const char *archive;
	bool together, weaker, may_lower, notify;
	bool account; /* the second factor, for whom has one */
	enum policy_tls tls;
};

static const char *const archive_text[] = {
    NULL, NULL, "v@vault.example", "w@vault.example"};

struct world {
	struct rule rule[RULES + 1];
	size_t n;
	size_t to;
	unsigned tags; /* bits: in the subject */
	bool ambiguous;
	enum policy_truth truth[CONDITIONS];
	enum policy_truth group; /* is the recipient in it? */
	bool has_account;	 /* the recipient */
	enum rung_state state[RUNG_COUNT];
	unsigned flags;
};

static struct rule
random_rule(size_t i)
{
	struct rule r = {.to = rnd(TO_TEXTS),
	    .n = 1 + rnd(LADDER - 1),
	    .escrow = (enum policy_escrow)rnd(3),
	    .archive = archive_text[rnd(4)],
	    .notify = rnd(4) == 0,
	    .account = rnd(4) == 0,
	    .tls = (enum policy_tls)rnd(POLICY_TLS_DANE + 1),
	    .together = rnd(4) == 0,
	    .weaker = rnd(4) == 0,
	    .tags = rnd(2) ? (unsigned)rnd(1 << TAGS) : 0,
	    .may_lower = rnd(4) == 0};

	snprintf(r.name, sizeof(r.name), "r%zu", i);
	for (size_t k = 0; k < r.n; k++)
		r.rung[k] = (enum rung)rnd(RUNG_COUNT);
	for (size_t k = 0; k < CONDITIONS; k++)
		r.when[k] = rnd(8) == 0 ? MUST : rnd(12) == 0 ? MUST_NOT : ANY;
	return r;
}

static struct world
random_world(void)
{
	struct world w = {.n = 1 + rnd(RULES),
	    .to = rnd(3),
	    .tags = (unsigned)rnd(1 << TAGS),
	    .ambiguous = rnd(4) == 0,
	    .group = (enum policy_truth)rnd(3),
	    .has_account = rnd(2) == 0,
	    .flags = rnd(4) == 0 ? POLICY_AUTO_MAIL : 0};

	for (size_t i = 0; i < w.n; i++)
		w.rule[i] = random_rule(i);
	for (size_t i = 0; i < RUNG_COUNT; i++)
		w.state[i] = (enum rung_state)rnd(RUNG_SPENT + 1);
	for (size_t i = 0; i < CONDITIONS; i++)
		w.truth[i] = (enum policy_truth)rnd(3);
	return w;
}

static void
add(struct policy *p, const struct rule *r)
{
	const char *tags[TAGS];
	struct policy_condition when[CONDITIONS];
	struct policy_spec s = {.name = r->name,
	    .to = &to_text[r->to],
	    .n_to = to_text[r->to] != NULL,
	    .subject_tag = tags,
	    .when = when,
	    .ladder = r->rung,
	    .n_ladder = r->n,
	    .pickup = rules_pickup(r->escrow),
	    .archive = r->archive,
	    .extra = {.notify = r->notify, .tls = r->tls},
	    .together = r->together,
	    .on_error_weaker = r->weaker,
	    .may_lower = r->may_lower};

	s.pickup.account = r->account;
	for (size_t t = 0; t < TAGS; t++)
		if (r->tags & 1u << t)
			tags[s.n_subject_tag++] = tag_text[t];
	for (size_t k = CONDITIONS; k-- > 0;)
		if (r->when[k] != ANY) {
			when[s.n_when] = condition[k];
			when[s.n_when++].excludes = r->when[k] == MUST_NOT;
		}
	cr_assert_eq(policy_add_rule(p, &s, NULL), ERR_OK);
}

static struct policy *
build(const struct world *w)
{
	struct policy *p = policy_new();

	for (size_t i = 0; i < w->n; i++)
		add(p, &w->rule[i]);
	return p;
}

/* The truths in the order of the policy's conditions. */
static void
truths(const struct policy *p, const struct world *w, enum policy_truth *out)
{
	size_t n;
	const struct policy_condition *all = policy_conditions(p, &n);

	cr_assert_leq(n, CONDITIONS);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < CONDITIONS; k++)
			if (all[i].kind == condition[k].kind)
				out[i] = w->truth[k];
}

static enum policy_truth
in_group(const void *groups, size_t group, struct span addr)
{
	const struct world *w = groups;

	cr_assert_eq(group, 0);
	cr_assert(span_eq_str(addr, addr_text[w->to]));
	return w->group;
}

static enum err
decide(const struct policy *p, const struct world *w, struct arena *arena,
    struct policy_decision *out)
{
	bool has[TAGS] = {false};
	enum policy_truth truth[CONDITIONS];
	struct policy_facts f = {.from = SPAN_LIT("s@own.example"),
	    .to = span_str(addr_text[w->to]),
	    .has_tag = has,
	    .ambiguous = w->ambiguous,
	    .truth = truth,
	    .in_group = in_group,
	    .groups = w};
	size_t n;
	const char *const *all = policy_tags(p, &n);
	enum err e;

	truths(p, w, truth);
	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < TAGS; t++)
			if (strcmp(all[i], tag_text[t]) == 0)
				has[i] = (w->tags & 1u << t) != 0;
	e = policy_decide(p, &f, arena, out);
	if (e == ERR_OK && w->has_account)
		policy_decision_use_account(out);
	return e;
}

/* --- the oracle: DESIGN, word for word --- */

static bool
o_sends(enum rung r)
{
	return r == RUNG_SMIME || r == RUNG_PGP || r == RUNG_ESCROW ||
	       r == RUNG_TLS || r == RUNG_TLS_ENCRYPT || r == RUNG_CLEAR;
}

static int
o_strength(enum rung r, enum policy_escrow kind)
{
	if (r == RUNG_CLEAR)
		return 1;
	if (r == RUNG_ESCROW)
		return kind == POLICY_ESCROW_LINK	  ? 2
		       : kind == POLICY_ESCROW_NOTICE_TLS ? 4
							  : 5;
	if (r == RUNG_TLS_ENCRYPT)
		return 3;
	if (r == RUNG_TLS)
		return 4;
	return o_sends(r) ? 6 : 100;
}

static int
o_weakest(const enum rung *rung, size_t n, enum policy_escrow kind)
{
	int min = 100;

	for (size_t i = 0; i < n; i++)
		if (o_strength(rung[i], kind) < min)
			min = o_strength(rung[i], kind);
	return min;
}

static bool
o_to_matches(size_t to, size_t addr)
{
	static const bool table[5][3] = {{true, true, true},
	    {true, true, false}, {true, false, false}, {false, true, true},
	    {false, false, true}};

	return table[to][addr];
}

static bool
o_is_for_messages(const struct rule *r)
{
	return r->tags != 0 || r->when[2] != ANY || r->when[3] != ANY;
}

static bool
o_raises(const struct rule *r)
{
	return o_is_for_messages(r) && !r->may_lower;
}

static int
o_of(enum policy_truth t)
{
	return t == POLICY_YES ? 2 : t == POLICY_UNSURE ? 1 : 0;
}

/* 0 no, 1 perhaps, 2 yes: the least that is so of any condition. */
static int
o_matches(const struct rule *r, const struct world *w)
{
	int least = r->to == TO_GROUP		 ? o_of(w->group)
		    : o_to_matches(r->to, w->to) ? 2
						 : 0;

	for (size_t k = 0; k < CONDITIONS; k++) {
		bool blind = k >= 2 && w->ambiguous;
		int one = blind || w->truth[k] == POLICY_UNSURE ? 1
			  : (w->truth[k] == POLICY_YES) == (r->when[k] == MUST)
			      ? 2
			      : 0;

		if (r->when[k] != ANY && one < least)
			least = one;
	}
	if (r->tags != 0 && w->ambiguous && least > 1)
		least = 1;
	if (r->tags != 0 && !w->ambiguous && (r->tags & w->tags) == 0)
		least = 0;
	return least;
}

/* Whose ladder it is: a rule's, or none's, because only rules that may decide
   are there, which is `held`. How strong escrow is comes from all of them
   together, and from the recipient's account where one of them asks for it. */
static const struct rule *
o_decide(const struct world *w, bool *weaker, bool *together,
    enum policy_escrow *escrow)
{
	static struct rule held = {.rung = {RUNG_HOLD}, .n = 1};
	const struct rule *list[RULES + 2], *best = NULL, *decider = NULL;
	const struct rule *perhaps = NULL;
	bool account;
	size_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		const struct rule *r = &w->rule[i];
		int m = o_matches(r, w);

		if (o_raises(r) && m > 0)
			list[n++] = r;
		if (o_raises(r) || decider != NULL)
			continue;
		if (m == 2)
			decider = r;
		if (m == 1 && !r->may_lower) {
			perhaps = perhaps == NULL ? r : perhaps;
			list[n++] = r;
		}
	}
	if (decider == NULL && perhaps == NULL)
		return NULL;
	if (decider == NULL)
		snprintf(held.name, sizeof(held.name), "%s", perhaps->name);
	best = decider != NULL ? decider : &held;
	account = best->account;
	*weaker = best->weaker;
	*together = best->together;
	*escrow = best->escrow;
	for (size_t i = 0; i < n; i++)
		if (list[i]->escrow > *escrow)
			*escrow = list[i]->escrow;
	for (size_t i = 0; i < n; i++)
		account = account || list[i]->account;
	if (account && w->has_account)
		*escrow = POLICY_ESCROW_FACTOR;
	for (size_t i = 0; i < n; i++) {
		*weaker = *weaker && list[i]->weaker;
		*together = *together || list[i]->together;
		if (o_weakest(list[i]->rung, list[i]->n, *escrow) >
		    o_weakest(best->rung, best->n, *escrow))
			best = list[i];
	}
	return best;
}

/* Whether rung i of the ladder is looked at, and what it then is. */
static bool
o_looked_at(const struct policy_decision *d, const struct world *w, size_t i)
{
	const struct policy_ladder *l = &d->ladder;
	enum rung r = l->rung[i];

	for (size_t j = 0; j < i; j++) {
		enum rung b = l->rung[j];

		if (!o_sends(b) || b == RUNG_CLEAR || !o_looked_at(d, w, j) ||
		    (w->state[b] != RUNG_FAILED && w->state[b] != RUNG_LAPSED &&
			w->state[b] != RUNG_SPENT))
			continue;
		if (!o_sends(r) && w->state[b] == RUNG_SPENT)
			continue;
		if (r == RUNG_CLEAR || !o_sends(r))
			return false;
		if (d->on_error_weaker ||
		    (r == RUNG_ESCROW && w->state[b] == RUNG_LAPSED))
			continue;
		if (o_strength(r, l->escrow) < o_strength(b, l->escrow))
			return false;
	}
	return true;
}

static bool
o_holds(const struct world *w, enum rung r)
{
	return !o_sends(r) || r == RUNG_CLEAR || w->state[r] == RUNG_HOLDS;
}

/* The rung, or -1: defer. Without automatic mail. */
static int
o_walk(const struct policy_decision *d, const struct world *w)
{
	bool failed = false;

	for (size_t i = 0; i < d->ladder.n; i++) {
		enum rung r = d->ladder.rung[i];

		if (!o_looked_at(d, w, i))
			continue;
		if (o_holds(w, r))
			return (int)r;
		failed = failed || w->state[r] == RUNG_FAILED ||
			 w->state[r] == RUNG_LAPSED ||
			 w->state[r] == RUNG_SPENT;
	}
	return failed ? -1 : (int)RUNG_HOLD;
}

/* --- properties --- */

Test(properties, decisions_are_the_oracles)
{
	uint64_t first = start();
	struct arena *arena = arena_new(1 << 20);
	size_t decided = 0;

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world();
		struct policy *p = build(&w);
		struct policy_decision d;
		bool weaker = false, together = false;
		enum policy_escrow escrow = POLICY_ESCROW_LINK;
		const struct rule *want =
		    o_decide(&w, &weaker, &together, &escrow);
		enum err e = decide(p, &w, arena, &d);

		cr_assert_eq(e, want == NULL ? ERR_NO_RULE : ERR_OK,
		    "SEED=%llu case %zu", (unsigned long long)first, c);
		if (want != NULL) {
			decided++;
			cr_assert_str_eq(d.from_rule, want->name,
			    "SEED=%llu case %zu", (unsigned long long)first, c);
			cr_assert_eq(d.ladder.n, want->n);
			cr_assert_eq(memcmp(d.ladder.rung, want->rung,
					 want->n * sizeof(want->rung[0])),
			    0);
			cr_assert_eq(d.on_error_weaker, weaker);
			cr_assert_eq(d.together, together);
			cr_assert_eq(d.ladder.escrow, escrow);
			cr_assert_eq(policy_pickup_escrow(&d.pickup), escrow);
		}
		policy_free(p);
		arena_reset(arena);
	}
	cr_expect_gt(decided, CASES / 4);
	arena_free(arena);
}

static struct policy_decision
random_decision(void)
{
	struct rule r = random_rule(0);
	struct policy_decision d = {
	    .auto_rung = (enum rung)rnd(3), .on_error_weaker = r.weaker};

	memcpy(d.ladder.rung, r.rung, sizeof(r.rung));
	d.ladder.n = r.n;
	d.ladder.escrow = r.escrow;
	return d;
}

Test(properties, walks_are_the_oracles)
{
	uint64_t first = start();

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world();
		struct policy_decision d = random_decision();
		struct policy_outcome o;
		int want = o_walk(&d, &w);

		policy_walk(&d, w.state, 0, &o);
		cr_assert_eq(o.result == POLICY_CHOSEN ? (int)o.rung : -1, want,
		    "SEED=%llu case %zu: %s instead of %d",
		    (unsigned long long)first, c, policy_rung_name(o.rung),
		    want);
	}
}

Test(properties, no_failure_leads_to_a_weaker_rung_and_none_to_clear)
{
	uint64_t first = start();
	size_t after_failure = 0;

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world();
		struct policy_decision d = random_decision();
		struct policy_outcome o;

		policy_walk(&d, w.state, w.flags, &o);
		if (o.result != POLICY_CHOSEN)
			continue;
		for (size_t i = 0; i < o.n; i++) {
			bool lapsed = o.trace[i].state == RUNG_LAPSED;

			if (o.trace[i].step == POLICY_STEP_CHOSEN)
				break;
			if (o.trace[i].step != POLICY_STEP_FAILED)
				continue;
			after_failure++;
			cr_assert((o_sends(o.rung) && o.rung != RUNG_CLEAR) ||
				      (!o_sends(o.rung) &&
					  o.trace[i].state == RUNG_SPENT),
			    "SEED=%llu case %zu", (unsigned long long)first, c);
			cr_assert(d.on_error_weaker ||
				      (lapsed && o.rung == RUNG_ESCROW) ||
				      o_strength(o.rung, d.ladder.escrow) >=
					  o_strength(
					      o.trace[i].rung, d.ladder.escrow),
			    "SEED=%llu case %zu", (unsigned long long)first, c);
		}
	}
	cr_expect_gt(after_failure, 100, "%zu", after_failure);
}

/* Turning any answer into a failure never makes what leaves weaker, unless an
   answer that was not needed is meant. */
Test(properties, breaking_something_never_weakens_what_leaves)
{
	uint64_t first = start();

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world(), broken = w;
		struct policy_decision d = random_decision();
		struct policy_outcome before, after;
		enum rung r = (enum rung)rnd(RUNG_COUNT);

		d.on_error_weaker = false;
		broken.state[r] = RUNG_FAILED;
		policy_walk(&d, w.state, w.flags, &before);
		policy_walk(&d, broken.state, w.flags, &after);
		if (after.result != POLICY_CHOSEN || !o_sends(after.rung) ||
		    before.result != POLICY_CHOSEN || !o_sends(before.rung))
			continue;
		/* An absent rung that now fails can only keep weaker ones
		   away; a lapsed one no longer lets escrow stand in. */
		cr_assert(w.state[r] == RUNG_HOLDS ||
			      before.rung == after.rung ||
			      after.strength >= before.strength,
		    "SEED=%llu case %zu", (unsigned long long)first, c);
		cr_assert(w.state[r] != RUNG_HOLDS || before.rung != r ||
			      after.strength >= before.strength,
		    "SEED=%llu case %zu", (unsigned long long)first, c);
	}
}

/* Which archives get a copy: bits, by their first letter. */
static unsigned
archives_of(const struct policy *p, const struct policy_decision *d)
{
	size_t n;
	const struct policy_archive *a = policy_archives(p, &n);
	unsigned bits = 0;

	for (size_t i = 0; i < n; i++)
		if (d->archive_rule[i] != NULL)
			bits |= 1u << (a[i].key[0] - 'v');
	return bits;
}

Test(properties, raising_never_lowers)
{
	uint64_t first = start();
	struct arena *arena = arena_new(1 << 20);
	size_t compared = 0;

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world();
		struct policy *p = build(&w);
		struct policy_decision before, after;
		struct rule extra = random_rule(99);
		enum err e = decide(p, &w, arena, &before);
		unsigned kept = e == ERR_OK ? archives_of(p, &before) : 0;

		policy_free(p);
		extra.to = 0;
		extra.may_lower = false;
		extra.tags = w.tags;
		memset(extra.when, 0, sizeof(extra.when));
		if (e != ERR_OK || w.tags == 0)
			continue;
		/* Wherever it stands. */
		size_t at = rnd(w.n + 1);
		memmove(&w.rule[at + 1], &w.rule[at],
		    (w.n - at) * sizeof(w.rule[0]));
		w.rule[at] = extra;
		w.n++;
		p = build(&w);
		cr_assert_eq(decide(p, &w, arena, &after), ERR_OK);
		cr_assert_geq(o_weakest(after.ladder.rung, after.ladder.n,
				  after.ladder.escrow),
		    o_weakest(before.ladder.rung, before.ladder.n,
			before.ladder.escrow),
		    "SEED=%llu case %zu", (unsigned long long)first, c);
		cr_assert(!after.on_error_weaker || before.on_error_weaker);
		cr_assert_geq(after.pickup.factor, before.pickup.factor);
		cr_assert(after.pickup.account || !before.pickup.account);
		cr_assert(after.pickup.notice_tls || !before.pickup.notice_tls);
		cr_assert(after.extra.notify || !before.extra.notify);
		cr_assert_geq(after.extra.tls, before.extra.tls);
		cr_assert_eq(kept & ~archives_of(p, &after), 0,
		    "SEED=%llu case %zu", (unsigned long long)first, c);
		compared++;
		policy_free(p);
		arena_reset(arena);
	}
	cr_expect_gt(compared, CASES / 8);
	arena_free(arena);
}

Test(properties, the_order_of_raising_rules_does_not_matter_for_strength)
{
	uint64_t first = start();
	struct arena *arena = arena_new(1 << 20);

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world(), other = w;
		size_t k = 0;
		struct policy *p = build(&w), *q;
		struct policy_decision a, b;
		enum err ea, eb;

		/* First all that raise, backwards, then the deciders. */
		for (size_t i = w.n; i > 0; i--)
			if (o_raises(&w.rule[i - 1]))
				other.rule[k++] = w.rule[i - 1];
		for (size_t i = 0; i < w.n; i++)
			if (!o_raises(&w.rule[i]))
				other.rule[k++] = w.rule[i];
		q = build(&other);
		ea = decide(p, &w, arena, &a);
		eb = decide(q, &other, arena, &b);
		cr_assert_eq(ea, eb);
		if (ea == ERR_OK) {
			cr_assert_str_eq(a.decider, b.decider);
			cr_assert_eq(a.n_raising, b.n_raising);
			cr_assert_eq(o_weakest(a.ladder.rung, a.ladder.n,
					 a.ladder.escrow),
			    o_weakest(
				b.ladder.rung, b.ladder.n, b.ladder.escrow),
			    "SEED=%llu case %zu", (unsigned long long)first, c);
		}
		policy_free(p);
		policy_free(q);
		arena_reset(arena);
	}
	arena_free(arena);
}

/* What is refused at RCPT would have been refused whatever the message says. */
Test(properties, a_refusal_at_rcpt_is_never_premature)
{
	uint64_t first = start();
	struct arena *arena = arena_new(1 << 20);
	size_t refused = 0;

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world();
		struct policy *p = build(&w);
		enum policy_truth truth[CONDITIONS];
		struct policy_facts f = {.from = SPAN_LIT("s@own.example"),
		    .to = span_str(addr_text[w.to]),
		    .truth = truth,
		    .in_group = in_group,
		    .groups = &w};
		enum policy_rcpt r;

		truths(p, &w, truth);
		r = policy_could_leave(p, &f, w.state, w.flags);
		for (unsigned m = 0;
		     r != POLICY_RCPT_GO_ON && m < 9 * (2u << TAGS); m++) {
			struct world v = w;
			struct policy_decision d;
			struct policy_outcome o;
			enum err e;

			v.tags = m & ((1u << TAGS) - 1);
			v.ambiguous = (m >> TAGS & 1) != 0;
			v.truth[2] = (enum policy_truth)(m / (2u << TAGS) % 3);
			v.truth[3] = (enum policy_truth)(m / (2u << TAGS) / 3);
			e = decide(p, &v, arena, &d);
			if (e == ERR_NO_RULE)
				continue;
			cr_assert_eq(r, POLICY_RCPT_REJECT);
			policy_walk(&d, w.state, w.flags, &o);
			cr_assert(
			    o.result == POLICY_CHOSEN && o.rung == RUNG_REJECT,
			    "SEED=%llu case %zu", (unsigned long long)first, c);
			refused++;
		}
		policy_free(p);
		arena_reset(arena);
	}
	cr_expect_gt(refused, 100, "%zu", refused);
	arena_free(arena);
}

/* What leaves readable does so by the word of a rule that was sure to match and
   has that rung: no doubt, no other rule, no failure makes it so. */
Test(properties, nothing_is_clear_unless_a_rule_that_matches_says_so)
{
	uint64_t first = start();
	struct arena *arena = arena_new(1 << 20);
	size_t readable = 0;

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world();
		struct policy *p = build(&w);
		struct policy_decision d;
		struct policy_outcome o;
		bool says = false, forbids = false;

		if (decide(p, &w, arena, &d) != ERR_OK)
			goto next;
		policy_walk(&d, w.state, w.flags, &o);
		if (o.result != POLICY_CHOSEN || o.rung != RUNG_CLEAR)
			goto next;
		readable++;
		for (size_t i = 0; i < w.n; i++) {
			const struct rule *r = &w.rule[i];
			bool has = o_weakest(r->rung, r->n, r->escrow) == 1;
			int m = o_matches(r, &w);

			says = says || (has && m == 2 && !o_raises(r));
			forbids = forbids || (!has && m > 0 && o_raises(r));
		}
		cr_assert(says && !forbids, "SEED=%llu case %zu",
		    (unsigned long long)first, c);
	next:
		policy_free(p);
		arena_reset(arena);
	}
	cr_expect_gt(readable, CASES / 200, "%zu", readable);
	arena_free(arena);
}

/* The proof of `check` against what decisions do: by a rung that it does not
   list for the rule whose ladder it is nothing leaves. */
Test(properties, an_exposure_that_is_not_listed_does_not_happen)
{
	uint64_t first = start();
	struct arena *arena = arena_new(1 << 20);
	size_t exposed = 0;

	for (size_t c = 0; c < CASES; c++) {
		struct world w = random_world();
		struct policy *p = build(&w);
		struct policy_decision d;
		struct policy_outcome o;
		struct policy_path *path;
		size_t n, found = 0;

		if (decide(p, &w, arena, &d) != ERR_OK)
			goto next;
		policy_walk(&d, w.state, w.flags, &o);
		if (o.result != POLICY_CHOSEN || !o_sends(o.rung) ||
		    o_strength(o.rung, d.ladder.escrow) > 3)
			goto next;
		exposed++;
		cr_assert_eq(policy_paths(p, arena, &path, &n), ERR_OK);
		for (size_t i = 0; i < n; i++)
			found += path[i].rung == o.rung &&
				 strcmp(path[i].rule, d.from_rule) == 0;
		cr_assert_gt(found, 0, "SEED=%llu case %zu: %s of %s",
		    (unsigned long long)first, c, policy_rung_name(o.rung),
		    d.from_rule);
	next:
		policy_free(p);
		arena_reset(arena);
	}
	cr_expect_gt(exposed, CASES / 100, "%zu", exposed);
	arena_free(arena);
}

/* The trace of all rules says of each what is said of it alone, leaves out what
   stands behind the decider and did nothing, and if there is no room the oldest
   that did nothing. */
Test(properties, the_trace_of_all_is_that_of_each)
{
	uint64_t first = start();
	struct arena *arena = arena_new(1 << 20);

	for (size_t c = 0; c < CASES / 10; c++) {
		struct world w = random_world();
		struct policy *p = build(&w);
		enum policy_truth truth[CONDITIONS];
		struct policy_facts f = {.from = SPAN_LIT("s@own.example"),
		    .to = span_str(addr_text[w.to]),
		    .ambiguous = w.ambiguous,
		    .truth = truth};
		struct policy_trace *all, *some;
		size_t n, n_some, lost, k = 0, applied = 0, kept = 0;
		bool decided = false;

		truths(p, &w, truth);
		cr_assert_eq(
		    policy_trace_all(p, &f, 99, arena, &all, &n, &lost),
		    ERR_OK);
		cr_assert_eq(lost, 0);
		for (size_t i = 0; i < w.n; i++) {
			struct policy_trace one = {.name = ""};

			policy_explain(p, i, &f, &one);
			applied += one.role == POLICY_DECIDES ||
				   one.role == POLICY_RAISES;
			if (decided && one.role != POLICY_RAISES)
				continue;
			decided = decided || one.role == POLICY_DECIDES;
			cr_assert_lt(k, n, "SEED=%llu case %zu",
			    (unsigned long long)first, c);
			cr_assert_str_eq(all[k].name, one.name);
			cr_assert_eq(all[k].role, one.role);
			cr_assert_str_eq(all[k].why, one.why);
			k++;
		}
		cr_assert_eq(k, n);
		cr_assert_eq(
		    policy_trace_all(p, &f, 2, arena, &some, &n_some, &lost),
		    ERR_OK);
		cr_assert_eq(n_some + lost, n);
		for (size_t i = 0; i < n_some; i++)
			kept += some[i].role == POLICY_DECIDES ||
				some[i].role == POLICY_RAISES;
		cr_assert_eq(kept, applied < 2 ? applied : 2,
		    "SEED=%llu case %zu", (unsigned long long)first, c);
		policy_free(p);
		arena_reset(arena);
	}
	arena_free(arena);
}
