/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Key methods of OpenSSL: its CMS signs with such a key as with any other. The
 * interface counts as old since 3.0, and is the only one that takes a key from
 * elsewhere without a provider of one's own.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/key_delegate.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "crypto/cert_private.h"

struct crypto_key_delegate {
	EVP_PKEY *pkey;
	crypto_delegate_sign *sign;
	void *ctx;
	enum err err;
};

enum { POINT_MAX = 133 }; /* octets: uncompressed, P-521 */

/* Where a key of OpenSSL leads back to its delegate. */
static int rsa_index = -1, ec_index = -1;
static RSA_METHOD *rsa_method;
static EC_KEY_METHOD *ec_method;

/* The signature into room octets at out; 0 on any failure. */
static size_t
ask(struct crypto_key_delegate *d, enum crypto_sign_alg alg, struct span in,
    unsigned char *out, size_t room)
{
	struct buf b;
	size_t len = 0;
	enum err e;

	buf_init(&b, CRYPTO_SIGN_MAX);
	e = d->sign(d->ctx, alg, in, &b);
	if (e == ERR_OK && (b.len == 0 || b.len > room))
		e = ERR_CRYPTO;
	if (e == ERR_OK) {
		memcpy(out, b.data, b.len);
		len = b.len;
	} else {
		d->err = e;
	}
	buf_clear(&b);
	return len;
}

/* --- RSA --- */

static int
rsa_sign(int type, const unsigned char *m, unsigned len, unsigned char *sig,
    unsigned *sig_len, const RSA *rsa)
{
	struct crypto_key_delegate *d = RSA_get_ex_data(rsa, rsa_index);
	enum crypto_sign_alg alg = CRYPTO_SIGN_NONE;
	size_t n;

	if (type == NID_sha256)
		alg = CRYPTO_SIGN_RSA_SHA256;
	else if (type == NID_sha384)
		alg = CRYPTO_SIGN_RSA_SHA384;
	else if (type == NID_sha512)
		alg = CRYPTO_SIGN_RSA_SHA512;
	else
		return 0;
	n = ask(d, alg, SPAN(m, len), sig, (size_t)RSA_size(rsa));
	*sig_len = (unsigned)n;
	return n == (size_t)RSA_size(rsa);
}

/* Only PSS comes here, encoded already. Its hash follows from the key's size:
   see crypto_cms_sign. */
static int
rsa_private(int len, const unsigned char *from, unsigned char *to, RSA *rsa,
    int padding)
{
	struct crypto_key_delegate *d = RSA_get_ex_data(rsa, rsa_index);
	size_t n;

	if (padding != RSA_NO_PADDING || len != RSA_size(rsa))
		return -1;
	n = ask(d, CRYPTO_SIGN_PSS_SHA256, SPAN(from, (size_t)len), to,
	    (size_t)len);
	return n == (size_t)len ? len : -1;
}

static bool
make_rsa_method(void)
{
	if (rsa_method != NULL)
		return true;
	rsa_index = RSA_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	rsa_method = RSA_meth_dup(RSA_PKCS1_OpenSSL());
	return rsa_index >= 0 && rsa_method != NULL &&
	       RSA_meth_set1_name(rsa_method, "delegate") == 1 &&
	       RSA_meth_set_sign(rsa_method, rsa_sign) == 1 &&
	       RSA_meth_set_priv_enc(rsa_method, rsa_private) == 1;
}

static bool
make_rsa(struct crypto_key_delegate *d, EVP_PKEY *public)
{
	RSA *rsa = make_rsa_method() ? RSA_new() : NULL;
	BIGNUM *n = NULL, *e = NULL;

	if (rsa == NULL || RSA_set_method(rsa, rsa_method) != 1 ||
	    RSA_set_ex_data(rsa, rsa_index, d) != 1 ||
	    EVP_PKEY_get_bn_param(public, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
	    EVP_PKEY_get_bn_param(public, OSSL_PKEY_PARAM_RSA_E, &e) != 1 ||
	    RSA_set0_key(rsa, n, e, NULL) != 1) {
		BN_free(n);
		BN_free(e);
		RSA_free(rsa);
		return false;
	}
	if (EVP_PKEY_assign_RSA(d->pkey, rsa) != 1) {
		RSA_free(rsa);
		return false;
	}
	return true;
}

/* --- EC --- */

static int
ec_sign(int type, const unsigned char *digest, int len, unsigned char *sig,
    unsigned *sig_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *ec)
{
	struct crypto_key_delegate *d = EC_KEY_get_ex_data(ec, ec_index);
	enum crypto_sign_alg alg = CRYPTO_SIGN_NONE;
	size_t n;

	if (len == 32)
		alg = CRYPTO_SIGN_ECDSA_SHA256;
	else if (len == 48)
		alg = CRYPTO_SIGN_ECDSA_SHA384;
	else if (len == 64)
		alg = CRYPTO_SIGN_ECDSA_SHA512;
	else
		return 0;
	n = ask(d, alg, SPAN(digest, (size_t)len), sig, (size_t)ECDSA_size(ec));
	*sig_len = (unsigned)n;
	return n > 0;
}

static bool
make_ec_method(void)
{
	if (ec_method != NULL)
		return true;
	ec_index = EC_KEY_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
	if (ec_index < 0 || ec_method == NULL)
		return false;
	EC_KEY_METHOD_set_sign(ec_method, ec_sign, NULL, NULL);
	return true;
}

static bool
make_ec(struct crypto_key_delegate *d, EVP_PKEY *public)
{
	unsigned char point[POINT_MAX];
	char group[32];
	size_t len = 0;
	EC_KEY *ec = NULL;

	if (!make_ec_method() ||
	    EVP_PKEY_get_group_name(public, group, sizeof(group), NULL) != 1 ||
	    EVP_PKEY_get_octet_string_param(public, OSSL_PKEY_PARAM_PUB_KEY,
		point, sizeof(point), &len) != 1)
		return false;
	ec = EC_KEY_new_by_curve_name(OBJ_sn2nid(group));
	if (ec == NULL || EC_KEY_set_method(ec, ec_method) != 1 ||
	    EC_KEY_set_ex_data(ec, ec_index, d) != 1 ||
	    EC_KEY_oct2key(ec, point, len, NULL) != 1 ||
	    EVP_PKEY_assign_EC_KEY(d->pkey, ec) != 1) {
		EC_KEY_free(ec);
		return false;
	}
	return true;
}

/* --- both --- */

static bool
is_curve(const char *alg)
{
	return strcmp(alg, "P-256") == 0 || strcmp(alg, "P-384") == 0 ||
	       strcmp(alg, "P-521") == 0;
}

enum err
crypto_key_delegate_new(const struct crypto_cert *cert,
    crypto_delegate_sign *sign, void *ctx, struct crypto_key_delegate **out,
    struct err_why *why)
{
	EVP_PKEY *public = X509_get0_pubkey(cert->x509);
	bool rsa = strcmp(cert->info.alg, "RSA") == 0, made;
	struct crypto_key_delegate *d;

	if (public == NULL || (!rsa && !is_curve(cert->info.alg)))
		return err_why(why, ERR_UNSUPPORTED,
		    "signing with a key of the kind %s is not supported",
		    cert->info.alg);
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	d->sign = sign;
	d->ctx = ctx;
	d->pkey = EVP_PKEY_new();
	made =
	    d->pkey != NULL && (rsa ? make_rsa(d, public) : make_ec(d, public));
	if (!made) {
		crypto_key_delegate_free(d);
		return err_why(why, ERR_CRYPTO, "no key for signing: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	}
	*out = d;
	return ERR_OK;
}

void
crypto_key_delegate_free(struct crypto_key_delegate *d)
{
	if (d == NULL)
		return;
	EVP_PKEY_free(d->pkey);
	free(d);
}

struct evp_pkey_st *
crypto_key_delegate_pkey(const struct crypto_key_delegate *d)
{
	return d->pkey;
}

enum err
crypto_key_delegate_err(const struct crypto_key_delegate *d)
{
	return d->err;
}
