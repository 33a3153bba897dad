/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * gpg for the command line: in a scratch home of its own, in memory.
 */
#ifndef GATEWAY_CLI_GPG_H
#define GATEWAY_CLI_GPG_H

#include "common/err.h"
#include "crypto/openpgp.h"

/* Zeroed while it is not open. */
struct cli_gpg {
	struct crypto_pgp *engine;
	char home[CRYPTO_PGP_HOME_MAX + 1];
};

/* Make the home and bind to it. Root is given up before. What has been made is
   for cli_gpg_close(), after a failure, too. */
enum err cli_gpg_open(struct cli_gpg *gpg, struct err_why *why) MUST_CHECK;
/* End gpg's agent and remove the home. */
void cli_gpg_close(struct cli_gpg *gpg);

#endif
