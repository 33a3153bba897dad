/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which form of CMS a message is sealed in: what the recipients are known to
 * open (S/MIME capabilities, RFC 8551 §2.5.2), and what everybody opens where
 * nothing is known.
 */
#ifndef CRYPTO_CMS_FORM_H
#define CRYPTO_CMS_FORM_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_cert;

enum crypto_cms_cipher {
	CRYPTO_CMS_AES256_CBC, /* EnvelopedData: every client opens it */
	CRYPTO_CMS_AES256_GCM, /* AuthEnvelopedData (RFC 5083, RFC 5084) */
	CRYPTO_CMS_AES128_CBC,
	CRYPTO_CMS_AES128_GCM,
};

enum crypto_cms_rsa {
	CRYPTO_CMS_RSA_PKCS1, /* v1.5: every client opens it */
	CRYPTO_CMS_RSA_OAEP,  /* SHA-256 (RFC 3560) */
};

/* What to seal with; zeroed, it is the form that everybody opens. */
struct crypto_cms_form {
	enum crypto_cms_cipher cipher;
	enum crypto_cms_rsa rsa;
};

/* What software says that it can. The numbers are on disk. */
enum {
	CRYPTO_CAP_AES128_CBC = 1,
	CRYPTO_CAP_AES256_CBC = 2,
	CRYPTO_CAP_AES128_GCM = 4,
	CRYPTO_CAP_AES256_GCM = 8,
	CRYPTO_CAP_OAEP_SHA256 = 16,
	CRYPTO_CAPS_ALL = 31,
};
enum { CRYPTO_CAPS_TEXT = 64 }; /* octets of all their names */

/* Read SMIMECapabilities (DER, as they stand in a signed attribute or in a
   certificate): a set of the above, what else is listed is passed over.
   ERR_MALFORMED, ERR_LIMIT (more than 128 of them). */
enum err crypto_cms_caps_parse(struct span der, unsigned *out) MUST_CHECK;
/* What we say of ourselves, DER, appended to out. */
enum err crypto_cms_caps_build(struct buf *out) MUST_CHECK;
/* What the certificate itself says (RFC 4262); ERR_NOT_FOUND if nothing. */
enum err crypto_cms_caps_of_cert(
    const struct crypto_cert *cert, unsigned *out) MUST_CHECK;

/* The same in words, "aes256-gcm,oaep", and back: ERR_NOT_FOUND for a word that
   is none, or no cipher among them. */
const char *crypto_cms_caps_text(unsigned caps, char out[CRYPTO_CAPS_TEXT]);
enum err crypto_cms_caps_by_text(const char *text, unsigned *out) MUST_CHECK;

struct crypto_cms_recipient {
	const struct crypto_cert *cert;
	bool known;    /* caps were learned, or are in the certificate */
	unsigned caps; /* CRYPTO_CAP_* */
};

/* The strongest form that all n recipients are known to open: authenticated
   before not, then the longer key. One of whom nothing is known opens CBC with
   PKCS#1 v1.5. Never below floor, even if somebody is not known to open it. */
struct crypto_cms_form crypto_cms_form_for(const struct crypto_cms_recipient *r,
    size_t n, enum crypto_cms_cipher floor);
/* Is a at least as strong as b? */
bool crypto_cms_cipher_holds(
    enum crypto_cms_cipher a, enum crypto_cms_cipher b);
/* May these be recipients of one message? RSA and EC share one only if what
   all of them can is known: NSS 3.87 opens no mix. */
bool crypto_cms_may_share(const struct crypto_cms_recipient *r, size_t n);
/* How the content key is sealed to this certificate in such a form:
   "rsa-oaep-sha256", "ecdh-p256-sha256"; "?" if it cannot be. */
const char *crypto_cms_key_name(
    const struct crypto_cert *cert, enum crypto_cms_rsa rsa);
/* "aes256-cbc"; "?" for none. And back: ERR_NOT_FOUND. */
const char *crypto_cms_cipher_name(enum crypto_cms_cipher c);
enum err crypto_cms_cipher_by_name(
    const char *name, enum crypto_cms_cipher *out) MUST_CHECK;
/* By the content octets of its object identifier. ERR_NOT_FOUND: none of
   these. */
enum err crypto_cms_cipher_by_oid(
    struct span oid, enum crypto_cms_cipher *out) MUST_CHECK;

#endif
