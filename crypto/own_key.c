/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Keys, requests and PKCS#12 files by OpenSSL. The numbers of a private key
 * are in its locked memory (crypto_private_init()), its octets in a secret.
 */
#include "crypto/own_key.h"

#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "common/digest.h"
#include "common/secret.h"
#include "crypto/cert_private.h"
#include "crypto/issue_private.h"
#include "crypto/private_key.h"

enum {
	P12_ITERATIONS = 100000, /* of PBKDF2, for a file that travels */
	PASSPHRASE_MAX = 1024,
	ED25519_SIZE = 32, /* octets of a public key */
};

static const struct {
	enum crypto_own_alg alg;
	const char *name;
	unsigned bits;	   /* RSA */
	const char *curve; /* NULL: RSA, or Ed25519 */
	bool mail;	   /* of no certificate */
} algs[] = {
    {CRYPTO_OWN_P256, "p256", 0, "P-256", false},
    {CRYPTO_OWN_P384, "p384", 0, "P-384", false},
    {CRYPTO_OWN_RSA3072, "rsa3072", 3072, NULL, false},
    {CRYPTO_OWN_RSA4096, "rsa4096", 4096, NULL, false},
    {CRYPTO_OWN_RSA2048, "rsa2048", 2048, NULL, true},
    {CRYPTO_OWN_ED25519, "ed25519", 0, NULL, true},
};

enum { ALGS = sizeof(algs) / sizeof(algs[0]) };

const char *
crypto_own_alg_name(enum crypto_own_alg alg)
{
	for (size_t i = 0; i < ALGS; i++)
		if (algs[i].alg == alg)
			return algs[i].name;
	return NULL;
}

enum err
crypto_own_alg_by_name(const char *name, enum crypto_own_alg *out)
{
	for (size_t i = 0; i < ALGS; i++)
		if (!algs[i].mail && strcmp(algs[i].name, name) == 0) {
			*out = algs[i].alg;
			return ERR_OK;
		}
	return ERR_NOT_FOUND;
}

static enum err
to_secret(EVP_PKEY *pkey, struct secret **out)
{
	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(pkey);
	unsigned char *der = NULL;
	int len = info == NULL ? -1 : i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	enum err e = ERR_CRYPTO;

	if (len > 0) {
		*out = secret_from(SPAN(der, (size_t)len));
		e = *out == NULL ? ERR_NOMEM : ERR_OK;
		OPENSSL_clear_free(der, (size_t)len);
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	return e;
}

enum err
crypto_own_key_new(enum crypto_own_alg alg, struct secret **out)
{
	EVP_PKEY *pkey = NULL;
	enum err e = ERR_UNSUPPORTED;

	for (size_t i = 0; i < ALGS; i++) {
		if (algs[i].alg != alg)
			continue;
		pkey = algs[i].curve != NULL ? EVP_EC_gen(algs[i].curve)
		       : algs[i].bits > 0
			   ? EVP_RSA_gen((size_t)algs[i].bits)
			   : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		e = pkey == NULL ? ERR_CRYPTO : to_secret(pkey, out);
	}
	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return e;
}

bool
crypto_own_is_ed25519(const struct crypto_private *key)
{
	return EVP_PKEY_is_a(crypto_private_pkey(key), "ED25519") == 1;
}

static enum err
put_public(EVP_PKEY *pkey, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(pkey, &der);
	enum err e = ERR_CRYPTO;

	if (len > 0) {
		e = buf_put(out, SPAN(der, (size_t)len));
		OPENSSL_free(der);
	}
	ERR_clear_error();
	return e;
}

enum err
crypto_own_key_public(const struct crypto_private *key, struct buf *out)
{
	return put_public(crypto_private_pkey(key), out);
}

enum err
crypto_own_mail_public(const struct crypto_private *key, struct buf *out)
{
	EVP_PKEY *pkey = crypto_private_pkey(key);
	uint8_t raw[ED25519_SIZE];
	size_t len = sizeof(raw);

	if (!crypto_own_is_ed25519(key))
		return put_public(pkey, out);
	if (EVP_PKEY_get_raw_public_key(pkey, raw, &len) != 1) {
		ERR_clear_error();
		return ERR_CRYPTO;
	}
	return buf_put(out, SPAN(raw, len));
}

/* For PEM: there is no passphrase. */
static int
no_passphrase(char *out, int size, int writes, void *arg)
{
	(void)out;
	(void)size;
	(void)writes;
	(void)arg;
	return -1;
}

/* One key and nothing more, which parse() takes. */
static enum err
read_pem(struct span pem,
    enum err (*parse)(struct span, struct crypto_private **),
    struct secret **out)
{
	struct crypto_private *key = NULL;
	struct secret *octets = NULL;
	EVP_PKEY *pkey = NULL, *second = NULL;
	enum err e = ERR_MALFORMED;
	BIO *bio = NULL;

	if (pem.len > 0 && pem.len <= INT_MAX)
		bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (bio != NULL)
		pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (pkey != NULL)
		second =
		    PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
	if (pkey != NULL && second == NULL)
		e = to_secret(pkey, &octets);
	if (e == ERR_OK)
		e = parse(secret_span(octets), &key);
	if (e == ERR_OK) {
		*out = octets;
		octets = NULL;
	}
	secret_free(octets);
	crypto_private_free(key);
	EVP_PKEY_free(second);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
	ERR_clear_error();
	return e;
}

enum err
crypto_own_mail_read(struct span pem, struct secret **out)
{
	return read_pem(pem, crypto_private_parse_mail, out);
}

enum err
crypto_own_key_read(struct span pem, struct secret **out)
{
	return read_pem(pem, crypto_private_parse, out);
}

void
crypto_spki_digest(struct span spki, uint8_t out[CRYPTO_SPKI_SIZE])
{
	digest_sha256(&spki, 1, out);
}

enum err
crypto_cert_spki_digest(
    const struct crypto_cert *cert, uint8_t out[CRYPTO_SPKI_SIZE])
{
	EVP_PKEY *pkey = X509_get0_pubkey(cert->x509);
	struct buf b;
	enum err e = ERR_UNSUPPORTED;

	buf_init(&b, CRYPTO_SPKI_MAX);
	if (pkey != NULL)
		e = put_public(pkey, &b);
	if (e == ERR_OK)
		crypto_spki_digest(buf_span(&b), out);
	buf_clear(&b);
	return e;
}

/* --- requests --- */

/* The addresses as an extension that is asked for. */
static bool
ask_for_addrs(X509_REQ *req, const struct span *addrs, size_t n)
{
	STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
	GENERAL_NAMES *names = crypto_issue_names(addrs, n);
	X509_EXTENSION *ext =
	    names == NULL ? NULL
			  : X509V3_EXT_i2d(NID_subject_alt_name, 0, names);
	bool ok = list != NULL && ext != NULL &&
		  sk_X509_EXTENSION_push(list, ext) > 0;

	if (ok)
		ok = X509_REQ_add_extensions(req, list) == 1;
	else
		X509_EXTENSION_free(ext);
	sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
	GENERAL_NAMES_free(names);
	return ok;
}

enum err
crypto_csr_write(const struct crypto_private *key, const char *name,
    const struct span *addrs, size_t n_addrs, struct buf *out,
    struct err_why *why)
{
	EVP_PKEY *pkey = crypto_private_pkey(key);
	X509_REQ *req = X509_REQ_new();
	unsigned char *der = NULL;
	enum err e = ERR_CRYPTO;
	int len;

	if (req == NULL || X509_REQ_set_version(req, 0) != 1 ||
	    !crypto_issue_name(X509_REQ_get_subject_name(req), name) ||
	    X509_REQ_set_pubkey(req, pkey) != 1 ||
	    (n_addrs > 0 && !ask_for_addrs(req, addrs, n_addrs)) ||
	    X509_REQ_sign(req, pkey, crypto_issue_hash(pkey)) <= 0)
		goto out;
	len = i2d_X509_REQ(req, &der);
	if (len > 0)
		e = buf_put(out, SPAN(der, (size_t)len));
	OPENSSL_free(der);
out:
	X509_REQ_free(req);
	ERR_clear_error();
	return e == ERR_OK ? e
			   : err_why(why, e, "the request could not be made");
}

static X509_REQ *
parse_request(struct span in)
{
	const unsigned char *p = in.data;
	X509_REQ *req = NULL;
	BIO *bio;

	if (in.len == 0 || in.len > CRYPTO_CSR_MAX)
		return NULL;
	if (in.data[0] == 0x30) {
		req = d2i_X509_REQ(NULL, &p, (long)in.len);
		if (req != NULL && p != in.data + in.len) {
			X509_REQ_free(req);
			req = NULL;
		}
		return req;
	}
	bio = BIO_new_mem_buf(in.data, (int)in.len);
	if (bio != NULL)
		req = PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return req;
}

enum err
crypto_csr_read(struct span in, struct buf *spki_out, struct err_why *why)
{
	X509_REQ *req = parse_request(in);
	EVP_PKEY *pkey = req == NULL ? NULL : X509_REQ_get0_pubkey(req);
	enum err e;

	if (pkey == NULL)
		e = err_why(why, ERR_MALFORMED,
		    "it is no request for a certificate (PKCS#10)");
	else if (!crypto_private_is_supported(pkey))
		e = err_why(why, ERR_UNSUPPORTED,
		    "its key is neither RSA of at least 2048 bits nor on "
		    "P-256, P-384 or P-521");
	else if (X509_REQ_verify(req, pkey) != 1)
		e = err_why(why, ERR_CRYPTO,
		    "its signature is wrong: who asks does not have the key");
	else
		e = put_public(pkey, spki_out);
	X509_REQ_free(req);
	ERR_clear_error();
	return e;
}

enum err
crypto_pem_put(const char *label, struct span der, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;
	enum err e = ERR_NOMEM;

	if (bio != NULL && der.len <= INT_MAX &&
	    PEM_write_bio(bio, label, "", der.data, (long)der.len) > 0) {
		len = BIO_get_mem_data(bio, &text);
		e = buf_put(out, SPAN(text, (size_t)len));
	}
	BIO_free(bio);
	ERR_clear_error();
	return e;
}

/* --- PKCS#12 --- */

static STACK_OF(X509) * stack_of(struct crypto_cert *const *cas, size_t n)
{
	STACK_OF(X509) *list = sk_X509_new_null();

	for (size_t i = 0; list != NULL && i < n; i++)
		if (sk_X509_push(list, cas[i]->x509) <= 0) {
			sk_X509_free(list);
			return NULL;
		}
	return list;
}

static enum err
put_p12(PKCS12 *p12, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_PKCS12(p12, &der);
	enum err e = ERR_CRYPTO;

	if (len > 0) {
		e = buf_put(out, SPAN(der, (size_t)len));
		OPENSSL_clear_free(der, (size_t)len);
	}
	return e;
}

enum err
crypto_pkcs12_write(const struct secret *pkcs8, const struct crypto_cert *cert,
    struct crypto_cert *const *cas, size_t n, const struct secret *passphrase,
    struct buf *out, struct err_why *why)
{
	struct crypto_private *key = NULL;
	STACK_OF(X509) *list = NULL;
	char pass[PASSPHRASE_MAX + 1];
	PKCS12 *p12 = NULL;
	enum err e;

	if (passphrase->len == 0 || passphrase->len > PASSPHRASE_MAX ||
	    memchr(passphrase->data, '\0', passphrase->len) != NULL)
		return err_why(why, ERR_PASSPHRASE,
		    "a passphrase of 1 to %d octets is needed", PASSPHRASE_MAX);
	memcpy(pass, passphrase->data, passphrase->len);
	pass[passphrase->len] = '\0';
	e = crypto_private_parse(secret_span(pkcs8), &key);
	if (e == ERR_OK && !crypto_private_fits(key, cert))
		e = ERR_MALFORMED;
	if (e != ERR_OK)
		goto out;
	list = stack_of(cas, n);
	p12 = list == NULL
		  ? NULL
		  : PKCS12_create(pass, NULL, crypto_private_pkey(key),
			cert->x509, list, NID_aes_256_cbc, NID_aes_256_cbc,
			P12_ITERATIONS, P12_ITERATIONS, 0);
	e = p12 == NULL ? ERR_CRYPTO : put_p12(p12, out);
out:
	secret_wipe(pass, sizeof(pass));
	PKCS12_free(p12);
	sk_X509_free(list);
	crypto_private_free(key);
	ERR_clear_error();
	return e == ERR_OK
		   ? e
		   : err_why(why, e, "no PKCS#12 file: %s", err_text(e));
}
