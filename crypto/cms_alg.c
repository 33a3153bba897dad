/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * AlgorithmIdentifiers of what seals: tables, and the parameters read one by
 * one. RFC 3565, RFC 5084, RFC 3370 §5, RFC 4055 §4.1, RFC 5753 §7.1, RFC 9709.
 */
#include "crypto/cms_open_private.h"

#include <openssl/provider.h>

#define OID(s)                                                                 \
	{                                                                      \
		(const uint8_t *)(s), sizeof(s) - 1                            \
	}
#define OID_AES	  "\x60\x86\x48\x01\x65\x03\x04\x01"
#define OID_HASH  "\x60\x86\x48\x01\x65\x03\x04\x02"
#define OID_PKCS1 "\x2a\x86\x48\x86\xf7\x0d\x01\x01"
#define OID_RSA3  "\x2a\x86\x48\x86\xf7\x0d\x03"
#define OID_SMALG "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x03"
#define OID_CERTI "\x2b\x81\x04\x01"
#define OID_X963  "\x2b\x81\x05\x10\x86\x48\x3f\x00"

enum {
	TAG_MIN = 12, /* RFC 5084 §3.2; a tag of one octet is guessed */
	TAG_MAX = 16,
	NONCE_MIN = 8, /* shorter ones repeat; the usual one has 12 */
	NONCE_MAX = 16,
	AES_IV = 16,
	DES_IV = 8,
};

static const struct cipher_row {
	struct span oid;
	struct cms_cipher c;
} ciphers[] = {
    {OID(OID_AES "\x2a"),
	{.name = "aes256-cbc", .evp = "AES-256-CBC", .key_len = 32}},
    {OID(OID_AES "\x16"),
	{.name = "aes192-cbc", .evp = "AES-192-CBC", .key_len = 24}},
    {OID(OID_AES "\x02"),
	{.name = "aes128-cbc", .evp = "AES-128-CBC", .key_len = 16}},
    {OID(OID_AES "\x2e"), {.name = "aes256-gcm",
			      .mode = CMS_MODE_GCM,
			      .evp = "AES-256-GCM",
			      .key_len = 32}},
    {OID(OID_AES "\x1a"), {.name = "aes192-gcm",
			      .mode = CMS_MODE_GCM,
			      .evp = "AES-192-GCM",
			      .key_len = 24}},
    {OID(OID_AES "\x06"), {.name = "aes128-gcm",
			      .mode = CMS_MODE_GCM,
			      .evp = "AES-128-GCM",
			      .key_len = 16}},
    {OID(OID_RSA3 "\x07"), {.name = "3des-cbc",
			       .evp = "DES-EDE3-CBC",
			       .key_len = 24,
			       .legacy = true}},
    {OID(OID_RSA3 "\x02"),
	{.name = "rc2-cbc", .legacy = true, .provider = true}},
};

/* RC2's length is in a parameter that says it in a secret language (RFC 3370
   §5.2). */
static const struct {
	unsigned version;
	const char *evp;
	size_t key_len;
} rc2[] = {
    {160, "RC2-40-CBC", 5},
    {120, "RC2-64-CBC", 8},
    {58, "RC2-CBC", 16},
};

static const struct {
	struct span oid;
	enum crypto_hash hash;
} hashes[] = {
    {OID("\x2b\x0e\x03\x02\x1a"), CRYPTO_HASH_SHA1},
    {OID(OID_HASH "\x04"), CRYPTO_HASH_SHA224},
    {OID(OID_HASH "\x01"), CRYPTO_HASH_SHA256},
    {OID(OID_HASH "\x02"), CRYPTO_HASH_SHA384},
    {OID(OID_HASH "\x03"), CRYPTO_HASH_SHA512},
};

/* Standard and cofactor: on these curves the same. */
static const struct {
	struct span oid;
	const char *hash;
} agreements[] = {
    {OID(OID_X963 "\x02"), "SHA1"},
    {OID(OID_CERTI "\x0b\x00"), "SHA224"},
    {OID(OID_CERTI "\x0b\x01"), "SHA256"},
    {OID(OID_CERTI "\x0b\x02"), "SHA384"},
    {OID(OID_CERTI "\x0b\x03"), "SHA512"},
    {OID(OID_X963 "\x03"), "SHA1"},
    {OID(OID_CERTI "\x0e\x00"), "SHA224"},
    {OID(OID_CERTI "\x0e\x01"), "SHA256"},
    {OID(OID_CERTI "\x0e\x02"), "SHA384"},
    {OID(OID_CERTI "\x0e\x03"), "SHA512"},
};

static const struct {
	struct span oid;
	const char *evp;
	size_t len;
	bool legacy;
} wraps[] = {
    {OID(OID_AES "\x05"), "AES-128-WRAP", 16, false},
    {OID(OID_AES "\x19"), "AES-192-WRAP", 24, false},
    {OID(OID_AES "\x2d"), "AES-256-WRAP", 32, false},
    {OID(OID_SMALG "\x06"), "DES3-WRAP", 24, true},
};

#define N(a) (sizeof(a) / sizeof((a)[0]))

static OSSL_LIB_CTX *legacy_ctx;
static OSSL_PROVIDER *legacy_provider;

enum err
crypto_cms_open_init(bool legacy, struct err_why *why)
{
	if (!legacy || legacy_provider != NULL)
		return ERR_OK;
	if (legacy_ctx == NULL)
		legacy_ctx = OSSL_LIB_CTX_new();
	if (legacy_ctx != NULL)
		legacy_provider = OSSL_PROVIDER_load(legacy_ctx, "legacy");
	if (legacy_provider == NULL)
		return err_why(why, ERR_UNSUPPORTED,
		    "RC2 needs OpenSSL's legacy provider, which does not load");
	return ERR_OK;
}

EVP_CIPHER *
cms_cipher_fetch(const struct cms_cipher *c)
{
	if (c->provider && legacy_provider == NULL)
		return NULL;
	return EVP_CIPHER_fetch(c->provider ? legacy_ctx : NULL, c->evp, NULL);
}

/* --- content --- */

/* The value of a small INTEGER. */
static bool
small_int(const struct ber *b, unsigned *out)
{
	struct span s = b->body;

	if (s.len > 1 && s.data[0] == 0)
		s = SPAN(s.data + 1, s.len - 1);
	if (s.len != 1)
		return false;
	*out = s.data[0];
	return true;
}

static enum err
malformed(struct err_why *why, const char *what)
{
	return err_why(why, ERR_MALFORMED, "%s", what);
}

/* GCMParameters (RFC 5084 §3.2) */
static enum err
gcm_params(struct span params, struct cms_cipher *c, struct err_why *why)
{
	struct ber seq, nonce, num;
	unsigned tag = TAG_MIN;

	if (ber_expect(&params, BER_SEQUENCE, &seq) != ERR_OK ||
	    params.len > 0 ||
	    ber_expect(&seq.body, BER_OCTETS, &nonce) != ERR_OK)
		return malformed(why, "GCM without its parameters");
	if (seq.body.len > 0 &&
	    (ber_expect(&seq.body, BER_INTEGER, &num) != ERR_OK ||
		!small_int(&num, &tag) || seq.body.len > 0))
		return malformed(why, "GCM with other parameters");
	if (tag < TAG_MIN || tag > TAG_MAX)
		return malformed(why, "GCM with a tag of another length");
	if (nonce.body.len < NONCE_MIN || nonce.body.len > NONCE_MAX)
		return malformed(why, "GCM with a nonce of another length");
	c->iv = nonce.body;
	c->tag_len = tag;
	return ERR_OK;
}

/* RC2CBCParameter; without a version it is 32 bits, which nobody wants. */
static enum err
rc2_params(struct span params, struct cms_cipher *c, struct err_why *why)
{
	struct ber seq, num, iv;
	unsigned version;

	if (ber_expect(&params, BER_SEQUENCE, &seq) != ERR_OK ||
	    params.len > 0 ||
	    ber_expect(&seq.body, BER_INTEGER, &num) != ERR_OK ||
	    ber_expect(&seq.body, BER_OCTETS, &iv) != ERR_OK ||
	    iv.body.len != DES_IV || !small_int(&num, &version))
		return malformed(why, "RC2 without its parameters");
	for (size_t i = 0; i < N(rc2); i++)
		if (rc2[i].version == version) {
			c->evp = rc2[i].evp;
			c->key_len = rc2[i].key_len;
			c->iv = iv.body;
			return ERR_OK;
		}
	return err_why(why, ERR_UNSUPPORTED, "RC2 of another key length");
}

static enum err
cbc_params(struct span params, struct cms_cipher *c, struct err_why *why)
{
	struct ber iv;

	if (c->provider)
		return rc2_params(params, c, why);
	if (ber_expect(&params, BER_OCTETS, &iv) != ERR_OK || params.len > 0 ||
	    iv.body.len != (c->legacy ? DES_IV : AES_IV))
		return malformed(why, "CBC with another initialization vector");
	c->iv = iv.body;
	return ERR_OK;
}

/* Is it a derivation (RFC 9709 §3)? Its parameter is the cipher. */
static bool
is_derived(struct span *oid, struct span *params, struct span *derive)
{
	static const struct span hkdf = OID(OID_SMALG "\x1f");
	struct ber inner, b;

	if (!span_eq(*oid, hkdf) ||
	    ber_expect(params, BER_SEQUENCE, &inner) != ERR_OK ||
	    params->len > 0 || ber_expect(&inner.body, BER_OID, &b) != ERR_OK)
		return false;
	*derive = inner.all;
	*oid = b.body;
	*params = inner.body;
	return true;
}

enum err
cms_cipher_parse(struct span alg, enum crypto_cms_kind kind,
    struct cms_cipher *out, struct err_why *why)
{
	struct span derive = {NULL, 0}, oid_octets;
	struct cms_cipher c;
	struct ber oid;
	enum err e;

	if (ber_expect(&alg, BER_OID, &oid) != ERR_OK)
		return malformed(why, "no cipher is named");
	oid_octets = oid.body;
	(void)is_derived(&oid_octets, &alg, &derive);
	for (size_t i = 0; i < N(ciphers); i++) {
		if (!span_eq(oid_octets, ciphers[i].oid))
			continue;
		c = ciphers[i].c;
		c.derive = derive;
		/* each kind of message has its kind of cipher: one in the
		   other's place is how a downgrade looks */
		if ((kind == CRYPTO_CMS_AUTH_ENVELOPED) !=
		    (c.mode == CMS_MODE_GCM))
			return malformed(
			    why, "a cipher that does not belong there");
		e = c.mode == CMS_MODE_GCM ? gcm_params(alg, &c, why)
					   : cbc_params(alg, &c, why);
		if (e == ERR_OK)
			*out = c;
		return e;
	}
	return err_why(
	    why, ERR_UNSUPPORTED, "sealed with a cipher that is not supported");
}

/* --- the keys of recipients --- */

enum crypto_hash
cms_hash_of(struct span alg)
{
	struct ber oid;

	if (ber_expect(&alg, BER_OID, &oid) == ERR_OK)
		for (size_t i = 0; i < N(hashes); i++)
			if (span_eq(oid.body, hashes[i].oid))
				return hashes[i].hash;
	return CRYPTO_HASH_NONE;
}

/* [0] hash, [1] mask generation, [2] label: each is SHA-1, or empty, if it is
   not there. */
static enum err
oaep_params(struct span params, struct crypto_decrypt *d)
{
	static const struct span mgf1 = OID(OID_PKCS1 "\x08");
	struct ber seq, field, alg, oid;

	d->hash = d->mgf = CRYPTO_HASH_SHA1;
	if (params.len == 0)
		return ERR_OK;
	if (ber_expect(&params, BER_SEQUENCE, &seq) != ERR_OK || params.len > 0)
		return ERR_MALFORMED;
	while (seq.body.len > 0) {
		if (ber_next(&seq.body, &field) != ERR_OK ||
		    ber_expect(&field.body, BER_SEQUENCE, &alg) != ERR_OK)
			return ERR_MALFORMED;
		if (field.tag == BER_OPTION_CONSTRUCTED) {
			d->hash = cms_hash_of(alg.body);
		} else if (field.tag == BER_OPTION_CONSTRUCTED + 1) {
			if (ber_expect(&alg.body, BER_OID, &oid) != ERR_OK ||
			    !span_eq(oid.body, mgf1) ||
			    ber_expect(&alg.body, BER_SEQUENCE, &alg) != ERR_OK)
				return ERR_UNSUPPORTED;
			d->mgf = cms_hash_of(alg.body);
		} else {
			/* a label, which nobody uses */
			return ERR_UNSUPPORTED;
		}
	}
	return d->hash == CRYPTO_HASH_NONE || d->mgf == CRYPTO_HASH_NONE
		   ? ERR_UNSUPPORTED
		   : ERR_OK;
}

enum err
cms_transport_parse(struct span alg, struct crypto_decrypt *out)
{
	static const struct span rsa = OID(OID_PKCS1 "\x01");
	static const struct span oaep = OID(OID_PKCS1 "\x07");
	struct ber oid;

	if (ber_expect(&alg, BER_OID, &oid) != ERR_OK)
		return ERR_MALFORMED;
	if (span_eq(oid.body, rsa)) {
		out->op = CRYPTO_DECRYPT_PKCS1;
		return ERR_OK;
	}
	if (!span_eq(oid.body, oaep))
		return ERR_UNSUPPORTED;
	out->op = CRYPTO_DECRYPT_OAEP;
	return oaep_params(alg, out);
}

static enum err
wrap_parse(struct ber wrap, struct cms_agreement *a)
{
	struct ber oid;

	a->wrap = wrap.all;
	if (ber_expect(&wrap.body, BER_OID, &oid) != ERR_OK)
		return ERR_MALFORMED;
	for (size_t i = 0; i < N(wraps); i++)
		if (span_eq(oid.body, wraps[i].oid)) {
			a->wrap_evp = wraps[i].evp;
			a->wrap_len = wraps[i].len;
			a->legacy = wraps[i].legacy;
			return ERR_OK;
		}
	return ERR_UNSUPPORTED;
}

enum err
cms_agreement_parse(struct span alg, struct cms_agreement *out)
{
	struct cms_agreement a = {0};
	struct ber oid, wrap;
	enum err e;

	if (ber_expect(&alg, BER_OID, &oid) != ERR_OK ||
	    ber_expect(&alg, BER_SEQUENCE, &wrap) != ERR_OK || alg.len > 0)
		return ERR_MALFORMED;
	for (size_t i = 0; i < N(agreements); i++)
		if (span_eq(oid.body, agreements[i].oid))
			a.hash = agreements[i].hash;
	if (a.hash == NULL)
		return ERR_UNSUPPORTED;
	e = wrap_parse(wrap, &a);
	if (e == ERR_OK)
		*out = a;
	return e;
}
