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
	PATTERN_GROUP, /* those of a group */
};

struct pattern {
	enum pattern_kind kind;
	bool excludes;
	struct span text; /* key of the address, the domain, the group */
	size_t group;	  /* place in policy.groups */
};

struct pattern_list {
	struct pattern *list;
	size_t n;
};

/* One of a rule's conditions. */
struct when {
	size_t at; /* place in policy.conditions */
	enum policy_kind kind;
	bool excludes;
};

struct policy_rule {
	const char *name;
	unsigned line;
	struct pattern_list from;
	struct pattern_list to;
	size_t *tags; /* places in policy.tags */
	size_t n_tags;
	struct when *when; /* sorted by kind: those of the envelope first */
	size_t n_when;
	bool on_message; /* a tag, or another condition on the message */
	struct policy_ladder ladder;
	struct policy_form form;
	struct policy_pickup pickup;
	struct policy_extra extra;
	const char *label;
	uint64_t expires_s;
	size_t archive; /* one more than the place in policy.archives; 0: no */
	bool together;
	bool on_error_weaker;
	bool may_lower;
};

/* What tells that a rule cannot match without looking at it. */
struct gate {
	enum {
		GATE_OPEN = 0,
		GATE_DOMAIN,   /* value: hash of the recipient's domain */
		GATE_ENVELOPE, /* value: place of a condition that must hold */
		GATE_MESSAGE,
	} kind;
	uint32_t value;
};

/* The facts that gates are about. */
struct gate_key {
	uint32_t domain;
	const enum policy_truth *truth;
	bool ambiguous;
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
	struct gate *gates; /* of each rule */
	size_t n_rules;
	const char **tags;
	size_t n_tags;
	const char **passphrase_tags;
	size_t n_passphrase_tags;
	enum policy_escrow best_escrow; /* of any rule */
	struct policy_archive archives[POLICY_ARCHIVES_MAX];
	size_t n_archives;
	struct policy_condition *conditions;
	size_t n_conditions;
	struct strtab *condition_at; /* places of conditions */
	const char **groups;
	size_t n_groups;
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
   excludes not. f says who is in a group. */
enum policy_truth policy_list_truth(const struct pattern_list *l,
    struct span addr, const struct policy_facts *f);
/* Is everything that b matches matched by a? May say no when unsure. */
bool policy_list_covers(
    const struct pattern_list *a, const struct pattern_list *b);
/* Does it exclude everything that it names? */
bool policy_list_is_empty(const struct pattern_list *l);
/* The conditions on the envelope. condition gets the first that does not hold,
   or is unsure; NULL for none. */
enum policy_truth policy_rule_envelope(const struct policy_rule *r,
    const struct policy_facts *f, const char **condition);
/* All its conditions. */
enum policy_truth policy_rule_truth(const struct policy_rule *r,
    const struct policy_facts *f, const char **condition);
/* A rule with a condition on the message raises, unless it may lower. */
bool policy_rule_raises(const struct policy_rule *r);
/* What the rule does with these facts, were it the only one: raises what
   others decide, decides, or nothing. */
enum policy_role policy_rule_role(const struct policy_rule *r,
    const struct policy_facts *f, const char **condition);
/* Is every mail that b matches matched by a, both deciding? */
bool policy_rule_covers(
    const struct policy_rule *a, const struct policy_rule *b);

/* --- condition.c --- */

/* Take the conditions over. ERR_CONFIG with the reason, ERR_NOMEM. */
enum err policy_add_when(struct policy *p, const struct policy_spec *spec,
    struct policy_rule *r, struct err_why *why) MUST_CHECK;
enum err policy_add_group(
    struct policy *p, const char *text, size_t *out) MUST_CHECK;
enum policy_truth policy_and(enum policy_truth a, enum policy_truth b);
enum policy_truth policy_or(enum policy_truth a, enum policy_truth b);
enum policy_truth policy_not(enum policy_truth a);
/* Of the conditions on the envelope, or those on the message. */
enum policy_truth policy_when_truth(const struct policy_rule *r,
    const struct policy_facts *f, bool envelope, const char **condition);
/* Does whatever fulfils the conditions of b fulfil those of a? May say no when
   unsure. */
bool policy_when_covers(
    const struct policy_rule *a, const struct policy_rule *b);

/* The domain of a key; empty if it has none. */
struct span policy_domain_of(struct span addr);

/* --- reach.c --- */

/* Rules that decide, by what they ask for. */
struct policy_reach;
/* Aborts when out of memory. */
struct policy_reach *policy_reach_new(const struct policy *p);
void policy_reach_free(struct policy_reach *r);
enum err policy_reach_add(struct policy_reach *x, size_t rule) MUST_CHECK;
/* The first of those that were added that covers this one. */
bool policy_reach_find(
    const struct policy_reach *x, size_t rule, size_t *out) MUST_CHECK;

/* --- gate.c --- */

struct gate policy_gate_of(const struct policy_rule *r);
struct gate_key policy_gate_key(const struct policy_facts *f);
/* The rule does not match for certain. */
bool policy_gate_shut(const struct gate *g, const struct gate_key *k);

/* --- ladder.c --- */

/* Strength of the weakest rung that sends; POLICY_STRENGTH_SENDS_NOTHING if
   none does. */
int policy_ladder_weakest(const struct policy_ladder *l);
/* The same with the rung escrow being as strong as said. */
int policy_ladder_weakest_with(
    const struct policy_ladder *l, enum policy_escrow escrow);

#endif
