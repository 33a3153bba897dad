/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/own_key.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/issue.h"
#include "crypto/pkcs12.h"
#include "crypto/private_key.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

TestSuite(own_key, .init = secret_init);

static const enum crypto_own_alg all[] = {
    CRYPTO_OWN_P256, CRYPTO_OWN_P384, CRYPTO_OWN_RSA3072, CRYPTO_OWN_RSA4096};

static struct crypto_private *
new_key(enum crypto_own_alg alg, struct secret **octets)
{
	struct crypto_private *key = NULL;

	cr_assert_eq(crypto_private_init(), ERR_OK);
	cr_assert_eq(crypto_own_key_new(alg, octets), ERR_OK);
	cr_assert_eq(crypto_private_parse(secret_span(*octets), &key), ERR_OK);
	return key;
}

Test(own_key, names_lead_back_to_their_numbers)
{
	enum crypto_own_alg alg = CRYPTO_OWN_P384;

	for (size_t i = 0; i < N(all); i++) {
		const char *name = crypto_own_alg_name(all[i]);

		cr_assert_not_null(name);
		cr_assert_eq(crypto_own_alg_by_name(name, &alg), ERR_OK);
		cr_expect_eq(alg, all[i], "%s", name);
	}
	cr_expect_eq(crypto_own_alg_by_name("rsa1024", &alg), ERR_NOT_FOUND);
	cr_expect_null(crypto_own_alg_name((enum crypto_own_alg)0));
}

/* A file of DKIM keys: RSA and Ed25519, one and without a passphrase. */
Test(own_key, a_key_for_mail_is_read_and_shown)
{
	static const struct {
		const char *args[3]; /* of openssl genpkey; NULL: no file */
		size_t times;
		enum err e;
		size_t len; /* of its public half */
	} rows[] = {
	    {{"RSA", "rsa_keygen_bits:2048"}, 1, ERR_OK, 294},
	    {{"ED25519", NULL}, 1, ERR_OK, 32},
	    {{"ED25519", NULL}, 2, ERR_MALFORMED, 0},
	    {{"RSA", "rsa_keygen_bits:1024"}, 1, ERR_UNSUPPORTED, 0},
	    {{"EC", "ec_paramgen_curve:P-256"}, 1, ERR_UNSUPPORTED, 0},
	    {{"X25519", NULL}, 1, ERR_UNSUPPORTED, 0},
	    {{"ED448", NULL}, 1, ERR_UNSUPPORTED, 0},
	    {{"ED25519", NULL}, 0, ERR_MALFORMED, 0},
	};
	struct buf pem, text, public;
	char dir[64];

	cr_assert_eq(crypto_private_init(), ERR_OK);
	peer_dir_make(dir);
	buf_init(&text, 1 << 16);
	buf_init(&public, CRYPTO_SPKI_MAX);
	for (size_t i = 0; i < N(rows); i++) {
		const char *opt = rows[i].args[1];
		struct crypto_private *key = NULL;
		struct secret *octets = NULL;

		cr_assert_eq(
		    peer_run(NULL, NULL, "openssl", "genpkey", "-algorithm",
			rows[i].args[0], "-out", peer_path(dir, "new"),
			opt == NULL ? NULL : "-pkeyopt", opt, NULL),
		    0);
		pem = peer_read(peer_path(dir, "new"));
		buf_reset(&text);
		for (size_t n = 0; n < rows[i].times; n++)
			cr_assert_eq(buf_put(&text, buf_span(&pem)), ERR_OK);
		buf_clear(&pem);
		cr_expect_eq(crypto_own_mail_read(buf_span(&text), &octets),
		    rows[i].e, "row %zu", i);
		cr_expect_eq(octets != NULL, rows[i].e == ERR_OK, "row %zu", i);
		if (octets == NULL)
			continue;
		cr_assert_eq(
		    crypto_private_parse_mail(secret_span(octets), &key),
		    ERR_OK);
		buf_reset(&public);
		cr_assert_eq(crypto_own_mail_public(key, &public), ERR_OK);
		cr_expect_eq(public.len, rows[i].len, "row %zu", i);
		crypto_private_free(key);
		secret_free(octets);
	}
	buf_clear(&text);
	buf_clear(&public);
	peer_dir_remove(dir);
}

Test(own_key, one_that_is_not_for_dkim_is_read_alone)
{
	static const struct {
		const char *args[2];
		size_t times;
		enum err e;
	} rows[] = {
	    {{"EC", "ec_paramgen_curve:P-256"}, 1, ERR_OK},
	    {{"EC", "ec_paramgen_curve:P-384"}, 1, ERR_OK},
	    {{"RSA", "rsa_keygen_bits:2048"}, 1, ERR_OK},
	    {{"EC", "ec_paramgen_curve:P-256"}, 2, ERR_MALFORMED},
	    {{"EC", "ec_paramgen_curve:P-256"}, 0, ERR_MALFORMED},
	    {{"RSA", "rsa_keygen_bits:1024"}, 1, ERR_UNSUPPORTED},
	    {{"ED25519", NULL}, 1, ERR_UNSUPPORTED},
	};
	struct buf pem, text;
	char dir[64];

	cr_assert_eq(crypto_private_init(), ERR_OK);
	peer_dir_make(dir);
	buf_init(&text, 1 << 16);
	for (size_t i = 0; i < N(rows); i++) {
		const char *opt = rows[i].args[1];
		struct secret *octets = NULL;

		cr_assert_eq(
		    peer_run(NULL, NULL, "openssl", "genpkey", "-algorithm",
			rows[i].args[0], "-out", peer_path(dir, "new"),
			opt == NULL ? NULL : "-pkeyopt", opt, NULL),
		    0);
		pem = peer_read(peer_path(dir, "new"));
		buf_reset(&text);
		for (size_t n = 0; n < rows[i].times; n++)
			cr_assert_eq(buf_put(&text, buf_span(&pem)), ERR_OK);
		buf_clear(&pem);
		cr_expect_eq(crypto_own_key_read(buf_span(&text), &octets),
		    rows[i].e, "row %zu", i);
		cr_expect_eq(octets != NULL, rows[i].e == ERR_OK, "row %zu", i);
		secret_free(octets);
	}
	buf_clear(&text);
	peer_dir_remove(dir);
}

Test(own_key, those_for_mail_are_for_no_certificate)
{
	static const enum crypto_own_alg mail[] = {
	    CRYPTO_OWN_RSA2048, CRYPTO_OWN_ED25519};

	cr_assert_eq(crypto_private_init(), ERR_OK);
	for (size_t i = 0; i < N(mail); i++) {
		struct crypto_private *key = NULL;
		struct secret *octets = NULL;
		enum crypto_own_alg alg;

		cr_expect_eq(
		    crypto_own_alg_by_name(crypto_own_alg_name(mail[i]), &alg),
		    ERR_NOT_FOUND);
		cr_assert_eq(crypto_own_key_new(mail[i], &octets), ERR_OK);
		cr_assert_eq(
		    crypto_private_parse_mail(secret_span(octets), &key),
		    ERR_OK);
		cr_expect_eq(
		    crypto_own_is_ed25519(key), mail[i] == CRYPTO_OWN_ED25519);
		crypto_private_free(key);
		secret_free(octets);
	}
}

Test(own_key, a_request_is_verified_by_openssl_and_read_back)
{
	static const char *const kinds[] = {"p256", "p384", "rsa3072"};
	struct span addrs[] = {
	    SPAN_LIT("anna@example.com"), SPAN_LIT("j\xc3\xb6rg@example.com")};
	char dir[64];

	peer_dir_make(dir);
	for (size_t i = 0; i < N(kinds); i++) {
		struct err_why why = {""};
		enum crypto_own_alg alg;
		struct crypto_private *key;
		struct secret *octets = NULL;
		struct buf der, pem, spki, back, text;

		buf_init(&der, CRYPTO_CSR_MAX);
		buf_init(&pem, CRYPTO_CSR_MAX);
		buf_init(&spki, CRYPTO_SPKI_MAX);
		buf_init(&back, CRYPTO_SPKI_MAX);
		cr_assert_eq(crypto_own_alg_by_name(kinds[i], &alg), ERR_OK);
		key = new_key(alg, &octets);
		cr_assert_eq(crypto_own_key_public(key, &spki), ERR_OK);
		cr_assert_eq(crypto_csr_write(key, "anna@example.com", addrs,
				 N(addrs), &der, &why),
		    ERR_OK, "%s", why.text);
		cr_assert_eq(
		    crypto_pem_put("CERTIFICATE REQUEST", buf_span(&der), &pem),
		    ERR_OK);
		peer_write(peer_path(dir, "csr"), buf_span(&pem));
		cr_assert_eq(peer_run(NULL, peer_path(dir, "text"), "openssl",
				 "req", "-verify", "-noout", "-text", "-in",
				 peer_path(dir, "csr"), NULL),
		    0, "%s", kinds[i]);
		text = peer_read(peer_path(dir, "text"));
		cr_expect_lt(span_find(buf_span(&text), 0,
				 SPAN_LIT("email:anna@example.com")),
		    text.len);
		cr_expect_eq(
		    crypto_csr_read(buf_span(&der), &back, &why), ERR_OK);
		cr_expect(span_eq(buf_span(&back), buf_span(&spki)));
		buf_reset(&back);
		cr_expect_eq(
		    crypto_csr_read(buf_span(&pem), &back, &why), ERR_OK);
		cr_expect(span_eq(buf_span(&back), buf_span(&spki)));
		crypto_private_free(key);
		secret_free(octets);
		buf_clear(&der);
		buf_clear(&pem);
		buf_clear(&spki);
		buf_clear(&back);
		buf_clear(&text);
	}
	peer_dir_remove(dir);
}

/* Of a good request: which octet from the end is changed, or how much is cut
   off or put behind. */
static const struct {
	const char *name;
	size_t flip, cut, add;
	enum err e;
} bad[] = {
    {"nothing", 0, SIZE_MAX, 0, ERR_MALFORMED},
    {"half of it", 0, 100, 0, ERR_MALFORMED},
    {"one octet less", 0, 1, 0, ERR_MALFORMED},
    {"one octet more", 0, 0, 1, ERR_MALFORMED},
    {"another signature", 3, 0, 0, ERR_CRYPTO},
};

Test(own_key, what_is_no_good_request_is_refused)
{
	struct span addr = SPAN_LIT("anna@example.com");
	struct secret *octets = NULL;
	struct crypto_private *key = new_key(CRYPTO_OWN_P256, &octets);
	struct buf der, copy, spki;

	buf_init(&der, CRYPTO_CSR_MAX);
	buf_init(&copy, CRYPTO_CSR_MAX);
	buf_init(&spki, CRYPTO_SPKI_MAX);
	cr_assert_eq(crypto_csr_write(key, "", &addr, 1, &der, NULL), ERR_OK);
	for (size_t i = 0; i < N(bad); i++) {
		size_t cut = bad[i].cut < der.len ? bad[i].cut : der.len;

		buf_reset(&copy);
		cr_assert_eq(
		    buf_put(&copy, SPAN(der.data, der.len - cut)), ERR_OK);
		if (bad[i].add > 0)
			cr_assert_eq(buf_putc(&copy, 0), ERR_OK);
		if (bad[i].flip > 0)
			copy.data[copy.len - bad[i].flip] ^= 1;
		cr_expect_eq(crypto_csr_read(buf_span(&copy), &spki, NULL),
		    bad[i].e, "%s", bad[i].name);
		cr_expect_eq(spki.len, 0, "%s", bad[i].name);
	}
	cr_expect_eq(crypto_csr_read(SPAN_LIT("-----BEGIN CERTIFICATE "
					      "REQUEST-----\nAAAA\n-----END "
					      "CERTIFICATE REQUEST-----\n"),
			 &spki, NULL),
	    ERR_MALFORMED);
	crypto_private_free(key);
	secret_free(octets);
	buf_clear(&der);
	buf_clear(&copy);
	buf_clear(&spki);
}

Test(own_key, a_request_with_a_short_key_is_refused)
{
	struct err_why why = {""};
	struct buf in, spki;
	char dir[64];

	peer_dir_make(dir);
	buf_init(&spki, CRYPTO_SPKI_MAX);
	cr_assert_eq(
	    peer_run(NULL, NULL, "openssl", "req", "-new", "-newkey",
		"rsa:1024", "-nodes", "-keyout", peer_path(dir, "key"), "-subj",
		"/CN=short", "-out", peer_path(dir, "csr"), NULL),
	    0);
	in = peer_read(peer_path(dir, "csr"));
	cr_expect_eq(
	    crypto_csr_read(buf_span(&in), &spki, &why), ERR_UNSUPPORTED);
	cr_expect_eq(spki.len, 0);
	buf_clear(&in);
	buf_clear(&spki);
	peer_dir_remove(dir);
}

/* A certificate of its own for the key. */
static struct crypto_cert *
self_signed(const struct crypto_private *key)
{
	struct crypto_issuer self = {NULL, crypto_private_pkey(key)};
	struct crypto_issue what = {.profile = CRYPTO_PROFILE_CA,
	    .name = "Test",
	    .not_before = 1700000000,
	    .not_after = 1900000000};
	struct crypto_cert *cert = NULL;
	struct buf spki, der;

	buf_init(&spki, CRYPTO_SPKI_MAX);
	buf_init(&der, CRYPTO_ISSUED_MAX);
	cr_assert_eq(crypto_own_key_public(key, &spki), ERR_OK);
	what.spki = buf_span(&spki);
	cr_assert_eq(crypto_issue_cert(&what, &self, &der, NULL), ERR_OK);
	cr_assert_eq(crypto_cert_parse(buf_span(&der), &cert, NULL), ERR_OK);
	buf_clear(&spki);
	buf_clear(&der);
	return cert;
}

Test(own_key, what_is_written_as_pkcs12_comes_back_with_the_passphrase_only)
{
	struct secret *octets = NULL, *pass = secret_from(SPAN_LIT("a b c"));
	struct secret *wrong = secret_from(SPAN_LIT("a b d"));
	struct crypto_private *key = new_key(CRYPTO_OWN_P256, &octets);
	struct crypto_cert *cert = self_signed(key);
	struct crypto_bundle bundle = {0};
	struct err_why why = {""};
	char dir[64];
	struct buf p12;

	peer_dir_make(dir);
	buf_init(&p12, CRYPTO_CSR_MAX);
	cr_assert_eq(
	    crypto_pkcs12_write(octets, cert, &cert, 1, pass, &p12, &why),
	    ERR_OK, "%s", why.text);
	peer_write(peer_path(dir, "p12"), buf_span(&p12));
	cr_expect_eq(
	    peer_run(NULL, NULL, "openssl", "pkcs12", "-in",
		peer_path(dir, "p12"), "-passin", "pass:a b c", "-noout", NULL),
	    0);
	cr_expect_eq(crypto_bundle_open(buf_span(&p12), wrong, &bundle, &why),
	    ERR_PASSPHRASE);
	cr_assert_eq(
	    crypto_bundle_open(buf_span(&p12), pass, &bundle, &why), ERR_OK);
	cr_expect_eq(bundle.n_keys, 1);
	cr_expect_eq(bundle.n_certs, 2);
	cr_expect(secret_eq(bundle.keys[0], octets));
	cr_expect_lt(span_find(buf_span(&p12), 0,
			 SPAN_LIT("\x06\x09\x60\x86\x48\x01"
				  "\x65\x03\x04\x01\x2a")),
	    p12.len, "not AES-256");
	crypto_bundle_clear(&bundle);
	crypto_cert_unref(cert);
	crypto_private_free(key);
	secret_free(octets);
	secret_free(pass);
	secret_free(wrong);
	buf_clear(&p12);
	peer_dir_remove(dir);
}

Test(own_key, a_pkcs12_needs_a_passphrase_and_the_key_of_its_certificate)
{
	struct secret *octets = NULL, *other = NULL;
	struct secret *pass = secret_from(SPAN_LIT("secret"));
	struct secret *zero = secret_new(3);
	struct crypto_private *key = new_key(CRYPTO_OWN_P256, &octets);
	struct crypto_cert *cert = self_signed(key);
	struct buf p12;

	buf_init(&p12, CRYPTO_CSR_MAX);
	crypto_private_free(new_key(CRYPTO_OWN_P256, &other));
	cr_expect_eq(
	    crypto_pkcs12_write(other, cert, NULL, 0, pass, &p12, NULL),
	    ERR_MALFORMED);
	cr_expect_eq(
	    crypto_pkcs12_write(octets, cert, NULL, 0, zero, &p12, NULL),
	    ERR_PASSPHRASE);
	cr_expect_eq(p12.len, 0);
	crypto_cert_unref(cert);
	crypto_private_free(key);
	secret_free(octets);
	secret_free(other);
	secret_free(pass);
	secret_free(zero);
	buf_clear(&p12);
}
