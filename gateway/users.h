/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who the processes run as when the gateway is started by root: the option
 * `users`, as user and group numbers per role.
 */
#ifndef GATEWAY_USERS_H
#define GATEWAY_USERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gateway/role.h"

enum { USERS_GROUPS_MAX = 2 };

struct users_id {
	uid_t uid;
	gid_t gid;
	/* Groups of roles that share a directory with this one. */
	gid_t group[USERS_GROUPS_MAX];
	size_t n_group;
};

/* Only root can change users; everybody else runs all roles as himself. */
bool users_change(void);
/* Who the role runs as: ourselves unless users_change(). ERR_CONFIG with the
   reason when the user does not exist or nothing was configured. */
enum err users_find(const struct conf *c, enum role_id role,
    struct users_id *out, struct err_why *why) MUST_CHECK;
/* Become that user for good. ERR_PERMISSION. */
enum err users_become(
    const struct users_id *id, struct err_why *why) MUST_CHECK;

#endif
