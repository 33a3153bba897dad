/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The private keys of our senders, from the keystore: unsealed for who may have
 * them used, the last ones kept.
 */
#ifndef GATEWAY_KEYS_PRIVATE_H
#define GATEWAY_KEYS_PRIVATE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "keystore/private.h"

struct crypto_decrypt;
struct keys_private;
struct keys_registered;
struct keys_set;
struct secret;

/* Both are borrowed while it lives; the store is open for reading. Aborts when
   out of memory. The caller frees. */
struct keys_private *keys_private_new(struct ks_store *store,
    const struct keys_set *set, const struct keys_registered *registered);
void keys_private_free(struct keys_private *p);

/* The octets of a private key of this kind, if it speaks for an address that is
   registered under the id, for opening or for signing. The caller frees.
   ERR_PERMISSION, ERR_NO_KEY, ERR_BAD_SEAL, ERR_DB_BROKEN. */
enum err keys_private_get(struct keys_private *p, uint64_t id, bool open,
    struct span fpr, enum ks_kind kind, struct secret **out) MUST_CHECK;
/* A signature by an S/MIME key, appended to out, on the same condition. The
   errors above and those of crypto_private_sign(). */
enum err keys_private_sign(struct keys_private *p, uint64_t id, struct span fpr,
    uint8_t alg, struct span in, struct buf *out) MUST_CHECK;
/* Open with an S/MIME key that speaks for an address whose mail may be opened
   under the id. The caller frees. The errors above and those of
   crypto_private_decrypt(). */
enum err keys_private_decrypt(struct keys_private *p, uint64_t id,
    struct span fpr, const struct crypto_decrypt *what,
    struct secret **out) MUST_CHECK;
/* A signature by the key of a CA of ours, which speaks for no address: for who
   builds certificates. The input is a digest, as above. */
enum err keys_private_sign_as_ca(struct keys_private *p, struct span fpr,
    uint8_t alg, struct span in, struct buf *out) MUST_CHECK;
/* The same by a DKIM key (gateway/dkim.h), RSA with SHA-256 alone. */
enum err keys_private_sign_mail(struct keys_private *p, struct span fpr,
    uint8_t alg, struct span in, struct buf *out) MUST_CHECK;

#endif
