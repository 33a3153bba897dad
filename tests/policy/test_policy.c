/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "policy/policy.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "tests/policy/rules.h"

Test(policy, malformed_rules_are_refused_with_a_reason)
{
	static const char long_name[] =
	    "a name that is longer than the sixty-four octets that are allowed";
	static const struct rule_text rows[] = {
	    {.name = "", .ladder = "hold"},
	    {.name = long_name, .ladder = "hold"},
	    {.name = "tab\there", .ladder = "hold"},
	    {.name = "none", .ladder = ""},
	    {.name = "nine",
		.ladder = "hold drop smime pgp escrow tls clear reject hold"},
	    {.name = "from", .from = "nonsense", .ladder = "hold"},
	    {.name = "to", .to = "@@", .ladder = "hold"},
	    {.name = "tag", .tags = "\x01", .ladder = "hold"},
	};
	struct policy *p = policy_new();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_why why = {""};

		cr_expect_eq(rules_add(p, &rows[i], &why), ERR_CONFIG,
		    "\"%s\" was taken", rows[i].name);
		cr_expect_neq(why.text[0], '\0', "\"%s\"", rows[i].name);
	}
	cr_expect_eq(policy_n_rules(p), 0);
	policy_free(p);
}

Test(policy, tags_are_listed_once_whatever_their_case)
{
	static const struct rule_text rows[] = {
	    {.name = "a", .tags = "[secure] [geheim]", .ladder = "hold"},
	    {.name = "b", .tags = "[SECURE]", .ladder = "hold"},
	};
	struct policy *p = rules_new(rows, 2);
	size_t n = 0;
	const char *const *tags = policy_tags(p, &n);

	cr_assert_eq(n, 2);
	cr_expect_str_eq(tags[0], "[secure]");
	cr_expect_str_eq(tags[1], "[geheim]");
	policy_free(p);
}

Test(policy, words_of_tags_with_a_passphrase_are_listed_once)
{
	static const struct {
		const char *word;
		enum err err;
	} rows[] = {{"pw", ERR_OK}, {"PW", ERR_OK}, {"code", ERR_OK},
	    {"", ERR_CONFIG}, {"p w", ERR_CONFIG}, {"pw:", ERR_CONFIG},
	    {"[pw", ERR_CONFIG}, {"pw]", ERR_CONFIG}, {"p\tw", ERR_CONFIG}};
	static const enum rung ladder[] = {RUNG_HOLD};
	struct policy *p = policy_new();
	const char *const *tags;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct policy_spec spec = {.name = "r",
		    .ladder = ladder,
		    .n_ladder = 1,
		    .pickup.passphrase_tag = rows[i].word};
		struct err_why why = {""};

		cr_expect_eq(policy_add_rule(p, &spec, &why), rows[i].err,
		    "\"%s\"", rows[i].word);
		cr_expect_eq(
		    why.text[0] != '\0', rows[i].err != ERR_OK, "%s", why.text);
	}
	tags = policy_passphrase_tags(p, &n);
	cr_assert_eq(n, 2);
	cr_expect_str_eq(tags[0], "pw");
	cr_expect_str_eq(tags[1], "code");
	policy_free(p);
}

Test(policy, automatic_mail_goes_only_where_nothing_is_sent)
{
	struct policy *p = policy_new();

	for (unsigned r = 0; r <= RUNG_COUNT; r++)
		cr_expect_eq(policy_set_auto_rung(p, (enum rung)r),
		    r == RUNG_HOLD || r == RUNG_REJECT || r == RUNG_DROP
			? ERR_OK
			: ERR_CONFIG,
		    "%s", policy_rung_name((enum rung)r));
	policy_free(p);
}

Test(policy, every_rule_says_what_it_does)
{
	static const struct rule_text rows[] = {
	    {.name = "sender", .from = "@x.example", .ladder = "hold"},
	    {.name = "tag", .tags = "[a]", .ladder = "hold"},
	    {.name = "lower",
		.tags = "[b]",
		.ladder = "hold",
		.may_lower = true},
	    {.name = "bank", .to = "@bank.example", .ladder = "hold"},
	    {.name = "rest", .ladder = "hold"},
	};
	static const struct {
		const char *to;
		const char *tags;
		bool ambiguous;
		enum policy_role want[5];
	} cases[] = {
	    {"a@bank.example", "", false,
		{POLICY_NO_MATCH, POLICY_NO_MATCH, POLICY_NO_MATCH,
		    POLICY_DECIDES, POLICY_SHADOWED}},
	    {"a@b.example", "[a]", false,
		{POLICY_NO_MATCH, POLICY_RAISES, POLICY_NO_MATCH,
		    POLICY_NO_MATCH, POLICY_DECIDES}},
	    {"a@bank.example", "[b]", false,
		{POLICY_NO_MATCH, POLICY_NO_MATCH, POLICY_DECIDES,
		    POLICY_SHADOWED, POLICY_SHADOWED}},
	    {"a@b.example", "[b]", true,
		{POLICY_NO_MATCH, POLICY_RAISES, POLICY_NO_MATCH,
		    POLICY_NO_MATCH, POLICY_DECIDES}},
	};
	struct policy *p = rules_new(rows, 5);
	bool room[RULES_TAGS_MAX];

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct policy_facts f = rules_facts(
		    p, "s@own.example", cases[c].to, cases[c].tags, room);

		f.ambiguous = cases[c].ambiguous;
		for (size_t i = 0; i < 5; i++) {
			struct policy_trace t;

			policy_explain(p, i, &f, &t);
			cr_expect_eq(t.role, cases[c].want[i], "%zu, %s: %s", c,
			    t.name, policy_role_name(t.role));
			cr_expect_str_eq(t.name, rows[i].name);
			cr_expect_eq(t.line, (i + 1) * 10);
			cr_expect_gt(strlen(t.why), 5);
		}
	}
	policy_free(p);
}

Test(policy, what_was_only_held_is_decided_by_the_others_when_released)
{
	static const struct rule_text rules[] = {
	    {.name = "look",
		.tags = "[look]",
		.ladder = "hold",
		.together = true},
	    {.name = "raise", .tags = "[secure]", .ladder = "smime pgp hold"},
	    {.name = "quarantine", .to = "@q.example", .ladder = "hold"},
	    {.name = "alone", .to = "@alone.example", .ladder = "hold"},
	    {.name = "rest",
		.to = "@q.example @r.example",
		.ladder = "smime clear"},
	};
	static const struct {
		const char *to, *tags;
		const char *held, *released; /* ladders */
		bool together; /* what else the rule wants stays */
	} rows[] = {
	    {"a@q.example", NULL, "hold", "smime>clear", false},
	    {"a@r.example", NULL, "smime>clear", "smime>clear", false},
	    {"a@r.example", "[look]", "hold", "smime>clear", true},
	    {"a@q.example", "[secure]", "hold", "smime>pgp>hold", false},
	    {"a@r.example", "[look] [secure]", "hold", "smime>pgp>hold", true},
	    {"a@alone.example", NULL, "hold", "hold", false},
	};
	struct policy *p = rules_new(rules, sizeof(rules) / sizeof(rules[0]));
	struct arena *a = arena_new(1 << 20);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool tags[RULES_TAGS_MAX];
		struct policy_facts f = rules_facts(
		    p, "s@example.com", rows[i].to, rows[i].tags, tags);
		struct policy_decision d;
		char text[200];

		cr_assert_eq(policy_decide(p, &f, a, &d), ERR_OK);
		rules_ladder_text(&d.ladder, text, sizeof(text));
		cr_expect_str_eq(text, rows[i].held, "%d: %s", (int)i, text);
		f.released = true;
		cr_assert_eq(policy_decide(p, &f, a, &d), ERR_OK);
		rules_ladder_text(&d.ladder, text, sizeof(text));
		cr_expect_str_eq(
		    text, rows[i].released, "%d, released: %s", (int)i, text);
		cr_expect_eq(d.together, rows[i].together, "%d", (int)i);
	}
	arena_free(a);
	policy_free(p);
}
