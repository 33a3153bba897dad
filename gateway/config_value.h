/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One option: from the value in the text to the member it sets.
 */
#ifndef GATEWAY_CONFIG_VALUE_H
#define GATEWAY_CONFIG_VALUE_H

#include <stdbool.h>

#include "gateway/config_read.h"
#include "gateway/config_table.h"
#include "policy/policy.h"

struct config_rule;

/* Where options go. */
struct config_target {
	struct conf *conf;
	void *part;		  /* the structure of the group; of a rule the
				     same as below */
	struct config_rule *rule; /* of a rule, else NULL */
	struct conf_findings *f;
};

/* A rule while it is read. */
struct config_rule {
	const char **from, **to, **subject_tag;
	size_t n_from, n_to, n_subject_tag;
	struct policy_condition *when;
	size_t n_when;
	struct policy_extra extra;
	const char *label;
	uint64_t expires_s;
	const char *archive;
	int *ladder; /* enum rung */
	size_t n_ladder;
	struct policy_form form;
	bool inbound;
	int require; /* enum policy_require */
	struct policy_pickup pickup;
	enum policy_factor first_factor; /* NONE: not said */
	bool may_lower;
	bool together;
	bool on_error_weaker;
};

/* Check the value and set what the entry names. False after adding what is
   wrong with it. */
bool config_set(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v);

/* --- between config_value.c, config_list.c and config_net.c */

/* config_list.c: one of the types that are lists. */
bool config_set_list(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v);
/* An absolute path without "." or ".." in it? */
bool config_is_path(const char *p);
/* Add "found this, expected that"; false. */
bool config_bad(const struct config_target *t, const struct config_value *v,
    const struct config_entry *e, const char *expected);
/* One element of a list into a struct conf_addr, struct conf_net. */
bool config_one_addr(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v, void *out);
bool config_one_net(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out);
/* --- config_source.c: one element of a list into uint8_t, const char * */
bool config_one_source(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v, void *out);
bool config_one_url(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v, void *out);
bool config_set_string(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v);
/* --- config_rule.c: into the struct config_rule of the target */
bool config_set_when(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v);
bool config_set_label(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v);
bool config_set_factor(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v);
bool config_set_first_factor(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v);
/* Into the struct conf_test that is the target's part. */
bool config_set_rungs(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v);
bool config_set_expect(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v);
/* One element of a list into const char *. */
bool config_one_text(const struct config_target *t,
    const struct config_entry *e, const struct config_value *v, void *out);
/* Into the struct conf_relay that is the target's part. */
bool config_set_via(const struct config_target *t, const struct config_entry *e,
    const struct config_value *v);

#endif
