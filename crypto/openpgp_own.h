/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OpenPGP keys of our own: made by GnuPG (Ed25519 and Cv25519), and handed out
 * again under a passphrase. In the home of the signing side, which is emptied
 * afterwards. RFC 9580 §5.5.3, §6.
 */
#ifndef CRYPTO_OPENPGP_OWN_H
#define CRYPTO_OPENPGP_OWN_H

#include "crypto/openpgp_secret.h"
#include "crypto/openpgp_sign.h"

/* Make a key with one user ID (UTF-8) that ends expires_s seconds from now (0:
   never): what crypto_pgp_take_secrets() makes of it, one key. The caller
   clears out. ERR_MALFORMED for a user ID that gpg will not have, ERR_TIMEOUT,
   ERR_ENGINE. */
enum err crypto_pgp_generate(struct crypto_pgp *pgp, const char *uid,
    uint32_t expires_s, struct crypto_pgp_secrets *out,
    struct err_why *why) MUST_CHECK;

/* Append the secret key, armored, locked with the passphrase. ERR_PASSPHRASE
   for an empty one; errors of crypto_pgp_take_secrets(). */
enum err crypto_pgp_secret_armor(struct crypto_pgp *pgp,
    const struct crypto_pgp_signer *key, const struct secret *passphrase,
    struct buf *out, struct err_why *why) MUST_CHECK;

/* Append octets as armor of the label, "PUBLIC KEY BLOCK" or the like. */
enum err crypto_pgp_armor(
    const char *label, struct span octets, struct buf *out) MUST_CHECK;

#endif
