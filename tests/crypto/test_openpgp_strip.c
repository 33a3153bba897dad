/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is left of a certificate that a stranger brings. Packets are made by
 * hand: whether signatures hold is gpg's to say, not this file's. */
#include "crypto/openpgp_strip.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "crypto/openpgp_packet.h"

enum { ROOM = 2 << 20, RSA_E = 65537 };

static struct buf in, out;
static uint8_t id[8]; /* of the key put last */
static struct crypto_pgp_stripped counts;
static struct err_why why;

static void
begin(void)
{
	buf_init(&in, ROOM);
	buf_init(&out, ROOM);
}

static void
end(void)
{
	buf_clear(&in);
	buf_clear(&out);
}

TestSuite(strip, .init = begin, .fini = end);

static void
put(unsigned tag, const void *body, size_t len)
{
	uint8_t head[6] = {(uint8_t)(0xc0 | tag), 0xff, (uint8_t)(len >> 24),
	    (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};

	cr_assert_eq(buf_put(&in, SPAN(head, sizeof(head))), ERR_OK);
	cr_assert_eq(buf_put(&in, SPAN(body, len)), ERR_OK);
}

/* An RSA key of no use but to be told from others. */
static void
put_key(unsigned tag, uint8_t mark, uint32_t e)
{
	uint8_t body[] = {4, 0x60, 0, 0, mark, 1, 0, 16, 0x80, mark, 0, 17,
	    (uint8_t)(e >> 16), (uint8_t)(e >> 8), (uint8_t)e};
	uint8_t fpr[32];
	size_t len;

	put(tag, body, sizeof(body));
	if (tag != CRYPTO_PGP_TAG_PUBLIC_KEY)
		return;
	cr_assert_eq(
	    crypto_pgp_fpr(SPAN(body, sizeof(body)), fpr, &len), ERR_OK);
	memcpy(id, fpr + len - 8, 8);
}

static void
put_uid(const char *text)
{
	put(CRYPTO_PGP_TAG_USER_ID, text, strlen(text));
}

/* A version 4 signature that names its issuer in the unhashed area. */
static void
put_sig(uint8_t type, uint8_t digest, const uint8_t issuer[8], size_t more)
{
	uint8_t body[9000] = {4, type, 1, digest, 0, 0, 0, 10, 9, 16};

	memcpy(body + 10, issuer, 8);
	put(CRYPTO_PGP_TAG_SIGNATURE, body, 20 + more);
}

static enum err
strip(const char *addr)
{
	return crypto_pgp_strip(
	    buf_span(&in), span_str(addr), &out, &counts, &why);
}

static size_t
count(unsigned tag)
{
	struct span rest = buf_span(&out);
	struct crypto_pgp_packet p;
	size_t n = 0;

	for (; rest.len > 0;
	     rest = SPAN(rest.data + p.size, rest.len - p.size)) {
		cr_assert_eq(crypto_pgp_packet_next(rest, &p), ERR_OK);
		n += p.tag == tag;
	}
	return n;
}

Test(strip, keeps_the_key_its_address_and_its_own_signatures)
{
	static const uint8_t stranger[8] = "STRANGER";

	put_key(CRYPTO_PGP_TAG_PUBLIC_KEY, 1, RSA_E);
	put_sig(0x1f, 8, id, 0);
	put_uid("Alice <Alice@Example.ORG>");
	put_sig(0x13, 8, id, 0);
	put_sig(0x10, 8, stranger, 0);
	put_uid("Alice <alice@elsewhere.example>");
	put_sig(0x13, 8, id, 0);
	put(CRYPTO_PGP_TAG_ATTRIBUTE, "photo", 5);
	put_sig(0x13, 8, id, 0);
	put_key(CRYPTO_PGP_TAG_PUBLIC_SUBKEY, 2, RSA_E);
	put_sig(0x18, 10, id, 0);
	cr_assert_eq(strip("alice@example.org"), ERR_OK, "%s", why.text);
	cr_expect_eq(count(CRYPTO_PGP_TAG_PUBLIC_KEY), 1);
	cr_expect_eq(count(CRYPTO_PGP_TAG_USER_ID), 1);
	cr_expect_eq(count(CRYPTO_PGP_TAG_ATTRIBUTE), 0);
	cr_expect_eq(count(CRYPTO_PGP_TAG_PUBLIC_SUBKEY), 1);
	cr_expect_eq(count(CRYPTO_PGP_TAG_SIGNATURE), 3);
	cr_expect_eq(counts.n_certs, 1);
}

Test(strip, a_key_of_somebody_else_is_left_out)
{
	put_key(CRYPTO_PGP_TAG_PUBLIC_KEY, 1, RSA_E);
	put_uid("bob@example.org");
	put_sig(0x13, 8, id, 0);
	put_key(CRYPTO_PGP_TAG_PUBLIC_KEY, 2, RSA_E);
	put_uid("Alice <alice@example.org>");
	put_sig(0x13, 8, id, 0);
	cr_assert_eq(strip("alice@example.org"), ERR_OK);
	cr_expect_eq(counts.n_certs, 1);
	cr_expect_eq(counts.n_foreign, 1);
	cr_expect_eq(count(CRYPTO_PGP_TAG_PUBLIC_KEY), 1);
	buf_reset(&out);
	cr_expect_eq(strip("carol@example.org"), ERR_NO_KEY);
	cr_expect_eq(out.len, 0);
	cr_expect_eq(strip("@example.org"), ERR_OK);
	cr_expect_eq(counts.n_certs, 2);
	buf_reset(&out);
	cr_expect_eq(strip("@ample.org"), ERR_NO_KEY, "a part of a domain");
}

Test(strip, a_flood_costs_neither_room_nor_time)
{
	static const uint8_t stranger[8] = "STRANGER";
	struct timespec a, b;

	put_key(CRYPTO_PGP_TAG_PUBLIC_KEY, 1, RSA_E);
	put_uid("alice@example.org");
	put_sig(0x13, 8, id, 0);
	for (int i = 0; i < 20000; i++)
		put_sig(0x10, 8, stranger, 0);
	/* whoever lies about the issuer gets no further than the limit */
	for (int i = 0; i < 5000; i++)
		put_sig(0x10, 8, id, 0);
	for (int i = 0; i < 5000; i++)
		put_uid("Mallory <mallory@example.org>");
	for (int i = 0; i < 1000; i++)
		put_key(CRYPTO_PGP_TAG_PUBLIC_SUBKEY, (uint8_t)i, RSA_E);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
	cr_assert_eq(strip("alice@example.org"), ERR_OK, "%s", why.text);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
	cr_expect_lt(b.tv_sec - a.tv_sec, 2);
	cr_expect_lt(out.len, 10240);
	cr_expect_eq(count(CRYPTO_PGP_TAG_SIGNATURE), CRYPTO_PGP_STRIP_SIGS);
	cr_expect_eq(
	    count(CRYPTO_PGP_TAG_PUBLIC_SUBKEY), CRYPTO_PGP_STRIP_PARTS - 1);
}

Test(strip, broken_digests_count_for_revocations_only)
{
	static const struct {
		uint8_t type, digest;
		bool kept;
	} rows[] = {{0x13, 8, true}, {0x13, 10, true}, {0x13, 2, false},
	    {0x13, 1, false}, {0x10, 3, false}, {0x20, 2, true},
	    {0x30, 1, true}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&in);
		buf_reset(&out);
		put_key(CRYPTO_PGP_TAG_PUBLIC_KEY, 1, RSA_E);
		put_uid("alice@example.org");
		put_sig(rows[i].type, rows[i].digest, id, 0);
		cr_assert_eq(strip("alice@example.org"), ERR_OK);
		cr_expect_eq(count(CRYPTO_PGP_TAG_SIGNATURE), rows[i].kept,
		    "row %zu", i);
		cr_expect_eq(counts.n_weak, !rows[i].kept, "row %zu", i);
	}
}

Test(strip, what_is_oversized_goes)
{
	put_key(CRYPTO_PGP_TAG_PUBLIC_KEY, 1, RSA_E);
	put_uid("alice@example.org");
	put_sig(0x13, 8, id, CRYPTO_PGP_STRIP_PACKET - 20);
	put_sig(0x13, 8, id, CRYPTO_PGP_STRIP_PACKET - 19);
	cr_assert_eq(strip("alice@example.org"), ERR_OK);
	cr_expect_eq(count(CRYPTO_PGP_TAG_SIGNATURE), 1);
}

Test(strip, refuses)
{
	static const struct {
		const char *name;
		unsigned tag[3];
		uint32_t e;
		enum err err;
	} rows[] = {
	    {"nothing", {0}, RSA_E, ERR_NO_KEY},
	    {"a user ID alone", {13}, RSA_E, ERR_MALFORMED},
	    {"a signature alone", {2}, RSA_E, ERR_MALFORMED},
	    {"a message", {18}, RSA_E, ERR_MALFORMED},
	    {"a secret key", {5}, RSA_E, ERR_PERMISSION},
	    {"a secret subkey", {6, 13, 7}, RSA_E, ERR_PERMISSION},
	    {"a secret key behind a public one", {6, 13, 5}, RSA_E,
		ERR_PERMISSION},
	    {"the same key twice", {6, 13, 6}, RSA_E, ERR_KEY_UNUSABLE},
	    {"an even exponent", {6, 13}, 65536, ERR_KEY_UNUSABLE},
	    {"the exponent 1", {6, 13}, 1, ERR_KEY_UNUSABLE},
	    {"no user ID", {6, 14}, RSA_E, ERR_NO_KEY},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&in);
		buf_reset(&out);
		for (size_t k = 0; k < 3 && rows[i].tag[k] != 0; k++)
			if (rows[i].tag[k] == 13)
				put_uid("alice@example.org");
			else
				put_key(rows[i].tag[k], 1, rows[i].e);
		cr_expect_eq(strip("alice@example.org"), rows[i].err, "%s: %s",
		    rows[i].name, why.text);
	}
}

Test(strip, a_cut_certificate_is_refused_and_never_read_beyond)
{
	size_t whole;

	put_key(CRYPTO_PGP_TAG_PUBLIC_KEY, 1, RSA_E);
	put_uid("alice@example.org");
	put_sig(0x13, 8, id, 0);
	whole = in.len;
	for (size_t n = 1; n < whole; n++) {
		uint8_t *copy = malloc(n);
		enum err e;

		memcpy(copy, in.data, n);
		buf_reset(&out);
		e = crypto_pgp_strip(SPAN(copy, n),
		    SPAN("alice@example.org", 17), &out, &counts, &why);
		/* whole packets without the rest are less, not wrong */
		cr_expect(e == ERR_MALFORMED || e == ERR_NO_KEY || e == ERR_OK,
		    "%zu: %s", n, err_name(e));
		free(copy);
	}
}
