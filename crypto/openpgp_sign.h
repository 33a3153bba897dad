/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OpenPGP signatures through GnuPG: detached ones for multipart/signed, and
 * signing and sealing in one. Secret keys come with the request, without
 * passphrase; the last CRYPTO_PGP_SECRETS stay in the home, in memory. Who may
 * sign with which key is not decided here. RFC 9580 §5.2, RFC 3156 §5, §6.2.
 */
#ifndef CRYPTO_OPENPGP_SIGN_H
#define CRYPTO_OPENPGP_SIGN_H

#include "common/buf.h"
#include "common/err.h"

enum {
	CRYPTO_PGP_MICALG = 16, /* octets of "pgp-sha256" and its like */
	CRYPTO_PGP_SECRETS = 64,
};

struct crypto_pgp;

/* A key to sign with, borrowed for the call. */
struct crypto_pgp_signer {
	struct span fpr;    /* of the primary key, 20 octets */
	struct span secret; /* transferable secret key, binary, no passphrase;
			       the primary key's part may be missing */
};

/* Sign in, which is canonical text (CRLF) already, octet for octet: an armored
   detached signature with LF line ends goes to the end of the file out (a
   memfd, open for reading and writing), the hash it uses to micalg. On failure
   out is as long as it was. The newest signing subkey is used, never one that
   has expired, is revoked or not there. ERR_NO_KEY: no secret part of a signing
   key in it, or of another fingerprint; ERR_KEY_EXPIRED, ERR_KEY_REVOKED,
   ERR_KEY_UNUSABLE, ERR_MALFORMED; ERR_TIMEOUT, ERR_TOO_BIG, ERR_IO, ERR_ENGINE
   as with crypto_pgp_seal(). */
enum err crypto_pgp_sign(struct crypto_pgp *pgp,
    const struct crypto_pgp_signer *signer, struct span in, int out,
    char micalg[CRYPTO_PGP_MICALG], struct err_why *why) MUST_CHECK;

/* crypto_pgp_seal() of the signed message, in one (RFC 3156 §6.2). Errors are
   those of both. */
enum err crypto_pgp_seal_sign(struct crypto_pgp *pgp, const struct span *certs,
    size_t n, const struct crypto_pgp_signer *signer, struct span in, int out,
    struct err_why *why) MUST_CHECK;

#endif
