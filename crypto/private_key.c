/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys through OpenSSL, their numbers in its locked memory, and
 * signing. Nothing is opened here (private_decrypt.c): what is signed is a
 * digest, or a block that is recognised as the PSS encoding of one (RFC 8017
 * §9.1), so that no ciphertext can pass for it. Who may have what signed is
 * decided in gateway/keys.
 */
#include "crypto/private_key.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "common/limits.h"
#include "crypto/cert_private.h"
#include "crypto/private_key_private.h"

enum {
	SECURE_HEAP = 1 << 20, /* octets: a hundred RSA keys */
	SECURE_LEAST = 32,     /* octets of its smallest piece */
	HASH_MAX = 64,
};

enum scheme { SCHEME_RSA, SCHEME_PSS, SCHEME_ECDSA, SCHEME_ED25519 };

static const struct {
	enum crypto_sign_alg alg;
	enum scheme scheme;
	const char *hash;
	size_t hash_len;
} algs[] = {
    {CRYPTO_SIGN_RSA_SHA256, SCHEME_RSA, "SHA256", 32},
    {CRYPTO_SIGN_RSA_SHA384, SCHEME_RSA, "SHA384", 48},
    {CRYPTO_SIGN_RSA_SHA512, SCHEME_RSA, "SHA512", 64},
    {CRYPTO_SIGN_PSS_SHA256, SCHEME_PSS, "SHA256", 32},
    {CRYPTO_SIGN_PSS_SHA384, SCHEME_PSS, "SHA384", 48},
    {CRYPTO_SIGN_PSS_SHA512, SCHEME_PSS, "SHA512", 64},
    {CRYPTO_SIGN_ECDSA_SHA256, SCHEME_ECDSA, "SHA256", 32},
    {CRYPTO_SIGN_ECDSA_SHA384, SCHEME_ECDSA, "SHA384", 48},
    {CRYPTO_SIGN_ECDSA_SHA512, SCHEME_ECDSA, "SHA512", 64},
    {CRYPTO_SIGN_ED25519_SHA256, SCHEME_ED25519, "SHA256", 32},
};

enum err
crypto_private_init(void)
{
	/* 2: had, but not locked; the process makes no core and the start log
	   warns of swap */
	if (CRYPTO_secure_malloc_initialized() == 0 &&
	    CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_LEAST) == 0)
		return ERR_NOMEM;
	return ERR_OK;
}

bool
crypto_private_is_supported(const EVP_PKEY *pkey)
{
	size_t bits = (size_t)EVP_PKEY_get_bits(pkey);
	char group[32];

	if (EVP_PKEY_is_a(pkey, "RSA") == 1)
		return bits >= LIMIT_RSA_BITS_MIN && bits <= LIMIT_RSA_BITS_MAX;
	return EVP_PKEY_is_a(pkey, "EC") == 1 &&
	       EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
	       (strcmp(group, "prime256v1") == 0 ||
		   strcmp(group, "secp384r1") == 0 ||
		   strcmp(group, "secp521r1") == 0);
}

static bool
signs_mail(const EVP_PKEY *pkey)
{
	return EVP_PKEY_is_a(pkey, "ED25519") == 1 ||
	       (EVP_PKEY_is_a(pkey, "RSA") == 1 &&
		   crypto_private_is_supported(pkey));
}

static enum err
parse(struct span pkcs8, bool (*is_fit)(const EVP_PKEY *pkey),
    struct crypto_private **out)
{
	const unsigned char *p = pkcs8.data;
	PKCS8_PRIV_KEY_INFO *info = NULL;
	struct crypto_private *key = NULL;
	enum err e = ERR_MALFORMED;

	if (pkcs8.len == 0 || pkcs8.len > CRYPTO_PRIVATE_MAX)
		return ERR_MALFORMED;
	ERR_clear_error();
	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)pkcs8.len);
	if (info == NULL || p != pkcs8.data + pkcs8.len)
		goto out;
	key = calloc(1, sizeof(*key));
	if (key == NULL) {
		e = ERR_NOMEM;
		goto out;
	}
	key->pkey = EVP_PKCS82PKEY(info);
	if (key->pkey == NULL)
		goto out;
	key->bits = (size_t)EVP_PKEY_get_bits(key->pkey);
	key->is_rsa = EVP_PKEY_is_a(key->pkey, "RSA") == 1;
	key->is_ed25519 = EVP_PKEY_is_a(key->pkey, "ED25519") == 1;
	e = is_fit(key->pkey) ? ERR_OK : ERR_UNSUPPORTED;
	if (e == ERR_OK) {
		*out = key;
		key = NULL;
	}
out:
	crypto_private_free(key);
	PKCS8_PRIV_KEY_INFO_free(info);
	ERR_clear_error();
	return e;
}

enum err
crypto_private_parse(struct span pkcs8, struct crypto_private **out)
{
	return parse(pkcs8, crypto_private_is_supported, out);
}

enum err
crypto_private_parse_mail(struct span pkcs8, struct crypto_private **out)
{
	return parse(pkcs8, signs_mail, out);
}

void
crypto_private_free(struct crypto_private *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

bool
crypto_private_fits(
    const struct crypto_private *key, const struct crypto_cert *cert)
{
	EVP_PKEY *public = X509_get0_pubkey(cert->x509);
	bool same = public != NULL && EVP_PKEY_eq(public, key->pkey) == 1;

	ERR_clear_error();
	return same;
}

EVP_PKEY *
crypto_private_pkey(const struct crypto_private *key)
{
	return key->pkey;
}

/* XOR the mask made of the seed into out (MGF1, RFC 8017 appendix B.2.1). */
static bool
unmask(const EVP_MD *md, struct span seed, uint8_t *out, size_t len)
{
	uint8_t block[HASH_MAX], in[HASH_MAX + 4];
	unsigned n = 0;

	memcpy(in, seed.data, seed.len);
	for (uint32_t i = 0; len > 0; i++) {
		uint8_t *counter = in + seed.len;
		size_t part;

		counter[0] = (uint8_t)(i >> 24);
		counter[1] = (uint8_t)(i >> 16);
		counter[2] = (uint8_t)(i >> 8);
		counter[3] = (uint8_t)i;
		if (EVP_Digest(in, seed.len + 4, block, &n, md, NULL) != 1)
			return false;
		part = len < n ? len : n;
		for (size_t k = 0; k < part; k++)
			*out++ ^= block[k];
		len -= part;
	}
	return true;
}

/* Zeros, a one, and a salt as long as the hash: what else than an encoding
   could have that? A random block has it with probability 2^-1500. */
static bool
is_padding(const uint8_t *db, size_t len, size_t salt)
{
	size_t zeros = len - salt - 1;

	for (size_t i = 0; i < zeros; i++)
		if (db[i] != 0)
			return false;
	return db[zeros] == 1;
}

/* RFC 8017 §9.1.2, all that can be checked without the digest. */
static bool
is_pss(struct span em, size_t mod_bits, const char *hash, size_t hash_len)
{
	const EVP_MD *md = EVP_get_digestbyname(hash);
	size_t em_bits = mod_bits - 1, em_len = (em_bits + 7) / 8, db_len;
	uint8_t db[CRYPTO_SIGN_MAX];
	uint8_t top = (uint8_t)(0xff >> (8 * em_len - em_bits));

	if (md == NULL || em.len != (mod_bits + 7) / 8 || em.len > sizeof(db))
		return false;
	if (em.len > em_len && em.data[0] != 0)
		return false;
	em.data += em.len - em_len;
	if (em_len < 2 * hash_len + 2 || em.data[em_len - 1] != 0xbc ||
	    (em.data[0] & ~top & 0xff) != 0)
		return false;
	db_len = em_len - hash_len - 1;
	memcpy(db, em.data, db_len);
	if (!unmask(md, SPAN(em.data + db_len, hash_len), db, db_len))
		return false;
	db[0] &= top;
	return is_padding(db, db_len, hash_len);
}

static bool
set_scheme(EVP_PKEY_CTX *ctx, enum scheme scheme, const char *hash)
{
	switch (scheme) {
	case SCHEME_RSA:
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) >
			   0 &&
		       EVP_PKEY_CTX_set_signature_md(
			   ctx, EVP_get_digestbyname(hash)) > 0;
	case SCHEME_PSS: /* the encoding is made */
		return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) > 0;
	case SCHEME_ECDSA:
		return true;
	case SCHEME_ED25519:
		break;
	}
	return false;
}

/* Has the key the kind that the scheme asks for? */
static bool
is_of(const struct crypto_private *key, enum scheme scheme)
{
	switch (scheme) {
	case SCHEME_RSA:
	case SCHEME_PSS:
		return key->is_rsa;
	case SCHEME_ECDSA:
		return !key->is_rsa && !key->is_ed25519;
	case SCHEME_ED25519:
		return key->is_ed25519;
	}
	return false;
}

/* The digest is the message: Ed25519 takes no other form (RFC 8032 §5.1). */
static enum err
sign_ed25519(const struct crypto_private *key, struct span in, struct buf *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sig[CRYPTO_SIGN_MAX];
	size_t len = sizeof(sig);
	enum err e = ERR_CRYPTO;

	if (ctx != NULL &&
	    EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) > 0 &&
	    EVP_DigestSign(ctx, sig, &len, in.data, in.len) > 0)
		e = buf_put(out, SPAN(sig, len));
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return e;
}

static enum err
sign(const struct crypto_private *key, enum scheme scheme, const char *hash,
    struct span in, struct buf *out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
	uint8_t sig[CRYPTO_SIGN_MAX];
	size_t len = sizeof(sig);
	enum err e = ERR_CRYPTO;

	if (ctx != NULL && EVP_PKEY_sign_init(ctx) > 0 &&
	    set_scheme(ctx, scheme, hash) &&
	    EVP_PKEY_sign(ctx, sig, &len, in.data, in.len) > 0)
		e = buf_put(out, SPAN(sig, len));
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return e;
}

enum err
crypto_private_sign(const struct crypto_private *key, enum crypto_sign_alg alg,
    struct span in, struct buf *out)
{
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		enum scheme scheme = algs[i].scheme;

		if (algs[i].alg != alg)
			continue;
		if (!is_of(key, scheme))
			return ERR_UNSUPPORTED;
		if (scheme == SCHEME_PSS
			? !is_pss(in, key->bits, algs[i].hash, algs[i].hash_len)
			: in.len != algs[i].hash_len)
			return ERR_MALFORMED;
		return scheme == SCHEME_ED25519
			   ? sign_ed25519(key, in, out)
			   : sign(key, scheme, algs[i].hash, in, out);
	}
	return ERR_UNSUPPORTED;
}
