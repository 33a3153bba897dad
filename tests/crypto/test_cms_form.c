/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/cms_form.h"

#include <criterion/criterion.h>

#include "crypto/cert.h"
#include "tests/crypto/peer.h"

#define N(a)   (sizeof(a) / sizeof((a)[0]))
#define S(s)   SPAN_LIT(s)
#define AES    "\x60\x86\x48\x01\x65\x03\x04\x01"
#define SHA256 "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
#define SHA384 "\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02"
#define OAEP   "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07"
#define MGF1   "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08"

enum {
	C128 = CRYPTO_CAP_AES128_CBC,
	C256 = CRYPTO_CAP_AES256_CBC,
	G128 = CRYPTO_CAP_AES128_GCM,
	G256 = CRYPTO_CAP_AES256_GCM,
	OA = CRYPTO_CAP_OAEP_SHA256,
};

static struct crypto_cert *rsa, *ec;

static struct crypto_cert *
load(const char *name)
{
	struct buf b = peer_read(peer_data(name));
	struct crypto_cert *cert = NULL;

	cr_assert_eq(crypto_cert_parse(buf_span(&b), &cert, NULL), ERR_OK);
	buf_clear(&b);
	return cert;
}

static void
setup(void)
{
	rsa = load("rsa2048.der");
	ec = load("p256.der");
}

static void
teardown(void)
{
	crypto_cert_unref(rsa);
	crypto_cert_unref(ec);
}

Test(cms_form, capabilities_are_read)
{
	const struct {
		struct span der;
		unsigned caps;
	} rows[] = {
	    {S("\x30\x00"), 0},
	    {S("\x30\x0d\x30\x0b\x06\x09" AES "\x2a"), C256},
	    {S("\x30\x1a\x30\x0b\x06\x09" AES "\x2e\x30\x0b\x06\x09" AES
	       "\x02"),
		G256 | C128},
	    {S("\x30\x0d\x30\x0b\x06\x09" AES "\x06"), G128},
	    /* AES-192, and something else with parameters */
	    {S("\x30\x0d\x30\x0b\x06\x09" AES "\x16"), 0},
	    {S("\x30\x0a\x30\x08\x06\x02\x2a\x03\x02\x02\x00\x80"), 0},
	    /* OAEP: SHA-256 for both, without parameters, with SHA-384 */
	    {S("\x30\x3a\x30\x38" OAEP "\x30\x2b\xa0\x0d" SHA256
	       "\xa1\x1a\x30\x18" MGF1 SHA256),
		OA},
	    {S("\x30\x0d\x30\x0b" OAEP), 0},
	    {S("\x30\x0f\x30\x0d" OAEP "\x30\x00"), 0},
	    {S("\x30\x3a\x30\x38" OAEP "\x30\x2b\xa0\x0d" SHA384
	       "\xa1\x1a\x30\x18" MGF1 SHA384),
		0},
	    {S("\x30\x3a\x30\x38" OAEP "\x30\x2b\xa0\x0d" SHA256
	       "\xa1\x1a\x30\x18" MGF1 SHA384),
		0},
	};

	for (size_t i = 0; i < N(rows); i++) {
		unsigned caps = 99;

		cr_expect_eq(crypto_cms_caps_parse(rows[i].der, &caps), ERR_OK,
		    "row %zu", i);
		cr_expect_eq(caps, rows[i].caps, "row %zu: %x", i, caps);
	}
}

Test(cms_form, malformed_capabilities_are_refused)
{
	const struct span rows[] = {
	    S(""),
	    S("\x30"),
	    S("\x31\x00"),
	    S("\x30\x00x"),
	    S("\x30\x02\x30"),
	    S("\x30\x02\x05\x00"),
	    S("\x30\x02\x30\x00"),
	    S("\x30\x04\x30\x02\x05\x00"),
	    S("\x30\x0d\x30\x0c\x06\x09" AES "\x2a"),
	    S("\x30\x0d\x30\x0b\x06\x0a" AES "\x2a"),
	    S("\x30\x0e\x30\x0b\x06\x09" AES "\x2a"),
	};
	struct buf many;
	unsigned caps = 99;

	for (size_t i = 0; i < N(rows); i++)
		cr_expect_eq(crypto_cms_caps_parse(rows[i], &caps),
		    ERR_MALFORMED, "row %zu", i);
	buf_init(&many, 4096);
	cr_assert_eq(buf_put(&many, S("\x30\x82\x02\x85")), ERR_OK);
	for (size_t i = 0; i < 129; i++)
		cr_assert_eq(buf_put(&many, S("\x30\x03\x06\x01\x2a")), ERR_OK);
	cr_expect_eq(crypto_cms_caps_parse(buf_span(&many), &caps), ERR_LIMIT);
	cr_expect_eq(caps, 99);
	buf_clear(&many);
}

Test(cms_form, what_we_say_of_ourselves_is_read_back)
{
	unsigned caps = 0;
	struct buf b;

	buf_init(&b, 1000);
	cr_assert_eq(crypto_cms_caps_build(&b), ERR_OK);
	cr_assert_eq(crypto_cms_caps_parse(buf_span(&b), &caps), ERR_OK);
	cr_expect_eq(caps, C128 | C256 | G128 | G256);
	buf_clear(&b);
}

Test(cms_form, a_certificate_may_say_nothing, .init = setup, .fini = teardown)
{
	unsigned caps = 99;

	cr_expect_eq(crypto_cms_caps_of_cert(rsa, &caps), ERR_NOT_FOUND);
	cr_expect_eq(caps, 99);
}

Test(cms_form, a_certificate_may_say_what_it_can)
{
	static const char *const conf =
	    "[req]\ndistinguished_name=dn\nx509_extensions=v3\n[dn]\n[v3]\n"
	    "1.2.840.113549.1.9.15=DER:300d300b060960864801650304012e\n";
	struct crypto_cert *cert = NULL;
	unsigned caps = 0;
	struct buf b;
	char dir[64];

	peer_dir_make(dir);
	peer_write(peer_path(dir, "c"), span_str(conf));
	cr_assert_eq(
	    peer_run(NULL, NULL, "openssl", "req", "-new", "-x509", "-config",
		peer_path(dir, "c"), "-key", peer_data("p256.key"), "-subj",
		"/CN=x", "-days", "9", "-outform", "DER", "-out",
		peer_path(dir, "der"), NULL),
	    0);
	b = peer_read(peer_path(dir, "der"));
	cr_assert_eq(crypto_cert_parse(buf_span(&b), &cert, NULL), ERR_OK);
	cr_expect_eq(crypto_cms_caps_of_cert(cert, &caps), ERR_OK);
	cr_expect_eq(caps, G256);
	crypto_cert_unref(cert);
	buf_clear(&b);
	peer_dir_remove(dir);
}

Test(cms_form, the_strongest_that_all_open, .init = setup, .fini = teardown)
{
	const struct {
		size_t n;
		struct crypto_cms_recipient r[3];
		enum crypto_cms_cipher floor, cipher;
		enum crypto_cms_rsa rsa;
	} rows[] = {
	    {0, {{0}}, CRYPTO_CMS_AES128_CBC, CRYPTO_CMS_AES256_CBC, 0},
	    {1, {{rsa, false, 0}}, CRYPTO_CMS_AES128_CBC, CRYPTO_CMS_AES256_CBC,
		0},
	    /* caps that nobody has learned do not count */
	    {1, {{rsa, false, G256 | OA}}, CRYPTO_CMS_AES128_CBC,
		CRYPTO_CMS_AES256_CBC, 0},
	    {1, {{rsa, true, G256 | C256 | OA}}, CRYPTO_CMS_AES128_CBC,
		CRYPTO_CMS_AES256_GCM, CRYPTO_CMS_RSA_OAEP},
	    {1, {{rsa, true, G128 | C256}}, CRYPTO_CMS_AES128_CBC,
		CRYPTO_CMS_AES128_GCM, 0},
	    {1, {{rsa, true, C128}}, CRYPTO_CMS_AES128_CBC,
		CRYPTO_CMS_AES128_CBC, 0},
	    /* the floor holds whatever they can */
	    {1, {{rsa, true, C128}}, CRYPTO_CMS_AES256_CBC,
		CRYPTO_CMS_AES256_CBC, 0},
	    {1, {{rsa, false, 0}}, CRYPTO_CMS_AES128_GCM, CRYPTO_CMS_AES128_GCM,
		0},
	    {1, {{rsa, true, G256}}, CRYPTO_CMS_AES128_GCM,
		CRYPTO_CMS_AES256_GCM, 0},
	    /* capabilities without one of ours say nothing */
	    {1, {{ec, true, 0}}, CRYPTO_CMS_AES128_CBC, CRYPTO_CMS_AES256_CBC,
		CRYPTO_CMS_RSA_OAEP},
	    /* together */
	    {2, {{rsa, true, G256 | C256 | OA}, {rsa, false, 0}},
		CRYPTO_CMS_AES128_CBC, CRYPTO_CMS_AES256_CBC, 0},
	    {2, {{rsa, true, G256 | G128 | OA}, {ec, true, G128 | C256}},
		CRYPTO_CMS_AES128_CBC, CRYPTO_CMS_AES128_GCM,
		CRYPTO_CMS_RSA_OAEP},
	    {3, {{ec, true, G256}, {rsa, true, C128}, {ec, true, C256}},
		CRYPTO_CMS_AES128_CBC, CRYPTO_CMS_AES256_CBC, 0},
	    {2, {{ec, true, C128}, {ec, false, 0}}, CRYPTO_CMS_AES128_CBC,
		CRYPTO_CMS_AES128_CBC, CRYPTO_CMS_RSA_OAEP},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct crypto_cms_form f =
		    crypto_cms_form_for(rows[i].r, rows[i].n, rows[i].floor);

		cr_expect_eq(f.cipher, rows[i].cipher, "row %zu: %s", i,
		    crypto_cms_cipher_name(f.cipher));
		cr_expect_eq(f.rsa, rows[i].rsa, "row %zu", i);
	}
}

Test(cms_form, rsa_and_ec_share_when_all_is_known, .init = setup,
    .fini = teardown)
{
	const struct {
		size_t n;
		struct crypto_cms_recipient r[3];
		bool may;
	} rows[] = {
	    {0, {{0}}, true},
	    {2, {{rsa, false, 0}, {rsa, false, 0}}, true},
	    {2, {{ec, false, 0}, {ec, true, C256}}, true},
	    {2, {{rsa, true, C256}, {ec, true, C256}}, true},
	    {2, {{rsa, false, 0}, {ec, true, C256}}, false},
	    {3, {{rsa, true, 0}, {ec, true, C256}, {ec, false, 0}}, false},
	};

	for (size_t i = 0; i < N(rows); i++)
		cr_expect_eq(crypto_cms_may_share(rows[i].r, rows[i].n),
		    rows[i].may, "row %zu", i);
}

Test(cms_form, ciphers_have_an_order_and_names)
{
	static const enum crypto_cms_cipher order[] = {CRYPTO_CMS_AES256_GCM,
	    CRYPTO_CMS_AES128_GCM, CRYPTO_CMS_AES256_CBC,
	    CRYPTO_CMS_AES128_CBC};
	enum crypto_cms_cipher c;

	for (size_t i = 0; i < N(order); i++) {
		for (size_t k = 0; k < N(order); k++)
			cr_expect_eq(
			    crypto_cms_cipher_holds(order[i], order[k]), i <= k,
			    "%zu %zu", i, k);
		cr_assert_eq(crypto_cms_cipher_by_name(
				 crypto_cms_cipher_name(order[i]), &c),
		    ERR_OK);
		cr_expect_eq(c, order[i]);
	}
	cr_expect_eq(crypto_cms_cipher_by_name("3des", &c), ERR_NOT_FOUND);
	cr_expect_str_eq(
	    crypto_cms_cipher_name((enum crypto_cms_cipher)9), "?");
}

Test(cms_form, sealing_of_the_key_is_named, .init = setup, .fini = teardown)
{
	cr_expect_str_eq(
	    crypto_cms_key_name(rsa, CRYPTO_CMS_RSA_PKCS1), "rsa-pkcs1");
	cr_expect_str_eq(
	    crypto_cms_key_name(rsa, CRYPTO_CMS_RSA_OAEP), "rsa-oaep-sha256");
	cr_expect_str_eq(
	    crypto_cms_key_name(ec, CRYPTO_CMS_RSA_OAEP), "ecdh-p256-sha256");
}

Test(cms_form, words_for_what_is_opened)
{
	static const struct {
		const char *text;
		unsigned caps; /* 0: refused */
	} rows[] = {
	    {"aes256-cbc", C256},
	    {"aes256-gcm,oaep", G256 | OA},
	    {"oaep,aes128-gcm,aes128-cbc", OA | G128 | C128},
	    {"aes128-cbc,aes256-cbc,aes128-gcm,aes256-gcm,oaep",
		CRYPTO_CAPS_ALL},
	    {"", 0},
	    {"oaep", 0},
	    {"aes256", 0},
	    {"aes256-gcm,", 0},
	    {",aes256-gcm", 0},
	    {"aes256-gcm aes256-cbc", 0},
	    {"AES256-GCM", 0},
	    {"aes256-gcm,3des", 0},
	};

	for (size_t i = 0; i < N(rows); i++) {
		char text[CRYPTO_CAPS_TEXT];
		unsigned caps = 0, again = 0;
		enum err e = crypto_cms_caps_by_text(rows[i].text, &caps);

		cr_expect_eq(
		    e == ERR_OK, rows[i].caps != 0, "%s", rows[i].text);
		cr_expect_eq(caps, rows[i].caps, "%s", rows[i].text);
		if (e == ERR_OK)
			cr_expect_eq(
			    crypto_cms_caps_by_text(
				crypto_cms_caps_text(caps, text), &again),
			    ERR_OK, "%s", text);
		cr_expect_eq(again, caps, "%s", rows[i].text);
	}
}

Test(cms_form, ciphers_are_told_by_their_identifier)
{
	enum crypto_cms_cipher c;

	cr_assert_eq(crypto_cms_cipher_by_oid(S(AES "\x2e"), &c), ERR_OK);
	cr_expect_eq(c, CRYPTO_CMS_AES256_GCM);
	cr_assert_eq(crypto_cms_cipher_by_oid(S(AES "\x02"), &c), ERR_OK);
	cr_expect_eq(c, CRYPTO_CMS_AES128_CBC);
	/* AES-192, DES-EDE3, RSAES-OAEP, nothing */
	cr_expect_eq(
	    crypto_cms_cipher_by_oid(S(AES "\x16"), &c), ERR_NOT_FOUND);
	cr_expect_eq(
	    crypto_cms_cipher_by_oid(S("\x2a\x86\x48\x86\xf7\x0d\x03\x07"), &c),
	    ERR_NOT_FOUND);
	cr_expect_eq(crypto_cms_cipher_by_oid(
			 S("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07"), &c),
	    ERR_NOT_FOUND);
	cr_expect_eq(crypto_cms_cipher_by_oid(S(""), &c), ERR_NOT_FOUND);
}
