/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The bags of a PKCS#12 file one by one: PKCS12_parse() takes the first key
 * only, and a file may have one for signing and one for sealing. Which
 * certificate belongs to a key follows from the key, not from the order or
 * from names. RFC 7292, RFC 5958.
 */
#include "crypto/pkcs12.h"

#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/provider.h>

#include "common/limits.h"
#include "common/secret.h"
#include "crypto/ber.h"
#include "crypto/cert.h"
#include "crypto/private_key.h"

enum {
	PASSPHRASE_MAX = 1024,
	BAG_DEPTH = 4,
};

/* What is being taken in. */
struct taking {
	struct crypto_bundle *out;
	const char *pass; /* NULL: none known */
	int pass_len;
};

void
crypto_bundle_clear(struct crypto_bundle *b)
{
	for (size_t i = 0; i < b->n_keys; i++)
		secret_free(b->keys[i]);
	for (size_t i = 0; i < b->n_certs; i++)
		crypto_cert_unref(b->certs[i]);
	memset(b, 0, sizeof(*b));
}

bool
crypto_is_pkcs12(struct span in)
{
	struct ber pfx, b;

	/* PFX: version 3, then a ContentInfo */
	return ber_expect(&in, BER_SEQUENCE, &pfx) == ERR_OK &&
	       ber_expect(&pfx.body, BER_INTEGER, &b) == ERR_OK &&
	       b.body.len == 1 && b.body.data[0] == 3 &&
	       ber_expect(&pfx.body, BER_SEQUENCE, &b) == ERR_OK &&
	       ber_expect(&b.body, BER_OID, &pfx) == ERR_OK;
}

bool
crypto_is_private_pem(struct span in)
{
	static const char *const labels[] = {"-----BEGIN PRIVATE KEY-----",
	    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
	    "-----BEGIN RSA PRIVATE KEY-----",
	    "-----BEGIN EC PRIVATE KEY-----"};

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (span_find(in, 0, span_str(labels[i])) < in.len)
			return true;
	return false;
}

/* --- keys and certificates --- */

/* Is it one that can be used? Its octets are kept if it is. */
static enum err
take_octets(struct crypto_bundle *out, struct span der)
{
	struct crypto_private *key = NULL;
	enum err e = crypto_private_parse(der, &key);

	crypto_private_free(key);
	if (e != ERR_OK)
		return e;
	if (out->n_keys == CRYPTO_BUNDLE_KEYS)
		return ERR_LIMIT;
	out->keys[out->n_keys] = secret_from(der);
	if (out->keys[out->n_keys] == NULL)
		return ERR_NOMEM;
	out->n_keys++;
	return ERR_OK;
}

static enum err
take_key(struct crypto_bundle *out, const PKCS8_PRIV_KEY_INFO *info)
{
	unsigned char *der = NULL;
	int len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	enum err e = ERR_MALFORMED;

	if (len > 0) {
		e = take_octets(out, SPAN(der, (size_t)len));
		OPENSSL_clear_free(der, (size_t)len);
	}
	return e;
}

static enum err
take_cert(struct crypto_bundle *out, struct span der)
{
	enum err e;

	if (out->n_certs == CRYPTO_BUNDLE_CERTS)
		return ERR_LIMIT;
	e = crypto_cert_parse(der, &out->certs[out->n_certs], NULL);
	if (e == ERR_OK)
		out->n_certs++;
	return e;
}

/* --- PKCS#12 --- */

static enum err take_bags(
    struct taking *t, const STACK_OF(PKCS12_SAFEBAG) * bags, unsigned depth);

static enum err
take_shrouded(struct taking *t, const PKCS12_SAFEBAG *bag)
{
	PKCS8_PRIV_KEY_INFO *info =
	    PKCS12_decrypt_skey(bag, t->pass, t->pass_len);
	enum err e;

	if (info == NULL)
		return ERR_PASSPHRASE;
	e = take_key(t->out, info);
	PKCS8_PRIV_KEY_INFO_free(info);
	return e;
}

static enum err
take_cert_bag(struct taking *t, const PKCS12_SAFEBAG *bag)
{
	X509 *x = PKCS12_SAFEBAG_get1_cert(bag);
	unsigned char *der = NULL;
	int len = x == NULL ? -1 : i2d_X509(x, &der);
	enum err e = ERR_MALFORMED;

	if (len > 0)
		e = take_cert(t->out, SPAN(der, (size_t)len));
	OPENSSL_free(der);
	X509_free(x);
	return e;
}

static enum err
take_bag(struct taking *t, const PKCS12_SAFEBAG *bag, unsigned depth)
{
	switch (PKCS12_SAFEBAG_get_nid(bag)) {
	case NID_keyBag:
		return take_key(t->out, PKCS12_SAFEBAG_get0_p8inf(bag));
	case NID_pkcs8ShroudedKeyBag:
		return take_shrouded(t, bag);
	case NID_certBag:
		if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
			return ERR_OK;
		return take_cert_bag(t, bag);
	case NID_safeContentsBag:
		return take_bags(t, PKCS12_SAFEBAG_get0_safes(bag), depth + 1);
	}
	return ERR_OK; /* revocation lists, secrets */
}

static enum err
take_bags(
    struct taking *t, const STACK_OF(PKCS12_SAFEBAG) * bags, unsigned depth)
{
	enum err e = ERR_OK;

	if (depth > BAG_DEPTH)
		return ERR_LIMIT;
	for (int i = 0; i < sk_PKCS12_SAFEBAG_num(bags) && e == ERR_OK; i++)
		e = take_bag(t, sk_PKCS12_SAFEBAG_value(bags, i), depth);
	return e;
}

static enum err
take_safe(struct taking *t, PKCS7 *p7)
{
	int nid = OBJ_obj2nid(p7->type);
	STACK_OF(PKCS12_SAFEBAG) *bags = NULL;
	enum err e;

	if (nid == NID_pkcs7_data)
		bags = PKCS12_unpack_p7data(p7);
	else if (nid == NID_pkcs7_encrypted)
		bags = PKCS12_unpack_p7encdata(p7, t->pass, t->pass_len);
	else
		return ERR_OK; /* sealed to a certificate: not ours to open */
	if (bags == NULL && nid == NID_pkcs7_data)
		return ERR_MALFORMED;
	if (bags == NULL)
		return ERR_PASSPHRASE;
	e = take_bags(t, bags, 0);
	sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
	return e;
}

/* An empty passphrase is written in two ways, and none in a third. */
static bool
mac_is_good(struct taking *t, PKCS12 *p12)
{
	if (PKCS12_mac_present(p12) == 0)
		return true;
	if (t->pass != NULL && t->pass_len > 0)
		return PKCS12_verify_mac(p12, t->pass, t->pass_len) == 1;
	t->pass = NULL;
	t->pass_len = 0;
	if (PKCS12_verify_mac(p12, NULL, 0) == 1)
		return true;
	if (PKCS12_verify_mac(p12, "", 0) != 1)
		return false;
	t->pass = "";
	return true;
}

/* What Windows and older programs write needs algorithms that OpenSSL keeps
   apart: RC2, and RC4. To read, never to write. */
static void
allow_old_ciphers(void)
{
	static OSSL_PROVIDER *legacy;

	if (legacy == NULL)
		legacy = OSSL_PROVIDER_try_load(NULL, "legacy", 1);
}

static enum err
open_pkcs12(struct taking *t, struct span in)
{
	const unsigned char *p = in.data;
	STACK_OF(PKCS7) *safes = NULL;
	PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)in.len);
	enum err e = ERR_MALFORMED;

	if (p12 == NULL || p != in.data + in.len)
		goto out;
	allow_old_ciphers();
	if (!mac_is_good(t, p12)) {
		e = ERR_PASSPHRASE;
		goto out;
	}
	safes = PKCS12_unpack_authsafes(p12);
	e = safes == NULL ? ERR_MALFORMED : ERR_OK;
	for (int i = 0; i < sk_PKCS7_num(safes) && e == ERR_OK; i++)
		e = take_safe(t, sk_PKCS7_value(safes, i));
out:
	sk_PKCS7_pop_free(safes, PKCS7_free);
	PKCS12_free(p12);
	return e;
}

/* --- PEM --- */

static int
give_passphrase(char *out, int size, int writing, void *arg)
{
	const struct taking *t = arg;

	if (t->pass == NULL || t->pass_len > size)
		return -1;
	memcpy(out, t->pass, (size_t)t->pass_len);
	return t->pass_len;
}

/* "ENCRYPTED PRIVATE KEY" (RFC 5958 §3) */
static enum err
take_encrypted(struct taking *t, struct span der)
{
	const unsigned char *p = der.data;
	X509_SIG *sealed = d2i_X509_SIG(NULL, &p, (long)der.len);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	enum err e = ERR_MALFORMED;

	if (sealed != NULL && t->pass == NULL)
		e = ERR_PASSPHRASE;
	if (sealed != NULL && t->pass != NULL) {
		info = PKCS8_decrypt(sealed, t->pass, t->pass_len);
		e = info == NULL ? ERR_PASSPHRASE : take_key(t->out, info);
	}
	PKCS8_PRIV_KEY_INFO_free(info);
	X509_SIG_free(sealed);
	return e;
}

/* "RSA PRIVATE KEY", "EC PRIVATE KEY": OpenSSL's own, perhaps encrypted by a
   header of the block. */
static enum err
take_traditional(struct taking *t, char *header, unsigned char *data, long len)
{
	const unsigned char *p = data;
	PKCS8_PRIV_KEY_INFO *info = NULL;
	EVP_CIPHER_INFO cipher;
	EVP_PKEY *pkey = NULL;
	enum err e = ERR_MALFORMED;

	if (PEM_get_EVP_CIPHER_INFO(header, &cipher) != 1)
		return ERR_MALFORMED;
	if (cipher.cipher != NULL && t->pass == NULL)
		return ERR_PASSPHRASE;
	if (PEM_do_header(&cipher, data, &len, give_passphrase, t) != 1)
		return ERR_PASSPHRASE;
	pkey = d2i_AutoPrivateKey(NULL, &p, len);
	/* the wrong passphrase may leave something that is no key */
	if (pkey == NULL && cipher.cipher != NULL)
		e = ERR_PASSPHRASE;
	if (pkey != NULL)
		info = EVP_PKEY2PKCS8(pkey);
	if (info != NULL)
		e = take_key(t->out, info);
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(pkey);
	return e;
}

static enum err
take_block(struct taking *t, const char *label, char *header,
    unsigned char *data, long len)
{
	struct span der = SPAN(data, (size_t)len);

	if (strcmp(label, PEM_STRING_X509) == 0 ||
	    strcmp(label, PEM_STRING_X509_OLD) == 0)
		return take_cert(t->out, der);
	if (strcmp(label, PEM_STRING_PKCS8INF) == 0)
		return take_octets(t->out, der);
	if (strcmp(label, PEM_STRING_PKCS8) == 0)
		return take_encrypted(t, der);
	if (strcmp(label, PEM_STRING_RSA) == 0 ||
	    strcmp(label, PEM_STRING_ECPRIVATEKEY) == 0)
		return take_traditional(t, header, data, len);
	if (strcmp(label, PEM_STRING_ECPARAMETERS) == 0)
		return ERR_OK; /* the key names its curve, too */
	return ERR_MALFORMED;
}

static enum err
open_pem(struct taking *t, struct span in)
{
	BIO *bio = BIO_new_mem_buf(in.data, (int)in.len);
	char *label = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len = 0;
	enum err e = bio == NULL ? ERR_NOMEM : ERR_OK;

	while (e == ERR_OK &&
	       PEM_read_bio(bio, &label, &header, &data, &len) == 1) {
		e = take_block(t, label, header, data, len);
		OPENSSL_clear_free(data, (size_t)len);
		OPENSSL_free(label);
		OPENSSL_free(header);
	}
	/* text behind the last block is no error, a damaged block is */
	if (e == ERR_OK &&
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		e = ERR_MALFORMED;
	BIO_free(bio);
	return e;
}

/* --- both --- */

static enum err
match(struct crypto_bundle *b)
{
	for (size_t i = 0; i < b->n_certs; i++)
		b->key_of[i] = -1;
	for (size_t k = 0; k < b->n_keys; k++) {
		struct crypto_private *key = NULL;
		enum err e =
		    crypto_private_parse(secret_span(b->keys[k]), &key);

		if (e != ERR_OK)
			return e;
		for (size_t i = 0; i < b->n_certs; i++)
			if (crypto_private_fits(key, b->certs[i]))
				b->key_of[i] = (int)k;
		crypto_private_free(key);
	}
	return ERR_OK;
}

static enum err
explain(enum err e, bool known, struct err_why *why)
{
	if (e == ERR_PASSPHRASE)
		return err_why(why, e,
		    known ? "the passphrase is wrong"
			  : "a passphrase is needed to open it");
	if (e == ERR_UNSUPPORTED)
		return err_why(why, e,
		    "a private key of a kind or size that is not supported: "
		    "RSA from 2048 bits, P-256, P-384 or P-521 are");
	if (e == ERR_NO_KEY)
		return err_why(why, e, "no private key in it");
	return err_why(why, e, "%s", err_text(e));
}

enum err
crypto_bundle_open(struct span in, const struct secret *passphrase,
    struct crypto_bundle *out, struct err_why *why)
{
	struct crypto_bundle b = {0};
	struct taking t = {.out = &b};
	enum err e;

	if (in.len > INT_MAX ||
	    (passphrase != NULL && passphrase->len > PASSPHRASE_MAX))
		return explain(ERR_TOO_BIG, false, why);
	if (passphrase != NULL) {
		t.pass = (const char *)passphrase->data;
		t.pass_len = (int)passphrase->len;
	}
	ERR_clear_error();
	e = crypto_is_pkcs12(in) ? open_pkcs12(&t, in) : open_pem(&t, in);
	if (e == ERR_OK && b.n_keys == 0)
		e = ERR_NO_KEY;
	if (e == ERR_OK)
		e = match(&b);
	ERR_clear_error();
	if (e != ERR_OK) {
		crypto_bundle_clear(&b);
		return explain(e, passphrase != NULL, why);
	}
	*out = b;
	return ERR_OK;
}
