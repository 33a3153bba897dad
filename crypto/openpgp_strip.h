/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What may be kept of an OpenPGP certificate that a stranger brings, before gpg
 * sees it: the primary key, user IDs with the address that was looked for,
 * subkeys, and the key's own signatures over these. Signatures of others,
 * photos, what is oversized and what is too much go, in one pass. RFC 9580
 * §5.2, §10.1; what a flood of signatures does: CVE-2019-13050.
 */
#ifndef CRYPTO_OPENPGP_STRIP_H
#define CRYPTO_OPENPGP_STRIP_H

#include "common/buf.h"
#include "common/err.h"

enum {
	CRYPTO_PGP_STRIP_CERTS = 16,	/* of one blob */
	CRYPTO_PGP_STRIP_PACKET = 8192, /* octets of a packet that is kept */
	CRYPTO_PGP_STRIP_PARTS = 64,	/* user IDs and subkeys of each */
	CRYPTO_PGP_STRIP_SIGS = 32,	/* signatures of each of these */
};

struct crypto_pgp_stripped {
	size_t n_certs; /* that are in the output */
	size_t
	    n_foreign; /* certificates left out: no user ID with the address */
	size_t n_weak; /* signatures left out for their digest */
	size_t n_dropped; /* all other packets that were left out */
};

/* Append what is left of the certificates in the binary octets in. addr is the
   canonical address that a user ID must carry; "@domain": any address there.
   The key's own signatures are told by the issuer they name; whether they hold
   is gpg's to say. ERR_PERMISSION for a secret key, ERR_MALFORMED, ERR_LIMIT,
   ERR_KEY_UNUSABLE (key material that nobody should use: the reason),
   ERR_NO_KEY (nothing left), ERR_TOO_BIG, ERR_NOMEM. */
enum err crypto_pgp_strip(struct span in, struct span addr, struct buf *out,
    struct crypto_pgp_stripped *counts, struct err_why *why) MUST_CHECK;

#endif
