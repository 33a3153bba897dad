/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The walls of a role: resource limits, no_new_privs, not dumpable, system
 * calls (seccomp), files (Landlock). One table says what each role needs.
 */
#ifndef GATEWAY_SANDBOX_H
#define GATEWAY_SANDBOX_H

#include "gateway/role.h"

/* Exit status of a process that made a system call it has no use for; it has
   said which on standard error. */
enum { SANDBOX_EXIT = 159 };

/* Before anything else in the process: no core dumps, locked memory and
   descriptors as many as the hard limits allow (root raises those), death when
   the parent dies. */
void sandbox_limits(void);
/* Go behind the walls; there is no way back. What the role needs from outside
   them must be open. ERR_PERMISSION, ERR_UNSUPPORTED or ERR_NOT_FOUND with the
   reason when a wall cannot be built. */
enum err sandbox_enter(
    enum role_id role, const struct conf *c, struct err_why *why) MUST_CHECK;
/* The kernel's Landlock version, 0 without it: then there is no wall around
   files but the users'. */
int sandbox_landlock_abi(void);

#endif
