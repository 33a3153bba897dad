/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys with their certificates as they come in: PKCS#12 (RFC 7292) or
 * PEM (RFC 7468, and the older forms of OpenSSL). For the command line only.
 */
#ifndef CRYPTO_PKCS12_H
#define CRYPTO_PKCS12_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_cert;
struct secret;

enum {
	CRYPTO_BUNDLE_KEYS = 16,
	CRYPTO_BUNDLE_CERTS = 64,
};

/* What was in a file, in its order. */
struct crypto_bundle {
	struct secret *keys[CRYPTO_BUNDLE_KEYS]; /* PKCS#8, DER */
	size_t n_keys;
	struct crypto_cert *certs[CRYPTO_BUNDLE_CERTS];
	/* The place of the key that fits the certificate, or -1. */
	int key_of[CRYPTO_BUNDLE_CERTS];
	size_t n_certs;
};

/* Does it look like PKCS#12; like PEM with a private key in it? */
bool crypto_is_pkcs12(struct span in);
bool crypto_is_private_pem(struct span in);

/* Open either. passphrase is UTF-8, NULL while none is known. ERR_PASSPHRASE:
   one is needed, or it is wrong. ERR_MALFORMED, ERR_NO_KEY (no private key in
   it), ERR_UNSUPPORTED (a key of a kind or size that is not used), ERR_LIMIT.
   The caller clears; out is empty on failure. */
enum err crypto_bundle_open(struct span in, const struct secret *passphrase,
    struct crypto_bundle *out, struct err_why *why) MUST_CHECK;
void crypto_bundle_clear(struct crypto_bundle *b);

#endif
