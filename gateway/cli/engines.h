/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The engines of gateway/variant.h as the command line has them: gpg in a
 * scratch home, private keys unsealed by who has the master key.
 */
#ifndef GATEWAY_CLI_ENGINES_H
#define GATEWAY_CLI_ENGINES_H

#include "gateway/cli/gpg.h"
#include "gateway/cli/unseal.h"
#include "gateway/variant.h"

struct cli_engines {
	struct cli_unseal unseal; /* not open: nothing is signed */
	struct cli_gpg gpg;
	/* the caller's */
	struct ks_store *keys;
	struct crypto_cert_cache *certs;
	struct arena *arena;
};

#define CLI_ENGINES_INIT                                                       \
	{                                                                      \
		.unseal = CLI_UNSEAL_INIT                                      \
	}

/* Borrows e, whose members must be set by then. */
struct variant_engines cli_engines_of(struct cli_engines *e);
void cli_engines_close(struct cli_engines *e);

#endif
