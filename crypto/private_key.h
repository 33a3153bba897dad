/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys of S/MIME certificates: how they are kept (PKCS#8, RFC 5958),
 * and the one operation that is done with them here, signing input of fixed
 * length. For the process that holds private keys; all others use
 * key_delegate.h.
 */
#ifndef CRYPTO_PRIVATE_KEY_H
#define CRYPTO_PRIVATE_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_cert;
struct secret;

/* What is signed, and how. The numbers are on the wire between processes. */
enum crypto_sign_alg {
	CRYPTO_SIGN_NONE = 0,
	/* RSASSA-PKCS1-v1_5; the input is the digest */
	CRYPTO_SIGN_RSA_SHA256 = 1,
	CRYPTO_SIGN_RSA_SHA384 = 2,
	CRYPTO_SIGN_RSA_SHA512 = 3,
	/* RSASSA-PSS with a salt as long as the digest; the input is the
	   encoded message (RFC 8017 §9.1.1), as long as the modulus */
	CRYPTO_SIGN_PSS_SHA256 = 4,
	CRYPTO_SIGN_PSS_SHA384 = 5,
	CRYPTO_SIGN_PSS_SHA512 = 6,
	/* ECDSA on P-256, P-384, P-521; the input is the digest */
	CRYPTO_SIGN_ECDSA_SHA256 = 7,
	CRYPTO_SIGN_ECDSA_SHA384 = 8,
	CRYPTO_SIGN_ECDSA_SHA512 = 9,
};

enum {
	CRYPTO_PRIVATE_MAX = 16 * 1024, /* octets of PKCS#8, RSA 16384 fits */
	CRYPTO_SIGN_MAX = 2048,		/* octets of input or signature */
};

struct crypto_private;

/* Once per process that parses private keys, before the sandbox: memory of its
   own, locked, for their numbers. ERR_NOMEM: none could be had. */
enum err crypto_private_init(void) MUST_CHECK;
/* Parse a PKCS#8 PrivateKeyInfo, DER. The caller frees. ERR_MALFORMED,
   ERR_UNSUPPORTED: neither RSA of a fitting size nor one of the curves. */
enum err crypto_private_parse(
    struct span pkcs8, struct crypto_private **out) MUST_CHECK;
void crypto_private_free(struct crypto_private *key);
/* Is it the private half of the certificate's key? */
bool crypto_private_fits(
    const struct crypto_private *key, const struct crypto_cert *cert);

/* Sign; the signature (ECDSA: DER) is appended to out. ERR_UNSUPPORTED: the
   algorithm is not one, or not one of this key. ERR_MALFORMED: the input has
   not the length of the algorithm, or is no PSS encoding: this opens nothing
   that was sealed to the key. ERR_CRYPTO. */
enum err crypto_private_sign(const struct crypto_private *key,
    enum crypto_sign_alg alg, struct span in, struct buf *out) MUST_CHECK;

#endif
