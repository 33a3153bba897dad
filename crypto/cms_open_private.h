/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files that open CMS share: the algorithms, a sealed message taken
 * apart, and how a recipient's key becomes the key of the content.
 */
#ifndef CRYPTO_CMS_OPEN_PRIVATE_H
#define CRYPTO_CMS_OPEN_PRIVATE_H

#include <openssl/evp.h>

#include "common/err.h"
#include "common/limits.h"
#include "crypto/ber.h"
#include "crypto/cms_kind.h"
#include "crypto/cms_open.h"

struct arena;

/* --- cms_alg.c: AlgorithmIdentifiers --- */

enum cms_mode {
	CMS_MODE_CBC,
	CMS_MODE_GCM,
};

/* A content cipher with its parameters. */
struct cms_cipher {
	const char *name; /* "aes256-gcm" */
	enum cms_mode mode;
	const char *evp; /* OpenSSL's name */
	size_t key_len;
	bool legacy;   /* 3DES, RC2 */
	bool provider; /* it is in OpenSSL's legacy provider */
	struct span iv;
	size_t tag_len; /* GCM: what the parameters say */
	/* The key is derived with this (RFC 9709): the inner identifier as it
	   is encoded; else empty. */
	struct span derive;
};

/* From the content of a ContentEncryptionAlgorithmIdentifier and the kind of
   message it stands in. ERR_MALFORMED (parameters: an IV of another length, a
   tag shorter than 12 octets), ERR_UNSUPPORTED. */
enum err cms_cipher_parse(struct span alg, enum crypto_cms_kind kind,
    struct cms_cipher *out, struct err_why *why) MUST_CHECK;
/* NULL if this OpenSSL does not have it. The caller frees. */
EVP_CIPHER *cms_cipher_fetch(const struct cms_cipher *c);

/* The hash that an AlgorithmIdentifier names, by its content; NONE. */
enum crypto_hash cms_hash_of(struct span alg);
/* Key transport: op, hash and mgf of out. ERR_MALFORMED, ERR_UNSUPPORTED. */
enum err cms_transport_parse(
    struct span alg, struct crypto_decrypt *out) MUST_CHECK;

/* Key agreement (RFC 5753 §7.1.4). */
struct cms_agreement {
	const char *hash;     /* of the key derivation, OpenSSL's name */
	struct span wrap;     /* the wrapping's identifier as it is encoded */
	const char *wrap_evp; /* OpenSSL's name of it */
	size_t wrap_len;      /* octets of the wrapping key */
	bool legacy;	      /* 3DES */
};

enum err cms_agreement_parse(
    struct span alg, struct cms_agreement *out) MUST_CHECK;

/* --- cms_sealed.c: the message taken apart --- */

/* One recipient and one key of ours that it names. */
struct cms_try {
	size_t key; /* index among the opener's */
	struct crypto_cms_rid rid;
};

struct cms_sealed {
	enum crypto_cms_kind kind;
	struct cms_cipher cipher;
	struct ber text;   /* encryptedContent */
	struct span attrs; /* authAttrs, [1] and all; empty if none */
	struct span mac;   /* GCM's tag */
	struct cms_try tries[LIMIT_DECRYPT_TRIES];
	size_t n_tries;
};

/* Take in apart and find what may be tried. As crypto_cms_open() for all errors
   that need no private key. The arena holds the list of recipients meanwhile.
 */
enum err cms_sealed_parse(struct span in, const struct crypto_cms_opener *o,
    struct arena *a, struct cms_sealed *out, struct err_why *why) MUST_CHECK;

/* --- cms_content_key.c --- */

/* The key of the content, by one try; drawn at random if what the recipient has
   opens to none, so that the content's tag or padding says so. The caller
   frees. Errors of o->decrypt that are not about the key, ERR_NOMEM. */
enum err cms_content_key(const struct cms_sealed *s, const struct cms_try *t,
    const struct crypto_cms_opener *o, struct secret **out) MUST_CHECK;

#endif
