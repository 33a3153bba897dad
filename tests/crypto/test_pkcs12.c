/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/pkcs12.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/secret.h"
#include "crypto/cert.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

static char dir[64];

static void
setup(void)
{
	secret_init();
	peer_dir_make(dir);
}

static void
teardown(void)
{
	peer_dir_remove(dir);
}

TestSuite(pkcs12, .init = setup, .fini = teardown);

static enum err
open_file(const char *path, const char *pass, struct crypto_bundle *out)
{
	struct secret *s = pass == NULL ? NULL : secret_from(span_str(pass));
	struct buf in = peer_read(path);
	struct err_why why = {""};
	enum err e = crypto_bundle_open(buf_span(&in), s, out, &why);

	cr_expect_eq(e == ERR_OK, why.text[0] == '\0', "%s", why.text);
	secret_free(s);
	buf_clear(&in);
	return e;
}

/* Whose certificates are in it, the one with a key marked. */
static void
describe(const struct crypto_bundle *b, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < b->n_certs; i++) {
		size_t n = strlen(out);

		snprintf(out + n, size - n, "%s%s ",
		    b->key_of[i] >= 0 ? "*" : "",
		    crypto_cert_info(b->certs[i])->subject);
	}
}

static void
make_p12(const char *pem, const char *key, const char *old)
{
	cr_assert_eq(
	    peer_run(NULL, NULL, "openssl", "pkcs12", "-export", "-inkey",
		peer_data(key), "-in", pem, "-out", peer_path(dir, "p12"),
		"-passout", "pass:gehe\xc3\xafm", old, NULL),
	    0);
}

Test(pkcs12, the_certificate_follows_from_the_key_whatever_the_order)
{
	static const struct {
		const char *files[4];
		const char *has;
	} rows[] = {
	    {{"sign256.pem"}, "*CN=Sigrid "},
	    {{"rsa2048.pem", "sign256.pem"}, NULL},
	    {{"rsa3072.pem", "p521.pem", "sign256.pem"}, NULL},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct crypto_bundle b = {0};
		struct buf all, one;
		size_t with_key = 0;
		char text[256];

		buf_init(&all, 100000);
		for (size_t k = 0; rows[i].files[k] != NULL; k++) {
			one = peer_read(peer_data(rows[i].files[k]));
			cr_assert_eq(buf_put(&all, buf_span(&one)), ERR_OK);
			buf_clear(&one);
		}
		peer_write(peer_path(dir, "all"), buf_span(&all));
		make_p12(peer_path(dir, "all"), "sign256.key", NULL);
		cr_assert_eq(
		    open_file(peer_path(dir, "p12"), "gehe\xc3\xafm", &b),
		    ERR_OK);
		describe(&b, text, sizeof(text));
		cr_expect_eq(b.n_keys, 1);
		if (rows[i].has != NULL)
			cr_expect_str_eq(text, rows[i].has);
		for (size_t k = 0; k < b.n_certs; k++)
			with_key += b.key_of[k] >= 0;
		cr_expect_eq(with_key, 1, "row %zu: %s", i, text);
		cr_expect_not_null(
		    strstr(text, "*CN=Sigrid "), "row %zu: %s", i, text);
		crypto_bundle_clear(&b);
		/* the same in PEM, the key between the certificates */
		one = peer_read(peer_data("sign256.key"));
		cr_assert_eq(buf_put(&all, buf_span(&one)), ERR_OK);
		buf_clear(&one);
		one = peer_read(peer_data("p384.pem"));
		cr_assert_eq(buf_put(&all, buf_span(&one)), ERR_OK);
		buf_clear(&one);
		cr_expect(crypto_is_private_pem(buf_span(&all)));
		peer_write(peer_path(dir, "all"), buf_span(&all));
		cr_assert_eq(
		    open_file(peer_path(dir, "all"), NULL, &b), ERR_OK);
		describe(&b, text, sizeof(text));
		cr_expect_not_null(strstr(text, "*CN=Sigrid "), "%s", text);
		cr_expect_not_null(strstr(text, " CN=Cara "), "%s", text);
		crypto_bundle_clear(&b);
		buf_clear(&all);
	}
}

Test(pkcs12, old_files_are_read)
{
	struct crypto_bundle b = {0};

	make_p12(peer_data("rsa2048.pem"), "rsa2048.key", "-legacy");
	cr_assert_eq(
	    open_file(peer_path(dir, "p12"), "gehe\xc3\xafm", &b), ERR_OK);
	cr_expect_eq(b.n_certs, 1);
	cr_expect_eq(b.key_of[0], 0);
	crypto_bundle_clear(&b);
}

Test(pkcs12, passphrases)
{
	static const char *const forms[][4] = {
	    {"pkcs8", "-topk8", "-v2", "aes-256-cbc"},
	    {"rsa", "-aes256", "-traditional", "-check"},
	};
	struct crypto_bundle b = {0};

	make_p12(peer_data("rsa2048.pem"), "rsa2048.key", NULL);
	cr_expect_eq(
	    open_file(peer_path(dir, "p12"), NULL, &b), ERR_PASSPHRASE);
	cr_expect_eq(
	    open_file(peer_path(dir, "p12"), "other", &b), ERR_PASSPHRASE);
	cr_expect_eq(open_file(peer_path(dir, "p12"), "", &b), ERR_PASSPHRASE);
	cr_expect_eq(b.n_keys, 0);
	cr_expect_eq(b.n_certs, 0);
	for (size_t i = 0; i < N(forms); i++) {
		cr_assert_eq(
		    peer_run(NULL, NULL, "openssl", forms[i][0], forms[i][1],
			forms[i][2], forms[i][3], "-in",
			peer_data("rsa2048.key"), "-out", peer_path(dir, "key"),
			"-passout", "pass:abcd", NULL),
		    0, "form %zu", i);
		cr_expect_eq(open_file(peer_path(dir, "key"), NULL, &b),
		    ERR_PASSPHRASE, "form %zu", i);
		cr_expect_eq(open_file(peer_path(dir, "key"), "abce", &b),
		    ERR_PASSPHRASE, "form %zu", i);
		cr_assert_eq(open_file(peer_path(dir, "key"), "abcd", &b),
		    ERR_OK, "form %zu", i);
		cr_expect_eq(b.n_keys, 1);
		cr_expect_eq(b.n_certs, 0);
		crypto_bundle_clear(&b);
	}
	/* an empty one, which needs none */
	cr_assert_eq(
	    peer_run(NULL, NULL, "openssl", "pkcs12", "-export", "-inkey",
		peer_data("rsa2048.key"), "-in", peer_data("rsa2048.pem"),
		"-out", peer_path(dir, "p12"), "-passout", "pass:", NULL),
	    0);
	cr_expect_eq(open_file(peer_path(dir, "p12"), NULL, &b), ERR_OK);
	crypto_bundle_clear(&b);
	cr_expect_eq(open_file(peer_path(dir, "p12"), "", &b), ERR_OK);
	crypto_bundle_clear(&b);
}

Test(pkcs12, what_is_no_bundle)
{
	struct crypto_bundle b = {0};
	struct buf whole;

	cr_expect_eq(open_file(peer_data("p256.pem"), NULL, &b), ERR_NO_KEY);
	cr_expect_eq(open_file(peer_data("p256.der"), NULL, &b), ERR_NO_KEY);
	cr_expect_eq(
	    open_file(peer_data("bob.sec.asc"), NULL, &b), ERR_MALFORMED);
	make_p12(peer_data("rsa2048.pem"), "rsa2048.key", NULL);
	whole = peer_read(peer_path(dir, "p12"));
	cr_expect(crypto_is_pkcs12(buf_span(&whole)));
	cr_expect_not(crypto_is_private_pem(buf_span(&whole)));
	for (size_t n = 0; n < whole.len; n += 7) {
		peer_write(peer_path(dir, "cut"), SPAN(whole.data, n));
		cr_expect_neq(
		    open_file(peer_path(dir, "cut"), "gehe\xc3\xafm", &b),
		    ERR_OK, "%zu octets", n);
	}
	buf_clear(&whole);
	whole = peer_read(peer_data("p256.der"));
	cr_expect_not(crypto_is_pkcs12(buf_span(&whole)));
	buf_clear(&whole);
	whole = peer_read(peer_data("bob.sec.asc"));
	cr_expect_not(crypto_is_private_pem(buf_span(&whole)));
	buf_clear(&whole);
	cr_assert_eq(peer_run(NULL, NULL, "openssl", "genpkey", "-algorithm",
			 "ED25519", "-out", peer_path(dir, "ed"), NULL),
	    0);
	cr_expect_eq(
	    open_file(peer_path(dir, "ed"), NULL, &b), ERR_UNSUPPORTED);
}
