/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of policy/ share: the rules as they are kept.
 */
#ifndef POLICY_POLICY_PRIVATE_H
#define POLICY_POLICY_PRIVATE_H

#include "policy/policy.h"

enum pattern_kind {
	PATTERN_NULL,  /* the null sender */
	PATTERN_ADDR,  /* one address */
	PATTERN_EXACT, /* the addresses of a domain */
	PATTERN_BELOW, /* those of every domain below it */
};

struct pattern {
	enum pattern_kind kind;
	bool excludes;
	struct span text; /* key of the address, or the domain */
};

struct pattern_list {
	struct pattern *list;
	size_t n;
};

struct policy_rule {
	const char *name;
	unsigned line;
	struct pattern_list from;
	struct pattern_list to;
	size_t *tags; /* places in policy.tags */
	size_t n_tags;
	struct policy_ladder ladder;
	struct policy_form form;
	bool together;
	bool on_error_weaker;
	bool may_lower;
};

struct policy_inbound_rule {
	const char *name;
	unsigned line;
	struct pattern_list from;
	struct pattern_list to;
	enum policy_require require;
};

struct policy {
	struct arena *arena; /* everything but the arrays below */
	struct policy_rule *rules;
	size_t n_rules;
	const char **tags;
	size_t n_tags;
	struct policy_inbound_rule *inbound;
	size_t n_inbound;
	enum rung auto_rung;
};

/* --- policy.c --- */

enum err policy_add_patterns(struct policy *p, const char *const *text,
    size_t n, struct pattern_list *out, struct err_why *why) MUST_CHECK;

/* --- match.c --- */

/* Read one pattern. ERR_CONFIG with the reason, ERR_NOMEM. */
enum err policy_pattern_parse(const char *text, struct arena *arena,
    struct pattern *out, struct err_why *why) MUST_CHECK;
/* An empty list matches everything, as does one that only excludes what it
   excludes not. */
bool policy_list_matches(const struct pattern_list *l, struct span addr);
/* Is everything that b matches matched by a? May say no when unsure. */
bool policy_list_covers(
    const struct pattern_list *a, const struct pattern_list *b);
bool policy_rule_matches_envelope(
    const struct policy_rule *r, const struct policy_facts *f);
/* A rule with a condition on the message raises, unless it may lower. */
bool policy_rule_raises(const struct policy_rule *r);
/* All its conditions; ambiguity is a match for who raises, none for
   who may lower. */
bool policy_rule_matches(
    const struct policy_rule *r, const struct policy_facts *f);
/* Is every mail that b matches matched by a, both deciding? */
bool policy_rule_covers(
    const struct policy_rule *a, const struct policy_rule *b);

/* --- ladder.c --- */

/* Strength of the weakest rung that sends; POLICY_STRENGTH_SENDS_NOTHING if
   none does. */
int policy_ladder_weakest(const struct policy_ladder *l);

#endif
