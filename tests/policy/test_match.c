/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "policy/policy_private.h"

#include <criterion/criterion.h>

#include "common/arena.h"
#include "tests/policy/rules.h"

static const struct policy_facts none;

static struct policy_rule *
rule_of(struct policy *p, const char *to)
{
	struct rule_text t = {.name = "r", .to = to, .ladder = "hold"};
	struct err_why why = {""};

	cr_assert_eq(rules_add(p, &t, &why), ERR_OK, "%s: %s", to, why.text);
	return &p->rules[p->n_rules - 1];
}

Test(match, patterns_name_what_they_say)
{
	static const struct {
		const char *list;
		const char *addr;
		bool want;
	} rows[] = {
	    {"", "a@b.example", true},
	    {"", "", true},
	    {"a@b.example", "a@b.example", true},
	    {"A@B.Example", "a@b.example", true},
	    {"a@b.example", "b@b.example", false},
	    {"a@b.example", "a@c.example", false},
	    {"@b.example", "a@b.example", true},
	    {"@b.example", "a@x.b.example", false},
	    {"@b.example", "a@xb.example", false},
	    {"@b.example", "b.example", false},
	    {"@*.b.example", "a@b.example", false},
	    {"@*.b.example", "a@x.b.example", true},
	    {"@*.b.example", "a@y.x.b.example", true},
	    {"@*.b.example", "a@xb.example", false},
	    {"@*.b.example", "a@.b.example", false},
	    {"@bücher.example", "a@xn--bcher-kva.example", true},
	    {"@b.example", "\"x@b.example\"@c.example", false},
	    {"@c.example", "\"x@b.example\"@c.example", true},
	    {"postmaster", "postmaster", true},
	    {"<>", "", true},
	    {"<>", "a@b.example", false},
	    {"@b.example", "", false},
	    {"!<>", "", false},
	    {"!<>", "a@b.example", true},
	    {"!@b.example", "a@b.example", false},
	    {"!@b.example", "a@c.example", true},
	    {"@b.example !a@b.example", "a@b.example", false},
	    {"!a@b.example @b.example", "a@b.example", false},
	    {"@b.example !a@b.example", "c@b.example", true},
	    {"@b.example @c.example", "a@c.example", true},
	    {"@b.example !@c.example", "a@d.example", false},
	};
	struct policy *p = policy_new();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_rule *r = rule_of(p, rows[i].list);

		cr_expect_eq(policy_list_truth(&r->to, span_str(rows[i].addr),
				 &none) == POLICY_YES,
		    rows[i].want, "{ %s } and <%s>", rows[i].list,
		    rows[i].addr);
	}
	policy_free(p);
}

Test(match, malformed_patterns_are_refused)
{
	static const char *const rows[] = {"@", "!", "!@", "@*", "@*.", "a@",
	    "a", "*@b.example", "@b..example", "@.b.example", "@*.*.b.example",
	    "@x*.b.example", "a@b@c.example", "!!@b.example", "<a@b.example>",
	    "@-b.example", "@b.example,@c.example", "example.com",
	    "*.example.com", "@b_c.exam!ple", "a@*.b.example", ">"};
	struct arena *arena = arena_new(1 << 20);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pattern pat = {.kind = PATTERN_NULL};
		struct err_why why = {""};

		cr_expect_eq(policy_pattern_parse(rows[i], arena, &pat, &why),
		    ERR_CONFIG, "\"%s\" was taken", rows[i]);
		cr_expect_neq(why.text[0], '\0', "\"%s\"", rows[i]);
	}
	arena_free(arena);
}

Test(match, covering_is_seen_and_never_claimed_wrongly)
{
	static const struct {
		const char *a;
		const char *b;
		bool want;
	} rows[] = {
	    {"", "", true},
	    {"", "@b.example", true},
	    {"@b.example", "", false},
	    {"@b.example", "a@b.example", true},
	    {"@b.example", "@b.example", true},
	    {"@b.example", "@*.b.example", false},
	    {"@*.b.example", "@x.b.example", true},
	    {"@*.b.example", "@b.example", false},
	    {"@*.b.example", "@*.x.b.example", true},
	    {"@*.x.b.example", "@*.b.example", false},
	    {"a@b.example", "@b.example", false},
	    {"@b.example !a@b.example", "@b.example", false},
	    {"@b.example !a@b.example", "c@b.example", true},
	    {"@b.example !a@b.example", "@b.example !a@b.example", true},
	    {"@b.example !a@b.example", "@b.example !@b.example", true},
	    {"!a@b.example", "@c.example", true},
	    {"!a@b.example", "@b.example", false},
	    {"!a@b.example", "", false},
	    {"!a@b.example", "!@b.example", true},
	    {"!@b.example", "!a@b.example", false},
	    {"@b.example @c.example", "@c.example @b.example", true},
	    {"@b.example", "@c.example @b.example", false},
	    {"<>", "<>", true},
	    {"<>", "@b.example", false},
	    {"", "<>", true},
	};
	struct policy *p = policy_new();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct pattern_list a = rule_of(p, rows[i].a)->to;
		const struct pattern_list b = rule_of(p, rows[i].b)->to;

		cr_expect_eq(policy_list_covers(&a, &b), rows[i].want,
		    "{ %s } over { %s }", rows[i].a, rows[i].b);
	}
	policy_free(p);
}

/* Random lists over a small world: a claimed cover must hold for every address
   in it. */
Test(match, a_claimed_cover_holds_for_every_address)
{
	static const char *const patterns[] = {"@b.example", "@*.b.example",
	    "@x.b.example", "@*.x.b.example", "a@b.example", "a@x.b.example",
	    "c@y.x.b.example", "@c.example", "<>", "!@b.example",
	    "!@*.b.example", "!@x.b.example", "!a@b.example", "!a@x.b.example",
	    "!<>", "!@*.x.b.example"};
	static const char *const world[] = {"", "a@b.example", "c@b.example",
	    "a@x.b.example", "c@x.b.example", "a@y.x.b.example",
	    "c@y.x.b.example", "a@c.example", "a@z.b.example", "a@d.example"};
	const size_t n_patterns = sizeof(patterns) / sizeof(patterns[0]);
	struct policy *p = policy_new();
	struct pattern all[sizeof(patterns) / sizeof(patterns[0])];
	uint64_t x = 88172645463325252u;
	size_t covers = 0;

	for (size_t i = 0; i < n_patterns; i++)
		all[i] = rule_of(p, patterns[i])->to.list[0];
	for (size_t round = 0; round < 200000; round++) {
		struct pattern room[2][4];
		struct pattern_list l[2];

		for (size_t k = 0; k < 2; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			l[k].list = room[k];
			l[k].n = x % 4;
			for (size_t i = 0; i < l[k].n; i++)
				room[k][i] =
				    all[(x >> (8 + 8 * i)) % n_patterns];
		}
		if (!policy_list_covers(&l[0], &l[1]))
			continue;
		covers++;
		for (size_t i = 0; i < sizeof(world) / sizeof(world[0]); i++) {
			struct span a = span_str(world[i]);

			cr_assert(
			    policy_list_truth(&l[1], a, &none) != POLICY_YES ||
				policy_list_truth(&l[0], a, &none) ==
				    POLICY_YES,
			    "round %zu, <%s>", round, world[i]);
		}
	}
	cr_expect_gt(covers, 1000, "%zu", covers);
	policy_free(p);
}
