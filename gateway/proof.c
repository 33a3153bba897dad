/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The table of what can leave readable. Which ways there are is policy's; here
 * mail that stays in own domains is told apart from mail that leaves.
 */
#include "gateway/proof.h"

#include <jansson.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/conf.h"
#include "policy/policy.h"

enum { ARENA_MAX = 64 << 20 };

static bool
is_own(const void *arg, struct span domain)
{
	return conf_domain_is_ours(arg, domain);
}

static bool
stays_inside(const struct conf *c, const struct policy_path *p)
{
	return policy_rule_stays_in(c->policy, p->at, is_own, c);
}

static void
print_path(const struct policy_path *p, FILE *out)
{
	fprintf(out, "  %-12s rule \"%s\" (line %u): %s\n",
	    policy_rung_name(p->rung), p->rule, p->line, p->how);
	fprintf(out, "  %-12s from %s to %s%s%s\n", "", p->from, p->to,
	    *p->when == '\0' ? "" : " if ", p->when);
}

static void
print_table(const struct conf *c, const struct policy_path *p, size_t n,
    bool inside, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (stays_inside(c, &p[i]) != inside)
			continue;
		if (!any)
			fputs(inside
				  ? "Readable to own domains:\n"
				  : "Mail can leave readable, or by a key that "
				    "travels with it:\n",
			    out);
		any = true;
		print_path(&p[i], out);
	}
	if (!any && !inside)
		fputs("No mail can leave readable, or by a key that travels "
		      "with it.\n",
		    out);
}

void
proof_print(const struct conf *c, FILE *out)
{
	struct arena *a = arena_new(ARENA_MAX);
	struct policy_path *p = NULL;
	size_t n = 0;

	if (policy_paths(c->policy, a, &p, &n) != ERR_OK) {
		fputs("Out of memory: nothing is proven.\n", out);
	} else {
		print_table(c, p, n, false, out);
		print_table(c, p, n, true, out);
	}
	arena_free(a);
}

json_t *
proof_json(const struct conf *c)
{
	struct arena *a = arena_new(ARENA_MAX);
	json_t *list = json_array();
	struct policy_path *p = NULL;
	size_t n = 0;

	if (policy_paths(c->policy, a, &p, &n) != ERR_OK) {
		json_decref(list);
		list = NULL;
	}
	for (size_t i = 0; list != NULL && i < n; i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:i, s:s, s:b, s:s, s:s, s:s, s:s, s:b}",
			"rule", p[i].rule, "line", (int)p[i].line, "rung",
			policy_rung_name(p[i].rung), "by-failure",
			p[i].by_failure, "how", p[i].how, "from", p[i].from,
			"to", p[i].to, "if", p[i].when, "inside",
			stays_inside(c, &p[i])));
	arena_free(a);
	return list;
}
