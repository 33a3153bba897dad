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

/* What this build writes into the state directory (docs/format-state.md). A
   build that reads less refuses such a state. */
enum { STATE_FORMAT = 1 };
/* Can this build read the state? ERR_STATE_FORMAT: a later one wrote it, or
   nobody can tell, and nothing may be touched. One that was never used is
   fine. */
enum err state_format_check(
    const struct conf *c, struct err_why *why) MUST_CHECK;
/* Write the number down where it is lower, or none is there. */
enum err state_format_write(
    const struct conf *c, struct err_why *why) MUST_CHECK;

/* Make the directories of state and runtime, each for its role, and write down
   the format. Only root changes owners. ERR_STATE_FORMAT as above. */
enum err state_prepare(const struct conf *c, struct err_why *why) MUST_CHECK;
/* The master key, open for reading; the caller closes. The first start makes
   it. ERR_MASTER_KEY when state is there and its key is not, others can read
   it, or a change of it was interrupted. */
enum err state_master_key(
    const struct conf *c, int *fd_out, struct err_why *why) MUST_CHECK;
/* What the name of a master key gets while `sealgate master-key rotate` has not
   wrapped everything by it. */
#define STATE_KEY_NEXT ".new"
/* In the portal's directory in a DMZ while its gateway is connected. */
#define STATE_DMZ_CONNECTED "connected"
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
/* The end of the certificate in a PEM file, in Unix seconds. ERR_IO,
   ERR_MALFORMED. */
enum err state_cert_end(const char *path, int64_t *out_s) MUST_CHECK;
/* Add what the machine lacks for this configuration: users, certificates that
   fit their keys. For `sealgated -n`, start and reload. starts: this process is
   the gateway, or is to be, and must have its credentials. */
void state_check(const struct conf *c, bool starts, struct conf_findings *f);
/* Where the service manager has put a credential; path otherwise. NULL: it has
   given none. Borrowed from path or out. */
enum { STATE_PATH = 4096 };
const char *state_path(const char *path, char out[STATE_PATH]);

#endif
