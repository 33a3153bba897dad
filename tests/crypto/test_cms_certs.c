/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/cms_certs.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/limits.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

enum { MAX = 3 };

static char dir[64];

static void
setup(void)
{
	peer_dir_make(dir);
}

static void
teardown(void)
{
	peer_dir_remove(dir);
}

TestSuite(cms_certs, .init = setup, .fini = teardown);

/* A bundle of these files as openssl writes one. The caller clears. */
static struct buf
bundle(const char *const *files)
{
	struct buf all, one;

	buf_init(&all, 1 << 20);
	for (size_t i = 0; files[i] != NULL; i++) {
		one = peer_read(peer_data(files[i]));
		cr_assert_eq(buf_put(&all, buf_span(&one)), ERR_OK);
		buf_clear(&one);
	}
	peer_write(peer_path(dir, "pem"), buf_span(&all));
	buf_clear(&all);
	cr_assert_eq(peer_run(NULL, NULL, "openssl", "crl2pkcs7", "-nocrl",
			 "-certfile", peer_path(dir, "pem"), "-outform", "DER",
			 "-out", peer_path(dir, "p7"), NULL),
	    0);
	return peer_read(peer_path(dir, "p7"));
}

/* What comes of it; on failure nothing does. */
static enum err
certs(struct span in, size_t *n)
{
	struct crypto_cert *out[MAX] = {NULL};
	enum err e;

	*n = 99;
	e = crypto_cms_certs(in, out, MAX, n);
	if (e != ERR_OK)
		cr_expect_eq(*n, 99, "%s", err_name(e));
	for (size_t i = 0; e == ERR_OK && i < *n; i++)
		crypto_cert_unref(out[i]);
	return e;
}

Test(cms_certs, bundles)
{
	static const struct {
		const char *files[MAX + 2];
		enum err err;
		size_t n;
	} rows[] = {
	    {{"p256.pem"}, ERR_OK, 1},
	    {{"p256.pem", "rsa2048.pem", "p384.pem"}, ERR_OK, 3},
	    {{"p256.pem", "rsa2048.pem", "p384.pem", "p521.pem"}, ERR_LIMIT, 0},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct buf in = bundle(rows[i].files);
		size_t n;
		enum err e = certs(buf_span(&in), &n);

		cr_expect_eq(e, rows[i].err, "row %zu: %s", i, err_name(e));
		cr_expect(e != ERR_OK || n == rows[i].n, "row %zu", i);
		buf_clear(&in);
	}
}

#define SIGNED_DATA "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
#define DATA	    "\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01"

Test(cms_certs, what_is_none)
{
	static const struct {
		const char *what;
		struct span in;
		enum err err;
	} rows[] = {
	    {"nothing", SPAN_LIT(""), ERR_MALFORMED},
	    {"text", SPAN_LIT("-----BEGIN PKCS7-----\n"), ERR_MALFORMED},
	    {"an empty sequence", SPAN_LIT("\x30\x00"), ERR_MALFORMED},
	    {"a length that lies", SPAN_LIT("\x30\x84\xff\xff\xff\xff"),
		ERR_MALFORMED},
	    {"SignedData without content", SPAN_LIT("\x30\x0b" SIGNED_DATA),
		ERR_MALFORMED},
	    {"data", SPAN_LIT("\x30\x0f" DATA "\xa0\x02\x04\x00"), ERR_NO_KEY},
	    {"SignedData with nobody's certificate",
		SPAN_LIT("\x30\x23" SIGNED_DATA "\xa0\x16\x30\x14\x02\x01\x01"
			 "\x31\x00\x30\x0b" DATA "\x31\x00"),
		ERR_NO_KEY},
	};

	for (size_t i = 0; i < N(rows); i++) {
		size_t n;
		enum err e = certs(rows[i].in, &n);

		cr_expect_eq(
		    e, rows[i].err, "%s: %s", rows[i].what, err_name(e));
	}
}

Test(cms_certs, a_whole_one_and_nothing_else)
{
	static const char *const files[] = {"p256.pem", NULL};
	struct buf in = bundle(files), longer, huge;
	size_t n;

	for (size_t cut = 1; cut < in.len; cut += 7)
		cr_expect_neq(certs(SPAN(in.data, in.len - cut), &n), ERR_OK,
		    "%zu octets less", cut);
	buf_init(&longer, 1 << 20);
	cr_assert_eq(buf_put(&longer, buf_span(&in)), ERR_OK);
	cr_assert_eq(buf_putc(&longer, 0), ERR_OK);
	cr_expect_eq(certs(buf_span(&longer), &n), ERR_MALFORMED);
	huge = peer_octets(LIMIT_KEYS_SIZE + 1);
	cr_expect_eq(certs(buf_span(&huge), &n), ERR_TOO_BIG);
	buf_clear(&huge);
	buf_clear(&longer);
	buf_clear(&in);
}
