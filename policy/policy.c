/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The rules of a configuration: taking them in. Whether they make sense
 * together is check.c's, what they do with a message ladder.c's.
 */
#include "policy/policy_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/strtab.h"
#include "mime/addr.h"

enum {
	RULES_MEMORY = 64 << 20, /* octets: 4096 rules with long lists */
	NAME_MAX_LEN = 64,
	TAG_MAX_LEN = 64,
	TAGS_MAX = 256,
};

struct policy *
policy_new(void)
{
	struct policy *p = calloc(1, sizeof(*p));

	if (p == NULL)
		fatal("out of memory");
	p->arena = arena_new(RULES_MEMORY);
	p->condition_at = strtab_new();
	p->auto_rung = RUNG_HOLD;
	return p;
}

void
policy_free(struct policy *p)
{
	if (p == NULL)
		return;
	arena_free(p->arena);
	free(p->rules);
	free(p->gates);
	free(p->inbound);
	free(p->tags);
	free(p->passphrase_tags);
	free(p->conditions);
	strtab_free(p->condition_at);
	free(p->groups);
	free(p);
}

size_t
policy_n_rules(const struct policy *p)
{
	return p->n_rules;
}

const char *const *
policy_tags(const struct policy *p, size_t *n_out)
{
	*n_out = p->n_tags;
	return p->tags;
}

const char *const *
policy_passphrase_tags(const struct policy *p, size_t *n_out)
{
	*n_out = p->n_passphrase_tags;
	return p->passphrase_tags;
}

const struct policy_archive *
policy_archives(const struct policy *p, size_t *n_out)
{
	*n_out = p->n_archives;
	return p->archives;
}

enum err
policy_set_auto_rung(struct policy *p, enum rung r)
{
	if ((unsigned)r >= RUNG_COUNT || policy_rung_sends(r))
		return ERR_CONFIG;
	p->auto_rung = r;
	return ERR_OK;
}

/* Text of 1 to max octets without control characters. */
static bool
is_label(const char *s, size_t max)
{
	size_t len = s == NULL ? 0 : strlen(s);

	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

enum err
policy_add_patterns(struct policy *p, const char *const *text, size_t n,
    struct pattern_list *out, struct err_why *why)
{
	struct pattern *list = arena_array(p->arena, n + 1, sizeof(*list));

	if (list == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		enum err e =
		    policy_pattern_parse(text[i], p->arena, &list[i], why);

		if (e == ERR_OK && list[i].kind == PATTERN_GROUP)
			e = policy_add_group(
			    p, (const char *)list[i].text.data, &list[i].group);
		if (e != ERR_OK)
			return e;
	}
	*out = (struct pattern_list){.list = list, .n = n};
	return ERR_OK;
}

/* ASCII case is ignored in tags. */
static bool
same_tag(const char *a, const char *b)
{
	return span_caseeq_str(span_str(a), b);
}

/* Keep each once in the list of n. out gets its place. */
static enum err
add_tag(struct policy *p, const char *tag, const char ***list, size_t *n,
    size_t *out, struct err_why *why)
{
	const char **tags;

	if (!is_label(tag, TAG_MAX_LEN))
		return err_why(why, ERR_CONFIG,
		    "a tag has 1 to %d octets without control characters",
		    TAG_MAX_LEN);
	for (size_t i = 0; i < *n; i++)
		if (same_tag((*list)[i], tag)) {
			*out = i;
			return ERR_OK;
		}
	if (*n == TAGS_MAX)
		return err_why(
		    why, ERR_CONFIG, "more than %d different tags", TAGS_MAX);
	tags = realloc(*list, (*n + 1) * sizeof(*tags));
	if (tags == NULL)
		return ERR_NOMEM;
	*list = tags;
	tags[*n] = arena_strdup(p->arena, tag);
	if (tags[*n] == NULL)
		return ERR_NOMEM;
	*out = (*n)++;
	return ERR_OK;
}

static enum err
add_tags(struct policy *p, const struct policy_spec *spec,
    struct policy_rule *r, struct err_why *why)
{
	r->tags =
	    arena_array(p->arena, spec->n_subject_tag + 1, sizeof(*r->tags));
	if (r->tags == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < spec->n_subject_tag; i++) {
		enum err e = add_tag(p, spec->subject_tag[i], &p->tags,
		    &p->n_tags, &r->tags[i], why);

		if (e != ERR_OK)
			return e;
	}
	r->n_tags = spec->n_subject_tag;
	return ERR_OK;
}

/* The word of "[WORD:PASSPHRASE]". */
static enum err
set_pickup(struct policy *p, const struct policy_spec *spec,
    struct policy_rule *r, struct err_why *why)
{
	enum policy_escrow escrow = spec->pickup.account
					? POLICY_ESCROW_FACTOR
					: policy_pickup_escrow(&spec->pickup);
	const char *word = spec->pickup.passphrase_tag;
	size_t at;
	enum err e;

	if (escrow > p->best_escrow)
		p->best_escrow = escrow;
	r->pickup = spec->pickup;
	if (word == NULL)
		return ERR_OK;
	if (strpbrk(word, " :[]") != NULL)
		return err_why(why, ERR_CONFIG,
		    "the word of a tag with a passphrase has no blank, colon "
		    "or square bracket");
	e = add_tag(
	    p, word, &p->passphrase_tags, &p->n_passphrase_tags, &at, why);
	if (e == ERR_OK)
		r->pickup.passphrase_tag = p->passphrase_tags[at];
	return e;
}

/* Each address once. */
static enum err
set_archive(struct policy *p, const struct policy_spec *spec,
    struct policy_rule *r, struct err_why *why)
{
	struct mime_addr addr;
	struct err_why inner = {""};
	size_t i = 0;

	if (spec->archive == NULL)
		return ERR_OK;
	if (mime_addr_parse(span_str(spec->archive), MIME_ADDR_UTF8, p->arena,
		&addr, &inner) != ERR_OK)
		return err_why(why, ERR_CONFIG,
		    "archive: \"%.80s\" is no address: %.100s", spec->archive,
		    inner.text);
	while (i < p->n_archives && strcmp(p->archives[i].key, addr.key) != 0)
		i++;
	if (i == POLICY_ARCHIVES_MAX)
		return err_why(why, ERR_CONFIG,
		    "archive: more than %d different addresses",
		    POLICY_ARCHIVES_MAX);
	if (i == p->n_archives)
		p->archives[p->n_archives++] =
		    (struct policy_archive){.addr = addr.text, .key = addr.key};
	r->archive = i + 1;
	return ERR_OK;
}

static enum err
set_label(struct policy *p, const struct policy_spec *spec,
    struct policy_rule *r, struct err_why *why)
{
	if (spec->label == NULL)
		return ERR_OK;
	if (!is_label(spec->label, NAME_MAX_LEN))
		return err_why(why, ERR_CONFIG,
		    "a label has 1 to %d octets without control characters",
		    NAME_MAX_LEN);
	r->label = arena_strdup(p->arena, spec->label);
	return r->label == NULL ? ERR_NOMEM : ERR_OK;
}

static enum err
set_ladder(const struct policy_spec *spec, struct policy_ladder *out,
    struct err_why *why)
{
	struct policy_ladder l = {
	    .n = spec->n_ladder, .escrow = policy_pickup_escrow(&spec->pickup)};

	if (spec->n_ladder == 0)
		return err_why(
		    why, ERR_CONFIG, "the rule needs a ladder: try = { ... }");
	if (spec->n_ladder > POLICY_RUNGS_MAX)
		return err_why(why, ERR_CONFIG, "a ladder has at most %d rungs",
		    POLICY_RUNGS_MAX);
	for (size_t i = 0; i < l.n; i++) {
		if ((unsigned)spec->ladder[i] >= RUNG_COUNT)
			return err_why(why, ERR_CONFIG, "unknown rung");
		l.rung[i] = spec->ladder[i];
	}
	*out = l;
	return ERR_OK;
}

/* Room is doubled: with thousands of rules one at a time is slow. */
static enum err
append(struct policy *p, const struct policy_rule *r)
{
	size_t n = p->n_rules;
	struct policy_rule *rules = p->rules;
	struct gate *gates = p->gates;

	if ((n & (n - 1)) == 0) {
		rules = realloc(rules, (n == 0 ? 1 : 2 * n) * sizeof(*rules));
		if (rules == NULL)
			return ERR_NOMEM;
		p->rules = rules;
		gates = realloc(gates, (n == 0 ? 1 : 2 * n) * sizeof(*gates));
		if (gates == NULL)
			return ERR_NOMEM;
		p->gates = gates;
	}
	gates[n] = policy_gate_of(r);
	rules[p->n_rules++] = *r;
	return ERR_OK;
}

enum err
policy_add_rule(
    struct policy *p, const struct policy_spec *spec, struct err_why *why)
{
	struct policy_rule r = {
	    .line = spec->line,
	    .form = spec->form,
	    .extra = spec->extra,
	    .expires_s = spec->expires_s,
	    .together = spec->together,
	    .on_error_weaker = spec->on_error_weaker,
	    .may_lower = spec->may_lower,
	};
	enum err e;

	if (p->n_rules == POLICY_RULES_MAX)
		return err_why(
		    why, ERR_CONFIG, "more than %d rules", POLICY_RULES_MAX);
	if (!is_label(spec->name, NAME_MAX_LEN))
		return err_why(why, ERR_CONFIG,
		    "the name of a rule has 1 to %d octets without control "
		    "characters",
		    NAME_MAX_LEN);
	r.name = arena_strdup(p->arena, spec->name);
	if (r.name == NULL)
		return ERR_NOMEM;
	e = set_ladder(spec, &r.ladder, why);
	if (e == ERR_OK)
		e = policy_add_patterns(
		    p, spec->from, spec->n_from, &r.from, why);
	if (e == ERR_OK)
		e = policy_add_patterns(p, spec->to, spec->n_to, &r.to, why);
	if (e == ERR_OK)
		e = add_tags(p, spec, &r, why);
	if (e == ERR_OK)
		e = policy_add_when(p, spec, &r, why);
	if (e == ERR_OK)
		e = set_pickup(p, spec, &r, why);
	if (e == ERR_OK)
		e = set_archive(p, spec, &r, why);
	if (e == ERR_OK)
		e = set_label(p, spec, &r, why);
	if (e == ERR_OK)
		e = append(p, &r);
	return e;
}
