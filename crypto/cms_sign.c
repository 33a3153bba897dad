/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * CMS signatures through OpenSSL with a key that is elsewhere
 * (key_delegate.h). RSA signs with SHA-256, elliptic curves with the hash of
 * their strength. RFC 5652 §5, RFC 5754, RFC 4056, RFC 8551 §2.5.
 */
#include "crypto/cms_sign.h"

#include <limits.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "common/limits.h"
#include "crypto/ber.h"
#include "crypto/cert_private.h"
#include "crypto/cms_form.h"
#include "crypto/cms_private.h"

enum {
	ATTR_MAX = 64 * 1024, /* octets of one attribute of ours */
	CHAIN_MAX = 16,	      /* certificates sent along */
};

static const struct {
	const char *alg;
	const char *micalg;
	const EVP_MD *(*md)(void);
	const char *name;
} hashes[] = {
    {"RSA", "sha-256", EVP_sha256, "rsa-pkcs1-sha256"},
    {"P-256", "sha-256", EVP_sha256, "ecdsa-p256-sha256"},
    {"P-384", "sha-384", EVP_sha384, "ecdsa-p384-sha384"},
    {"P-521", "sha-512", EVP_sha512, "ecdsa-p521-sha512"},
};

enum { HASHES = sizeof(hashes) / sizeof(hashes[0]) };

/* Its place in hashes; HASHES if it cannot sign here. */
static size_t
hash_of(const struct crypto_cert *cert)
{
	size_t i = 0;

	while (i < HASHES && strcmp(hashes[i].alg, cert->info.alg) != 0)
		i++;
	return i;
}

const char *
crypto_cms_micalg(const struct crypto_cert *cert)
{
	size_t i = hash_of(cert);

	return i < HASHES ? hashes[i].micalg : "sha-256";
}

const char *
crypto_cms_signature_name(const struct crypto_cert *cert, bool pss)
{
	size_t i = hash_of(cert);

	if (i == HASHES)
		return "?";
	return pss && i == 0 ? "rsa-pss-sha256" : hashes[i].name;
}

static enum err
check_key(const struct crypto_cert *cert, struct err_why *why)
{
	if (strcmp(cert->info.alg, "Ed25519") == 0)
		return err_why(why, ERR_UNSUPPORTED,
		    "Ed25519 signatures are not supported by OpenSSL 3.0's "
		    "CMS");
	if (hash_of(cert) == HASHES)
		return err_why(why, ERR_UNSUPPORTED,
		    "signing with a key of the kind %s is not supported",
		    cert->info.alg);
	if (strcmp(cert->info.alg, "RSA") == 0 &&
	    (cert->info.bits < LIMIT_RSA_BITS_MIN ||
		cert->info.bits > LIMIT_RSA_BITS_MAX))
		return err_why(why, ERR_KEY_UNUSABLE,
		    "the RSA key is shorter than 2048 or longer than 16384 "
		    "bits");
	return ERR_OK;
}

enum err
crypto_cms_can_sign(
    const struct crypto_cert *cert, int64_t now, struct err_why *why)
{
	uint32_t flags = X509_get_extension_flags(cert->x509);
	enum err e = check_key(cert, why);

	if (e != ERR_OK)
		return e;
	if ((flags & (EXFLAG_INVALID | EXFLAG_CRITICAL)) != 0)
		return err_why(why, ERR_KEY_UNUSABLE,
		    "an extension is malformed, or critical and not known");
	/* RFC 8550 §4.4.2; no extension means no restriction */
	if ((X509_get_key_usage(cert->x509) &
		(KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0)
		return err_why(why, ERR_KEY_UNUSABLE,
		    "its keyUsage does not allow signing");
	/* RFC 8550 §4.4.4 */
	if ((flags & EXFLAG_XKUSAGE) != 0 &&
	    (X509_get_extended_key_usage(cert->x509) &
		(XKU_SMIME | XKU_ANYEKU)) == 0)
		return err_why(why, ERR_KEY_UNUSABLE,
		    "its extendedKeyUsage does not allow emailProtection");
	if (now < cert->info.not_before)
		return err_why(
		    why, ERR_KEY_EXPIRED, "the certificate is not valid yet");
	if (now > cert->info.not_after)
		return err_why(
		    why, ERR_KEY_EXPIRED, "the certificate has expired");
	return ERR_OK;
}

/* --- attributes --- */

/* Stated here, so that OpenSSL does not look at the clock. */
static bool
add_time(CMS_SignerInfo *si, int64_t now)
{
	ASN1_TIME *t = ASN1_TIME_set(NULL, (time_t)now);
	bool done =
	    t != NULL && CMS_signed_add1_attr_by_NID(si, NID_pkcs9_signingTime,
			     ASN1_STRING_type(t), t, -1) == 1;

	ASN1_TIME_free(t);
	return done;
}

static bool
add_caps(CMS_SignerInfo *si)
{
	struct buf b;
	bool done;

	buf_init(&b, ATTR_MAX);
	done = crypto_cms_caps_build(&b) == ERR_OK &&
	       CMS_signed_add1_attr_by_NID(si, NID_SMIMECapabilities,
		   V_ASN1_SEQUENCE, b.data, (int)b.len) == 1;
	buf_clear(&b);
	return done;
}

/* RFC 8551 §2.5.3: [0] IMPLICIT IssuerAndSerialNumber */
static enum err
put_preference(const struct crypto_cert *cert, struct buf *out)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert->x509);
	struct span issuer = cert->info.issuer_der;
	unsigned char *der = NULL;
	int len = i2d_ASN1_INTEGER(serial, &der);
	enum err e = ERR_CRYPTO;

	if (len > 0 && issuer.len + (size_t)len < 0x8000) {
		e = ber_put_head(
		    out, BER_OPTION_CONSTRUCTED, issuer.len + (size_t)len);
		if (e == ERR_OK)
			e = buf_put(out, issuer);
		if (e == ERR_OK)
			e = buf_put(out, SPAN(der, (size_t)len));
	}
	OPENSSL_free(der);
	return e;
}

static bool
add_preference(CMS_SignerInfo *si, const struct crypto_cert *cert)
{
	/* "other": the octets are an element as they stand */
	ASN1_STRING *value = ASN1_STRING_type_new(V_ASN1_OTHER);
	X509_ATTRIBUTE *attr = NULL;
	bool done = false;
	struct buf b;

	buf_init(&b, ATTR_MAX);
	if (value != NULL && put_preference(cert, &b) == ERR_OK &&
	    ASN1_STRING_set(value, b.data, (int)b.len) == 1)
		attr = X509_ATTRIBUTE_create(
		    NID_id_smime_aa_encrypKeyPref, V_ASN1_OTHER, value);
	if (attr != NULL) {
		value = NULL; /* it is the attribute's now */
		done = CMS_signed_add1_attr(si, attr) == 1;
	}
	X509_ATTRIBUTE_free(attr);
	ASN1_STRING_free(value);
	buf_clear(&b);
	return done;
}

/* --- the message --- */

/* RFC 4056 §3: hash, mask and salt of one size. The algorithm is named at once:
   a streamed message is encoded a first time before it is signed. */
static bool
set_pss(CMS_SignerInfo *si, const EVP_MD *md)
{
	EVP_PKEY_CTX *ctx = CMS_SignerInfo_get0_pkey_ctx(si);
	X509_ALGOR *alg = NULL;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, NULL, &alg);
	return ctx != NULL && alg != NULL &&
	       X509_ALGOR_set0(
		   alg, OBJ_nid2obj(NID_rsassaPss), V_ASN1_NULL, NULL) == 1 &&
	       EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) >
		   0 &&
	       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) > 0;
}

/* Add a certificate, unless it is the signer's or there already. */
static bool
add_cert(CMS_ContentInfo *cms, const struct crypto_cms_signer *s,
    const struct crypto_cert *const *seen, size_t n_seen,
    const struct crypto_cert *cert)
{
	if (memcmp(cert->info.fpr, s->cert->info.fpr, sizeof(cert->info.fpr)) ==
	    0)
		return true;
	for (size_t i = 0; i < n_seen; i++)
		if (memcmp(seen[i]->info.fpr, cert->info.fpr,
			sizeof(cert->info.fpr)) == 0)
			return true;
	return CMS_add1_cert(cms, cert->x509) == 1;
}

static bool
add_certs(CMS_ContentInfo *cms, const struct crypto_cms_signer *s)
{
	const struct crypto_cert *seen[CHAIN_MAX + 1];
	size_t n = 0;

	if (s->encrypt != NULL) {
		if (!add_cert(cms, s, seen, n, s->encrypt))
			return false;
		seen[n++] = s->encrypt;
	}
	for (size_t i = 0; i < s->n_chain && i < CHAIN_MAX; i++) {
		/* who verifies has the root, or must not take it from us */
		if (s->chain[i]->info.self_signed)
			continue;
		if (!add_cert(cms, s, seen, n, s->chain[i]))
			return false;
		seen[n++] = s->chain[i];
	}
	return true;
}

static bool
add_signer(CMS_ContentInfo *cms, const struct crypto_cms_signer *s,
    struct crypto_key_delegate *key)
{
	const EVP_MD *md = hashes[hash_of(s->cert)].md();
	bool pss = s->pss && strcmp(s->cert->info.alg, "RSA") == 0;
	const struct crypto_cert *encrypt = s->encrypt;
	CMS_SignerInfo *si;

	if (encrypt == NULL && s->cert->info.can_seal)
		encrypt = s->cert;
	si = CMS_add1_signer(cms, s->cert->x509, crypto_key_delegate_pkey(key),
	    md,
	    CMS_BINARY | CMS_PARTIAL | CMS_NOSMIMECAP |
		(pss ? CMS_KEY_PARAM : 0));
	return si != NULL && (!pss || set_pss(si, md)) &&
	       add_time(si, s->now) && add_caps(si) &&
	       (encrypt == NULL || add_preference(si, encrypt)) &&
	       add_certs(cms, s);
}

/* What went wrong: what the other process said, if it was that. */
static enum err
sign_err(const struct crypto_key_delegate *key, struct err_why *why)
{
	enum err e = crypto_key_delegate_err(key);

	if (e != ERR_OK)
		return err_why(
		    why, e, "the private key was not used: %s", err_text(e));
	return err_why(why, ERR_CRYPTO, "not signed: %s",
	    ERR_reason_error_string(ERR_peek_last_error()));
}

/* The message with its signer, to be run through. The caller frees both, on
   failure, too. */
static enum err
begin(const struct crypto_cms_signer *s, struct span in, unsigned flags,
    CMS_ContentInfo **cms, struct crypto_key_delegate **key,
    struct err_why *why)
{
	enum err e = crypto_cms_can_sign(s->cert, s->now, why);

	if (e == ERR_OK && in.len > INT_MAX)
		e = err_why(why, ERR_TOO_BIG, "%s", err_text(ERR_TOO_BIG));
	if (e == ERR_OK)
		e = crypto_key_delegate_new(s->cert, s->sign, s->ctx, key, why);
	if (e != ERR_OK)
		return e;
	ERR_clear_error();
	*cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	if (*cms == NULL || !add_signer(*cms, s, *key))
		return sign_err(*key, why);
	return ERR_OK;
}

static enum err
put_der(CMS_ContentInfo *cms, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);
	enum err e = ERR_CRYPTO;

	if (len > 0)
		e = buf_put(out, SPAN(der, (size_t)len));
	OPENSSL_free(der);
	return e;
}

enum err
crypto_cms_sign_detached(const struct crypto_cms_signer *s, struct span in,
    struct buf *out, struct err_why *why)
{
	const unsigned flags = CMS_BINARY | CMS_PARTIAL | CMS_DETACHED;
	struct crypto_key_delegate *key = NULL;
	CMS_ContentInfo *cms = NULL;
	BIO *bio = NULL;
	enum err e = begin(s, in, flags, &cms, &key, why);

	if (e != ERR_OK)
		goto out;
	bio = BIO_new_mem_buf(in.data, (int)in.len);
	if (bio == NULL || CMS_final(cms, bio, NULL, flags) != 1) {
		e = sign_err(key, why);
		goto out;
	}
	e = put_der(cms, out);
	if (e != ERR_OK)
		e = err_why(why, e, "%s", err_text(e));
out:
	BIO_free(bio);
	CMS_ContentInfo_free(cms);
	crypto_key_delegate_free(key);
	ERR_clear_error();
	return e;
}

enum err
crypto_cms_sign_opaque(const struct crypto_cms_signer *s, struct span in,
    const struct mime_sink *to, struct err_why *why)
{
	struct crypto_key_delegate *key = NULL;
	CMS_ContentInfo *cms = NULL;
	enum err e = begin(
	    s, in, CMS_BINARY | CMS_PARTIAL | CMS_STREAM, &cms, &key, why);

	if (e == ERR_OK)
		e = crypto_cms_write(cms, in, to, why);
	if (e == ERR_CRYPTO && key != NULL &&
	    crypto_key_delegate_err(key) != ERR_OK)
		e = sign_err(key, why);
	CMS_ContentInfo_free(cms);
	crypto_key_delegate_free(key);
	ERR_clear_error();
	return e;
}
