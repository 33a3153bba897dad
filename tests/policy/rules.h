/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rules and facts written shortly, for the tests of policy/.
 */
#ifndef TESTS_POLICY_RULES_H
#define TESTS_POLICY_RULES_H

#include "policy/policy.h"

enum { RULES_TAGS_MAX = 8 };

/* Blank-separated lists: patterns, tags (with _ for a blank), rungs. NULL is an
   empty list. */
struct rule_text {
	const char *name;
	const char *from;
	const char *to;
	const char *tags;
	const char *ladder;
	enum policy_escrow escrow;
	bool together;
	bool weaker;
	bool may_lower;
};

/* One that makes escrow that strong. */
struct policy_pickup rules_pickup(enum policy_escrow escrow);
/* Line numbers are 10, 20, ... in the order of adding. */
enum err rules_add(
    struct policy *p, const struct rule_text *t, struct err_why *why);
/* A policy of n rules; the test fails if one is refused. */
struct policy *rules_new(const struct rule_text *t, size_t n);
/* "smime pgp escrow" into rungs; how many. */
size_t rules_ladder(const char *text, enum rung *out, size_t max);
/* Facts with the tags named (blank-separated) found; tags_room is theirs. */
struct policy_facts rules_facts(const struct policy *p, const char *from,
    const char *to, const char *tags, bool *tags_room);
/* "smime>pgp" */
void rules_ladder_text(
    const struct policy_ladder *l, char *out, size_t out_size);

#endif
