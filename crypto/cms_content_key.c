/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From what a recipient was given to the key of the content: RSA transport,
 * or agreement on a curve, derivation (SEC 1 §3.6.1, RFC 5753 §7.2) and
 * unwrapping (RFC 3394). Whatever does not fit becomes a key drawn at random,
 * and is found out at the content, like everything else (RFC 3218 §2.3.2).
 */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "common/arena.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/cms_open_private.h"

enum {
	WRAP_EXTRA = 8, /* octets that wrapping adds */
	UKM_MAX = 1024, /* octets of keying material: a nonce */
	INFO_MAX = UKM_MAX + 256,
};

/* Errors that are about where the key is kept, not about the key. */
static bool
is_elsewhere(enum err e)
{
	return e != ERR_MALFORMED && e != ERR_UNSUPPORTED && e != ERR_CRYPTO &&
	       e != ERR_NO_KEY && e != ERR_PERMISSION && e != ERR_BAD_SEAL;
}

/* Ask where the private key is. *out stays NULL if it does not open. */
static enum err
ask(const struct crypto_cms_opener *o, const struct cms_try *t,
    const struct crypto_decrypt *what, struct secret **out)
{
	const struct crypto_cert_info *info =
	    crypto_cert_info(o->keys[t->key].cert);
	enum err e =
	    o->decrypt(o->ctx, SPAN(info->fpr, sizeof(info->fpr)), what, out);

	if (e != ERR_OK)
		*out = NULL;
	return e != ERR_OK && is_elsewhere(e) ? e : ERR_OK;
}

static enum err
transported(const struct cms_sealed *s, const struct cms_try *t,
    const struct crypto_cms_opener *o, struct secret **out)
{
	struct crypto_decrypt what = {
	    .len = s->cipher.key_len, .in = t->rid.key};

	if (cms_transport_parse(t->rid.alg, &what) != ERR_OK)
		return ERR_OK;
	return ask(o, t, &what, out);
}

/* --- agreement --- */

/* The point of an OriginatorPublicKey, [1]; other ways to say whose key it is
   would mean certificates of the sender, which nobody uses. */
static bool
originator_point(struct span in, struct span *out)
{
	struct ber key, alg, bits;

	if (ber_expect(&in, BER_OPTION_CONSTRUCTED + 1, &key) != ERR_OK ||
	    ber_expect(&key.body, BER_SEQUENCE, &alg) != ERR_OK ||
	    ber_expect(&key.body, BER_BITS, &bits) != ERR_OK ||
	    bits.body.len < 2 || bits.body.data[0] != 0)
		return false;
	*out = SPAN(bits.body.data + 1, bits.body.len - 1);
	return true;
}

/* [n] EXPLICIT OCTET STRING */
static enum err
put_octets(struct buf *out, unsigned tag, struct span octets)
{
	struct buf inner;
	enum err e;

	buf_init(&inner, INFO_MAX);
	e = ber_put_head(&inner, BER_OCTETS, octets.len);
	if (e == ERR_OK)
		e = buf_put(&inner, octets);
	if (e == ERR_OK)
		e = ber_put_head(out, tag, inner.len);
	if (e == ERR_OK)
		e = buf_put(out, buf_span(&inner));
	buf_clear(&inner);
	return e;
}

/* ECC-CMS-SharedInfo (RFC 5753 §7.2) in DER. */
static enum err
put_info(const struct cms_agreement *a, struct span ukm, struct buf *out)
{
	const uint8_t bits[4] = {
	    0, 0, (uint8_t)(a->wrap_len * 8 >> 8), (uint8_t)(a->wrap_len * 8)};
	struct buf body;
	enum err e;

	buf_init(&body, INFO_MAX);
	e = buf_put(&body, a->wrap);
	if (e == ERR_OK && ukm.len > 0)
		e = put_octets(&body, BER_OPTION_CONSTRUCTED, ukm);
	if (e == ERR_OK)
		e = put_octets(&body, BER_OPTION_CONSTRUCTED + 2,
		    SPAN(bits, sizeof(bits)));
	if (e == ERR_OK)
		e = ber_put_head(out, BER_SEQUENCE, body.len);
	if (e == ERR_OK)
		e = buf_put(out, buf_span(&body));
	buf_clear(&body);
	return e;
}

/* One run of a derivation function of OpenSSL. */
static bool
derive(const char *kdf_name, OSSL_PARAM *params, struct secret *out)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
	EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	bool done = ctx != NULL &&
		    EVP_KDF_derive(ctx, out->data, out->len, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return done;
}

/* The wrapping key from what both sides know. */
static enum err
wrapping_key(const struct cms_agreement *a, struct span ukm,
    const struct secret *shared, struct secret **out)
{
	struct secret *kek = secret_new(a->wrap_len);
	OSSL_PARAM params[4];
	struct buf info;
	enum err e;

	if (kek == NULL)
		return ERR_NOMEM;
	buf_init(&info, INFO_MAX);
	e = put_info(a, ukm, &info);
	if (e == ERR_OK) {
		params[0] = OSSL_PARAM_construct_utf8_string(
		    OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)a->hash, 0);
		params[1] = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_KEY, shared->data, shared->len);
		params[2] = OSSL_PARAM_construct_octet_string(
		    OSSL_KDF_PARAM_INFO, info.data, info.len);
		params[3] = OSSL_PARAM_construct_end();
		if (!derive("X963KDF", params, kek))
			e = ERR_CRYPTO;
	}
	buf_clear(&info);
	if (e == ERR_OK)
		*out = kek;
	else
		secret_free(kek);
	return e;
}

/* Over out if it unwraps to as many octets. */
static void
unwrap(const struct cms_agreement *a, const struct secret *kek, struct span in,
    struct secret *out)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, a->wrap_evp, NULL);
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	struct secret *key = secret_new(out->len + 2 * WRAP_EXTRA);
	int len = 0;

	/* the length is for all to see; 3DES adds a check value and an IV */
	if (in.len != out->len + (a->legacy ? 2 * WRAP_EXTRA : WRAP_EXTRA))
		goto out;
	if (cipher == NULL || ctx == NULL || key == NULL)
		goto out;
	EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
	if (EVP_DecryptInit_ex(ctx, cipher, NULL, kek->data, NULL) == 1 &&
	    EVP_DecryptUpdate(ctx, key->data, &len, in.data, (int)in.len) ==
		1 &&
	    (size_t)len == out->len)
		memcpy(out->data, key->data, out->len);
out:
	secret_free(key);
	EVP_CIPHER_CTX_free(ctx);
	EVP_CIPHER_free(cipher);
}

static enum err
agreed(const struct cms_sealed *s, const struct cms_try *t,
    const struct crypto_cms_opener *o, struct secret **out)
{
	struct crypto_decrypt what = {.op = CRYPTO_DECRYPT_ECDH};
	struct secret *shared = NULL, *kek = NULL, *key;
	struct cms_agreement a;
	enum err e;

	if (cms_agreement_parse(t->rid.alg, &a) != ERR_OK ||
	    (a.legacy && !o->legacy) || t->rid.ukm.len > UKM_MAX ||
	    !originator_point(t->rid.point, &what.in))
		return ERR_OK;
	key = secret_random(s->cipher.key_len);
	if (key == NULL)
		return ERR_NOMEM;
	e = ask(o, t, &what, &shared);
	if (e == ERR_OK && shared != NULL &&
	    wrapping_key(&a, t->rid.ukm, shared, &kek) == ERR_OK)
		unwrap(&a, kek, t->rid.key, key);
	secret_free(shared);
	secret_free(kek);
	if (e == ERR_OK)
		*out = key;
	else
		secret_free(key);
	return e;
}

/* --- both --- */

/* RFC 9709 §2: the key that encrypts is made of this one and of the name of
   the cipher, so that it is another one under another name. */
static enum err
derive_content(struct span info, struct secret **key)
{
	static char salt[] = "The Cryptographic Message Syntax";
	struct secret *made = secret_new((*key)->len);
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(
		OSSL_KDF_PARAM_DIGEST, (char[]){"SHA256"}, 0),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_KEY, (*key)->data, (*key)->len),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_SALT, salt, sizeof(salt) - 1),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info.data, info.len),
	    OSSL_PARAM_construct_end(),
	};

	if (made == NULL || !derive("HKDF", params, made)) {
		secret_free(made);
		return ERR_NOMEM;
	}
	secret_free(*key);
	*key = made;
	return ERR_OK;
}

enum err
cms_content_key(const struct cms_sealed *s, const struct cms_try *t,
    const struct crypto_cms_opener *o, struct secret **out)
{
	struct secret *key = NULL;
	enum err e =
	    t->rid.agree ? agreed(s, t, o, &key) : transported(s, t, o, &key);

	if (e == ERR_OK && key == NULL) {
		key = secret_random(s->cipher.key_len);
		if (key == NULL)
			e = ERR_NOMEM;
	}
	if (e == ERR_OK && s->cipher.derive.len > 0)
		e = derive_content(s->cipher.derive, &key);
	ERR_clear_error();
	if (e == ERR_OK)
		*out = key;
	else
		secret_free(key);
	return e;
}
