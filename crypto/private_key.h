/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys of S/MIME certificates: how they are kept (PKCS#8, RFC 5958),
 * and the two operations that are done with them here, signing and opening
 * input of fixed length. For the process that holds private keys; all others
 * use key_delegate.h.
 */
#ifndef CRYPTO_PRIVATE_KEY_H
#define CRYPTO_PRIVATE_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_cert;
struct evp_pkey_st;
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
	/* Ed25519 of a digest, as mail is signed that leaves (RFC 8463 §3);
	   the input is the digest */
	CRYPTO_SIGN_ED25519_SHA256 = 10,
};

/* How content keys are opened. The numbers are on the wire. */
enum crypto_decrypt_op {
	CRYPTO_DECRYPT_NONE = 0,
	CRYPTO_DECRYPT_PKCS1 = 1, /* RSAES-PKCS1-v1_5 */
	CRYPTO_DECRYPT_OAEP = 2,  /* RSAES-OAEP with an empty label */
	CRYPTO_DECRYPT_ECDH = 3,  /* on P-256, P-384, P-521 */
};

enum crypto_hash {
	CRYPTO_HASH_NONE = 0,
	CRYPTO_HASH_SHA1 = 1, /* in OAEP and key derivation only */
	CRYPTO_HASH_SHA256 = 2,
	CRYPTO_HASH_SHA384 = 3,
	CRYPTO_HASH_SHA512 = 4,
	CRYPTO_HASH_SHA224 = 5, /* in OAEP and key derivation only */
};

/* One operation. in: RSA: as long as the modulus; ECDH: the other side's point,
   uncompressed. */
struct crypto_decrypt {
	enum crypto_decrypt_op op;
	enum crypto_hash hash; /* OAEP */
	enum crypto_hash mgf;  /* OAEP */
	/* RSA: octets of the key that is in it, 5 to CRYPTO_CONTENT_KEY_MAX */
	size_t len;
	struct span in;
};

enum {
	CRYPTO_CONTENT_KEY_MAX = 64,
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
/* The same of a key that signs mail when it leaves (DKIM): RSA or Ed25519. */
enum err crypto_private_parse_mail(
    struct span pkcs8, struct crypto_private **out) MUST_CHECK;
void crypto_private_free(struct crypto_private *key);
/* Is it the private half of the certificate's key? */
bool crypto_private_fits(
    const struct crypto_private *key, const struct crypto_cert *cert);

/* For the files of crypto/, and to sign with in issue.h: borrowed. */
struct evp_pkey_st *crypto_private_pkey(const struct crypto_private *key);
/* RSA of a size that is used, or one of the curves? */
bool crypto_private_is_supported(const struct evp_pkey_st *pkey);

/* Sign; the signature (ECDSA: DER) is appended to out. ERR_UNSUPPORTED: the
   algorithm is not one, or not one of this key. ERR_MALFORMED: the input has
   not the length of the algorithm, or is no PSS encoding: this opens nothing
   that was sealed to the key. ERR_CRYPTO. */
enum err crypto_private_sign(const struct crypto_private *key,
    enum crypto_sign_alg alg, struct span in, struct buf *out) MUST_CHECK;

/* Open. RSA: the key of what->len octets; another one drawn at random if the
   input does not open to one of this length, so that nobody learns whether it
   did (RFC 3218 §2.3.2). ECDH: the x coordinate of the shared point, random
   octets if the input is none of the curve. The caller frees. ERR_UNSUPPORTED:
   not an operation of this key. ERR_MALFORMED: the input has not the length
   that the key asks for. ERR_NOMEM. */
enum err crypto_private_decrypt(const struct crypto_private *key,
    const struct crypto_decrypt *what, struct secret **out) MUST_CHECK;

#endif
