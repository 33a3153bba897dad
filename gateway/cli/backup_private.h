/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate backup` share.
 */
#ifndef GATEWAY_CLI_BACKUP_PRIVATE_H
#define GATEWAY_CLI_BACKUP_PRIVATE_H

struct cli;

/* Make the directory path, which must not be there: a copy of the state
   directory for another one's place, while the gateway runs or not. What is
   wrong is said. Returns the exit status. */
int backup_state(struct cli *cli, const char *path);

#endif
