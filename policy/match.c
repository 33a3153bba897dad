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
static struct span
domain_of(struct span addr)
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
pattern_matches(const struct pattern *p, struct span addr)
{
	switch (p->kind) {
	case PATTERN_NULL:
		return addr.len == 0;
	case PATTERN_ADDR:
		return span_eq(p->text, addr);
	case PATTERN_EXACT:
		return span_eq(p->text, domain_of(addr));
	case PATTERN_BELOW:
		return is_below(domain_of(addr), p->text);
	}
	return false;
}

bool
policy_list_matches(const struct pattern_list *l, struct span addr)
{
	bool any = false, positive = false;

	for (size_t i = 0; i < l->n; i++) {
		bool hit = pattern_matches(&l->list[i], addr);

		if (l->list[i].excludes && hit)
			return false;
		if (!l->list[i].excludes) {
			positive = true;
			any = any || hit;
		}
	}
	return any || !positive;
}

/* Is everything that b names (without its "!") named by a? */
static bool
pattern_covers(const struct pattern *a, const struct pattern *b)
{
	switch (b->kind) {
	case PATTERN_NULL:
		return a->kind == PATTERN_NULL;
	case PATTERN_ADDR:
		return pattern_matches(a, b->text);
	case PATTERN_EXACT:
		if (a->kind == PATTERN_EXACT)
			return span_eq(a->text, b->text);
		return a->kind == PATTERN_BELOW && is_below(b->text, a->text);
	case PATTERN_BELOW:
		return a->kind == PATTERN_BELOW &&
		       (span_eq(a->text, b->text) ||
			   is_below(b->text, a->text));
	}
	return false;
}

/* Do they name nothing in common? Each kind is a point or a subtree, so two
   that meet are such that one covers the other. */
static bool
pattern_disjoint(const struct pattern *a, const struct pattern *b)
{
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
policy_rule_matches_envelope(
    const struct policy_rule *r, const struct policy_facts *f)
{
	return policy_list_matches(&r->from, f->from) &&
	       policy_list_matches(&r->to, f->to);
}

bool
policy_rule_raises(const struct policy_rule *r)
{
	return r->n_tags > 0 && !r->may_lower;
}

static bool
has_tag(const struct policy_rule *r, const struct policy_facts *f)
{
	if (f->has_tag == NULL)
		return false;
	for (size_t i = 0; i < r->n_tags; i++)
		if (f->has_tag[r->tags[i]])
			return true;
	return false;
}

bool
policy_rule_matches(const struct policy_rule *r, const struct policy_facts *f)
{
	if (!policy_rule_matches_envelope(r, f))
		return false;
	if (r->n_tags == 0)
		return true;
	if (f->ambiguous)
		return policy_rule_raises(r);
	return has_tag(r, f);
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
	       policy_list_covers(&a->from, &b->from) &&
	       policy_list_covers(&a->to, &b->to);
}
