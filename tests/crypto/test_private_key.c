/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/private_key.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/cert_private.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct crypto_cert *
load_cert(const char *who)
{
	struct crypto_cert *cert = NULL;
	char name[32];
	struct buf b;

	snprintf(name, sizeof(name), "%s.der", who);
	b = peer_read(peer_data(name));
	cr_assert_eq(crypto_cert_parse(buf_span(&b), &cert, NULL), ERR_OK);
	buf_clear(&b);
	return cert;
}

/* PKCS#8, DER, of a new key or of one of the data. */
static struct buf
pkcs8_of(const char *dir, const char *path)
{
	cr_assert_eq(peer_run(NULL, NULL, "openssl", "pkcs8", "-topk8",
			 "-nocrypt", "-in", path, "-outform", "DER", "-out",
			 peer_path(dir, "p8"), NULL),
	    0);
	return peer_read(peer_path(dir, "p8"));
}

static struct crypto_private *
load_key(const char *dir, const char *who)
{
	struct crypto_private *key = NULL;
	char name[32];
	struct buf b;

	snprintf(name, sizeof(name), "%s.key", who);
	b = pkcs8_of(dir, peer_data(name));
	cr_assert_eq(
	    crypto_private_parse(buf_span(&b), &key), ERR_OK, "%s", who);
	buf_clear(&b);
	return key;
}

/* Does OpenSSL, asked for the algorithm, find the signature good? */
static bool
is_good(const struct crypto_cert *cert, bool pss, const EVP_MD *md,
    struct span digest, struct span sig)
{
	EVP_PKEY_CTX *ctx =
	    EVP_PKEY_CTX_new(X509_get0_pubkey(cert->x509), NULL);
	bool good = EVP_PKEY_verify_init(ctx) == 1;

	if (good && pss)
		good = EVP_PKEY_CTX_set_rsa_padding(
			   ctx, RSA_PKCS1_PSS_PADDING) == 1;
	good = good && EVP_PKEY_CTX_set_signature_md(ctx, md) == 1 &&
	       EVP_PKEY_verify(
		   ctx, sig.data, sig.len, digest.data, digest.len) == 1;
	EVP_PKEY_CTX_free(ctx);
	return good;
}

static const struct {
	const char *who;
	enum crypto_sign_alg alg;
	const EVP_MD *(*md)(void);
	size_t len;
} digests[] = {
    {"rsa2048", CRYPTO_SIGN_RSA_SHA256, EVP_sha256, 32},
    {"rsa2048", CRYPTO_SIGN_RSA_SHA384, EVP_sha384, 48},
    {"rsa3072", CRYPTO_SIGN_RSA_SHA512, EVP_sha512, 64},
    {"p256", CRYPTO_SIGN_ECDSA_SHA256, EVP_sha256, 32},
    {"p384", CRYPTO_SIGN_ECDSA_SHA384, EVP_sha384, 48},
    {"p521", CRYPTO_SIGN_ECDSA_SHA512, EVP_sha512, 64},
};

Test(private_key, signatures_of_digests_are_good)
{
	uint8_t digest[64];
	struct buf sig;
	char dir[64];

	cr_assert_eq(crypto_private_init(), ERR_OK);
	peer_dir_make(dir);
	memset(digest, 7, sizeof(digest));
	buf_init(&sig, CRYPTO_SIGN_MAX);
	for (size_t i = 0; i < N(digests); i++) {
		struct crypto_private *key = load_key(dir, digests[i].who);
		struct crypto_cert *cert = load_cert(digests[i].who);
		struct span in = SPAN(digest, digests[i].len);

		buf_reset(&sig);
		cr_assert_eq(crypto_private_sign(key, digests[i].alg, in, &sig),
		    ERR_OK, "row %zu", i);
		cr_expect(
		    is_good(cert, false, digests[i].md(), in, buf_span(&sig)),
		    "row %zu", i);
		/* no other length, and nothing at all */
		for (size_t len = 0; len <= 64; len++)
			if (len != digests[i].len)
				cr_expect_eq(
				    crypto_private_sign(key, digests[i].alg,
					SPAN(digest, len), &sig),
				    ERR_MALFORMED, "row %zu, %zu octets", i,
				    len);
		crypto_private_free(key);
		crypto_cert_unref(cert);
	}
	buf_clear(&sig);
	peer_dir_remove(dir);
}

/* The encoding of a digest for a key of so many octets. */
static void
encode_pss(const struct crypto_cert *cert, const uint8_t *digest, int salt,
    uint8_t *em, size_t len)
{
	EVP_PKEY *pkey = X509_get0_pubkey(cert->x509);
	RSA *rsa;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
	rsa = EVP_PKEY_get1_RSA(pkey);
	cr_assert_eq(RSA_size(rsa), (int)len);
	cr_assert_eq(RSA_padding_add_PKCS1_PSS_mgf1(
			 rsa, em, digest, EVP_sha256(), EVP_sha256(), salt),
	    1);
	RSA_free(rsa);
#pragma GCC diagnostic pop
}

Test(private_key, only_what_is_a_pss_encoding_is_signed_as_one)
{
	struct crypto_cert *cert = load_cert("rsa2048");
	struct crypto_private *key;
	uint8_t digest[32], em[256], bad[257];
	struct buf sig;
	char dir[64];

	peer_dir_make(dir);
	key = load_key(dir, "rsa2048");
	memset(digest, 9, sizeof(digest));
	buf_init(&sig, CRYPTO_SIGN_MAX);
	encode_pss(cert, digest, 32, em, sizeof(em));
	cr_assert_eq(crypto_private_sign(key, CRYPTO_SIGN_PSS_SHA256,
			 SPAN(em, sizeof(em)), &sig),
	    ERR_OK);
	cr_expect(is_good(
	    cert, true, EVP_sha256(), SPAN(digest, 32), buf_span(&sig)));
	/* another hash, a short or a long block, a digest */
	cr_expect_eq(crypto_private_sign(key, CRYPTO_SIGN_PSS_SHA512,
			 SPAN(em, sizeof(em)), &sig),
	    ERR_MALFORMED);
	memcpy(bad + 1, em, sizeof(em));
	bad[0] = 0;
	cr_expect_eq(crypto_private_sign(
			 key, CRYPTO_SIGN_PSS_SHA256, SPAN(bad, 257), &sig),
	    ERR_MALFORMED);
	cr_expect_eq(crypto_private_sign(
			 key, CRYPTO_SIGN_PSS_SHA256, SPAN(em, 255), &sig),
	    ERR_MALFORMED);
	cr_expect_eq(crypto_private_sign(
			 key, CRYPTO_SIGN_PSS_SHA256, SPAN(digest, 32), &sig),
	    ERR_MALFORMED);
	/* what one might want opened: any change shows */
	for (size_t i = 0; i < sizeof(em); i++) {
		memcpy(bad, em, sizeof(em));
		bad[i] ^= 0x80;
		/* the salt is at the end of the masked part, and free */
		if (i >= 256 - 1 - 32 - 32 && i < 256 - 1 - 32)
			continue;
		cr_expect_eq(crypto_private_sign(key, CRYPTO_SIGN_PSS_SHA256,
				 SPAN(bad, sizeof(em)), &sig),
		    ERR_MALFORMED, "octet %zu", i);
	}
	/* a salt of another length is not ours */
	encode_pss(cert, digest, 20, em, sizeof(em));
	cr_expect_eq(crypto_private_sign(key, CRYPTO_SIGN_PSS_SHA256,
			 SPAN(em, sizeof(em)), &sig),
	    ERR_MALFORMED);
	buf_clear(&sig);
	crypto_private_free(key);
	crypto_cert_unref(cert);
	peer_dir_remove(dir);
}

Test(private_key, a_key_signs_only_by_its_own_algorithms)
{
	static const struct {
		const char *who;
		unsigned alg;
	} rows[] = {
	    {"rsa2048", CRYPTO_SIGN_NONE},
	    {"rsa2048", CRYPTO_SIGN_ECDSA_SHA256},
	    {"rsa2048", 255},
	    {"p256", CRYPTO_SIGN_RSA_SHA256},
	    {"p256", CRYPTO_SIGN_PSS_SHA256},
	    {"p256", CRYPTO_SIGN_NONE},
	    {"p256", CRYPTO_SIGN_ED25519_SHA256},
	    {"rsa2048", CRYPTO_SIGN_ED25519_SHA256},
	    {"rsa2048", 11},
	};
	uint8_t in[32] = {0};
	struct buf sig;
	char dir[64];

	peer_dir_make(dir);
	buf_init(&sig, CRYPTO_SIGN_MAX);
	for (size_t i = 0; i < N(rows); i++) {
		struct crypto_private *key = load_key(dir, rows[i].who);

		cr_expect_eq(
		    crypto_private_sign(key, (enum crypto_sign_alg)rows[i].alg,
			SPAN(in, sizeof(in)), &sig),
		    ERR_UNSUPPORTED, "row %zu", i);
		crypto_private_free(key);
	}
	cr_expect_eq(sig.len, 0);
	peer_dir_remove(dir);
}

Test(private_key, fits_its_certificate_and_no_other)
{
	static const char *const who[] = {
	    "rsa2048", "rsa3072", "p256", "p384", "p521"};
	char dir[64];

	peer_dir_make(dir);
	for (size_t i = 0; i < N(who); i++) {
		struct crypto_private *key = load_key(dir, who[i]);

		for (size_t k = 0; k < N(who); k++) {
			struct crypto_cert *cert = load_cert(who[k]);

			cr_expect_eq(crypto_private_fits(key, cert), i == k,
			    "%s, %s", who[i], who[k]);
			crypto_cert_unref(cert);
		}
		crypto_private_free(key);
	}
	peer_dir_remove(dir);
}

/* RFC 8463: the digest is what Ed25519 signs. */
Test(private_key, ed25519_signs_mail_and_nothing_else)
{
	static const unsigned others[] = {CRYPTO_SIGN_RSA_SHA256,
	    CRYPTO_SIGN_PSS_SHA256, CRYPTO_SIGN_ECDSA_SHA256};
	uint8_t point[65] = {4}, digest[33] = {7};
	const struct crypto_decrypt what = {
	    .op = CRYPTO_DECRYPT_ECDH, .in = SPAN(point, sizeof(point))};
	struct crypto_private *key = NULL;
	struct secret *opened = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct buf b, sig;
	char dir[64];

	cr_assert_eq(crypto_private_init(), ERR_OK);
	peer_dir_make(dir);
	cr_assert_eq(peer_run(NULL, NULL, "openssl", "genpkey", "-algorithm",
			 "ED25519", "-out", peer_path(dir, "new"), NULL),
	    0);
	b = pkcs8_of(dir, peer_path(dir, "new"));
	cr_assert_eq(crypto_private_parse_mail(buf_span(&b), &key), ERR_OK);
	buf_init(&sig, CRYPTO_SIGN_MAX);
	cr_assert_eq(crypto_private_sign(key, CRYPTO_SIGN_ED25519_SHA256,
			 SPAN(digest, 32), &sig),
	    ERR_OK);
	cr_assert_eq(EVP_DigestVerifyInit(
			 ctx, NULL, NULL, NULL, crypto_private_pkey(key)),
	    1);
	cr_expect_eq(EVP_DigestVerify(ctx, sig.data, sig.len, digest, 32), 1);
	for (size_t len = 0; len <= 33; len++)
		if (len != 32)
			cr_expect_eq(
			    crypto_private_sign(key, CRYPTO_SIGN_ED25519_SHA256,
				SPAN(digest, len), &sig),
			    ERR_MALFORMED, "%zu octets", len);
	for (size_t i = 0; i < N(others); i++)
		cr_expect_eq(
		    crypto_private_sign(key, (enum crypto_sign_alg)others[i],
			SPAN(digest, 32), &sig),
		    ERR_UNSUPPORTED, "row %zu", i);
	cr_expect_eq(
	    crypto_private_decrypt(key, &what, &opened), ERR_UNSUPPORTED);
	EVP_MD_CTX_free(ctx);
	crypto_private_free(key);
	buf_clear(&sig);
	buf_clear(&b);
	/* no other kind is for mail */
	b = pkcs8_of(dir, peer_data("p256.key"));
	key = NULL;
	cr_expect_eq(
	    crypto_private_parse_mail(buf_span(&b), &key), ERR_UNSUPPORTED);
	cr_expect_null(key);
	buf_clear(&b);
	b = pkcs8_of(dir, peer_data("rsa2048.key"));
	cr_expect_eq(crypto_private_parse_mail(buf_span(&b), &key), ERR_OK);
	crypto_private_free(key);
	buf_clear(&b);
	peer_dir_remove(dir);
}

Test(private_key, what_is_no_key_or_none_for_us)
{
	static const struct {
		const char *args[3];
		enum err e;
	} rows[] = {
	    {{"RSA", "rsa_keygen_bits:1024"}, ERR_UNSUPPORTED},
	    {{"EC", "ec_paramgen_curve:secp256k1"}, ERR_UNSUPPORTED},
	    {{"ED25519", NULL}, ERR_UNSUPPORTED},
	    {{"X25519", NULL}, ERR_UNSUPPORTED},
	    {{"RSA-PSS", "rsa_keygen_bits:2048"}, ERR_UNSUPPORTED},
	};
	struct crypto_private *key = NULL;
	struct buf b;
	char dir[64];

	peer_dir_make(dir);
	for (size_t i = 0; i < N(rows); i++) {
		const char *opt = rows[i].args[1];

		cr_assert_eq(
		    peer_run(NULL, NULL, "openssl", "genpkey", "-algorithm",
			rows[i].args[0], "-out", peer_path(dir, "new"),
			opt == NULL ? NULL : "-pkeyopt", opt, NULL),
		    0);
		b = pkcs8_of(dir, peer_path(dir, "new"));
		cr_expect_eq(crypto_private_parse(buf_span(&b), &key),
		    rows[i].e, "row %zu", i);
		buf_clear(&b);
	}
	b = pkcs8_of(dir, peer_data("p256.key"));
	for (size_t n = 0; n < b.len; n++)
		cr_expect_eq(crypto_private_parse(SPAN(b.data, n), &key),
		    ERR_MALFORMED, "%zu octets", n);
	cr_assert_eq(buf_putc(&b, 0), ERR_OK);
	cr_expect_eq(crypto_private_parse(buf_span(&b), &key), ERR_MALFORMED);
	cr_expect_null(key);
	buf_clear(&b);
	peer_dir_remove(dir);
}

/* --- opening --- */

static void
expect_opens(const char *dir, const char *who, enum crypto_decrypt_op op,
    enum crypto_hash hash, int padding, const EVP_MD *md)
{
	static const uint8_t content[32] = "a key for the content, 32 octets";
	struct crypto_cert *cert = load_cert(who);
	struct crypto_private *key = load_key(dir, who);
	EVP_PKEY_CTX *ctx =
	    EVP_PKEY_CTX_new(X509_get0_pubkey(cert->x509), NULL);
	uint8_t block[1024];
	size_t len = sizeof(block);
	struct crypto_decrypt what = {
	    .op = op, .hash = hash, .mgf = hash, .len = sizeof(content)};
	struct secret *got = NULL, *again = NULL;

	cr_assert_eq(EVP_PKEY_encrypt_init(ctx), 1);
	cr_assert_eq(EVP_PKEY_CTX_set_rsa_padding(ctx, padding), 1);
	if (md != NULL) {
		cr_assert_eq(EVP_PKEY_CTX_set_rsa_oaep_md(ctx, md), 1);
		cr_assert_eq(EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md), 1);
	}
	cr_assert_eq(
	    EVP_PKEY_encrypt(ctx, block, &len, content, sizeof(content)), 1);
	what.in = SPAN(block, len);
	cr_assert_eq(crypto_private_decrypt(key, &what, &got), ERR_OK);
	cr_expect(span_eq(secret_span(got), SPAN(content, sizeof(content))),
	    "%s", who);
	secret_free(got);
	/* of another length: a key all the same, another one each time */
	what.len = 16;
	cr_assert_eq(crypto_private_decrypt(key, &what, &got), ERR_OK);
	cr_assert_eq(crypto_private_decrypt(key, &what, &again), ERR_OK);
	cr_expect_eq(got->len, 16);
	cr_expect(!secret_eq(got, again));
	secret_free(got);
	secret_free(again);
	/* changed, and over the modulus */
	what.len = 32;
	block[len - 1] ^= 1;
	cr_assert_eq(crypto_private_decrypt(key, &what, &got), ERR_OK);
	cr_expect(!span_eq(secret_span(got), SPAN(content, 32)));
	secret_free(got);
	memset(block, 0xff, len);
	cr_assert_eq(crypto_private_decrypt(key, &what, &got), ERR_OK);
	secret_free(got);
	/* lengths are for all to see */
	what.in.len--;
	cr_expect_eq(crypto_private_decrypt(key, &what, &got), ERR_MALFORMED);
	what.in.len++;
	what.len = CRYPTO_CONTENT_KEY_MAX + 1;
	cr_expect_eq(crypto_private_decrypt(key, &what, &got), ERR_MALFORMED);
	what.len = 4;
	cr_expect_eq(crypto_private_decrypt(key, &what, &got), ERR_MALFORMED);
	what.op = CRYPTO_DECRYPT_ECDH;
	cr_expect_eq(crypto_private_decrypt(key, &what, &got), ERR_UNSUPPORTED);
	EVP_PKEY_CTX_free(ctx);
	crypto_private_free(key);
	crypto_cert_unref(cert);
}

Test(private_key, what_is_sealed_to_rsa_opens_and_else_there_is_a_key_too)
{
	char dir[64];

	secret_init();
	peer_dir_make(dir);
	expect_opens(dir, "rsa2048", CRYPTO_DECRYPT_PKCS1, CRYPTO_HASH_NONE,
	    RSA_PKCS1_PADDING, NULL);
	expect_opens(dir, "rsa3072", CRYPTO_DECRYPT_PKCS1, CRYPTO_HASH_NONE,
	    RSA_PKCS1_PADDING, NULL);
	expect_opens(dir, "rsa2048", CRYPTO_DECRYPT_OAEP, CRYPTO_HASH_SHA1,
	    RSA_PKCS1_OAEP_PADDING, EVP_sha1());
	expect_opens(dir, "rsa3072", CRYPTO_DECRYPT_OAEP, CRYPTO_HASH_SHA512,
	    RSA_PKCS1_OAEP_PADDING, EVP_sha512());
	peer_dir_remove(dir);
}

Test(private_key, a_point_is_one_of_the_curve_or_opens_nothing)
{
	static const char *const who[] = {"p256", "p384", "p521"};
	char dir[64];

	secret_init();
	peer_dir_make(dir);
	for (size_t i = 0; i < N(who); i++) {
		struct crypto_private *key = load_key(dir, who[i]);
		struct crypto_cert *cert = load_cert(who[i]);
		EVP_PKEY *pub = X509_get0_pubkey(cert->x509);
		struct secret *a = NULL, *b = NULL;
		unsigned char *point = NULL;
		size_t len = EVP_PKEY_get1_encoded_public_key(pub, &point);
		struct crypto_decrypt what = {
		    .op = CRYPTO_DECRYPT_ECDH, .in = SPAN(point, len)};

		cr_assert_eq(crypto_private_decrypt(key, &what, &a), ERR_OK);
		cr_assert_eq(crypto_private_decrypt(key, &what, &b), ERR_OK);
		cr_expect_eq(a->len, (len - 1) / 2);
		cr_expect(secret_eq(a, b), "%s", who[i]);
		secret_free(a);
		secret_free(b);
		/* beside the curve: octets that are others each time */
		point[len - 1] ^= 1;
		cr_assert_eq(crypto_private_decrypt(key, &what, &a), ERR_OK);
		cr_assert_eq(crypto_private_decrypt(key, &what, &b), ERR_OK);
		cr_expect(!secret_eq(a, b), "%s", who[i]);
		secret_free(a);
		secret_free(b);
		what.in.len--;
		cr_expect_eq(
		    crypto_private_decrypt(key, &what, &a), ERR_MALFORMED);
		what.in.len++;
		point[0] = 2;
		cr_expect_eq(
		    crypto_private_decrypt(key, &what, &a), ERR_MALFORMED);
		what.op = CRYPTO_DECRYPT_PKCS1;
		cr_expect_eq(
		    crypto_private_decrypt(key, &what, &a), ERR_UNSUPPORTED);
		OPENSSL_free(point);
		crypto_cert_unref(cert);
		crypto_private_free(key);
	}
	peer_dir_remove(dir);
}
