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
