/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The keys and user IDs of a certificate with what their newest signatures say.
 * Which signatures are good was GnuPG's to find out when the certificate was
 * admitted (openpgp_inspect.c); nothing is verified here. RFC 9580 §5.2.3.
 */
#ifndef CRYPTO_OPENPGP_COMPONENT_H
#define CRYPTO_OPENPGP_COMPONENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/openpgp_kind.h"

enum {
	/* key flags: communication, storage (RFC 9580 §5.2.3.29) */
	CRYPTO_PGP_FLAGS_SEAL = 0x04 | 0x08,
};

/* What the hashed part of a signature says. */
struct crypto_pgp_sig {
	struct span octets; /* the whole packet; empty: there is none */
	unsigned type;
	uint32_t created;
	uint32_t key_expires; /* seconds after the key's creation; 0: never */
	unsigned flags;
};

/* A packet with the newest signature on it that binds it. */
struct crypto_pgp_component {
	unsigned tag; /* primary key, user ID, subkey or another packet */
	struct span octets, body;
	struct crypto_pgp_sig sig;
	bool revoked;
};

typedef void crypto_pgp_component_visit(
    void *ctx, const struct crypto_pgp_component *c);

/* Call visit for each component of the one binary certificate in cert, in its
   order, all borrowed from cert. ERR_MALFORMED, when some were visited
   already. */
enum err crypto_pgp_components(struct span cert,
    crypto_pgp_component_visit *visit, void *ctx,
    struct err_why *why) MUST_CHECK;

/* When a key was made, Unix seconds. */
uint32_t crypto_pgp_key_created(const struct crypto_pgp_component *key);
/* Has a key that expires so long after it was made not expired at now? */
bool crypto_pgp_key_lives(
    const struct crypto_pgp_component *key, uint32_t expires, int64_t now);
/* May the subkey be sealed to at now? */
bool crypto_pgp_subkey_seals(const struct crypto_pgp_component *c, int64_t now);

/* May the key with this key ID in the certificate be sealed to at now? False
   if there is none, if it or the certificate is revoked or has expired, or if
   anything is damaged. */
bool crypto_pgp_seals_to(
    struct span cert, const uint8_t key_id[CRYPTO_PGP_KEY_ID], int64_t now);

#endif
