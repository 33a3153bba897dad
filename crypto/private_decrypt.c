/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening content keys with a private key. What comes out never says whether
 * the input was one: a key drawn at random takes the place of what does not
 * open, without a branch on it (RFC 3218 §2.3.2, RFC 8017 §7.1.2), and the
 * message fails later at its tag or padding.
 */
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "common/secret.h"
#include "crypto/private_key_private.h"

enum {
	KEY_MIN = 5,	 /* octets of a content key: RC2 with 40 bits */
	PADDING_MIN = 8, /* RFC 8017 §7.2.1 */
	POINT_UNCOMPRESSED = 4,
};

/* 0xff if a is 0, else 0; no branch. */
static uint8_t
mask_if_zero(uint8_t a)
{
	return (uint8_t)(((uint32_t)a - 1) >> 8);
}

/* dst where mask is 0, src where it is 0xff. */
static void
take_if(uint8_t mask, uint8_t *dst, const uint8_t *src, size_t len)
{
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)((dst[i] & ~mask) | (src[i] & mask));
}

/* Is it 00 02 PS 00 key with a key of exactly len octets? All of it is looked
   at whatever it begins with. RFC 8017 §7.2.2. */
static uint8_t
mask_if_pkcs1(const uint8_t *em, size_t k, size_t len)
{
	size_t end = k - len - 1;
	uint8_t bad = (uint8_t)(em[0] | (em[1] ^ 2) | em[end]);

	for (size_t i = 2; i < end; i++)
		bad |= mask_if_zero(em[i]);
	return mask_if_zero(bad);
}

static const EVP_MD *
md_of(enum crypto_hash hash)
{
	switch (hash) {
	case CRYPTO_HASH_NONE:
		break;
	case CRYPTO_HASH_SHA1:
		return EVP_sha1();
	case CRYPTO_HASH_SHA224:
		return EVP_sha224();
	case CRYPTO_HASH_SHA256:
		return EVP_sha256();
	case CRYPTO_HASH_SHA384:
		return EVP_sha384();
	case CRYPTO_HASH_SHA512:
		return EVP_sha512();
	}
	return NULL;
}

static bool
set_padding(EVP_PKEY_CTX *ctx, const struct crypto_decrypt *what)
{
	if (what->op == CRYPTO_DECRYPT_PKCS1)
		/* taken off here, so that no error says how it looked */
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0;
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md_of(what->hash)) > 0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md_of(what->mgf)) > 0;
}

/* The decrypted block into em, which has room for k octets, and over key where
   it holds one. */
static void
open_rsa(const struct crypto_private *key, const struct crypto_decrypt *what,
    struct secret *em, struct secret *out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	size_t got = em->len;
	uint8_t mask;
	bool done;

	done = ctx != NULL && EVP_PKEY_decrypt_init(ctx) > 0 &&
	       set_padding(ctx, what) &&
	       EVP_PKEY_decrypt(
		   ctx, em->data, &got, what->in.data, what->in.len) > 0;
	if (what->op == CRYPTO_DECRYPT_PKCS1) {
		mask = mask_if_pkcs1(em->data, em->len, out->len);
		/* not done: the input is a number over the modulus */
		if (done && got == em->len)
			take_if(mask, out->data, em->data + em->len - out->len,
			    out->len);
	} else {
		mask = done && got == out->len ? 0xff : 0;
		take_if(mask, out->data, em->data, out->len);
	}
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
}

static enum err
decrypt_rsa(const struct crypto_private *key, const struct crypto_decrypt *what,
    struct secret **out)
{
	size_t k = (key->bits + 7) / 8;
	struct secret *em, *result;

	if (what->in.len != k || what->len < KEY_MIN ||
	    what->len > CRYPTO_CONTENT_KEY_MAX ||
	    what->len + PADDING_MIN + 3 > k)
		return ERR_MALFORMED;
	if (what->op == CRYPTO_DECRYPT_OAEP &&
	    (md_of(what->hash) == NULL || md_of(what->mgf) == NULL))
		return ERR_UNSUPPORTED;
	em = secret_new(k);
	result = secret_random(what->len);
	if (em == NULL || result == NULL) {
		secret_free(em);
		secret_free(result);
		return ERR_NOMEM;
	}
	open_rsa(key, what, em, result);
	secret_free(em);
	*out = result;
	return ERR_OK;
}

/* Derive with the point in, if it is one of the curve. */
static bool
derive(const struct crypto_private *key, struct span in, struct secret *out)
{
	EVP_PKEY *peer = EVP_PKEY_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	size_t len = out->len;
	bool done;

	/* both look whether it lies on the curve (SP 800-56A §5.6.2.3.4) */
	done = peer != NULL && ctx != NULL &&
	       EVP_PKEY_copy_parameters(peer, key->pkey) == 1 &&
	       EVP_PKEY_set1_encoded_public_key(peer, in.data, in.len) == 1 &&
	       EVP_PKEY_derive_init(ctx) > 0 &&
	       EVP_PKEY_derive_set_peer(ctx, peer) > 0 &&
	       EVP_PKEY_derive(ctx, out->data, &len) > 0 && len == out->len;
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(peer);
	ERR_clear_error();
	return done;
}

static enum err
decrypt_ecdh(const struct crypto_private *key,
    const struct crypto_decrypt *what, struct secret **out)
{
	size_t field = (key->bits + 7) / 8;
	struct secret *result;

	if (what->in.len != 1 + 2 * field ||
	    what->in.data[0] != POINT_UNCOMPRESSED)
		return ERR_MALFORMED;
	result = secret_new(field);
	if (result == NULL)
		return ERR_NOMEM;
	if (!derive(key, what->in, result))
		random_octets(result->data, result->len);
	*out = result;
	return ERR_OK;
}

enum err
crypto_private_decrypt(const struct crypto_private *key,
    const struct crypto_decrypt *what, struct secret **out)
{
	switch (what->op) {
	case CRYPTO_DECRYPT_NONE:
		break;
	case CRYPTO_DECRYPT_PKCS1:
	case CRYPTO_DECRYPT_OAEP:
		return key->is_rsa ? decrypt_rsa(key, what, out)
				   : ERR_UNSUPPORTED;
	case CRYPTO_DECRYPT_ECDH:
		return key->is_rsa || key->is_ed25519
			   ? ERR_UNSUPPORTED
			   : decrypt_ecdh(key, what, out);
	}
	return ERR_UNSUPPORTED;
}
