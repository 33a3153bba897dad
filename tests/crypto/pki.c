/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates by OpenSSL's own functions; the code under test makes none.
 */
#include "tests/crypto/pki.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

struct pki_cert *
pki_find(struct pki_cert *certs, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(certs[i].spec->name, name) == 0)
			return &certs[i];
	cr_assert_fail("no certificate %s", name);
	return NULL;
}

static EVP_PKEY *
make_key(struct pki_cert *certs, size_t n, const char *kind)
{
	EVP_PKEY *key;
	int bits;

	if (kind != NULL && kind[0] == '=') {
		key = pki_find(certs, n, kind + 1)->key;
		EVP_PKEY_up_ref(key);
		return key;
	}
	if (kind != NULL && sscanf(kind, "RSA %d", &bits) == 1)
		key = EVP_RSA_gen((unsigned)bits);
	else
		key = EVP_EC_gen(kind == NULL ? "P-256" : kind);
	cr_assert_not_null(key, "%s", kind);
	return key;
}

static void
add_extensions(X509 *x, X509 *issuer, const char *lines, const char *name)
{
	CONF *conf = NCONF_new(NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	X509V3_CTX ctx;
	long bad = 0;

	BIO_printf(bio, "[v3]\n%s", lines);
	cr_assert_eq(
	    NCONF_load_bio(conf, bio, &bad), 1, "%s: line %ld", name, bad);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	cr_assert_eq(X509V3_EXT_add_nconf(conf, &ctx, "v3", x), 1, "%s", name);
	NCONF_free(conf);
	BIO_free(bio);
}

static void
add_name(X509_NAME *name, int nid, const char *text)
{
	cr_assert_eq(X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8,
			 (const unsigned char *)text, -1, -1, 0),
	    1);
}

static void
make_one(struct pki_cert *certs, size_t at)
{
	struct pki_cert *c = &certs[at], *issuer = c;
	const struct pki_spec *s = c->spec;
	unsigned char *der = NULL;
	struct err_why why = {""};
	int len;

	c->key = make_key(certs, at, s->key);
	c->x509 = X509_new();
	if (s->issuer != NULL)
		issuer = pki_find(certs, at, s->issuer);
	X509_set_version(c->x509, s->version == 0 ? 2 : s->version - 1);
	ASN1_INTEGER_set_int64(X509_get_serialNumber(c->x509),
	    s->serial == 0 ? (int64_t)at + 1 : s->serial);
	add_name(X509_get_subject_name(c->x509), NID_commonName,
	    s->subject == NULL ? s->name : s->subject);
	if (s->email != NULL)
		add_name(X509_get_subject_name(c->x509), NID_pkcs9_emailAddress,
		    s->email);
	X509_set_issuer_name(c->x509, X509_get_subject_name(issuer->x509));
	ASN1_TIME_set(X509_getm_notBefore(c->x509),
	    s->from == 0 ? PKI_NOW - PKI_YEAR : s->from);
	ASN1_TIME_set(X509_getm_notAfter(c->x509),
	    s->to == 0 ? PKI_NOW + PKI_YEAR : s->to);
	X509_set_pubkey(c->x509, c->key);
	if (s->ext != NULL)
		add_extensions(c->x509, issuer->x509, s->ext, s->name);
	cr_assert_gt(
	    X509_sign(c->x509, issuer->key,
		EVP_get_digestbyname(s->md == NULL ? "SHA256" : s->md)),
	    0, "%s", s->name);
	len = i2d_X509(c->x509, &der);
	cr_assert_gt(len, 0);
	cr_assert_eq(crypto_cert_parse(SPAN(der, (size_t)len), &c->cert, &why),
	    ERR_OK, "%s: %s", s->name, why.text);
	OPENSSL_free(der);
}

void
pki_make(const struct pki_spec *specs, size_t n, struct pki_cert *out)
{
	memset(out, 0, n * sizeof(*out));
	for (size_t i = 0; i < n; i++) {
		out[i].spec = &specs[i];
		make_one(out, i);
	}
}

void
pki_clear(struct pki_cert *certs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		X509_free(certs[i].x509);
		EVP_PKEY_free(certs[i].key);
		crypto_cert_unref(certs[i].cert);
	}
}
