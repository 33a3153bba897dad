/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What must be on the machine before the processes start: directories with
 * their owners, the master key, listening sockets, certificates.
 */
#ifndef GATEWAY_STATE_H
#define GATEWAY_STATE_H

#include "gateway/conf.h"
#include "gateway/role.h"

/* Make the directories of state and runtime, each for its role. Only root
   changes owners. */
enum err state_prepare(const struct conf *c, struct err_why *why) MUST_CHECK;
/* The master key, open for reading; the caller closes. The first start makes
   it. ERR_MASTER_KEY when state is there and its key is not, or others can
   read it. */
enum err state_master_key(
    const struct conf *c, int *fd_out, struct err_why *why) MUST_CHECK;
/* Keep another gateway from this state directory as long as *fd_out is open.
   ERR_BUSY. */
enum err state_lock(
    const struct conf *c, int *fd_out, struct err_why *why) MUST_CHECK;

/* A socket that listens on the address, non-blocking. */
enum err state_listen(
    const struct conf_addr *addr, int *fd_out, struct err_why *why) MUST_CHECK;
/* The socket of the command line, at paths.control, for the role control. */
enum err state_listen_control(
    const struct conf *c, int *fd_out, struct err_why *why) MUST_CHECK;

/* What a role is handed beside its sockets: certificates, passwords. Calls cb
   for each, in the same order in every process. */
void state_each_file(const struct conf *c, enum role_id role,
    void (*cb)(void *arg, enum role_fd kind, unsigned which, const char *path),
    void *arg);
/* Add what the machine lacks for this configuration: users, certificates that
   fit their keys. For `sealgated -n`, start and reload. */
void state_check(const struct conf *c, struct conf_findings *f);

#endif
