/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Homes of GnuPG for the tests, in a directory that goes away with them.
 */
#include "tests/crypto/homes.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/openpgp.h"
#include "tests/crypto/peer.h"

void
homes_make(struct homes *h)
{
	struct err_why why = {""};

	peer_dir_make(h->dir);
	snprintf(h->gateway, sizeof(h->gateway), "%s/g", h->dir);
	snprintf(h->people, sizeof(h->people), "%s/p", h->dir);
	cr_assert_eq(mkdir(h->people, 0700), 0);
	cr_assert_eq(
	    crypto_pgp_open(h->gateway, NULL, HOMES_TIMEOUT, &h->pgp, &why),
	    ERR_OK, "%s", why.text);
}

void
homes_remove(struct homes *h)
{
	crypto_pgp_close(h->pgp);
	peer_run(NULL, NULL, "gpgconf", "--homedir", h->people, "--kill", "all",
	    NULL);
	peer_dir_remove(h->dir);
}
