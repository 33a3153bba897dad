/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate audit` share.
 */
#ifndef GATEWAY_CLI_AUDIT_PRIVATE_H
#define GATEWAY_CLI_AUDIT_PRIVATE_H

#include "gateway/cli/cli.h"
#include "gateway/cli/unseal.h"

/* The directory of the log, once the gateway, if it runs, has written what it
   knows into the files, and root was given up. What is wrong is said. */
enum err audit_dir(struct cli *cli, const char **out) MUST_CHECK;
/* The same, open. */
enum err audit_dir_open(struct cli *cli, int *fd_out) MUST_CHECK;

/* --- pseudonyms (audit_resolve.c) --- */

struct audit_names {
	struct cli_unseal unseal;
	struct secret *key; /* NULL: they stay as they are */
	bool wanted;	    /* the log may have some */
	struct err_why why;
};

/* Open what they are resolved with, while the caller's rights are there: before
   audit_dir(). */
void audit_names_open(struct cli *cli, struct audit_names *n);
/* Read it, from the directory of the log, too. Says why it cannot. */
void audit_names_read(struct audit_names *n, int dir_fd);
void audit_names_close(struct audit_names *n);
/* In every string. */
void audit_names_put_back(const struct audit_names *n, struct json_t *j);
/* Append the pseudonym of an address, if there can be one. */
enum err audit_names_alias(
    const struct audit_names *n, const char *addr, struct buf *out) MUST_CHECK;

#endif
