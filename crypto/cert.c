/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Parse certificates (DER, PEM), count references to them, and answer whether
 * one may be sealed to now. What they say is read in cert_info.c.
 * RFC 5280, RFC 7468.
 */
#include "crypto/cert.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/arena.h"
#include "common/limits.h"
#include "crypto/cert_private.h"

/* 3.0.22; before it, parsing CMS is remotely exploitable (CVE-2025-15467,
   CVE-2026-34182 and others). */
#define OPENSSL_OLDEST 0x30000160UL

/* Texts of one certificate: names are escaped, so they can grow. */
#define TEXTS_MAX ((size_t)8 * LIMIT_CERT_SIZE)

enum err
crypto_check_library_num(
    unsigned long num, const char *text, struct err_why *why)
{
	if (num >= OPENSSL_OLDEST)
		return ERR_OK;
	return err_why(why, ERR_UNSUPPORTED,
	    "%s has known holes in its CMS: 3.0.22 or later is needed "
	    "(Debian 12: package libssl3, version 3.0.22-1~deb12u1 or later)",
	    text);
}

enum err
crypto_check_library(struct err_why *why)
{
	return crypto_check_library_num(
	    OpenSSL_version_num(), OpenSSL_version(OPENSSL_VERSION), why);
}

/* The encoding must be DER, and the only one: fingerprints are made of it. */
static enum err
check_encoding(struct crypto_cert *cert, struct span in, struct err_why *why)
{
	int len = i2d_X509(cert->x509, &cert->der);

	if (len <= 0)
		return err_why(why, ERR_NOMEM, "certificate not encoded");
	cert->der_len = (size_t)len;
	if (!span_eq(crypto_cert_der(cert), in))
		return err_why(why, ERR_MALFORMED,
		    "the certificate is not encoded in DER");
	return ERR_OK;
}

static enum err
parse_der(struct span in, struct crypto_cert **out, struct err_why *why)
{
	struct crypto_cert *cert = NULL;
	const unsigned char *p = in.data;
	enum err e = ERR_NOMEM;

	if (in.len > LIMIT_CERT_SIZE)
		return err_why(why, ERR_TOO_BIG,
		    "a certificate of more than %u octets", LIMIT_CERT_SIZE);
	cert = calloc(1, sizeof(*cert));
	if (cert == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	cert->refs = 1;
	cert->texts = arena_new(TEXTS_MAX);
	if (cert->texts == NULL)
		goto out;
	cert->x509 = d2i_X509(NULL, &p, (long)in.len);
	if (cert->x509 == NULL) {
		e = err_why(why, ERR_MALFORMED, "not an X.509 certificate");
		goto out;
	}
	if (p != in.data + in.len) {
		e = err_why(why, ERR_MALFORMED,
		    "%zu octets follow the certificate",
		    (size_t)(in.data + in.len - p));
		goto out;
	}
	e = check_encoding(cert, in, why);
	if (e == ERR_OK)
		e = crypto_cert_describe(cert, why);
	if (e != ERR_OK)
		goto out;
	*out = cert;
	cert = NULL;
out:
	crypto_cert_unref(cert);
	ERR_clear_error();
	return e;
}

bool
crypto_cert_is_signed_by(
    const struct crypto_cert *cert, const struct crypto_cert *by)
{
	EVP_PKEY *key = X509_get0_pubkey(by->x509);
	bool is = key != NULL &&
		  X509_NAME_cmp(X509_get_issuer_name(cert->x509),
		      X509_get_subject_name(by->x509)) == 0 &&
		  X509_verify(cert->x509, key) == 1;

	ERR_clear_error();
	return is;
}

static bool
is_private_key(const char *label)
{
	static const char tail[] = "PRIVATE KEY";
	size_t len = strlen(label);

	return len >= sizeof(tail) - 1 &&
	       strcmp(label + len - (sizeof(tail) - 1), tail) == 0;
}

static enum err
parse_pem_block(BIO *bio, struct crypto_cert **out, struct err_why *why)
{
	char *label = NULL, *header = NULL;
	unsigned char *data = NULL;
	long len = 0;
	enum err e;

	if (PEM_read_bio(bio, &label, &header, &data, &len) != 1) {
		if (ERR_GET_REASON(ERR_peek_last_error()) ==
		    PEM_R_NO_START_LINE)
			return err_why(why, ERR_MALFORMED,
			    "no certificate, or text after the last one");
		return err_why(why, ERR_MALFORMED, "damaged PEM block");
	}
	if (is_private_key(label))
		e = err_why(why, ERR_PERMISSION,
		    "a private key is among the certificates");
	else if (strcmp(label, PEM_STRING_X509) != 0 &&
		 strcmp(label, PEM_STRING_X509_OLD) != 0)
		e = err_why(
		    why, ERR_MALFORMED, "a PEM block that is no certificate");
	else if (header[0] != '\0')
		e = err_why(why, ERR_MALFORMED, "an encrypted PEM block");
	else
		e = parse_der(SPAN(data, (size_t)len), out, why);
	/* it may have been a private key */
	OPENSSL_clear_free(data, (size_t)len);
	OPENSSL_free(label);
	OPENSSL_free(header);
	return e;
}

static bool
at_end(BIO *bio)
{
	char *rest;
	long len = BIO_get_mem_data(bio, &rest);

	return len <= 0 || span_trim(SPAN(rest, (size_t)len)).len == 0;
}

static enum err
parse_pem(struct span in, struct crypto_cert **out, size_t max, size_t *n_out,
    struct err_why *why)
{
	BIO *bio = NULL;
	size_t n = 0;
	enum err e = ERR_OK;

	if (span_find_chr(in, 0, '\0') != in.len)
		return err_why(
		    why, ERR_MALFORMED, "neither a DER nor a PEM certificate");
	bio = BIO_new_mem_buf(in.data, (int)in.len);
	if (bio == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	do {
		struct crypto_cert *cert = NULL;

		e = parse_pem_block(bio, &cert, why);
		if (e == ERR_OK && n == max) {
			crypto_cert_unref(cert);
			e = err_why(
			    why, ERR_LIMIT, "more than %zu certificates", max);
		}
		if (e != ERR_OK)
			break;
		out[n++] = cert;
	} while (!at_end(bio));
	if (e == ERR_OK) {
		*n_out = n;
	} else {
		while (n > 0)
			crypto_cert_unref(out[--n]);
	}
	BIO_free(bio);
	ERR_clear_error();
	return e;
}

enum err
crypto_cert_parse(struct span in, struct crypto_cert **out, struct err_why *why)
{
	struct crypto_cert *one[1];
	size_t n = 0;
	enum err e = crypto_cert_parse_all(in, one, 1, &n, why);

	if (e == ERR_LIMIT)
		return err_why(why, ERR_MALFORMED, "more than one certificate");
	if (e == ERR_OK)
		*out = one[0];
	return e;
}

enum err
crypto_cert_parse_all(struct span in, struct crypto_cert **out, size_t max,
    size_t *n_out, struct err_why *why)
{
	enum err e;

	if (in.len > LIMIT_KEYS_SIZE)
		return err_why(why, ERR_TOO_BIG,
		    "more than %u octets of certificates", LIMIT_KEYS_SIZE);
	if (max == 0)
		return err_why(why, ERR_LIMIT, "no certificate wanted");
	/* '0' is 0x30 too, but no text goes on with an octet over 0x7f */
	if (in.len < 2 || in.data[0] != 0x30 || in.data[1] < 0x80)
		return parse_pem(in, out, max, n_out, why);
	e = parse_der(in, &out[0], why);
	if (e == ERR_OK)
		*n_out = 1;
	return e;
}

struct crypto_cert *
crypto_cert_ref(struct crypto_cert *cert)
{
	cert->refs++;
	return cert;
}

void
crypto_cert_unref(struct crypto_cert *cert)
{
	if (cert == NULL || --cert->refs > 0)
		return;
	X509_free(cert->x509);
	OPENSSL_free(cert->der);
	arena_free(cert->texts);
	free(cert);
}

const struct crypto_cert_info *
crypto_cert_info(const struct crypto_cert *cert)
{
	return &cert->info;
}

struct span
crypto_cert_der(const struct crypto_cert *cert)
{
	return SPAN(cert->der, cert->der_len);
}

enum err
crypto_cert_usable_at(
    const struct crypto_cert *cert, int64_t now, struct err_why *why)
{
	const struct crypto_cert_info *info = &cert->info;

	if (!info->can_seal)
		return err_why(why, info->seal_err, "%s", info->seal_why);
	if (now < info->not_before)
		return err_why(
		    why, ERR_KEY_EXPIRED, "the certificate is not valid yet");
	if (now > info->not_after)
		return err_why(
		    why, ERR_KEY_EXPIRED, "the certificate has expired");
	return ERR_OK;
}
