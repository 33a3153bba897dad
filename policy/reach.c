/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which earlier rule decides everything that a later one matches? Thousands of
 * rules are not compared with each other: a rule can cover another only if it
 * has something that the other has, too, or something above that; so each rule
 * is filed under what it asks for, and only those that are filed under what
 * the other one asks for are compared with it. What is compared is match.c's.
 */
#include "policy/policy_private.h"

#include <stdlib.h>

#include "common/strtab.h"

/* What rules are filed under; a word of strtab's kind. */
enum axis {
	AXIS_NONE, /* nothing that a rule under it asks for */
	AXIS_TO,
	AXIS_FROM,
	AXIS_WHEN,
	AXIS_TAG,
	AXES,
};

enum { NOBODY = 0, PATTERN_KINDS = 8 };

/* A rule among those that are filed under one thing, the newest first. */
struct filed {
	size_t rule;
	size_t next; /* place, NOBODY at the end */
	size_t n;    /* from here on */
};

struct policy_reach {
	const struct policy *p;
	struct strtab *under; /* places in filed */
	struct filed *filed;
	size_t n, cap;
};

struct policy_reach *
policy_reach_new(const struct policy *p)
{
	struct policy_reach *r = calloc(1, sizeof(*r));

	if (r == NULL)
		fatal("out of memory");
	r->p = p;
	r->under = strtab_new();
	r->n = 1; /* place 0 is nobody's */
	return r;
}

void
policy_reach_free(struct policy_reach *r)
{
	if (r == NULL)
		return;
	strtab_free(r->under);
	free(r->filed);
	free(r);
}

/* --- what a rule asks for --- */

struct key {
	unsigned kind;
	struct span text;
};

static struct key
pattern_key(enum axis axis, enum pattern_kind kind, struct span text)
{
	return (struct key){
	    (unsigned)axis * PATTERN_KINDS + (unsigned)kind, text};
}

static const struct pattern_list *
list_of(const struct policy_rule *r, enum axis axis)
{
	return axis == AXIS_TO ? &r->to : &r->from;
}

/* Key number i of the rule on that axis; false behind the last. Rules cover
   each other by what they ask for, never by what they exclude. */
static bool
key_at(const struct policy_reach *x, const struct policy_rule *r,
    enum axis axis, size_t i, struct key *out)
{
	const struct pattern_list *l = list_of(r, axis);
	size_t n = 0;

	switch (axis) {
	case AXIS_TO:
	case AXIS_FROM:
		for (size_t k = 0; k < l->n; k++)
			if (!l->list[k].excludes && n++ == i) {
				*out = pattern_key(
				    axis, l->list[k].kind, l->list[k].text);
				return true;
			}
		return false;
	case AXIS_WHEN:
		for (size_t k = 0; k < r->n_when; k++)
			if (!r->when[k].excludes && n++ == i) {
				*out = (struct key){AXIS_WHEN * PATTERN_KINDS,
				    span_str(
					x->p->conditions[r->when[k].at].text)};
				return true;
			}
		return false;
	case AXIS_TAG:
		if (i >= r->n_tags)
			return false;
		*out = (struct key){
		    AXIS_TAG * PATTERN_KINDS, span_str(x->p->tags[r->tags[i]])};
		return true;
	case AXIS_NONE:
	case AXES:
		break;
	}
	return false;
}

/* --- filing --- */

static size_t
head_of(const struct policy_reach *x, const struct key *k)
{
	size_t at;

	return strtab_find(x->under, k->kind, k->text, &at) ? at : NOBODY;
}

/* How many stand, at most, where the rule would be filed; SIZE_MAX if it asks
   for nothing of this. */
static size_t
crowd(const struct policy_reach *x, const struct policy_rule *r, enum axis axis)
{
	size_t most = 0, i;
	struct key k;

	for (i = 0; key_at(x, r, axis, i, &k); i++) {
		size_t head = head_of(x, &k);

		if (head != NOBODY && x->filed[head].n > most)
			most = x->filed[head].n;
	}
	return i == 0 ? SIZE_MAX : most;
}

static enum err
file_under(struct policy_reach *x, const struct key *k, size_t rule)
{
	size_t head = head_of(x, k);

	if (x->n >= x->cap) {
		size_t cap = x->cap == 0 ? 256 : 2 * x->cap;
		struct filed *more = realloc(x->filed, cap * sizeof(*more));

		if (more == NULL)
			return ERR_NOMEM;
		x->filed = more;
		x->cap = cap;
	}
	x->filed[x->n] = (struct filed){.rule = rule,
	    .next = head,
	    .n = head == NOBODY ? 1 : x->filed[head].n + 1};
	return strtab_put(x->under, k->kind, k->text, x->n++);
}

enum err
policy_reach_add(struct policy_reach *x, size_t rule)
{
	const struct policy_rule *r = &x->p->rules[rule];
	enum axis best = AXIS_NONE;
	size_t fewest = SIZE_MAX;
	struct key k = {0};
	enum err e = ERR_OK;

	for (int a = AXIS_TO; a < AXES; a++) {
		size_t n = crowd(x, r, (enum axis)a);

		if (n < fewest) {
			fewest = n;
			best = (enum axis)a;
		}
	}
	if (best == AXIS_NONE)
		return file_under(x, &k, rule);
	for (size_t i = 0; e == ERR_OK && key_at(x, r, best, i, &k); i++)
		e = file_under(x, &k, rule);
	return e;
}

/* --- looking --- */

struct look {
	const struct policy_reach *x;
	const struct policy_rule *r;
	size_t first; /* that covers it; SIZE_MAX: none so far */
};

static void
look_under(struct look *l, const struct key *k)
{
	const struct policy_reach *x = l->x;

	for (size_t at = head_of(x, k); at != NOBODY; at = x->filed[at].next) {
		size_t rule = x->filed[at].rule;

		if (rule < l->first &&
		    policy_rule_covers(&x->p->rules[rule], l->r))
			l->first = rule;
	}
}

/* The pattern, and all that name more. */
static void
look_above(struct look *l, enum axis axis)
{
	const struct pattern_list *list = list_of(l->r, axis);
	const struct pattern *p = NULL;
	struct span domain;
	struct key k;
	size_t dot;

	for (size_t i = 0; p == NULL && i < list->n; i++)
		p = list->list[i].excludes ? NULL : &list->list[i];
	if (p == NULL)
		return;
	k = pattern_key(axis, p->kind, p->text);
	look_under(l, &k);
	if (p->kind == PATTERN_NULL || p->kind == PATTERN_GROUP)
		return;
	domain = p->kind == PATTERN_ADDR ? policy_domain_of(p->text) : p->text;
	if (p->kind == PATTERN_ADDR) {
		k = pattern_key(axis, PATTERN_EXACT, domain);
		look_under(l, &k);
	}
	while ((dot = span_find_chr(domain, 0, '.')) < domain.len) {
		domain = SPAN(domain.data + dot + 1, domain.len - dot - 1);
		k = pattern_key(axis, PATTERN_BELOW, domain);
		look_under(l, &k);
	}
}

bool
policy_reach_find(const struct policy_reach *x, size_t rule, size_t *out)
{
	struct look l = {x, &x->p->rules[rule], SIZE_MAX};
	struct key k = {0};

	look_under(&l, &k);
	look_above(&l, AXIS_TO);
	look_above(&l, AXIS_FROM);
	for (int a = AXIS_WHEN; a < AXES; a++)
		for (size_t i = 0; key_at(x, l.r, (enum axis)a, i, &k); i++)
			look_under(&l, &k);
	if (l.first == SIZE_MAX)
		return false;
	*out = l.first;
	return true;
}
