/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Algorithms of signatures and the one check that is done with a key. RFC 5754,
 * RFC 4056, RFC 8419 (which OpenSSL 3.0 does not have in CMS: Ed25519 is named,
 * and neither good nor bad).
 */
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "crypto/cms_open_private.h"
#include "crypto/cms_verify_private.h"

#define OID(s)                                                                 \
	{                                                                      \
		(const uint8_t *)(s), sizeof(s) - 1                            \
	}
#define OID_PKCS1 "\x2a\x86\x48\x86\xf7\x0d\x01\x01"
#define OID_ECDSA "\x2a\x86\x48\xce\x3d\x04\x03"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static const char forgeable[] = "made with a hash that can be forged (SHA-1)";
static const char lacking[] = "made with an algorithm that is not supported";

/* NONE: the hash is the one of digestAlgorithm. */
static const struct {
	struct span oid;
	bool ec;
	enum crypto_hash hash;
} algs[] = {
    {OID(OID_PKCS1 "\x01"), false, CRYPTO_HASH_NONE},
    {OID(OID_PKCS1 "\x0b"), false, CRYPTO_HASH_SHA256},
    {OID(OID_PKCS1 "\x0c"), false, CRYPTO_HASH_SHA384},
    {OID(OID_PKCS1 "\x0d"), false, CRYPTO_HASH_SHA512},
    {OID(OID_PKCS1 "\x05"), false, CRYPTO_HASH_SHA1},
    {OID(OID_PKCS1 "\x04"), false, CRYPTO_HASH_SHA1},
    {OID(OID_ECDSA "\x02"), true, CRYPTO_HASH_SHA256},
    {OID(OID_ECDSA "\x03"), true, CRYPTO_HASH_SHA384},
    {OID(OID_ECDSA "\x04"), true, CRYPTO_HASH_SHA512},
    {OID("\x2a\x86\x48\xce\x3d\x04\x01"), true, CRYPTO_HASH_SHA1},
};

const EVP_MD *
cms_hash_md(enum crypto_hash hash)
{
	switch (hash) {
	case CRYPTO_HASH_NONE:
	case CRYPTO_HASH_SHA1:
	case CRYPTO_HASH_SHA224:
		break;
	case CRYPTO_HASH_SHA256:
		return EVP_sha256();
	case CRYPTO_HASH_SHA384:
		return EVP_sha384();
	case CRYPTO_HASH_SHA512:
		return EVP_sha512();
	}
	return NULL;
}

const char *
cms_hash_name(enum crypto_hash hash)
{
	switch (hash) {
	case CRYPTO_HASH_NONE:
		break;
	case CRYPTO_HASH_SHA1:
		return "SHA-1";
	case CRYPTO_HASH_SHA224:
		return "SHA-224";
	case CRYPTO_HASH_SHA256:
		return "SHA-256";
	case CRYPTO_HASH_SHA384:
		return "SHA-384";
	case CRYPTO_HASH_SHA512:
		return "SHA-512";
	}
	return "?";
}

/* Octets of a salt: as many as the hash has, or whatever fits into the key. */
static bool
small_salt(const struct ber *b, int *out)
{
	struct span s = b->body;
	int salt = 0;

	if (b->tag != BER_INTEGER || s.len > 2 || (s.data[0] & 0x80) != 0)
		return false;
	for (size_t i = 0; i < s.len; i++)
		salt = salt << 8 | s.data[i];
	*out = salt;
	return true;
}

/* RSASSA-PSS-params (RFC 4055 §3.1): SHA-1 where nothing is said. */
static enum err
pss_params(struct span params, struct cms_sig_alg *a)
{
	static const struct span mgf1 = OID(OID_PKCS1 "\x08");
	enum crypto_hash hash = CRYPTO_HASH_SHA1;
	struct ber seq, field, alg, oid;

	a->pss = true;
	a->mgf = CRYPTO_HASH_SHA1;
	a->salt = 20;
	if (ber_expect(&params, BER_SEQUENCE, &seq) != ERR_OK || params.len > 0)
		return ERR_MALFORMED;
	while (seq.body.len > 0) {
		if (ber_next(&seq.body, &field) != ERR_OK ||
		    ber_next(&field.body, &alg) != ERR_OK)
			return ERR_MALFORMED;
		if (field.tag == BER_OPTION_CONSTRUCTED) {
			hash = cms_hash_of(alg.body);
		} else if (field.tag == BER_OPTION_CONSTRUCTED + 1) {
			if (ber_expect(&alg.body, BER_OID, &oid) != ERR_OK ||
			    !span_eq(oid.body, mgf1) ||
			    ber_expect(&alg.body, BER_SEQUENCE, &alg) != ERR_OK)
				return ERR_UNSUPPORTED;
			a->mgf = cms_hash_of(alg.body);
		} else if (field.tag == BER_OPTION_CONSTRUCTED + 2) {
			if (!small_salt(&alg, &a->salt))
				return ERR_UNSUPPORTED;
		}
	}
	/* RFC 4056 §3: one hash for both */
	if (hash != a->hash)
		return ERR_MALFORMED;
	return cms_hash_md(a->mgf) == NULL ? ERR_UNSUPPORTED : ERR_OK;
}

enum err
cms_sig_alg_parse(
    const struct cms_signer *s, struct cms_sig_alg *out, const char **why)
{
	static const struct span pss = OID(OID_PKCS1 "\x0a");
	struct cms_sig_alg a = {.hash = cms_hash_of(s->digest_alg)};
	struct span params = s->sig_alg;
	struct ber oid;
	enum err e = ERR_UNSUPPORTED;

	*why = a.hash == CRYPTO_HASH_SHA1 ? forgeable : lacking;
	if (ber_expect(&params, BER_OID, &oid) != ERR_OK)
		return ERR_MALFORMED;
	if (cms_hash_md(a.hash) == NULL)
		return ERR_UNSUPPORTED;
	if (span_eq(oid.body, pss))
		e = pss_params(params, &a);
	for (size_t i = 0; i < N(algs); i++) {
		if (!span_eq(oid.body, algs[i].oid))
			continue;
		if (algs[i].hash == CRYPTO_HASH_SHA1) {
			*why = forgeable;
			return ERR_UNSUPPORTED;
		}
		a.ec = algs[i].ec;
		e = algs[i].hash == CRYPTO_HASH_NONE || algs[i].hash == a.hash
			? ERR_OK
			: ERR_MALFORMED;
	}
	if (e == ERR_OK)
		*out = a;
	return e;
}

bool
cms_sig_check(EVP_PKEY *key, const struct cms_sig_alg *alg, struct span digest,
    struct span sig)
{
	EVP_PKEY_CTX *ctx = NULL;
	const EVP_MD *md = cms_hash_md(alg->hash);
	bool ec = EVP_PKEY_is_a(key, "EC") == 1;
	bool good;

	if (ec != alg->ec)
		return false;
	ctx = EVP_PKEY_CTX_new(key, NULL);
	good = ctx != NULL && EVP_PKEY_verify_init(ctx) == 1;
	if (good && !ec)
		good = EVP_PKEY_CTX_set_rsa_padding(
			   ctx, alg->pss ? RSA_PKCS1_PSS_PADDING
					 : RSA_PKCS1_PADDING) > 0;
	good = good && EVP_PKEY_CTX_set_signature_md(ctx, md) > 0;
	if (good && alg->pss)
		good = EVP_PKEY_CTX_set_rsa_mgf1_md(
			   ctx, cms_hash_md(alg->mgf)) > 0 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, alg->salt) > 0;
	good = good && EVP_PKEY_verify(ctx, sig.data, sig.len, digest.data,
			   digest.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	ERR_clear_error();
	return good;
}
