/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "policy/policy.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "tests/policy/rules.h"

#define REST                                                                   \
	{                                                                      \
		.name = "rest", .ladder = "hold"                               \
	}

static const struct {
	const char *what;
	struct rule_text rules[3];
	size_t n;
	bool no_portal;
	unsigned line;	  /* where the finding stands */
	const char *text; /* what it says; NULL: there is none */
	bool fatal;
} rows[] = {
    {"all well",
	{{.name = "a", .to = "@b.example", .ladder = "smime reject"}, REST}, 2,
	false, 0, NULL, false},
    {"open end",
	{{.name = "a", .to = "@b.example", .ladder = "smime pgp"}, REST}, 2,
	false, 10, "must end in", true},
    {"behind the end",
	{{.name = "a", .to = "@b.example", .ladder = "smime clear hold"}, REST},
	2, false, 10, "hold is never reached", true},
    {"behind escrow",
	{{.name = "a", .to = "@b.example", .ladder = "escrow reject"}, REST}, 2,
	false, 10, "reject is never reached", true},
    {"twice",
	{{.name = "a", .to = "@b.example", .ladder = "pgp pgp hold"}, REST}, 2,
	false, 10, "stands twice", true},
    {"one name", {{.name = "rest", .to = "@b.example", .ladder = "hold"}, REST},
	2, false, 20, "of this name in line 10", true},
    {"no portal",
	{{.name = "a", .to = "@b.example", .ladder = "smime escrow"}, REST}, 2,
	true, 10, "`portal`", true},
    {"link alone",
	{{.name = "a", .to = "@b.example", .ladder = "smime escrow"}, REST}, 2,
	false, 10, "as strong as the hop", false},
    {"link after tls",
	{{.name = "a", .to = "@b.example", .ladder = "tls escrow"}, REST}, 2,
	false, 10, "weaker than the tls", true},
    {"link after tls-encrypt",
	{{.name = "a", .to = "@b.example", .ladder = "tls-encrypt escrow"},
	    REST},
	2, false, 10, "weaker than the tls", true},
    {"tls at the end",
	{{.name = "a", .to = "@b.example", .ladder = "smime tls"}, REST}, 2,
	false, 10, "must end in a rung that", true},
    {"weaker",
	{{.name = "a",
	     .to = "@b.example",
	     .ladder = "smime hold",
	     .weaker = true},
	    REST},
	2, false, 10, "on-error = weaker", false},
    {"lower",
	{{.name = "a", .tags = "[x]", .ladder = "hold", .may_lower = true},
	    REST},
	2, false, 10, "weaker ladder", false},
    {"lower without a condition",
	{{.name = "a", .to = "@b.example", .ladder = "hold", .may_lower = true},
	    REST},
	2, false, 10, "needs a condition", true},
    {"covered", {REST, {.name = "b", .to = "@b.example", .ladder = "hold"}}, 2,
	false, 20, "never reached: rule \"rest\" in line 10", true},
    {"covered by from and to",
	{{.name = "a",
	     .from = "@c.example",
	     .to = "@b.example",
	     .ladder = "hold"},
	    {.name = "b",
		.from = "x@c.example",
		.to = "y@b.example",
		.ladder = "hold"},
	    REST},
	3, false, 20, "never reached", true},
    {"not covered: other sender",
	{{.name = "a",
	     .from = "@c.example",
	     .to = "@b.example",
	     .ladder = "hold"},
	    {.name = "b", .to = "y@b.example", .ladder = "hold"}, REST},
	3, false, 20, NULL, false},
    {"raising rules apply wherever they stand",
	{REST, {.name = "b", .tags = "[x]", .ladder = "reject"}}, 2, false, 20,
	NULL, false},
    {"a raising rule covers no deciding one",
	{{.name = "b", .tags = "[x]", .ladder = "reject"}, REST}, 2, false, 20,
	NULL, false},
    {"a lowering rule behind the rest",
	{REST,
	    {.name = "b", .tags = "[x]", .ladder = "hold", .may_lower = true}},
	2, false, 20, "never reached", true},
    {"names nobody",
	{{.name = "a", .to = "a@b.example !@b.example", .ladder = "hold"},
	    REST},
	2, false, 10, "can never match: `to`", true},
    {"names somebody",
	{{.name = "a", .to = "@b.example !a@b.example", .ladder = "hold"},
	    REST},
	2, false, 10, NULL, false},
    {"raises nothing",
	{{.name = "a", .tags = "[x]", .ladder = "smime clear"}, REST}, 2, false,
	10, "raises nothing", false},
    {"nothing for the rest",
	{{.name = "a", .to = "@b.example", .ladder = "hold"}}, 1, false, 0,
	"no rule decides", false},
};

Test(check, says_what_is_wrong_and_where)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy *p = rules_new(rows[i].rules, rows[i].n);
		struct arena *arena = arena_new(1 << 20);
		struct policy_finding *list = NULL;
		size_t n = 0, hits = 0, at_line = 0;

		cr_assert_eq(
		    policy_check(p, !rows[i].no_portal, arena, &list, &n),
		    ERR_OK);
		for (size_t k = 0; k < n; k++) {
			at_line += list[k].line == rows[i].line;
			if (rows[i].text != NULL &&
			    list[k].line == rows[i].line &&
			    strstr(list[k].text, rows[i].text) != NULL &&
			    list[k].fatal == rows[i].fatal)
				hits++;
		}
		if (rows[i].text == NULL)
			cr_expect_eq(at_line, 0, "%s: %s", rows[i].what,
			    n > 0 ? list[0].text : "");
		else
			cr_expect_eq(hits, 1,
			    "%s: %zu hits of %zu findings: %s", rows[i].what,
			    hits, n, n > 0 ? list[0].text : "");
		arena_free(arena);
		policy_free(p);
	}
}

/* A rule can have more than one fault; none hides another. */
Test(check, a_rule_full_of_faults_has_them_all)
{
	static const struct rule_text bad[] = {
	    REST, {.name = "rest",
		      .to = "@b.example",
		      .ladder = "tls tls-encrypt escrow smime smime",
		      .weaker = true,
		      .may_lower = true}};
	struct policy *p = rules_new(bad, 2);
	struct arena *arena = arena_new(1 << 20);
	struct policy_finding *list = NULL;
	size_t n = 0, fatal = 0;

	cr_assert_eq(policy_check(p, false, arena, &list, &n), ERR_OK);
	for (size_t i = 0; i < n; i++)
		fatal += list[i].fatal;
	cr_expect_eq(fatal, 7, "%zu", fatal);
	cr_expect_eq(n, 8, "%zu", n);
	arena_free(arena);
	policy_free(p);
}

/* By what may mail leave readable? */
static const struct {
	const char *what;
	struct rule_text rules[2];
	size_t n;
	const char *paths; /* "rule:rung", "!" for a failure */
} exposed[] = {
    {"nothing", {{.name = "a", .ladder = "smime pgp hold"}}, 1, ""},
    {"clear", {{.name = "a", .ladder = "smime clear"}}, 1, "a:clear "},
    {"a link", {{.name = "a", .ladder = "smime escrow"}}, 1, "a:escrow "},
    {"a link that travels protected",
	{{.name = "a",
	    .ladder = "smime escrow",
	    .escrow = POLICY_ESCROW_NOTICE_TLS}},
	1, ""},
    {"a link with a factor in the key",
	{{.name = "a",
	    .ladder = "smime escrow",
	    .escrow = POLICY_ESCROW_FACTOR}},
	1, ""},
    {"TLS with whomever", {{.name = "a", .ladder = "tls-encrypt hold"}}, 1,
	"a:tls-encrypt "},
    {"after a failure",
	{{.name = "a",
	    .ladder = "smime escrow",
	    .escrow = POLICY_ESCROW_FACTOR,
	    .weaker = true}},
	1, "a:!escrow "},
    {"nothing weaker after a failure",
	{{.name = "a", .ladder = "smime pgp hold", .weaker = true}}, 1, ""},
    {"never clear by failure",
	{{.name = "a", .ladder = "smime clear", .weaker = true}}, 1,
	"a:clear "},
    {"a raising rule with clear is never taken",
	{{.name = "a", .tags = "[x]", .ladder = "smime clear"},
	    {.name = "b", .ladder = "hold"}},
	2, ""},
    {"a raising rule with a link may be",
	{{.name = "a", .tags = "[x]", .ladder = "escrow"},
	    {.name = "b", .ladder = "clear"}},
	2, "a:escrow b:clear "},
};

Test(check, lists_every_way_that_leaves_mail_readable)
{
	for (size_t i = 0; i < sizeof(exposed) / sizeof(exposed[0]); i++) {
		struct policy *p = rules_new(exposed[i].rules, exposed[i].n);
		struct arena *arena = arena_new(1 << 20);
		struct policy_path *list;
		char text[256] = "";
		size_t n, at = 0;

		cr_assert_eq(policy_paths(p, arena, &list, &n), ERR_OK);
		for (size_t k = 0; k < n; k++)
			at += (size_t)snprintf(text + at, sizeof(text) - at,
			    "%s:%s%s ", list[k].rule,
			    list[k].by_failure ? "!" : "",
			    policy_rung_name(list[k].rung));
		cr_expect_str_eq(
		    text, exposed[i].paths, "%s: %s", exposed[i].what, text);
		arena_free(arena);
		policy_free(p);
	}
}

static const struct {
	const char *what;
	struct policy_pickup pickup;
	enum rung ladder[3];
	size_t n;
	bool portal;
	const char *text; /* the first finding that is an error; NULL: none */
} deliveries[] = {
    {"attached",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_GENERATED},
	{RUNG_SMIME, RUNG_ESCROW, RUNG_REJECT}, 3, false, NULL},
    {"attached, beside a portal",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_GENERATED},
	{RUNG_TLS, RUNG_ESCROW, RUNG_HOLD}, 3, true, NULL},
    {"attached, with nothing to open it by",
	{.delivery = POLICY_DELIVERY_ATTACHMENT},
	{RUNG_SMIME, RUNG_ESCROW, RUNG_REJECT}, 3, true,
	"needs second-factor = generated, not none"},
    {"attached, with a code that nobody asks for",
	{.delivery = POLICY_DELIVERY_ATTACHMENT, .factor = POLICY_FACTOR_CODE},
	{RUNG_SMIME, RUNG_ESCROW, RUNG_REJECT}, 3, true,
	"needs second-factor = generated, not code"},
    {"attached, with what a person chose",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_PASSPHRASE},
	{RUNG_SMIME, RUNG_ESCROW, RUNG_REJECT}, 3, true,
	"needs second-factor = generated, not passphrase"},
    {"attached, with an answer",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_ANSWER},
	{RUNG_SMIME, RUNG_ESCROW, RUNG_REJECT}, 3, true,
	"needs second-factor = generated, not answer"},
    {"attached, with an account",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_ACCOUNT},
	{RUNG_SMIME, RUNG_ESCROW, RUNG_REJECT}, 3, true,
	"needs second-factor = generated, not account"},
    {"attached at the end",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_GENERATED},
	{RUNG_SMIME, RUNG_ESCROW}, 2, true, "must go on behind escrow"},
    {"attached, or else in the clear",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_GENERATED},
	{RUNG_SMIME, RUNG_ESCROW, RUNG_CLEAR}, 3, false,
	"may stand behind escrow, not clear"},
    {"attached, or else by any TLS",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_GENERATED},
	{RUNG_ESCROW, RUNG_TLS_ENCRYPT, RUNG_HOLD}, 3, true,
	"may stand behind escrow, not tls-encrypt"},
    {"attached, or else sealed",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_GENERATED},
	{RUNG_ESCROW, RUNG_SMIME, RUNG_DROP}, 3, true,
	"may stand behind escrow, not smime"},
    {"attached, or dropped",
	{.delivery = POLICY_DELIVERY_ATTACHMENT,
	    .factor = POLICY_FACTOR_GENERATED},
	{RUNG_TLS, RUNG_ESCROW, RUNG_DROP}, 3, true, NULL},
    {"at a portal that is not there", {.delivery = POLICY_DELIVERY_PORTAL},
	{RUNG_SMIME, RUNG_REJECT}, 2, false,
	"escrow = portal needs a `portal` section"},
    {"at the portal, and then nothing",
	{.delivery = POLICY_DELIVERY_PORTAL, .factor = POLICY_FACTOR_GENERATED},
	{RUNG_SMIME, RUNG_ESCROW, RUNG_REJECT}, 3, true, "never reached"},
    {"at the portal",
	{.delivery = POLICY_DELIVERY_PORTAL, .factor = POLICY_FACTOR_GENERATED},
	{RUNG_SMIME, RUNG_ESCROW}, 2, true, NULL},
};

Test(check, what_is_attached_needs_a_passphrase_made_here_and_a_way_on)
{
	for (size_t i = 0; i < sizeof(deliveries) / sizeof(deliveries[0]);
	     i++) {
		const struct policy_spec spec = {.name = "a",
		    .line = 10,
		    .pickup = deliveries[i].pickup,
		    .ladder = deliveries[i].ladder,
		    .n_ladder = deliveries[i].n};
		struct policy *p = policy_new();
		struct arena *arena = arena_new(1 << 20);
		const char *found = NULL;
		struct policy_finding *list;
		struct policy_path *paths;
		size_t n;

		cr_assert_eq(policy_add_rule(p, &spec, NULL), ERR_OK);
		cr_assert_eq(
		    policy_check(p, deliveries[i].portal, arena, &list, &n),
		    ERR_OK);
		for (size_t k = n; k > 0; k--)
			if (list[k - 1].fatal)
				found = list[k - 1].text;
		if (deliveries[i].text == NULL)
			cr_expect_null(
			    found, "%s: %s", deliveries[i].what, found);
		else
			cr_expect(found != NULL &&
				      strstr(found, deliveries[i].text) != NULL,
			    "%s: %s", deliveries[i].what,
			    found != NULL ? found : "nothing");
		cr_expect_eq(policy_attaches(p),
		    deliveries[i].pickup.delivery == POLICY_DELIVERY_ATTACHMENT,
		    "%s", deliveries[i].what);
		/* no key of it travels with it */
		cr_assert_eq(policy_paths(p, arena, &paths, &n), ERR_OK);
		for (size_t k = 0; k < n; k++)
			cr_expect(paths[k].rung != RUNG_ESCROW ||
				      deliveries[i].pickup.factor !=
					  POLICY_FACTOR_GENERATED,
			    "%s", deliveries[i].what);
		arena_free(arena);
		policy_free(p);
	}
}
