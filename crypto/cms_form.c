/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Capabilities, and what follows from them. The default is what Outlook, Apple
 * Mail and Thunderbird all open; NSS and gpgsm open neither GCM nor OAEP.
 * RFC 8551 §2.5.2 and §2.7, RFC 4262.
 */
#include "crypto/cms_form.h"

#include <stdio.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "crypto/ber.h"
#include "crypto/cert_private.h"

enum { CAPS_MAX = 128 };

#define OID_AES	  "\x60\x86\x48\x01\x65\x03\x04\x01"
#define OID_PKCS1 "\x2a\x86\x48\x86\xf7\x0d\x01\x01"

static const struct {
	struct span oid; /* its content octets */
	unsigned cap;
} oids[] = {
    {{(const uint8_t *)OID_AES "\x02", 9}, CRYPTO_CAP_AES128_CBC},
    {{(const uint8_t *)OID_AES "\x2a", 9}, CRYPTO_CAP_AES256_CBC},
    {{(const uint8_t *)OID_AES "\x06", 9}, CRYPTO_CAP_AES128_GCM},
    {{(const uint8_t *)OID_AES "\x2e", 9}, CRYPTO_CAP_AES256_GCM},
};

/* Ours: AES-256 and AES-128, GCM before CBC (RFC 8551 §2.7). OAEP is not
   listed: the key may also be in a client that cannot. */
static const uint8_t our_caps[] = "\x30\x34"
				  "\x30\x0b\x06\x09" OID_AES "\x2e"
				  "\x30\x0b\x06\x09" OID_AES "\x06"
				  "\x30\x0b\x06\x09" OID_AES "\x2a"
				  "\x30\x0b\x06\x09" OID_AES "\x02";

static const struct {
	enum crypto_cms_cipher cipher;
	unsigned cap;
	const char *name;
} ciphers[] = {
    /* the strongest first */
    {CRYPTO_CMS_AES256_GCM, CRYPTO_CAP_AES256_GCM, "aes256-gcm"},
    {CRYPTO_CMS_AES128_GCM, CRYPTO_CAP_AES128_GCM, "aes128-gcm"},
    {CRYPTO_CMS_AES256_CBC, CRYPTO_CAP_AES256_CBC, "aes256-cbc"},
    {CRYPTO_CMS_AES128_CBC, CRYPTO_CAP_AES128_CBC, "aes128-cbc"},
};

enum { CIPHERS = sizeof(ciphers) / sizeof(ciphers[0]) };

/* --- capabilities --- */

/* RSAES-OAEP-params (RFC 4055 §4.1) that name SHA-256 as the hash and for the
   mask: what we seal with. No parameters mean SHA-1. */
static bool
is_oaep_sha256(struct span params)
{
	static const uint8_t sha256[] = "\x60\x86\x48\x01\x65\x03\x04\x02\x01";
	const struct span wanted = {sha256, 9};
	struct ber seq, field, alg, oid;

	if (ber_expect(&params, BER_SEQUENCE, &seq) != ERR_OK ||
	    ber_expect(&seq.body, BER_OPTION_CONSTRUCTED, &field) != ERR_OK ||
	    ber_expect(&field.body, BER_SEQUENCE, &alg) != ERR_OK ||
	    ber_expect(&alg.body, BER_OID, &oid) != ERR_OK ||
	    !span_eq(oid.body, wanted))
		return false;
	/* the mask: [1] { mgf1, { sha256 } } */
	return ber_expect(&seq.body, BER_OPTION_CONSTRUCTED + 1, &field) ==
		   ERR_OK &&
	       ber_expect(&field.body, BER_SEQUENCE, &alg) == ERR_OK &&
	       ber_expect(&alg.body, BER_OID, &oid) == ERR_OK &&
	       ber_expect(&alg.body, BER_SEQUENCE, &field) == ERR_OK &&
	       ber_expect(&field.body, BER_OID, &oid) == ERR_OK &&
	       span_eq(oid.body, wanted);
}

static unsigned
cap_of(struct span oid, struct span params)
{
	const struct span oaep = {(const uint8_t *)OID_PKCS1 "\x07", 9};

	for (size_t i = 0; i < sizeof(oids) / sizeof(oids[0]); i++)
		if (span_eq(oid, oids[i].oid))
			return oids[i].cap;
	if (span_eq(oid, oaep) && is_oaep_sha256(params))
		return CRYPTO_CAP_OAEP_SHA256;
	return 0;
}

enum err
crypto_cms_caps_parse(struct span der, unsigned *out)
{
	struct ber list, one, oid;
	unsigned caps = 0;
	size_t n = 0;

	if (ber_expect(&der, BER_SEQUENCE, &list) != ERR_OK || der.len > 0)
		return ERR_MALFORMED;
	while (list.body.len > 0) {
		if (ber_expect(&list.body, BER_SEQUENCE, &one) != ERR_OK ||
		    ber_expect(&one.body, BER_OID, &oid) != ERR_OK)
			return ERR_MALFORMED;
		if (++n > CAPS_MAX)
			return ERR_LIMIT;
		caps |= cap_of(oid.body, one.body);
	}
	*out = caps;
	return ERR_OK;
}

enum err
crypto_cms_caps_build(struct buf *out)
{
	return buf_put(out, SPAN(our_caps, sizeof(our_caps) - 1));
}

enum err
crypto_cms_caps_of_cert(const struct crypto_cert *cert, unsigned *out)
{
	int at = X509_get_ext_by_NID(cert->x509, NID_SMIMECapabilities, -1);
	const ASN1_OCTET_STRING *s;

	if (at < 0)
		return ERR_NOT_FOUND;
	s = X509_EXTENSION_get_data(X509_get_ext(cert->x509, at));
	return crypto_cms_caps_parse(
	    SPAN(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s)), out);
}

/* --- forms --- */

static size_t
rank(enum crypto_cms_cipher c)
{
	size_t i = 0;

	while (i < CIPHERS && ciphers[i].cipher != c)
		i++;
	return i;
}

bool
crypto_cms_cipher_holds(enum crypto_cms_cipher a, enum crypto_cms_cipher b)
{
	return rank(a) <= rank(b);
}

static bool
is_rsa(const struct crypto_cms_recipient *r)
{
	return strcmp(crypto_cert_info(r->cert)->alg, "RSA") == 0;
}

/* Of whom nothing is known, and who names no cipher of ours, opens CBC. */
static unsigned
opens(const struct crypto_cms_recipient *r)
{
	const unsigned all = CRYPTO_CAP_AES128_CBC | CRYPTO_CAP_AES256_CBC |
			     CRYPTO_CAP_AES128_GCM | CRYPTO_CAP_AES256_GCM;

	if (!r->known || (r->caps & all) == 0)
		return CRYPTO_CAP_AES128_CBC | CRYPTO_CAP_AES256_CBC;
	return r->caps & all;
}

static bool
opens_oaep(const struct crypto_cms_recipient *r)
{
	return !is_rsa(r) || (r->known && (r->caps & CRYPTO_CAP_OAEP_SHA256));
}

struct crypto_cms_form
crypto_cms_form_for(const struct crypto_cms_recipient *r, size_t n,
    enum crypto_cms_cipher floor)
{
	struct crypto_cms_form form = {
	    CRYPTO_CMS_AES256_CBC, CRYPTO_CMS_RSA_PKCS1};
	unsigned common = n == 0 ? 0 : ~0u;
	bool oaep = n > 0;
	size_t i = 0;

	for (size_t k = 0; k < n; k++) {
		common &= opens(&r[k]);
		oaep = oaep && opens_oaep(&r[k]);
	}
	while (i < CIPHERS && (ciphers[i].cap & common) == 0)
		i++;
	if (i < CIPHERS)
		form.cipher = ciphers[i].cipher;
	if (!crypto_cms_cipher_holds(form.cipher, floor))
		form.cipher = floor;
	if (oaep)
		form.rsa = CRYPTO_CMS_RSA_OAEP;
	return form;
}

bool
crypto_cms_may_share(const struct crypto_cms_recipient *r, size_t n)
{
	bool known = true, rsa = false, other = false;

	for (size_t i = 0; i < n; i++) {
		known = known && r[i].known;
		if (is_rsa(&r[i]))
			rsa = true;
		else
			other = true;
	}
	return known || !rsa || !other;
}

const char *
crypto_cms_key_name(const struct crypto_cert *cert, enum crypto_cms_rsa rsa)
{
	/* the hash of the KDF is that of cms_seal.c */
	static const struct {
		const char *alg, *name;
	} curves[] = {
	    {"P-256", "ecdh-p256-sha256"},
	    {"P-384", "ecdh-p384-sha384"},
	    {"P-521", "ecdh-p521-sha512"},
	};
	const char *alg = crypto_cert_info(cert)->alg;

	if (strcmp(alg, "RSA") == 0)
		return rsa == CRYPTO_CMS_RSA_OAEP ? "rsa-oaep-sha256"
						  : "rsa-pkcs1";
	for (size_t i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (strcmp(alg, curves[i].alg) == 0)
			return curves[i].name;
	return "?";
}

const char *
crypto_cms_cipher_name(enum crypto_cms_cipher c)
{
	size_t i = rank(c);

	return i < CIPHERS ? ciphers[i].name : "?";
}

enum err
crypto_cms_cipher_by_name(const char *name, enum crypto_cms_cipher *out)
{
	for (size_t i = 0; i < CIPHERS; i++)
		if (strcmp(name, ciphers[i].name) == 0) {
			*out = ciphers[i].cipher;
			return ERR_OK;
		}
	return ERR_NOT_FOUND;
}

enum err
crypto_cms_cipher_by_oid(struct span oid, enum crypto_cms_cipher *out)
{
	const unsigned cap = cap_of(oid, SPAN(NULL, 0));

	for (size_t i = 0; cap != 0 && i < CIPHERS; i++)
		if (ciphers[i].cap == cap) {
			*out = ciphers[i].cipher;
			return ERR_OK;
		}
	return ERR_NOT_FOUND;
}

/* The word for a capability: that of its cipher. */
static const char *
cap_word(unsigned cap)
{
	for (size_t i = 0; i < CIPHERS; i++)
		if (ciphers[i].cap == cap)
			return ciphers[i].name;
	return "oaep";
}

const char *
crypto_cms_caps_text(unsigned caps, char out[CRYPTO_CAPS_TEXT])
{
	size_t n = 0;

	out[0] = 0;
	for (unsigned cap = CRYPTO_CAP_OAEP_SHA256; cap != 0; cap >>= 1)
		if (caps & cap)
			n += (size_t)snprintf(out + n, CRYPTO_CAPS_TEXT - n,
			    "%s%s", n > 0 ? "," : "", cap_word(cap));
	return out;
}

enum err
crypto_cms_caps_by_text(const char *text, unsigned *out)
{
	unsigned caps = 0, cap;

	do {
		size_t len = strcspn(text, ",");

		for (cap = CRYPTO_CAP_OAEP_SHA256; cap != 0; cap >>= 1)
			if (strlen(cap_word(cap)) == len &&
			    memcmp(cap_word(cap), text, len) == 0)
				break;
		if (cap == 0)
			return ERR_NOT_FOUND;
		caps |= cap;
		text += len;
	} while (*text++ == ',');
	if ((caps & ~(unsigned)CRYPTO_CAP_OAEP_SHA256) == 0)
		return ERR_NOT_FOUND;
	*out = caps;
	return ERR_OK;
}
