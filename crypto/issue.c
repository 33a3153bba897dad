/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates for mail and lists of those revoked. Everything in them comes
 * from us: there is no field that a request could fill. What was signed is
 * verified before it is handed out: a signature that came back wrong from the
 * holder of the key would tell of that key.
 */
#include "crypto/issue.h"

#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/objects.h>

#include "common/secret.h"
#include "crypto/cert_private.h"
#include "crypto/issue_private.h"

/* --- words --- */

struct word {
	int number;
	const char *name;
};

static const struct word profiles[] = {
    {CRYPTO_PROFILE_BOTH, "both"},
    {CRYPTO_PROFILE_SIGN, "sign"},
    {CRYPTO_PROFILE_ENCRYPT, "encrypt"},
};

static const struct word reasons[] = {
    {CRYPTO_REASON_UNSPECIFIED, "unspecified"},
    {CRYPTO_REASON_KEY_COMPROMISE, "key-compromise"},
    {CRYPTO_REASON_AFFILIATION_CHANGED, "affiliation-changed"},
    {CRYPTO_REASON_SUPERSEDED, "superseded"},
    {CRYPTO_REASON_CESSATION, "cessation"},
    {CRYPTO_REASON_PRIVILEGE_WITHDRAWN, "privilege-withdrawn"},
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const char *
word_of(const struct word *list, size_t n, int number)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].number == number)
			return list[i].name;
	return NULL;
}

static enum err
number_of(const struct word *list, size_t n, const char *name, int *out)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(list[i].name, name) == 0) {
			*out = list[i].number;
			return ERR_OK;
		}
	return ERR_NOT_FOUND;
}

const char *
crypto_profile_name(enum crypto_profile p)
{
	return word_of(profiles, N(profiles), (int)p);
}

enum err
crypto_profile_by_name(const char *name, enum crypto_profile *out)
{
	int n = 0;
	enum err e = number_of(profiles, N(profiles), name, &n);

	if (e == ERR_OK)
		*out = (enum crypto_profile)n;
	return e;
}

const char *
crypto_reason_name(enum crypto_reason r)
{
	return word_of(reasons, N(reasons), (int)r);
}

enum err
crypto_reason_by_name(const char *name, enum crypto_reason *out)
{
	int n = 0;
	enum err e = number_of(reasons, N(reasons), name, &n);

	if (e == ERR_OK)
		*out = (enum crypto_reason)n;
	return e;
}

/* --- names --- */

bool
crypto_issue_name(X509_NAME *name, const char *cn)
{
	return cn == NULL || cn[0] == '\0' ||
	       X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
		   (const unsigned char *)cn, -1, -1, 0) == 1;
}

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] >= 0x80)
			return false;
	return true;
}

/* RFC 9598 §3: SmtpUTF8Mailbox for local parts that need it, and only then. */
static GENERAL_NAME *
utf8_mailbox(struct span addr)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_UTF8STRING *text = ASN1_UTF8STRING_new();
	ASN1_OBJECT *oid = OBJ_nid2obj(NID_id_on_SmtpUTF8Mailbox);
	ASN1_TYPE *value = ASN1_TYPE_new();

	if (name == NULL || text == NULL || oid == NULL || value == NULL ||
	    ASN1_STRING_set(text, addr.data, (int)addr.len) != 1) {
		ASN1_UTF8STRING_free(text);
		ASN1_TYPE_free(value);
		GENERAL_NAME_free(name);
		return NULL;
	}
	ASN1_TYPE_set(value, V_ASN1_UTF8STRING, text);
	if (GENERAL_NAME_set0_othername(name, oid, value) != 1) {
		ASN1_TYPE_free(value);
		GENERAL_NAME_free(name);
		return NULL;
	}
	return name;
}

static GENERAL_NAME *
rfc822_name(struct span addr)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	if (name == NULL || text == NULL ||
	    ASN1_STRING_set(text, addr.data, (int)addr.len) != 1) {
		ASN1_IA5STRING_free(text);
		GENERAL_NAME_free(name);
		return NULL;
	}
	GENERAL_NAME_set0_value(name, GEN_EMAIL, text);
	return name;
}

GENERAL_NAMES *
crypto_issue_names(const struct span *addrs, size_t n)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();

	for (size_t i = 0; list != NULL && i < n; i++) {
		GENERAL_NAME *name = is_ascii(addrs[i])
					 ? rfc822_name(addrs[i])
					 : utf8_mailbox(addrs[i]);

		if (name == NULL || sk_GENERAL_NAME_push(list, name) <= 0) {
			GENERAL_NAME_free(name);
			GENERAL_NAMES_free(list);
			return NULL;
		}
	}
	return list;
}

const EVP_MD *
crypto_issue_hash(EVP_PKEY *key)
{
	int bits = EVP_PKEY_is_a(key, "EC") == 1 ? EVP_PKEY_get_bits(key) : 0;

	if (bits > 384)
		return EVP_sha512();
	return bits > 256 ? EVP_sha384() : EVP_sha256();
}

/* --- extensions --- */

/* RFC 8551 §2.5.2, the strongest first: what this gateway opens. Each is a
   sequence of its OID alone (RFC 5084 §3.1, RFC 3565 §4.1). */
#define AES(n) 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 3, 4, 1, n
static const uint8_t capabilities[] = {
    0x30, 0x34, AES(46), AES(6), AES(42), AES(2)};

static bool
add_raw(X509 *x, int nid, const uint8_t *der, size_t len)
{
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	X509_EXTENSION *ext = NULL;
	bool ok =
	    value != NULL && ASN1_OCTET_STRING_set(value, der, (int)len) == 1 &&
	    (ext = X509_EXTENSION_create_by_NID(NULL, nid, 0, value)) != NULL &&
	    X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	ASN1_OCTET_STRING_free(value);
	return ok;
}

/* text is ours, in the notation of OpenSSL's configuration. */
static bool
add_text(X509 *x, X509V3_CTX *ctx, int nid, const char *text)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, text);
	bool ok = ext != NULL && X509_add_ext(x, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

static bool
add_addrs(X509 *x, const struct span *addrs, size_t n)
{
	GENERAL_NAMES *names = crypto_issue_names(addrs, n);
	/* RFC 5280 §4.1.2.6: critical where the subject is empty */
	int critical = X509_NAME_entry_count(X509_get_subject_name(x)) == 0;
	bool ok =
	    names != NULL && X509_add1_ext_i2d(x, NID_subject_alt_name, names,
				 critical, X509V3_ADD_DEFAULT) == 1;

	GENERAL_NAMES_free(names);
	return ok;
}

/* Not by OpenSSL's notation: a URL may have a comma in it. */
static bool
add_crl_url(X509 *x, const char *url)
{
	CRL_DIST_POINTS *list = CRL_DIST_POINTS_new();
	DIST_POINT *point = DIST_POINT_new();
	DIST_POINT_NAME *where = DIST_POINT_NAME_new();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool ok = list != NULL && point != NULL && where != NULL &&
		  name != NULL && text != NULL &&
		  ASN1_STRING_set(text, url, (int)strlen(url)) == 1 &&
		  (where->name.fullname = GENERAL_NAMES_new()) != NULL;

	if (ok) {
		GENERAL_NAME_set0_value(name, GEN_URI, text);
		text = NULL;
		where->type = 0;
		ok = sk_GENERAL_NAME_push(where->name.fullname, name) > 0;
	}
	if (ok) {
		name = NULL;
		point->distpoint = where;
		where = NULL;
		ok = sk_DIST_POINT_push(list, point) > 0;
	}
	if (ok) {
		point = NULL;
		ok = X509_add1_ext_i2d(x, NID_crl_distribution_points, list, 0,
			 X509V3_ADD_DEFAULT) == 1;
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	DIST_POINT_NAME_free(where);
	DIST_POINT_free(point);
	CRL_DIST_POINTS_free(list);
	return ok;
}

/* RFC 8550 §4.4.2; what a key is sealed to by depends on its kind. */
static const char *
usage_of(enum crypto_profile profile, bool rsa)
{
	switch (profile) {
	case CRYPTO_PROFILE_CA:
		return "critical,keyCertSign,cRLSign";
	case CRYPTO_PROFILE_BOTH:
		return rsa ? "critical,digitalSignature,keyEncipherment"
			   : "critical,digitalSignature,keyAgreement";
	case CRYPTO_PROFILE_SIGN:
	case CRYPTO_PROFILE_LINK:
		return "critical,digitalSignature";
	case CRYPTO_PROFILE_ENCRYPT:
		return rsa ? "critical,keyEncipherment"
			   : "critical,keyAgreement";
	case CRYPTO_PROFILE_NONE:
		break;
	}
	return NULL;
}

static bool
add_extensions(X509 *x, const struct crypto_issue *what, X509 *issuer)
{
	bool ca = what->profile == CRYPTO_PROFILE_CA;
	EVP_PKEY *public = X509_get0_pubkey(x);
	const char *usage =
	    usage_of(what->profile, EVP_PKEY_is_a(public, "RSA") == 1);
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	X509V3_set_ctx_nodb(&ctx);
	if (usage == NULL ||
	    !add_text(x, &ctx, NID_basic_constraints,
		ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE") ||
	    !add_text(x, &ctx, NID_key_usage, usage) ||
	    !add_text(x, &ctx, NID_subject_key_identifier, "hash") ||
	    !add_text(x, &ctx, NID_authority_key_identifier, "keyid:always"))
		return false;
	if (ca)
		return true;
	if (what->profile == CRYPTO_PROFILE_LINK)
		return add_text(
		    x, &ctx, NID_ext_key_usage, "serverAuth,clientAuth");
	return add_text(x, &ctx, NID_ext_key_usage, "emailProtection") &&
	       add_addrs(x, what->addrs, what->n_addrs) &&
	       (what->profile == CRYPTO_PROFILE_SIGN ||
		   add_raw(x, NID_SMIMECapabilities, capabilities,
		       sizeof(capabilities))) &&
	       (what->crl_url == NULL || add_crl_url(x, what->crl_url));
}

/* --- certificates --- */

/* RFC 5280 §4.1.2.2: positive, at most 20 octets. */
static bool
set_serial(X509 *x)
{
	uint8_t octets[CRYPTO_SERIAL_SIZE];
	BIGNUM *bn;
	bool ok;

	random_octets(octets, sizeof(octets));
	octets[0] &= 0x7f;
	octets[0] |= 0x40; /* of one length, and never zero */
	bn = BN_bin2bn(octets, sizeof(octets), NULL);
	ok = bn != NULL &&
	     BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) != NULL;
	BN_free(bn);
	return ok;
}

static bool
set_public(X509 *x, struct span spki)
{
	const unsigned char *p = spki.data;
	EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)spki.len);
	bool ok = key != NULL && p == spki.data + spki.len &&
		  X509_set_pubkey(x, key) == 1;

	EVP_PKEY_free(key);
	return ok;
}

/* An address makes a name where it is no longer than a name may be. */
static bool
set_subject(X509 *x, const struct crypto_issue *what)
{
	char cn[CRYPTO_CN_MAX + 1] = "";

	if (what->name != NULL)
		return strlen(what->name) <= CRYPTO_CN_MAX &&
		       crypto_issue_name(X509_get_subject_name(x), what->name);
	if (what->n_addrs > 0 && what->addrs[0].len <= CRYPTO_CN_MAX) {
		memcpy(cn, what->addrs[0].data, what->addrs[0].len);
		cn[what->addrs[0].len] = '\0';
	}
	return crypto_issue_name(X509_get_subject_name(x), cn);
}

static bool
fill(X509 *x, const struct crypto_issue *what, X509 *issuer, int64_t until)
{
	return X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
	       set_public(x, what->spki) && set_subject(x, what) &&
	       X509_set_issuer_name(x,
		   X509_get_subject_name(issuer == NULL ? x : issuer)) == 1 &&
	       ASN1_TIME_set(X509_getm_notBefore(x), what->not_before) !=
		   NULL &&
	       ASN1_TIME_set(X509_getm_notAfter(x), until) != NULL &&
	       add_extensions(x, what, issuer == NULL ? x : issuer);
}

static enum err
check_request(const struct crypto_issue *what, const struct crypto_issuer *by,
    struct err_why *why)
{
	bool own = what->profile == CRYPTO_PROFILE_CA ||
		   what->profile == CRYPTO_PROFILE_LINK;

	if (usage_of(what->profile, true) == NULL ||
	    own != (by->cert == NULL) || own != (what->n_addrs == 0) ||
	    (own && (what->name == NULL || what->name[0] == '\0')))
		return err_why(why, ERR_MALFORMED,
		    "a certificate for mail needs an address, one that signs "
		    "itself a name");
	if (by->cert != NULL && !by->cert->info.is_ca)
		return err_why(why, ERR_KEY_UNUSABLE, "not a CA");
	if (by->cert != NULL &&
	    (by->cert->info.not_before > what->not_before ||
		by->cert->info.not_after <= what->not_before))
		return err_why(why, ERR_KEY_EXPIRED,
		    "the certificate of the CA is not valid");
	return ERR_OK;
}

enum err
crypto_issue_cert(const struct crypto_issue *what,
    const struct crypto_issuer *by, struct buf *out, struct err_why *why)
{
	X509 *issuer = by->cert == NULL ? NULL : by->cert->x509;
	int64_t until = what->not_after;
	unsigned char *der = NULL;
	X509 *x = NULL;
	enum err e = check_request(what, by, why);
	int len;

	if (e != ERR_OK)
		return e;
	if (by->cert != NULL && until > by->cert->info.not_after)
		until = by->cert->info.not_after;
	x = X509_new();
	if (x == NULL || !fill(x, what, issuer, until)) {
		e = err_why(why, ERR_MALFORMED, "it cannot be put together");
		goto out;
	}
	if (X509_sign(x, by->key, crypto_issue_hash(by->key)) <= 0 ||
	    X509_verify(x, X509_get0_pubkey(issuer == NULL ? x : issuer)) !=
		1) {
		e = err_why(why, ERR_CRYPTO, "it could not be signed");
		goto out;
	}
	len = i2d_X509(x, &der);
	e = len > 0 ? buf_put(out, SPAN(der, (size_t)len)) : ERR_NOMEM;
	OPENSSL_free(der);
out:
	X509_free(x);
	ERR_clear_error();
	return e;
}

/* --- lists --- */

static bool
add_revoked(X509_CRL *crl, const struct crypto_revoked *r)
{
	X509_REVOKED *entry = X509_REVOKED_new();
	ASN1_TIME *at = ASN1_TIME_set(NULL, r->at);
	BIGNUM *bn = BN_bin2bn(r->serial.data, (int)r->serial.len, NULL);
	ASN1_INTEGER *serial = bn == NULL ? NULL : BN_to_ASN1_INTEGER(bn, NULL);
	ASN1_ENUMERATED *reason = ASN1_ENUMERATED_new();
	bool ok = entry != NULL && at != NULL && serial != NULL &&
		  reason != NULL &&
		  X509_REVOKED_set_serialNumber(entry, serial) == 1 &&
		  X509_REVOKED_set_revocationDate(entry, at) == 1 &&
		  ASN1_ENUMERATED_set(reason, (long)r->reason) == 1;

	/* RFC 5280 §5.3.1: absent rather than unspecified */
	if (ok && r->reason != CRYPTO_REASON_UNSPECIFIED)
		ok = X509_REVOKED_add1_ext_i2d(entry, NID_crl_reason, reason, 0,
			 X509V3_ADD_DEFAULT) == 1;
	if (ok)
		ok = X509_CRL_add0_revoked(crl, entry) == 1;
	if (!ok)
		X509_REVOKED_free(entry);
	ASN1_TIME_free(at);
	ASN1_INTEGER_free(serial);
	ASN1_ENUMERATED_free(reason);
	BN_free(bn);
	return ok;
}

static bool
add_number(X509_CRL *crl, uint64_t number)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	bool ok = n != NULL && ASN1_INTEGER_set_uint64(n, number) == 1 &&
		  X509_CRL_add1_ext_i2d(
		      crl, NID_crl_number, n, 0, X509V3_ADD_DEFAULT) == 1;

	ASN1_INTEGER_free(n);
	return ok;
}

static bool
add_issuer_key(X509_CRL *crl, X509 *issuer)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	bool ok;

	X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
	X509V3_set_ctx_nodb(&ctx);
	ext = X509V3_EXT_conf_nid(
	    NULL, &ctx, NID_authority_key_identifier, "keyid:always");
	ok = ext != NULL && X509_CRL_add_ext(crl, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok;
}

static bool
fill_crl(X509_CRL *crl, const struct crypto_crl *list, X509 *issuer)
{
	ASN1_TIME *from = ASN1_TIME_set(NULL, list->this_update);
	ASN1_TIME *next = ASN1_TIME_set(NULL, list->next_update);
	bool ok =
	    from != NULL && next != NULL &&
	    X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	    X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) == 1 &&
	    X509_CRL_set1_lastUpdate(crl, from) == 1 &&
	    X509_CRL_set1_nextUpdate(crl, next) == 1 &&
	    add_issuer_key(crl, issuer) && add_number(crl, list->number);

	for (size_t i = 0; ok && i < list->n; i++)
		ok = add_revoked(crl, &list->revoked[i]);
	ASN1_TIME_free(from);
	ASN1_TIME_free(next);
	return ok && X509_CRL_sort(crl) == 1;
}

enum err
crypto_issue_crl(const struct crypto_crl *list, const struct crypto_issuer *by,
    struct buf *out, struct err_why *why)
{
	X509 *issuer = by->cert == NULL ? NULL : by->cert->x509;
	X509_CRL *crl = X509_CRL_new();
	unsigned char *der = NULL;
	enum err e = ERR_OK;
	int len;

	if (crl == NULL || issuer == NULL || !fill_crl(crl, list, issuer)) {
		e = err_why(why, ERR_MALFORMED, "it cannot be put together");
	} else if (X509_CRL_sign(crl, by->key, crypto_issue_hash(by->key)) <=
		       0 ||
		   X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1) {
		e = err_why(why, ERR_CRYPTO, "it could not be signed");
	} else {
		len = i2d_X509_CRL(crl, &der);
		e = len > 0 ? buf_put(out, SPAN(der, (size_t)len)) : ERR_NOMEM;
		OPENSSL_free(der);
	}
	X509_CRL_free(crl);
	ERR_clear_error();
	return e;
}
