/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Take in secret keys of OpenPGP: describe their public halves and write the
 * secret parts down without passphrase, for whoever seals them. In a home on
 * tmpfs that is swept afterwards. RFC 9580 §5.5.3, §10.2.
 */
#ifndef CRYPTO_OPENPGP_SECRET_H
#define CRYPTO_OPENPGP_SECRET_H

#include "crypto/openpgp.h"

struct secret;

struct crypto_pgp_secret {
	uint8_t fpr[CRYPTO_PGP_FPR_MAX]; /* of the primary key */
	size_t fpr_len;
	char fpr_hex[2 * CRYPTO_PGP_FPR_MAX + 1]; /* empty if unknown */
	struct secret *octets; /* transferable secret key, binary, without
				  passphrase and without foreign signatures;
				  NULL if it neither signs nor opens: mail is
				  opened with expired and revoked ones, too */
	/* ERR_OK: signs now (tried). Else ERR_KEY_EXPIRED, ERR_KEY_REVOKED,
	   ERR_KEY_UNUSABLE, ERR_NO_KEY (only the public half is here),
	   ERR_UNSUPPORTED (version 6), and sign_why says it in words. */
	enum err sign_err;
	struct err_why sign_why;
	char sign_alg[16];  /* of the subkey that signs: "Ed25519" */
	int64_t sign_until; /* Unix seconds, 0: no end in sight */
};

struct crypto_pgp_secrets {
	struct crypto_pgp_secret *keys;
	size_t n;
	struct crypto_pgp_list certs; /* public halves of those that have a
					 fingerprint, as crypto_pgp_inspect()
					 tells of them */
};

/* Is there a secret key in the blob, armored or binary? */
bool crypto_pgp_has_secret(struct span blob);

/* Take in the secret keys of a blob; those that the handle has signed with are
   forgotten. passphrase opens all of them; NULL when
   they have none. ERR_PASSPHRASE when that does not open them; ERR_NO_KEY,
   ERR_MALFORMED, ERR_TOO_BIG, ERR_LIMIT, ERR_TIMEOUT, ERR_IO, ERR_ENGINE. The
   caller clears out. */
enum err crypto_pgp_take_secrets(struct crypto_pgp *pgp, struct span blob,
    const struct secret *passphrase, struct crypto_pgp_secrets *out,
    struct err_why *why) MUST_CHECK;
void crypto_pgp_secrets_clear(struct crypto_pgp_secrets *s);

#endif
