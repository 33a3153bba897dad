/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rules for mail from outside: what it must be protected by. All that match
 * count together, so that one more never asks for less.
 */
#include <stdlib.h>

#include "common/arena.h"
#include "policy/policy_private.h"

const char *
policy_require_name(enum policy_require r)
{
	switch (r) {
	case POLICY_REQUIRE_NOTHING:
		return "nothing";
	case POLICY_REQUIRE_EITHER:
		return "protected";
	case POLICY_REQUIRE_SIGNED:
		return "signed";
	case POLICY_REQUIRE_ENCRYPTED:
		return "encrypted";
	}
	return "?";
}

enum err
policy_add_inbound(struct policy *p, const struct policy_inbound_spec *spec,
    struct err_why *why)
{
	struct policy_inbound_rule r = {
	    .line = spec->line, .require = spec->require};
	struct policy_inbound_rule *grown;
	enum err e;

	if (p->n_inbound == POLICY_RULES_MAX)
		return err_why(
		    why, ERR_CONFIG, "more than %d rules", POLICY_RULES_MAX);
	if (spec->require == POLICY_REQUIRE_NOTHING)
		return err_why(why, ERR_CONFIG,
		    "a rule for inbound mail needs require: protected, signed "
		    "or encrypted");
	r.name = arena_strdup(p->arena, spec->name);
	if (r.name == NULL)
		return ERR_NOMEM;
	e = policy_add_patterns(p, spec->from, spec->n_from, &r.from, why);
	if (e == ERR_OK)
		e = policy_add_patterns(p, spec->to, spec->n_to, &r.to, why);
	if (e != ERR_OK)
		return e;
	grown = realloc(p->inbound, (p->n_inbound + 1) * sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	p->inbound = grown;
	p->inbound[p->n_inbound++] = r;
	return ERR_OK;
}

size_t
policy_n_inbound(const struct policy *p)
{
	return p->n_inbound;
}

static bool
any_matches(const struct pattern_list *l, const struct span *addrs, size_t n,
    const struct policy_facts *f)
{
	for (size_t i = 0; i < n; i++)
		if (policy_list_truth(l, addrs[i], f) != POLICY_NO)
			return true;
	return false;
}

void
policy_inbound(const struct policy *p, const struct policy_inbound_facts *f,
    struct policy_inbound *out)
{
	const struct policy_facts groups = {
	    .in_group = f->in_group, .groups = f->groups};
	struct policy_inbound d = {0};

	for (size_t i = 0; i < p->n_inbound; i++) {
		const struct policy_inbound_rule *r = &p->inbound[i];

		if (policy_list_truth(&r->to, f->to, &groups) == POLICY_NO ||
		    (!f->unsure &&
			!any_matches(&r->from, f->from, f->n_from, &groups)))
			continue;
		d.is_signed =
		    d.is_signed || r->require == POLICY_REQUIRE_SIGNED;
		d.is_encrypted =
		    d.is_encrypted || r->require == POLICY_REQUIRE_ENCRYPTED;
		d.either = d.either || r->require == POLICY_REQUIRE_EITHER;
		if (d.rule == NULL)
			d.rule = r->name;
	}
	*out = d;
}
