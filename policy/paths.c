/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The proof: every way by which the rules let mail leave readable, or by a key
 * that travels with it. What is not listed cannot happen: a rung is taken only
 * from the ladder of a rule, and this looks at every one of every ladder that
 * can win.
 */
#include "policy/policy_private.h"

#include <stdio.h>

#include "common/arena.h"

struct paths {
	const struct policy *policy;
	struct arena *arena;
	struct policy_path *list;
	size_t n;
	bool out_of_memory;
};

static const char *
list_text(struct paths *s, const struct pattern_list *l)
{
	const char *text = "";

	for (size_t i = 0; i < l->n && text != NULL; i++) {
		const struct pattern *p = &l->list[i];
		static const char *const prefix[] = {[PATTERN_NULL] = "<>",
		    [PATTERN_ADDR] = "",
		    [PATTERN_EXACT] = "@",
		    [PATTERN_BELOW] = "@*.",
		    [PATTERN_GROUP] = ""};

		if (i == 3 && l->n > 4)
			return arena_printf(
			    s->arena, "%s and %zu more", text, l->n - i);
		text = arena_printf(s->arena, "%s%s%s%s%.*s", text,
		    i > 0 ? " " : "", p->excludes ? "!" : "", prefix[p->kind],
		    (int)p->text.len,
		    p->text.len > 0 ? (const char *)p->text.data : "");
	}
	return l->n == 0 ? "*" : text;
}

static const char *
when_text(struct paths *s, const struct policy_rule *r)
{
	const char *text = r->n_tags > 0 ? "subject-tag" : "";

	for (size_t i = 0; i < r->n_when && text != NULL; i++)
		if (i == 0 || r->when[i].kind != r->when[i - 1].kind)
			text = arena_printf(s->arena, "%s%s%s", text,
			    *text != '\0' ? ", " : "",
			    policy_kind_name(r->when[i].kind));
	return text;
}

static void
add(struct paths *s, const struct policy_rule *r, enum rung rung,
    bool by_failure, const char *how)
{
	struct policy_path p = {.rule = r->name,
	    .line = r->line,
	    .rung = rung,
	    .at = (size_t)(r - s->policy->rules),
	    .by_failure = by_failure,
	    .how = how,
	    .from = list_text(s, &r->from),
	    .to = list_text(s, &r->to),
	    .when = when_text(s, r)};

	if (p.from == NULL || p.to == NULL || p.when == NULL)
		s->out_of_memory = true;
	else
		s->list[s->n++] = p;
}

/* A raising rule's ladder is taken only if it is stronger than another: one
   that ends in clear never is. */
static bool
can_win(const struct policy_rule *r)
{
	return !policy_rule_raises(r) ||
	       policy_ladder_weakest(&r->ladder) > POLICY_STRENGTH_CLEAR;
}

/* Does the rung give way to a weaker one when it fails? */
static bool
fails_into(const struct policy_rule *r, size_t at)
{
	const struct policy_ladder *l = &r->ladder;
	int strength = policy_strength(l->rung[at], l->escrow);

	if (!r->on_error_weaker || !policy_rung_sends(l->rung[at]) ||
	    l->rung[at] == RUNG_CLEAR)
		return false;
	for (size_t i = 0; i < at; i++)
		if (policy_rung_sends(l->rung[i]) &&
		    policy_strength(l->rung[i], l->escrow) > strength)
			return true;
	return false;
}

static void
paths_of(struct paths *s, const struct policy_rule *r)
{
	for (size_t i = 0; i < r->ladder.n; i++) {
		enum rung rung = r->ladder.rung[i];

		if (fails_into(r, i))
			add(s, r, rung, true,
			    "weaker than a rung before it, after a failure of "
			    "that");
		if (rung == RUNG_CLEAR)
			add(s, r, rung, false,
			    "readable, with TLS where the other side has it");
		else if (rung == RUNG_TLS_ENCRYPT)
			add(s, r, rung, false,
			    "readable by whoever poses as the other side");
		else if (rung == RUNG_ESCROW &&
			 r->ladder.escrow == POLICY_ESCROW_LINK)
			add(s, r, rung, false,
			    r->pickup.account
				? "the first message, until the recipient has "
				  "an account: the link and a code open it, "
				  "and both travel by mail"
			    : r->pickup.factor == POLICY_FACTOR_NONE
				? "the link alone opens it, and travels by mail"
				: "the link and a code open it, and both "
				  "travel by mail");
	}
}

enum err
policy_paths(const struct policy *p, struct arena *arena,
    struct policy_path **out, size_t *n_out)
{
	struct paths s = {.policy = p, .arena = arena};

	s.list = arena_array(
	    arena, p->n_rules * 2 * POLICY_RUNGS_MAX + 1, sizeof(s.list[0]));
	if (s.list == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->n_rules; i++)
		if (can_win(&p->rules[i]))
			paths_of(&s, &p->rules[i]);
	if (s.out_of_memory)
		return ERR_NOMEM;
	*out = s.list;
	*n_out = s.n;
	return ERR_OK;
}

static bool
pattern_stays_in(const struct pattern *p,
    bool (*is_own)(const void *arg, struct span domain), const void *arg)
{
	char below[300];
	size_t at = p->text.len;

	switch (p->kind) {
	case PATTERN_ADDR:
		while (at > 0 && p->text.data[at - 1] != '@')
			at--;
		return at > 0 &&
		       is_own(arg, SPAN(p->text.data + at, p->text.len - at));
	case PATTERN_EXACT:
		return is_own(arg, p->text);
	case PATTERN_BELOW:
		/* no domain has this name, so that it is ours only where
		   everything below is */
		at = (size_t)snprintf(below, sizeof(below), "*.%.*s",
		    (int)p->text.len, (const char *)p->text.data);
		return at < sizeof(below) && is_own(arg, SPAN(below, at));
	case PATTERN_NULL:
	case PATTERN_GROUP:
		break;
	}
	return false;
}

bool
policy_rule_stays_in(const struct policy *p, size_t i,
    bool (*is_own)(const void *arg, struct span domain), const void *arg)
{
	const struct pattern_list *to = &p->rules[i].to;
	bool positive = false;

	for (size_t k = 0; k < to->n; k++) {
		if (to->list[k].excludes)
			continue;
		positive = true;
		if (!pattern_stays_in(&to->list[k], is_own, arg))
			return false;
	}
	return positive;
}
