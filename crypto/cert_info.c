/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Read what a certificate says (names, addresses, times, key) and judge
 * whether its key may be sealed to at all. Chains and trust are keystore/'s.
 * RFC 5280 §4, RFC 8550 §3 and §4.4, RFC 9598 §3.
 */
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/arena.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/text.h"
#include "crypto/cert_private.h"
#include "mime/addr.h"

static enum err
no_memory(struct err_why *why)
{
	return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
}

/* Is the character one that turns, breaks or hides text: C1 controls, line and
   paragraph separators, directional marks and overrides, byte order marks? */
static bool
is_unseen(uint32_t c)
{
	return (c >= 0x80 && c < 0xa0) || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff;
}

/* Replace such characters by '?' in a string of valid UTF-8, in place. */
static void
make_printable(char *text)
{
	unsigned char *from = (unsigned char *)text, *to = from;

	while (*from != '\0') {
		size_t len = *from < 0x80   ? 1
			     : *from < 0xe0 ? 2
			     : *from < 0xf0 ? 3
					    : 4;
		uint32_t c = *from;

		if (len > 1) {
			c = *from & (0x7fu >> len);
			for (size_t i = 1; i < len && from[i] != '\0'; i++)
				c = c << 6 | (from[i] & 0x3fu);
		}
		len = strnlen((char *)from, len);
		if (is_unseen(c)) {
			*to++ = '?';
		} else {
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	*to = '\0';
}

/* RFC 4514 text: OpenSSL escapes ASCII controls and writes UTF-8. */
static char *
name_text(struct crypto_cert *cert, const X509_NAME *name)
{
	unsigned long flags =
	    XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
	BIO *bio = BIO_new(BIO_s_mem());
	char *text = NULL, *data;
	long len;

	if (bio == NULL)
		return NULL;
	if (X509_NAME_print_ex(bio, name, 0, flags) < 0) {
		text = arena_strdup(cert->texts, "(unreadable name)");
	} else {
		len = BIO_get_mem_data(bio, &data);
		text = arena_span_str(
		    cert->texts, SPAN(data, len > 0 ? (size_t)len : 0));
		if (text != NULL)
			make_printable(text);
	}
	BIO_free(bio);
	return text;
}

static enum err
read_names(struct crypto_cert *cert, struct err_why *why)
{
	struct crypto_cert_info *info = &cert->info;
	const X509_NAME *issuer = X509_get_issuer_name(cert->x509);
	const X509_NAME *subject = X509_get_subject_name(cert->x509);
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert->x509);
	const unsigned char *der;
	size_t der_len;
	char *hex;

	info->subject = name_text(cert, subject);
	info->issuer = name_text(cert, issuer);
	if (info->subject == NULL || info->issuer == NULL)
		return no_memory(why);
	if (X509_NAME_get0_der(issuer, &der, &der_len) != 1)
		return no_memory(why);
	info->issuer_der = SPAN(der, der_len);
	if (X509_NAME_get0_der(subject, &der, &der_len) != 1)
		return no_memory(why);
	info->subject_der = SPAN(der, der_len);
	info->serial_raw = SPAN(
	    ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
	hex = arena_alloc(cert->texts, 2 * info->serial_raw.len + 1);
	if (hex == NULL)
		return no_memory(why);
	text_hex(info->serial_raw, hex);
	info->serial = hex;
	return ERR_OK;
}

/* RFC 5280 §4.2: an extension appears once. Two parsers would not agree which
   of two counts. */
static enum err
check_extensions(struct crypto_cert *cert, struct err_why *why)
{
	int n = X509_get_ext_count(cert->x509);

	if (n > (int)LIMIT_CERT_EXTENSIONS)
		return err_why(why, ERR_MALFORMED, "more than %u extensions",
		    LIMIT_CERT_EXTENSIONS);
	for (int i = 0; i < n; i++) {
		X509_EXTENSION *ext = X509_get_ext(cert->x509, i);
		ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);

		if (X509_get_ext_by_OBJ(cert->x509, oid, i) >= 0)
			return err_why(
			    why, ERR_MALFORMED, "an extension appears twice");
	}
	return ERR_OK;
}

enum err
crypto_cert_time(const ASN1_TIME *t, int64_t *out, struct err_why *why)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;
	enum err e = ERR_OK;

	if (epoch == NULL)
		return no_memory(why);
	if (ASN1_TIME_diff(&days, &seconds, epoch, t) != 1)
		e = err_why(why, ERR_MALFORMED, "an unreadable time");
	else
		*out = (int64_t)days * 86400 + seconds;
	ASN1_TIME_free(epoch);
	return e;
}

/* Two parsers must not read two addresses. rfc822Name is ASCII, its domain
   included (RFC 5280 §4.2.1.6, an IA5String that OpenSSL does not check);
   SmtpUTF8Mailbox is for a local part beyond ASCII only, and its domain is in
   A-labels (RFC 9598 §3). The one address parser decides the rest: no blank,
   no comment, no NUL, nothing around it. */
static bool
is_exact(struct span raw, bool utf8)
{
	size_t at = raw.len, high_local = 0;

	while (at > 0 && raw.data[at - 1] != '@')
		at--;
	for (size_t i = 0; i < raw.len; i++) {
		if (raw.data[i] < 0x80)
			continue;
		if (i >= at)
			return false;
		high_local++;
	}
	if (utf8)
		for (size_t i = at; i < raw.len; i++)
			if (raw.data[i] >= 'A' && raw.data[i] <= 'Z')
				return false;
	return utf8 ? high_local > 0 : high_local == 0;
}

/* Take raw as an address, or count it as one that is none. addrs has room. */
static enum err
add_addr(struct crypto_cert *cert, const char **addrs, const ASN1_STRING *text,
    bool utf8, struct err_why *why)
{
	struct crypto_cert_info *info = &cert->info;
	struct span raw =
	    SPAN(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
	struct mime_addr addr;
	enum err e = ERR_ADDR_SYNTAX;

	if (is_exact(raw, utf8))
		e = mime_addr_parse(
		    raw, utf8 ? MIME_ADDR_UTF8 : 0, cert->texts, &addr, NULL);
	if (e == ERR_ADDR_SYNTAX) {
		info->n_bad_addrs++;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return no_memory(why);
	for (size_t i = 0; i < info->n_addrs; i++)
		if (strcmp(addrs[i], addr.key) == 0)
			return ERR_OK;
	addrs[info->n_addrs++] = addr.key;
	return ERR_OK;
}

/* The string of a name that is a mail address; NULL for other names. */
static const ASN1_STRING *
mail_name(const GENERAL_NAME *name, bool *utf8)
{
	*utf8 = name->type == GEN_OTHERNAME;
	if (name->type == GEN_EMAIL)
		return name->d.rfc822Name;
	/* RFC 9598 §3 */
	if (name->type == GEN_OTHERNAME &&
	    OBJ_obj2nid(name->d.otherName->type_id) ==
		NID_id_on_SmtpUTF8Mailbox &&
	    name->d.otherName->value->type == V_ASN1_UTF8STRING)
		return name->d.otherName->value->value.utf8string;
	return NULL;
}

static enum err
read_san(
    struct crypto_cert *cert, const GENERAL_NAMES *names, struct err_why *why)
{
	int n = sk_GENERAL_NAME_num(names);
	const char **addrs;
	enum err e = ERR_OK;

	addrs = arena_array(cert->texts, (size_t)n + 1, sizeof(*addrs));
	if (addrs == NULL)
		return no_memory(why);
	cert->info.addrs = addrs;
	for (int i = 0; i < n && e == ERR_OK; i++) {
		bool utf8;
		const ASN1_STRING *raw =
		    mail_name(sk_GENERAL_NAME_value(names, i), &utf8);

		if (raw != NULL && cert->info.n_addrs < LIMIT_CERT_ADDRS)
			e = add_addr(cert, addrs, raw, utf8, why);
		else if (raw != NULL)
			e = err_why(why, ERR_TOO_BIG, "more than %u addresses",
			    LIMIT_CERT_ADDRS);
	}
	return e;
}

/* RFC 8550 §3: the legacy place, looked at when the other names none. */
static enum err
read_subject_addr(struct crypto_cert *cert, struct err_why *why)
{
	const X509_NAME *name = X509_get_subject_name(cert->x509);
	const char **addrs;
	enum err e = ERR_OK;
	int i = -1;

	addrs = arena_array(cert->texts,
	    (size_t)X509_NAME_entry_count(name) + 1, sizeof(*addrs));
	if (addrs == NULL)
		return no_memory(why);
	cert->info.addrs = addrs;
	while (e == ERR_OK && (i = X509_NAME_get_index_by_NID(
				   name, NID_pkcs9_emailAddress, i)) >= 0)
		e = add_addr(cert, addrs,
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)),
		    false, why);
	return e;
}

static enum err
read_addrs(struct crypto_cert *cert, struct err_why *why)
{
	struct crypto_cert_info *info = &cert->info;
	GENERAL_NAMES *names;
	int crit = -1;
	enum err e = ERR_OK;

	names = X509_get_ext_d2i(cert->x509, NID_subject_alt_name, &crit, NULL);
	if (names == NULL && crit != -1)
		return err_why(
		    why, ERR_MALFORMED, "a malformed subjectAltName");
	if (names != NULL) {
		e = read_san(cert, names, why);
		GENERAL_NAMES_free(names);
	}
	if (e == ERR_OK && info->n_addrs == 0 && info->n_bad_addrs == 0)
		e = read_subject_addr(cert, why);
	return e;
}

static const char *
ec_name(EVP_PKEY *key)
{
	static const struct {
		const char *group, *name;
	} names[] = {
	    {"prime256v1", "P-256"},
	    {"secp384r1", "P-384"},
	    {"secp521r1", "P-521"},
	};
	char group[64];
	int explicit_params = 0;

	/* RFC 5480 §2.1.1: only named curves */
	if (EVP_PKEY_get_int_param(key,
		OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
		&explicit_params) == 1 &&
	    explicit_params != 0)
		return "EC with explicit parameters";
	if (EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return "EC";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(group, names[i].group) == 0)
			return names[i].name;
	return "EC on another curve";
}

static void
read_key(struct crypto_cert *cert)
{
	struct crypto_cert_info *info = &cert->info;
	EVP_PKEY *key = X509_get0_pubkey(cert->x509);
	X509_PUBKEY *raw = X509_get_X509_PUBKEY(cert->x509);
	ASN1_OBJECT *oid = NULL;
	const char *name = NULL;

	if (key == NULL) {
		if (X509_PUBKEY_get0_param(&oid, NULL, NULL, NULL, raw) == 1)
			name = OBJ_nid2sn(OBJ_obj2nid(oid));
		info->alg = name == NULL ? "unknown" : name;
		return;
	}
	info->bits = (unsigned)EVP_PKEY_get_bits(key);
	if (EVP_PKEY_is_a(key, "RSA"))
		info->alg = "RSA";
	else if (EVP_PKEY_is_a(key, "RSA-PSS"))
		info->alg = "RSA-PSS";
	else if (EVP_PKEY_is_a(key, "EC"))
		info->alg = ec_name(key);
	else if (EVP_PKEY_is_a(key, "X25519"))
		info->alg = "X25519";
	else if (EVP_PKEY_is_a(key, "ED25519"))
		info->alg = "Ed25519";
	else
		info->alg = OBJ_nid2sn(EVP_PKEY_get_base_id(key));
}

static void
refuse(struct crypto_cert *cert, enum err e, const char *reason)
{
	cert->info.can_seal = false;
	cert->info.seal_err = e;
	cert->info.seal_why = reason;
}

const char *
crypto_cert_rsa_flaw(const struct crypto_cert *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert->x509);
	BIGNUM *e = NULL;
	const char *flaw = NULL;

	if (cert->info.bits < LIMIT_RSA_BITS_MIN)
		return "the RSA key is shorter than 2048 bits";
	if (cert->info.bits > LIMIT_RSA_BITS_MAX)
		return "the RSA key is longer than 16384 bits";
	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1 ||
	    !BN_is_odd(e) || BN_is_one(e))
		flaw = "the RSA key's exponent is even or 1";
	else if (BN_num_bits(e) > (int)LIMIT_RSA_EXPONENT_BITS)
		flaw = "the RSA key's exponent is longer than 64 bits";
	BN_free(e);
	return flaw;
}

/* RFC 8551 §2.3 as far as OpenSSL's CMS can. */
static bool
judge_key(struct crypto_cert *cert, uint32_t *usage_out)
{
	const char *alg = cert->info.alg, *flaw;

	if (strcmp(alg, "RSA") == 0) {
		flaw = crypto_cert_rsa_flaw(cert);
		if (flaw != NULL)
			refuse(cert, ERR_KEY_UNUSABLE, flaw);
		*usage_out = KU_KEY_ENCIPHERMENT;
		return flaw == NULL;
	}
	if (strcmp(alg, "P-256") == 0 || strcmp(alg, "P-384") == 0 ||
	    strcmp(alg, "P-521") == 0) {
		*usage_out = KU_KEY_AGREEMENT;
		return true;
	}
	if (strcmp(alg, "Ed25519") == 0 || strcmp(alg, "RSA-PSS") == 0)
		refuse(cert, ERR_UNSUPPORTED,
		    "the key can only sign, nothing can be sealed to it");
	else if (strcmp(alg, "X25519") == 0)
		refuse(cert, ERR_UNSUPPORTED,
		    "X25519 recipients are not supported by OpenSSL 3.0");
	else
		refuse(cert, ERR_UNSUPPORTED,
		    "the key's algorithm is not supported");
	return false;
}

void
crypto_cert_judge(struct crypto_cert *cert)
{
	X509 *x = cert->x509;
	uint32_t flags = X509_get_extension_flags(x);
	uint32_t wanted = 0;

	if ((flags & EXFLAG_INVALID) != 0) {
		refuse(cert, ERR_KEY_UNUSABLE, "an extension is malformed");
		return;
	}
	/* RFC 5280 §4.2 */
	if ((flags & EXFLAG_CRITICAL) != 0) {
		refuse(cert, ERR_KEY_UNUSABLE,
		    "a critical extension is not known");
		return;
	}
	if (!judge_key(cert, &wanted))
		return;
	/* RFC 8550 §4.4.2; no extension means no restriction */
	if ((X509_get_key_usage(x) & wanted) == 0) {
		refuse(cert, ERR_KEY_UNUSABLE,
		    wanted == KU_KEY_ENCIPHERMENT
			? "its keyUsage does not allow keyEncipherment"
			: "its keyUsage does not allow keyAgreement");
		return;
	}
	/* RFC 8550 §4.4.4 */
	if ((flags & EXFLAG_XKUSAGE) != 0 &&
	    (X509_get_extended_key_usage(x) & (XKU_SMIME | XKU_ANYEKU)) == 0) {
		refuse(cert, ERR_KEY_UNUSABLE,
		    "its extendedKeyUsage does not allow emailProtection");
		return;
	}
	cert->info.can_seal = true;
	cert->info.seal_err = ERR_OK;
	cert->info.seal_why = "";
}

static struct span
octets_of(const ASN1_OCTET_STRING *s)
{
	return s == NULL ? SPAN(NULL, 0)
			 : SPAN(ASN1_STRING_get0_data(s),
			       (size_t)ASN1_STRING_length(s));
}

static bool
digest_key(struct crypto_cert *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert->x509), &der);

	if (len <= 0)
		return false;
	digest_sha256(
	    &(struct span){der, (size_t)len}, 1, cert->info.key_digest);
	OPENSSL_free(der);
	return true;
}

enum err
crypto_cert_describe(struct crypto_cert *cert, struct err_why *why)
{
	struct crypto_cert_info *info = &cert->info;
	enum err e = ERR_OK;

	digest_sha256(&(struct span){cert->der, cert->der_len}, 1, info->fpr);
	e = check_extensions(cert, why);
	if (e == ERR_OK)
		e = read_names(cert, why);
	if (e == ERR_OK)
		e = crypto_cert_time(
		    X509_get0_notBefore(cert->x509), &info->not_before, why);
	if (e == ERR_OK)
		e = crypto_cert_time(
		    X509_get0_notAfter(cert->x509), &info->not_after, why);
	if (e == ERR_OK)
		e = read_addrs(cert, why);
	if (e != ERR_OK)
		return e;
	if (!digest_key(cert))
		return no_memory(why);
	info->ski = octets_of(X509_get0_subject_key_id(cert->x509));
	info->aki = octets_of(X509_get0_authority_key_id(cert->x509));
	read_key(cert);
	info->is_ca = X509_check_ca(cert->x509) == 1;
	info->self_signed = X509_self_signed(cert->x509, 1) == 1;
	crypto_cert_judge(cert);
	return ERR_OK;
}
