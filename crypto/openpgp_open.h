/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening OpenPGP messages and verifying signatures, through GnuPG. Secret keys
 * and certificates come with the request, and gpg sees no others: who may have
 * what opened, and whose certificate is believed, is decided by the caller.
 * RFC 9580 §5.1, §5.2, §5.13, §10.3.
 */
#ifndef CRYPTO_OPENPGP_OPEN_H
#define CRYPTO_OPENPGP_OPEN_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/verdict.h"

struct crypto_pgp;

enum {
	CRYPTO_PGP_SIGS = CRYPTO_VERDICT_SIGS,
	CRYPTO_PGP_OPEN_KEYS = 16,   /* secret keys that are tried */
	CRYPTO_PGP_OPEN_CERTS = 64,  /* certificates to verify with */
	CRYPTO_PGP_OPEN_REASON = 96, /* octets */
	CRYPTO_PGP_OPEN_ALG = 32,
};

#define CRYPTO_PGP_NO_CERT UINT32_MAX

/* One signature. Status is GOOD, UNKNOWN_KEY (by none of the certificates),
   KEY_EXPIRED, KEY_REVOKED, KEY_UNUSABLE, UNSUPPORTED or BAD; whose signature
   it should be is not looked at. */
struct crypto_pgp_sig {
	enum crypto_signed status;
	char reason[CRYPTO_PGP_OPEN_REASON]; /* "" if it is good */
	uint32_t cert;	 /* which certificate; CRYPTO_PGP_NO_CERT */
	uint8_t fpr[32]; /* of the primary key of that certificate; else what
			    the signature says: fingerprint or key ID */
	uint32_t fpr_len;
	int64_t made;		       /* Unix seconds, as it says */
	char alg[CRYPTO_PGP_OPEN_ALG]; /* "Ed25519 SHA-256" */
};

struct crypto_pgp_sigs {
	struct crypto_pgp_sig sig[CRYPTO_PGP_SIGS];
	uint32_t n;
};

/* What to open and with what, borrowed for the call. */
struct crypto_pgp_open_ask {
	struct span in; /* binary or armored, nothing before or behind it */
	/* Transferable secret keys without passphrase, binary. */
	struct span secret[CRYPTO_PGP_OPEN_KEYS];
	size_t n_secrets;
	/* Binary certificates, one in each span. */
	const struct span *certs;
	size_t n_certs;
	uint64_t max; /* octets that may come out */
};

struct crypto_pgp_opened {
	uint32_t secret;	     /* which secret key opened it */
	char cipher[24];	     /* "aes256" */
	struct crypto_pgp_sigs sigs; /* inside; none: not signed */
};

/* Open a message: the text that was encrypted, after decompression, into a new
   memfd, sealed (common/memfd.h); the caller closes. There is none unless the
   integrity of all of it has been verified and it is one text, with signatures
   of nothing else.
   Known without a secret key: ERR_MALFORMED (no encrypted message),
   ERR_UNSUPPORTED (no integrity protection, or one that GnuPG 2.2 does not
   know), ERR_NO_KEY (encrypted to none of the secret keys; none given),
   ERR_LIMIT (more session keys than LIMIT_PGP_SESSION_KEYS, too many
   certificates). ERR_CRYPTO: it does not open, for whatever reason; *why says
   the same each time. ERR_TOO_BIG: more than max, or than LIMIT_INFLATE times
   what came. ERR_TIMEOUT (gpg may still run: the process should end its
   process group), ERR_IO, ERR_NOMEM, ERR_ENGINE: try again later. */
enum err crypto_pgp_open_message(struct crypto_pgp *pgp,
    const struct crypto_pgp_open_ask *ask, int *fd_out,
    struct crypto_pgp_opened *result, struct err_why *why) MUST_CHECK;

/* Verify detached signatures, binary or armored, nothing before or behind them,
   over the octets of text: each is reported. ERR_MALFORMED: they are none, or
   something else beside them; ERR_LIMIT: more than CRYPTO_PGP_SIGS, or too many
   certificates. ERR_TIMEOUT, ERR_IO, ERR_NOMEM, ERR_ENGINE as above. Whatever
   is wrong with a signature is ERR_OK and stands in its status. */
enum err crypto_pgp_verify(struct crypto_pgp *pgp, struct span signatures,
    struct span text, const struct span *certs, size_t n_certs,
    struct crypto_pgp_sigs *out, struct err_why *why) MUST_CHECK;

#endif
