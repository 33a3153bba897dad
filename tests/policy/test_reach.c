/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The rule that covers another is found without comparing all: on random rules
 * it is the one that comparing all finds. SEED=n is another sequence.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/policy_private.h"

enum {
	CASES = 3000,
	RULES = 12,
	PATTERNS = 3,
	WORDS = 10,
	WHENS = 5,
	TAGS = 3
};

static const char *const word[WORDS] = {"@b.example", "@*.b.example",
    "@x.b.example", "@*.example", "a@b.example", "a@x.b.example", "<>",
    "!a@b.example", "!@x.b.example", "file:/group"};
static const struct policy_condition when[WHENS] = {
    {POLICY_CLIENT, "1.2.3.4", false}, {POLICY_CLIENT, "1.2.3.5", false},
    {POLICY_CLIENT, "1.2.3.4", true}, {POLICY_HEADER, "X-A: b", false},
    {POLICY_HEADER, "X-A: c", false}};
static const char *const tag[TAGS] = {"[a]", "[b]", "[c]"};

static uint64_t seed;

static uint64_t
rnd(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static size_t
some(const char *const *from, size_t n_from, size_t max, const char **out)
{
	size_t n = rnd(max + 1);

	for (size_t i = 0; i < n; i++)
		out[i] = from[rnd(n_from)];
	return n;
}

static void
add_random(struct policy *p, unsigned i)
{
	static const enum rung ladder[] = {RUNG_SMIME, RUNG_REJECT};
	const char *from[PATTERNS], *to[PATTERNS], *tags[TAGS];
	struct policy_condition c[2];
	char name[16];
	struct err_why why = {""};
	struct policy_spec s = {.name = name,
	    .line = i + 1,
	    .from = from,
	    .to = to,
	    .subject_tag = tags,
	    .when = c,
	    .ladder = ladder,
	    .n_ladder = 2,
	    .may_lower = true};

	snprintf(name, sizeof(name), "r%u", i);
	s.n_from = rnd(3) == 0 ? some(word, WORDS, PATTERNS, from) : 0;
	s.n_to = some(word, WORDS, PATTERNS, to);
	s.n_subject_tag = rnd(4) == 0 ? some(tag, TAGS, TAGS, tags) : 0;
	s.n_when = rnd(3) == 0 ? rnd(3) : 0;
	for (size_t k = 0; k < s.n_when; k++)
		c[k] = when[rnd(WHENS)];
	cr_assert_eq(policy_add_rule(p, &s, &why), ERR_OK, "%s", why.text);
}

static size_t
by_comparing_all(const struct policy *p, size_t rule)
{
	for (size_t i = 0; i < rule; i++)
		if (policy_rule_covers(&p->rules[i], &p->rules[rule]))
			return i;
	return SIZE_MAX;
}

Test(reach, what_is_found_is_what_comparing_all_finds)
{
	const char *given = getenv("SEED");
	unsigned covered = 0;

	seed = given != NULL ? strtoull(given, NULL, 10) : 20261122;
	fprintf(stderr, "SEED=%llu\n", (unsigned long long)seed);
	for (int n = 0; n < CASES; n++) {
		struct policy *p = policy_new();
		struct policy_reach *x;

		for (unsigned i = 0; i < RULES; i++)
			add_random(p, i);
		x = policy_reach_new(p);
		for (size_t i = 0; i < RULES; i++) {
			size_t want = by_comparing_all(p, i), got = SIZE_MAX;

			if (!policy_reach_find(x, i, &got))
				got = SIZE_MAX;
			cr_assert_eq(got, want,
			    "case %d, rule %zu: %zu, not %zu", n, i, got, want);
			covered += want != SIZE_MAX;
			cr_assert_eq(policy_reach_add(x, i), ERR_OK);
		}
		policy_reach_free(x);
		policy_free(p);
	}
	cr_assert_gt(covered, 100u, "the rules say nothing of the matter");
}
