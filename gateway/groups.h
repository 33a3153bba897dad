/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Groups of addresses that rules name: in files, read when the supervisor hands
 * over one that has changed, and of a directory, read from the keystore when
 * there is a newer answer. A group that is missing, empty, malformed or too old
 * makes everybody's membership unsure.
 */
#ifndef GATEWAY_GROUPS_H
#define GATEWAY_GROUPS_H

#include "common/buf.h"
#include "common/err.h"
#include "policy/policy.h"

struct conf;
struct groups;
struct ks_store;
struct role;

/* Caller frees. */
struct groups *groups_new(void);
void groups_free(struct groups *g);

/* Read what the role was handed since the last time. */
void groups_take(struct groups *g, struct role *r, const struct policy *p);
/* Read the groups of the directory that have changed; those whose time is over
   are not known any more. */
void groups_look(struct groups *g, const struct conf *c, struct ks_store *keys,
    int64_t now_s);
/* Read the files by their paths, for programs without a supervisor. bad is
   called for each that does not serve; it may be NULL. */
void groups_load(struct groups *g, const struct policy *p,
    void (*bad)(void *arg, const char *path, const char *why), void *arg);

/* For struct policy_facts: groups is a struct groups. */
enum policy_truth groups_has(
    const void *groups, size_t group, struct span addr);
/* The path of a group as policy_groups() has it; NULL if it is no file. */
const char *groups_path(const char *name);
/* Its name in the directory; NULL if it is not there. */
const char *groups_directory(const char *name);

#endif
