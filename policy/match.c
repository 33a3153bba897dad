/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Conditions of rules: address patterns, tags, whether one rule's conditions
 * cover another's. Addresses are compared by the key of mime/addr.h only.
 */
#include "policy/policy_private.h"

#include <string.h>

#include "common/arena.h"
#include "mime/addr.h"

static enum err
domain_pattern(const char *text, struct arena *arena, struct pattern *out,
    struct err_why *why)
{
	struct pattern p = {.kind = PATTERN_EXACT};
	const char *domain;
	struct err_why inner = {""};

	if (strncmp(text, "*.", 2) == 0) {
		p.kind = PATTERN_BELOW;
		text += 2;
	}
	if (strchr(text, '*') != NULL)
		return err_why(why, ERR_CONFIG,
		    "an asterisk may only stand in \"@*.domain\"");
	if (mime_domain_parse(span_str(text), arena, &domain, &inner) != ERR_OK)
		return err_why(why, ERR_CONFIG,
		    "\"%.80s\" is no domain: %.120s", text, inner.text);
	p.text = span_str(domain);
	*out = p;
	return ERR_OK;
}

enum err
policy_pattern_parse(const char *text, struct arena *arena, struct pattern *out,
    struct err_why *why)
{
	struct pattern p = {.kind = PATTERN_ADDR};
	struct mime_addr addr;
	struct err_why inner = {""};
	bool excludes = text[0] == '!';
	enum err e;

	if (excludes)
		text++;
	if (strcmp(text, "<>") == 0) {
		p.kind = PATTERN_NULL;
	} else if (strncmp(text, "file:/", 6) == 0 ||
		   (strncmp(text, "ldap:", 5) == 0 && text[5] != '\0')) {
		const char *copy = arena_strdup(arena, text);

		if (copy == NULL)
			return ERR_NOMEM;
		p.kind = PATTERN_GROUP;
		p.text = span_str(copy);
	} else if (text[0] == '@') {
		e = domain_pattern(text + 1, arena, &p, why);
		if (e != ERR_OK)
			return e;
	} else if (text[0] == '!' || text[0] == '*') {
		/* Both may begin a local part; whoever means that quotes it. */
		return err_why(why, ERR_CONFIG,
		    "\"%.80s\": the forms are an address, \"@domain\" and "
		    "\"@*.domain\", each with one \"!\" before it to exclude",
		    text);
	} else {
		if (mime_addr_parse(span_str(text),
			MIME_ADDR_POSTMASTER | MIME_ADDR_UTF8, arena, &addr,
			&inner) != ERR_OK)
			return err_why(why, ERR_CONFIG,
			    "\"%.80s\" is neither an address nor \"@domain\" "
			    "nor \"@*.domain\": %.100s",
			    text, inner.text);
		p.text = span_str(addr.key);
	}
	p.excludes = excludes;
	*out = p;
	return ERR_OK;
}

/* The domain of a key. A quoted local part may hold an @, a domain not. */
struct span
policy_domain_of(struct span addr)
{
	size_t i = addr.len;

	while (i > 0 && addr.data[i - 1] != '@')
		i--;
	return i == 0 ? SPAN(NULL, 0) : SPAN(addr.data + i, addr.len - i);
}

/* Is domain below top, and not top itself? */
static bool
is_below(struct span domain, struct span top)
{
	size_t at;

	if (top.len == 0 || domain.len < top.len + 2)
		return false;
	at = domain.len - top.len;
	return domain.data[at - 1] == '.' &&
	       memcmp(domain.data + at, top.data, top.len) == 0;
}

static bool
names(const struct pattern *p, struct span addr)
{
	switch (p->kind) {
	case PATTERN_NULL:
		return addr.len == 0;
	case PATTERN_ADDR:
		return span_eq(p->text, addr);
	case PATTERN_EXACT:
		return span_eq(p->text, policy_domain_of(addr));
	case PATTERN_BELOW:
		return is_below(policy_domain_of(addr), p->text);
	case PATTERN_GROUP:
		break;
	}
	return false;
}

static enum policy_truth
pattern_truth(
    const struct pattern *p, struct span addr, const struct policy_facts *f)
{
	if (p->kind != PATTERN_GROUP)
		return names(p, addr) ? POLICY_YES : POLICY_NO;
	if (f->in_group == NULL)
		return POLICY_UNSURE;
	return f->in_group(f->groups, p->group, addr);
}

enum policy_truth
policy_list_truth(const struct pattern_list *l, struct span addr,
    const struct policy_facts *f)
{
	enum policy_truth any = POLICY_NO, excluded = POLICY_NO;
	bool positive = false;

	for (size_t i = 0; i < l->n; i++) {
		enum policy_truth hit = pattern_truth(&l->list[i], addr, f);

		if (l->list[i].excludes) {
			excluded = policy_or(excluded, hit);
			continue;
		}
		positive = true;
		any = policy_or(any, hit);
	}
	return policy_and(positive ? any : POLICY_YES, policy_not(excluded));
}

/* Is everything that b names (without its "!") named by a? */
static bool
pattern_covers(const struct pattern *a, const struct pattern *b)
{
	switch (b->kind) {
	case PATTERN_NULL:
		return a->kind == PATTERN_NULL;
	case PATTERN_ADDR:
		return names(a, b->text);
	case PATTERN_EXACT:
		if (a->kind == PATTERN_EXACT)
			return span_eq(a->text, b->text);
		return a->kind == PATTERN_BELOW && is_below(b->text, a->text);
	case PATTERN_BELOW:
		return a->kind == PATTERN_BELOW &&
		       (span_eq(a->text, b->text) ||
			   is_below(b->text, a->text));
	case PATTERN_GROUP:
		return a->kind == PATTERN_GROUP && a->group == b->group;
	}
	return false;
}

/* Do they name nothing in common? Each kind is a point or a subtree, so two
   that meet are such that one covers the other. Who is in a group is not known
   here. */
static bool
pattern_disjoint(const struct pattern *a, const struct pattern *b)
{
	if (a->kind == PATTERN_GROUP || b->kind == PATTERN_GROUP)
		return false;
	return !pattern_covers(a, b) && !pattern_covers(b, a);
}

static bool
some_covers(
    const struct pattern_list *l, const struct pattern *p, bool excludes)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->list[i].excludes == excludes &&
		    pattern_covers(&l->list[i], p))
			return true;
	return false;
}

static bool
has_positive(const struct pattern_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (!l->list[i].excludes)
			return true;
	return false;
}

/* Does what a excludes by x leave everything of b alone? */
static bool
exclusion_misses(const struct pattern *x, const struct pattern_list *b)
{
	if (some_covers(b, x, true))
		return true;
	if (!has_positive(b))
		return false;
	for (size_t i = 0; i < b->n; i++)
		if (!b->list[i].excludes && !pattern_disjoint(x, &b->list[i]))
			return false;
	return true;
}

bool
policy_list_covers(const struct pattern_list *a, const struct pattern_list *b)
{
	if (has_positive(a)) {
		if (!has_positive(b))
			return false;
		for (size_t i = 0; i < b->n; i++)
			if (!b->list[i].excludes &&
			    !some_covers(a, &b->list[i], false))
				return false;
	}
	for (size_t i = 0; i < a->n; i++)
		if (a->list[i].excludes && !exclusion_misses(&a->list[i], b))
			return false;
	return true;
}

bool
policy_list_is_empty(const struct pattern_list *l)
{
	bool excludes = false;

	for (size_t i = 0; i < l->n; i++)
		excludes = excludes || l->list[i].excludes;
	if (!excludes || !has_positive(l))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (!l->list[i].excludes && !some_covers(l, &l->list[i], true))
			return false;
	return true;
}

enum policy_truth
policy_rule_envelope(const struct policy_rule *r, const struct policy_facts *f,
    const char **condition)
{
	enum policy_truth t = policy_list_truth(&r->from, f->from, f), to;

	*condition = t == POLICY_YES ? NULL : "from";
	if (t == POLICY_NO)
		return t;
	to = policy_list_truth(&r->to, f->to, f);
	if (to == POLICY_NO || (to == POLICY_UNSURE && *condition == NULL))
		*condition = "to";
	t = policy_and(t, to);
	if (t == POLICY_NO)
		return t;
	return policy_and(t, policy_when_truth(r, f, true, condition));
}

bool
policy_rule_raises(const struct policy_rule *r)
{
	return r->on_message && !r->may_lower;
}

static enum policy_truth
tag_truth(const struct policy_rule *r, const struct policy_facts *f)
{
	if (r->n_tags == 0)
		return POLICY_YES;
	if (f->ambiguous)
		return POLICY_UNSURE;
	for (size_t i = 0; f->has_tag != NULL && i < r->n_tags; i++)
		if (f->has_tag[r->tags[i]])
			return POLICY_YES;
	return POLICY_NO;
}

enum policy_truth
policy_rule_truth(const struct policy_rule *r, const struct policy_facts *f,
    const char **condition)
{
	enum policy_truth t = policy_rule_envelope(r, f, condition), tag;

	if (t == POLICY_NO || !r->on_message)
		return t;
	tag = tag_truth(r, f);
	if (tag == POLICY_NO || (tag == POLICY_UNSURE && *condition == NULL))
		*condition = "subject-tag";
	t = policy_and(t, tag);
	if (t == POLICY_NO)
		return t;
	return policy_and(t, policy_when_truth(r, f, false, condition));
}

enum policy_role
policy_rule_role(const struct policy_rule *r, const struct policy_facts *f,
    const char **condition)
{
	switch (policy_rule_truth(r, f, condition)) {
	case POLICY_NO:
		return POLICY_NO_MATCH;
	case POLICY_YES:
		return policy_rule_raises(r) ? POLICY_RAISES : POLICY_DECIDES;
	case POLICY_UNSURE:
		break;
	}
	return r->may_lower ? POLICY_NO_MATCH : POLICY_RAISES;
}

/* Every tag of b is one of a's. */
static bool
tags_cover(const struct policy_rule *a, const struct policy_rule *b)
{
	for (size_t i = 0; i < b->n_tags; i++) {
		size_t j = 0;

		while (j < a->n_tags && a->tags[j] != b->tags[i])
			j++;
		if (j == a->n_tags)
			return false;
	}
	return b->n_tags > 0;
}

bool
policy_rule_covers(const struct policy_rule *a, const struct policy_rule *b)
{
	return (a->n_tags == 0 || tags_cover(a, b)) &&
	       policy_when_covers(a, b) &&
	       policy_list_covers(&a->from, &b->from) &&
	       policy_list_covers(&a->to, &b->to);
}
