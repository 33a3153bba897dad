/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Conditions of rules beside addresses and tags, and groups of addresses: each
 * distinct one is kept once, so that it is looked at once for a message however
 * many rules have it. What their texts mean is not known here.
 */
#include "policy/policy_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/strtab.h"

enum {
	TEXT_MAX = 1024,
	CONDITIONS_MAX = 65536,
};

static const char *const kind_names[POLICY_KINDS] = {
    [POLICY_CLIENT] = "client",
    [POLICY_TIME] = "time",
    [POLICY_HEADER] = "header",
    [POLICY_SENSITIVITY] = "sensitivity",
    [POLICY_CLASSIFICATION] = "classification",
    [POLICY_SIZE] = "size",
    [POLICY_ATTACHMENT] = "attachment",
    [POLICY_CONTENT] = "content",
    [POLICY_REPLY] = "reply-to-protected",
    [POLICY_AUTOMATIC] = "auto-submitted",
    [POLICY_CALENDAR] = "calendar",
};

const char *
policy_kind_name(enum policy_kind k)
{
	return (unsigned)k < POLICY_KINDS ? kind_names[k] : "?";
}

bool
policy_kind_is_envelope(enum policy_kind k)
{
	return k == POLICY_CLIENT || k == POLICY_TIME;
}

/* --- three values: no wins an and, yes an or */

enum policy_truth
policy_and(enum policy_truth a, enum policy_truth b)
{
	if (a == POLICY_NO || b == POLICY_NO)
		return POLICY_NO;
	return a == POLICY_YES && b == POLICY_YES ? POLICY_YES : POLICY_UNSURE;
}

enum policy_truth
policy_or(enum policy_truth a, enum policy_truth b)
{
	if (a == POLICY_YES || b == POLICY_YES)
		return POLICY_YES;
	return a == POLICY_NO && b == POLICY_NO ? POLICY_NO : POLICY_UNSURE;
}

enum policy_truth
policy_not(enum policy_truth a)
{
	switch (a) {
	case POLICY_NO:
		return POLICY_YES;
	case POLICY_YES:
		return POLICY_NO;
	case POLICY_UNSURE:
		break;
	}
	return POLICY_UNSURE;
}

/* --- taking them in */

const struct policy_condition *
policy_conditions(const struct policy *p, size_t *n_out)
{
	*n_out = p->n_conditions;
	return p->conditions;
}

bool
policy_has_kind(const struct policy *p, enum policy_kind k)
{
	for (size_t i = 0; i < p->n_conditions; i++)
		if (p->conditions[i].kind == k)
			return true;
	return false;
}

const char *const *
policy_groups(const struct policy *p, size_t *n_out)
{
	*n_out = p->n_groups;
	return p->groups;
}

enum err
policy_add_group(struct policy *p, const char *text, size_t *out)
{
	const char **grown;

	for (size_t i = 0; i < p->n_groups; i++)
		if (strcmp(p->groups[i], text) == 0) {
			*out = i;
			return ERR_OK;
		}
	if (p->n_groups == POLICY_GROUPS_MAX)
		return ERR_CONFIG;
	grown = realloc(p->groups, (p->n_groups + 1) * sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	p->groups = grown;
	grown[p->n_groups] = text;
	*out = p->n_groups++;
	return ERR_OK;
}

static enum err
intern(struct policy *p, const struct policy_condition *c, size_t *out)
{
	struct policy_condition *grown;
	size_t n = p->n_conditions;

	if (strtab_find(p->condition_at, c->kind, span_str(c->text), out))
		return ERR_OK;
	if (n == CONDITIONS_MAX)
		return ERR_CONFIG;
	if ((n & (n - 1)) == 0) {
		grown = realloc(
		    p->conditions, (n == 0 ? 1 : 2 * n) * sizeof(*grown));
		if (grown == NULL)
			return ERR_NOMEM;
		p->conditions = grown;
	}
	p->conditions[n] = (struct policy_condition){
	    .kind = c->kind, .text = arena_strdup(p->arena, c->text)};
	if (p->conditions[n].text == NULL ||
	    strtab_put(p->condition_at, c->kind,
		span_str(p->conditions[n].text), n) != ERR_OK)
		return ERR_NOMEM;
	*out = n;
	p->n_conditions++;
	return ERR_OK;
}

enum err
policy_add_when(struct policy *p, const struct policy_spec *spec,
    struct policy_rule *r, struct err_why *why)
{
	size_t n = 0;

	r->on_message = r->n_tags > 0;
	r->when = arena_array(p->arena, spec->n_when + 1, sizeof(*r->when));
	if (r->when == NULL)
		return ERR_NOMEM;
	for (unsigned k = 0; k < POLICY_KINDS; k++)
		for (size_t i = 0; i < spec->n_when; i++) {
			const struct policy_condition *c = &spec->when[i];
			struct when *w = &r->when[n];
			enum err e;

			if ((unsigned)c->kind != k)
				continue;
			if (strlen(c->text) > TEXT_MAX)
				return err_why(why, ERR_CONFIG,
				    "%s: longer than %d octets",
				    policy_kind_name(c->kind), TEXT_MAX);
			*w = (struct when){
			    .kind = c->kind, .excludes = c->excludes};
			e = intern(p, c, &w->at);
			if (e != ERR_OK)
				return e;
			if (!policy_kind_is_envelope(c->kind))
				r->on_message = true;
			n++;
		}
	if (n != spec->n_when)
		return err_why(why, ERR_CONFIG, "unknown kind of condition");
	r->n_when = n;
	return ERR_OK;
}

/* --- what they say of a message */

static enum policy_truth
one_truth(const struct when *w, const struct policy_facts *f)
{
	if (f->ambiguous && !policy_kind_is_envelope(w->kind))
		return POLICY_UNSURE;
	return f->truth == NULL ? POLICY_UNSURE : f->truth[w->at];
}

/* Those of one kind, which stand side by side. *at is moved behind them. */
static enum policy_truth
kind_truth(
    const struct policy_rule *r, const struct policy_facts *f, size_t *at)
{
	enum policy_kind kind = r->when[*at].kind;
	enum policy_truth any = POLICY_NO, excluded = POLICY_NO;
	bool positive = false;

	for (; *at < r->n_when && r->when[*at].kind == kind; (*at)++) {
		const struct when *w = &r->when[*at];
		enum policy_truth t = one_truth(w, f);

		if (w->excludes) {
			excluded = policy_or(excluded, t);
			continue;
		}
		positive = true;
		any = policy_or(any, t);
	}
	return policy_and(positive ? any : POLICY_YES, policy_not(excluded));
}

enum policy_truth
policy_when_truth(const struct policy_rule *r, const struct policy_facts *f,
    bool envelope, const char **condition)
{
	enum policy_truth all = POLICY_YES, t;
	size_t i = 0;

	while (i < r->n_when) {
		enum policy_kind kind = r->when[i].kind;

		if (policy_kind_is_envelope(kind) != envelope) {
			i++;
			continue;
		}
		t = kind_truth(r, f, &i);
		if (t == POLICY_NO ||
		    (t == POLICY_UNSURE && *condition == NULL))
			*condition = policy_kind_name(kind);
		if (t == POLICY_NO)
			return t;
		all = policy_and(all, t);
	}
	return all;
}

/* --- one rule's against another's */

static bool
has_when(const struct policy_rule *r, const struct when *w)
{
	for (size_t i = 0; i < r->n_when; i++)
		if (r->when[i].at == w->at &&
		    r->when[i].excludes == w->excludes)
			return true;
	return false;
}

/* Of each kind that a asks for, b asks for nothing that a does not take, and
   excludes all that a excludes. */
bool
policy_when_covers(const struct policy_rule *a, const struct policy_rule *b)
{
	for (size_t i = 0; i < a->n_when; i++) {
		const struct when *w = &a->when[i];
		bool positive = false;

		if (w->excludes && !has_when(b, w))
			return false;
		for (size_t k = 0; k < b->n_when; k++) {
			const struct when *v = &b->when[k];

			if (v->kind != w->kind || v->excludes)
				continue;
			positive = true;
			if (!w->excludes && !has_when(a, v))
				return false;
		}
		if (!w->excludes && !positive)
			return false;
	}
	return true;
}
