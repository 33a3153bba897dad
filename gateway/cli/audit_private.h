/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate audit` share.
 */
#ifndef GATEWAY_CLI_AUDIT_PRIVATE_H
#define GATEWAY_CLI_AUDIT_PRIVATE_H

#include "gateway/cli/cli.h"

/* The directory of the log, once root was given up. What is wrong is said. */
enum err audit_dir(struct cli *cli, const char **out) MUST_CHECK;
/* The same, open. */
enum err audit_dir_open(struct cli *cli, int *fd_out) MUST_CHECK;

#endif
