/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of `sealgate escrow` share: opening an object by the private
 * key of the recovery certificate.
 */
#ifndef GATEWAY_CLI_ESCROW_PRIVATE_H
#define GATEWAY_CLI_ESCROW_PRIVATE_H

#include "common/buf.h"
#include "gateway/cli/passphrase.h"

struct cli;
struct json_t;

/* Of an object and what opens it. */
struct escrow_recovery {
	const char *key_path;	 /* PKCS#12 or PEM; NULL: not given */
	const char *object_path; /* NULL: where the portal has it */
	struct cli_passphrase passphrase;
	/* descriptors, opened while the caller's rights are still there */
	int key_fd, object_fd;
	struct buf cms;
};

#define ESCROW_RECOVERY_INIT                                                   \
	{                                                                      \
		.passphrase = {.fd = -1}, .key_fd = -1, .object_fd = -1        \
	}

/* One of the options --key, --object, --passphrase-file, --passphrase-fd by its
   letter. False for another, or if it is wrong. */
bool escrow_recovery_option(
    struct escrow_recovery *r, int option, const char *value);
/* The object of that name, or the only one of that message; the caller
   releases the answer. Returns the exit status; what is wrong is said. */
int escrow_find(struct cli *cli, const char *id, struct json_t **answer,
    const struct json_t **object);
/* Have it recorded and get what is sealed for recovery; open the files. */
int escrow_recovery_fetch(
    struct cli *cli, struct escrow_recovery *r, const char *name);
/* The message in a sealed memfd, after root was given up. */
int escrow_recovery_open(
    struct escrow_recovery *r, const char *name, int *fd_out);
void escrow_recovery_clear(struct escrow_recovery *r);

#endif
