/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is let through to the parsers, and what is not.
 */
#include "crypto/der_check.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "crypto/ber.h"
#include "tests/crypto/peer.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define LIT(s)                                                                 \
	{                                                                      \
		(const uint8_t *)(s), sizeof(s) - 1                            \
	}

Test(der_check, what_is_one_element)
{
	static const struct {
		const char *name;
		struct span in;
	} rows[] = {
	    {"null", LIT("\x05\x00")},
	    {"empty sequence", LIT("\x30\x00")},
	    {"integers", LIT("\x30\x06\x02\x01\x00\x02\x01\xff")},
	    {"indefinite", LIT("\x30\x80\x02\x01\x00\x00\x00")},
	    {"indefinite in definite",
		LIT("\x30\x07\x30\x80\x02\x01\x00\x00\x00")},
	    {"indefinite in indefinite",
		LIT("\x30\x80\x30\x80\x00\x00\x00\x00")},
	    {"a long form that need not be", LIT("\x30\x82\x00\x02\x05\x00")},
	    {"octets in pieces",
		LIT("\x24\x80\x04\x01\x61\x04\x00\x04\x01\x62\x00\x00")},
	    {"bits", LIT("\x03\x02\x07\x80")},
	    {"no bits", LIT("\x03\x01\x00")},
	    {"of another class", LIT("\xa0\x04\x80\x00\xc1\x00")},
	    {"an identifier", LIT("\x06\x03\x2a\x86\x48")},
	};

	for (size_t i = 0; i < N(rows); i++)
		cr_expect_eq(crypto_der_check(rows[i].in, NULL), ERR_OK, "%s",
		    rows[i].name);
}

Test(der_check, what_is_none)
{
	static const struct {
		const char *name;
		struct span in;
	} rows[] = {
	    {"nothing", LIT("")},
	    {"half a header", LIT("\x30")},
	    {"too short", LIT("\x30\x03\x05\x00")},
	    {"something behind", LIT("\x05\x00\x00")},
	    {"an element longer than its place",
		LIT("\x30\x04\x04\x03\x00\x00\x00")},
	    {"half a header inside", LIT("\x30\x01\x05")},
	    {"a header that ends outside", LIT("\x30\x02\x04\x82\x00\x00")},
	    {"a length of five octets", LIT("\x04\x85\x00\x00\x00\x00\x00")},
	    {"a length of 4 GiB", LIT("\x04\x84\xff\xff\xff\xff")},
	    {"a reserved length", LIT("\x04\xff\x00")},
	    {"a long tag", LIT("\x1f\x81\x01\x00")},
	    {"not closed", LIT("\x30\x80\x05\x00")},
	    {"not closed inside", LIT("\x30\x02\x30\x80")},
	    {"not closed, and definite goes on",
		LIT("\x30\x04\x30\x80\x05\x00\x00\x00")},
	    {"closed twice", LIT("\x30\x80\x00\x00\x00\x00")},
	    {"closed what is definite", LIT("\x30\x02\x00\x00")},
	    {"an end with a body", LIT("\x30\x80\x00\x01\x00\x00\x00")},
	    {"an end with a long length", LIT("\x30\x80\x00\x81\x00")},
	    {"an end alone", LIT("\x00\x00")},
	    {"an indefinite primitive", LIT("\x04\x80\x00\x00")},
	    {"a primitive sequence", LIT("\x10\x00")},
	    {"a primitive set", LIT("\x11\x00")},
	    {"an integer without a value", LIT("\x02\x00")},
	    {"a boolean of two octets", LIT("\x01\x02\xff\xff")},
	    {"null with a value", LIT("\x05\x01\x00")},
	    {"bits without their count", LIT("\x03\x00")},
	    {"nine bits too many", LIT("\x03\x02\x08\x00")},
	    {"seven bits of none", LIT("\x03\x01\x07")},
	    {"an empty identifier", LIT("\x06\x00")},
	    {"an identifier that does not end", LIT("\x06\x02\x2a\x86")},
	    {"an identifier with padding", LIT("\x06\x03\x2a\x80\x01")},
	};
	struct err_why why;

	for (size_t i = 0; i < N(rows); i++) {
		why.text[0] = '\0';
		cr_expect_eq(crypto_der_check(rows[i].in, &why), ERR_MALFORMED,
		    "%s", rows[i].name);
		cr_expect_neq(why.text[0], '\0', "%s", rows[i].name);
	}
}

/* n levels, each in the way of head, and what closes them. */
static enum err
nested(size_t n, bool indefinite)
{
	struct buf b;
	enum err e;

	buf_init(&b, 64 << 20);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(buf_put(&b, SPAN("\x30\x80", 2)), ERR_OK);
	if (indefinite)
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(buf_put(&b, SPAN("\x00\x00", 2)), ERR_OK);
	e = crypto_der_check(buf_span(&b), NULL);
	buf_clear(&b);
	return e;
}

Test(der_check, depth_and_number_have_an_end)
{
	struct buf b;

	cr_expect_eq(nested(LIMIT_DER_DEPTH, true), ERR_OK);
	cr_expect_eq(nested(LIMIT_DER_DEPTH + 1, true), ERR_LIMIT);
	cr_expect_eq(nested(10 << 20, true), ERR_LIMIT);
	cr_expect_eq(nested(10 << 20, false), ERR_LIMIT);
	buf_init(&b, 64 << 20);
	cr_assert_eq(buf_put(&b, SPAN("\x30\x80", 2)), ERR_OK);
	for (size_t i = 0; i < LIMIT_DER_ELEMENTS - 2; i++)
		cr_assert_eq(buf_put(&b, SPAN("\x05\x00", 2)), ERR_OK);
	cr_assert_eq(buf_put(&b, SPAN("\x00\x00", 2)), ERR_OK);
	cr_expect_eq(crypto_der_check(buf_span(&b), NULL), ERR_OK);
	b.len -= 2;
	cr_assert_eq(buf_put(&b, SPAN("\x05\x00\x00\x00", 4)), ERR_OK);
	cr_expect_eq(crypto_der_check(buf_span(&b), NULL), ERR_LIMIT);
	buf_clear(&b);
}

/* --- certificates --- */

Test(der_check, certificates_that_are_used)
{
	static const char *const names[] = {"rsa2048.der", "rsa3072.der",
	    "p256.der", "p384.der", "p521.der", "ed25519.der", "x25519.der",
	    "ca.der", "issued.der", "critical.der", "rsapss.der", "k256.der"};

	for (size_t i = 0; i < N(names); i++) {
		struct buf b = peer_read(peer_data(names[i]));
		struct err_why why = {""};

		cr_expect_eq(crypto_der_check_cert(buf_span(&b), &why), ERR_OK,
		    "%s: %s", names[i], why.text);
		for (size_t n = 0; n < b.len; n++)
			cr_expect_neq(
			    crypto_der_check_cert(SPAN(b.data, n), NULL),
			    ERR_OK);
		buf_clear(&b);
	}
}

Test(der_check, a_curve_without_a_name)
{
	struct buf b = peer_read(peer_data("explicit.der"));

	cr_expect_eq(
	    crypto_der_check_cert(buf_span(&b), NULL), ERR_UNSUPPORTED);
	buf_clear(&b);
}

static void
put(struct buf *out, unsigned tag, struct span body)
{
	cr_assert_eq(ber_put_head(out, tag, body.len), ERR_OK);
	cr_assert_eq(buf_put(out, body), ERR_OK);
}

/* What a certificate needs to be looked at, with an RSA key of these sizes. */
static struct buf
with_rsa(size_t modulus, size_t exponent)
{
	static const uint8_t big[16384] = {0xff, 1};
	struct buf key, bits, spki, tbs, out;

	buf_init(&key, 1 << 16);
	buf_init(&bits, 1 << 16);
	buf_init(&spki, 1 << 16);
	buf_init(&tbs, 1 << 16);
	buf_init(&out, 1 << 16);
	put(&bits, BER_INTEGER, SPAN(big, modulus));
	put(&bits, BER_INTEGER, SPAN(big, exponent));
	cr_assert_eq(buf_putc(&key, 0), ERR_OK);
	put(&key, BER_SEQUENCE, buf_span(&bits));
	cr_assert_eq(
	    buf_put(&spki, SPAN("\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01"
				"\x01\x01\x05\x00",
			       15)),
	    ERR_OK);
	put(&spki, BER_BITS, buf_span(&key));
	cr_assert_eq(buf_put(&tbs, SPAN("\x02\x01\x01", 3)), ERR_OK);
	for (int i = 0; i < 4; i++)
		put(&tbs, BER_SEQUENCE, SPAN(NULL, 0));
	put(&tbs, BER_SEQUENCE, buf_span(&spki));
	buf_reset(&key);
	put(&key, BER_SEQUENCE, buf_span(&tbs));
	put(&out, BER_SEQUENCE, buf_span(&key));
	buf_clear(&key);
	buf_clear(&bits);
	buf_clear(&spki);
	buf_clear(&tbs);
	return out;
}

Test(der_check, keys_of_a_size_that_nobody_has)
{
	static const struct {
		size_t modulus, exponent;
		enum err want;
	} rows[] = {
	    {256, 3, ERR_OK},
	    {2048, 8, ERR_OK},
	    {2049, 3, ERR_LIMIT},
	    {65535 / 8 + 1, 3, ERR_LIMIT},
	    {256, 9, ERR_LIMIT},
	    {256, 256, ERR_LIMIT},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct buf b = with_rsa(rows[i].modulus, rows[i].exponent);

		cr_expect_eq(crypto_der_check_cert(buf_span(&b), NULL),
		    rows[i].want, "%zu octets", rows[i].modulus);
		buf_clear(&b);
	}
}
