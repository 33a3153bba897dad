/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys of the keystore in the hands of who has the master key: to hand
 * one out, to issue certificates while no gateway runs, to put one beside the
 * certificate that came for it. And what anybody needs to seal one.
 */
#ifndef GATEWAY_CLI_UNSEAL_H
#define GATEWAY_CLI_UNSEAL_H

#include "common/sealed.h"
#include "keystore/private.h"

struct cli;

struct cli_unseal {
	enum sealed_purpose purpose;
	int master, file; /* -1: not open */
	struct sealed_pub pub;
	struct secret *priv; /* NULL until cli_unseal_read() */
};

#define CLI_UNSEAL_INIT                                                        \
	{                                                                      \
		.purpose = SEALED_PRIVATE, .master = -1, .file = -1            \
	}

/* What private keys are sealed to. The keys' directory must be there: the
   gateway was started once. */
enum err cli_seal_public(
    struct cli *cli, struct sealed_pub *out, struct err_why *why) MUST_CHECK;

/* Open the master key and the file that it opens, while the caller's rights are
   still there. ERR_PERMISSION, ERR_MASTER_KEY. */
enum err cli_unseal_open(
    struct cli *cli, struct cli_unseal *u, struct err_why *why) MUST_CHECK;
/* Read both, once; to be called after root was given up. */
enum err cli_unseal_read(struct cli_unseal *u, struct err_why *why) MUST_CHECK;
/* The private key of a fingerprint, and its row in the arena. The caller frees
   the key. ERR_NOT_FOUND, ERR_BAD_SEAL. */
enum err cli_unseal_key(struct cli_unseal *u, struct ks_store *s,
    struct span fpr, struct arena *arena, struct ks_private **row,
    struct secret **out, struct err_why *why) MUST_CHECK;
void cli_unseal_close(struct cli_unseal *u);

#endif
