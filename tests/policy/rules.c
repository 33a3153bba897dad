/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rules from short texts.
 */
#include "tests/policy/rules.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

enum { WORDS_MAX = 32, TEXT_MAX = 1024 };

struct words {
	char text[TEXT_MAX];
	const char *word[WORDS_MAX];
	size_t n;
};

static void
split(const char *text, struct words *out)
{
	char *p;

	out->n = 0;
	cr_assert_lt(text == NULL ? 0 : strlen(text), sizeof(out->text));
	snprintf(out->text, sizeof(out->text), "%s", text == NULL ? "" : text);
	p = out->text;
	while (*p != '\0') {
		char *end = strchr(p, ' ');

		if (end != NULL)
			*end = '\0';
		if (*p != '\0')
			out->word[out->n++] = p;
		if (end == NULL)
			break;
		p = end + 1;
	}
}

size_t
rules_ladder(const char *text, enum rung *out, size_t max)
{
	struct words w;

	split(text, &w);
	cr_assert_leq(w.n, max);
	for (size_t i = 0; i < w.n; i++)
		cr_assert_eq(policy_rung_by_name(w.word[i], &out[i]), ERR_OK,
		    "%s", w.word[i]);
	return w.n;
}

struct policy_pickup
rules_pickup(enum policy_escrow escrow)
{
	return (struct policy_pickup){
	    .notice_tls = escrow == POLICY_ESCROW_NOTICE_TLS,
	    .factor = escrow == POLICY_ESCROW_FACTOR ? POLICY_FACTOR_GENERATED
						     : POLICY_FACTOR_NONE};
}

enum err
rules_add(struct policy *p, const struct rule_text *t, struct err_why *why)
{
	struct words from, to, tags;
	enum rung ladder[WORDS_MAX];
	struct policy_spec spec = {.name = t->name,
	    .line = (unsigned)(policy_n_rules(p) + 1) * 10,
	    .pickup = rules_pickup(t->escrow),
	    .together = t->together,
	    .on_error_weaker = t->weaker,
	    .may_lower = t->may_lower,
	    .ladder = ladder};

	split(t->from, &from);
	split(t->to, &to);
	split(t->tags, &tags);
	spec.from = from.word;
	spec.n_from = from.n;
	spec.to = to.word;
	spec.n_to = to.n;
	spec.subject_tag = tags.word;
	spec.n_subject_tag = tags.n;
	spec.n_ladder = rules_ladder(t->ladder, ladder, WORDS_MAX);
	return policy_add_rule(p, &spec, why);
}

struct policy *
rules_new(const struct rule_text *t, size_t n)
{
	struct policy *p = policy_new();

	for (size_t i = 0; i < n; i++) {
		struct err_why why = {""};

		cr_assert_eq(rules_add(p, &t[i], &why), ERR_OK, "%s: %s",
		    t[i].name, why.text);
	}
	return p;
}

struct policy_facts
rules_facts(const struct policy *p, const char *from, const char *to,
    const char *tags, bool *tags_room)
{
	struct words w;
	size_t n;
	const char *const *all = policy_tags(p, &n);

	cr_assert_leq(n, RULES_TAGS_MAX);
	split(tags, &w);
	for (size_t i = 0; i < n; i++) {
		tags_room[i] = false;
		for (size_t j = 0; j < w.n; j++)
			if (strcmp(all[i], w.word[j]) == 0)
				tags_room[i] = true;
	}
	return (struct policy_facts){
	    .from = span_str(from), .to = span_str(to), .has_tag = tags_room};
}

void
rules_ladder_text(const struct policy_ladder *l, char *out, size_t out_size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < l->n && at < out_size; i++)
		at += (size_t)snprintf(out + at, out_size - at, "%s%s",
		    i > 0 ? ">" : "", policy_rung_name(l->rung[i]));
}
