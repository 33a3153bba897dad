/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Groups of addresses in files that rules name: read when the supervisor hands
 * over a file that has changed, looked up by every recipient. A file that is
 * missing, empty or malformed makes everybody's membership unsure.
 */
#ifndef GATEWAY_GROUPS_H
#define GATEWAY_GROUPS_H

#include "common/buf.h"
#include "common/err.h"
#include "policy/policy.h"

struct groups;
struct role;

/* Caller frees. */
struct groups *groups_new(void);
void groups_free(struct groups *g);

/* Read what the role was handed since the last time. */
void groups_take(struct groups *g, struct role *r, const struct policy *p);
/* Read the files by their paths, for programs without a supervisor. bad is
   called for each that does not serve; it may be NULL. */
void groups_load(struct groups *g, const struct policy *p,
    void (*bad)(void *arg, const char *path, const char *why), void *arg);

/* For struct policy_facts: groups is a struct groups. */
enum policy_truth groups_has(
    const void *groups, size_t group, struct span addr);
/* The path of a group as policy_groups() has it; NULL if it is no file. */
const char *groups_path(const char *name);

#endif
