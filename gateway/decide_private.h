/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of a decision share.
 */
#ifndef GATEWAY_DECIDE_PRIVATE_H
#define GATEWAY_DECIDE_PRIVATE_H

#include "gateway/decide.h"

/* The rung stands: find the key to sign with, or what its lack means. */
void decide_signature(const struct decide_facts *f, struct decision *d);
/* --- decide_pass.c --- */

/* Fill in d->pass, once the keys have been looked up. */
void decide_pass(
    const struct decide_facts *f, struct decision *d, struct arena *arena);
/* Is the message to pass as it is, then that is the outcome. */
bool decide_try_pass(struct decision *d);

/* --- decide_trace.c: parts of the trace, the caller's --- */

struct json_t *decide_facts_json(const struct decision *d);
struct json_t *decide_rules_json(const struct decision *d);
struct json_t *decide_raising_json(const struct decision *d);
struct json_t *decide_keys_json(const struct decision *d);

/* Look for keys where the ladder has their rungs. */
void decide_find_keys(const struct decide_facts *f,
    const struct proto_answers *answers, struct arena *arena,
    struct decision *d);
/* What of the message the walk must know. */
unsigned decide_walk_flags(const struct decide_facts *f);
bool decide_has_rung(const struct policy_ladder *l, enum rung r);

/* Can nobody sign for this sender, whatever the message says? */
bool decide_is_unsignable(const struct decide_facts *f);

#endif
