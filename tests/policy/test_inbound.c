/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What rules ask of mail from outside: all that match together, and more of
 * them never ask for less.
 */
#include <criterion/criterion.h>

#include "policy/policy.h"

static const char *const bank[] = {"@bank.example", "@*.bank.example"};
static const char *const boss[] = {"boss@ours.example"};

static struct policy *
rules(void)
{
	static const struct policy_inbound_spec spec[] = {
	    {.name = "bank",
		.from = bank,
		.n_from = 2,
		.require = POLICY_REQUIRE_SIGNED},
	    {.name = "boss",
		.to = boss,
		.n_to = 1,
		.require = POLICY_REQUIRE_EITHER},
	    {.name = "both",
		.from = bank,
		.n_from = 1,
		.to = boss,
		.n_to = 1,
		.require = POLICY_REQUIRE_ENCRYPTED},
	};
	struct policy *p = policy_new();
	struct err_why why;

	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(
		    policy_add_inbound(p, &spec[i], &why), ERR_OK, "%zu", i);
	return p;
}

Test(inbound, all_rules_that_match_count)
{
	static const struct {
		const char *envelope, *from, *to;
		bool unsure, is_signed, encrypted, either;
		const char *rule;
	} rows[] = {
	    {"a@x.example", "a@x.example", "b@ours.example", false, false,
		false, false, NULL},
	    {"a@bank.example", "a@x.example", "b@ours.example", false, true,
		false, false, "bank"},
	    {"a@x.example", "a@bank.example", "b@ours.example", false, true,
		false, false, "bank"},
	    {"", "a@mx.bank.example", "b@ours.example", false, true, false,
		false, "bank"},
	    {"a@x.example", "a@x.example", "boss@ours.example", false, false,
		false, true, "boss"},
	    {"a@x.example", "a@bank.example", "boss@ours.example", false, true,
		true, true, "bank"},
	    {"a@x.example", "a@mx.bank.example", "boss@ours.example", false,
		true, false, true, "bank"},
	    {"a@x.example", "a@x.example", "boss@ours.example", true, true,
		true, true, "bank"},
	    {"a@x.example", "a@x.example", "b@ours.example", true, true, false,
		false, "bank"},
	};
	struct policy *p = rules();

	cr_expect_eq(policy_n_inbound(p), 3);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct span from[2] = {
		    span_str(rows[i].envelope), span_str(rows[i].from)};
		const struct policy_inbound_facts f = {.from = from,
		    .n_from = 2,
		    .unsure = rows[i].unsure,
		    .to = span_str(rows[i].to)};
		struct policy_inbound d;

		policy_inbound(p, &f, &d);
		cr_expect_eq(d.is_signed, rows[i].is_signed, "row %zu", i);
		cr_expect_eq(d.is_encrypted, rows[i].encrypted, "row %zu", i);
		cr_expect_eq(d.either, rows[i].either, "row %zu", i);
		cr_expect_eq(
		    d.rule == NULL, rows[i].rule == NULL, "row %zu", i);
		if (d.rule != NULL && rows[i].rule != NULL)
			cr_expect_str_eq(d.rule, rows[i].rule, "row %zu", i);
	}
	policy_free(p);
}

Test(inbound, a_rule_must_ask_for_something)
{
	static const char *const odd[] = {"nonsense"};
	const struct policy_inbound_spec nothing = {.name = "n"};
	const struct policy_inbound_spec pattern = {.name = "n",
	    .from = odd,
	    .n_from = 1,
	    .require = POLICY_REQUIRE_SIGNED};
	struct policy *p = policy_new();
	struct err_why why;

	cr_expect_eq(policy_add_inbound(p, &nothing, &why), ERR_CONFIG);
	cr_expect_eq(policy_add_inbound(p, &pattern, &why), ERR_CONFIG);
	cr_expect_eq(policy_n_inbound(p), 0);
	cr_expect_str_eq(
	    policy_require_name(POLICY_REQUIRE_EITHER), "protected");
	cr_expect_str_eq(policy_require_name((enum policy_require)9), "?");
	policy_free(p);
}
