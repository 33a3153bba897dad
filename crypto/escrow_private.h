/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Between the files of escrow: sealing, accounts, and the index that is
 * sealed.
 */
#ifndef CRYPTO_ESCROW_PRIVATE_H
#define CRYPTO_ESCROW_PRIVATE_H

#include "crypto/escrow.h"

/* Octets of a reply key: an uncompressed point of P-521 fits. */
#define CRYPTO_ESCROW_REPLY_KEY_MAX 133

/* HKDF-SHA-256 of 32 octets, the object id as salt. The caller frees *out. */
enum err crypto_escrow_hkdf(const struct secret *input, const uint8_t *id,
    struct span info, struct secret **out) MUST_CHECK;

/* Append the index. ERR_TOO_BIG beyond out's maximum. */
enum err crypto_escrow_index(
    const struct crypto_escrow *e, struct buf *out) MUST_CHECK;

/* Prefix of the nonces of the message's section. */
extern const uint8_t crypto_escrow_prefix_body[];

#endif
