/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Armor and packet framing: what is a key, where it ends, which version.
 */
#include "crypto/openpgp_packet.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "common/text.h"
#include "tests/crypto/peer.h"

static enum err
dearmor(struct span in, struct buf *out)
{
	struct err_why why = {""};
	enum err e;

	buf_init(out, LIMIT_KEYS_SIZE);
	e = crypto_pgp_dearmor(in, out, &why);
	cr_expect_eq(e == ERR_OK, why.text[0] == '\0', "%s", why.text);
	return e;
}

Test(openpgp_packet, armor_gives_the_binary_form)
{
	static const char *const names[] = {"bob", "rita", "nina"};
	char file[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct buf armored, binary, out;

		snprintf(file, sizeof(file), "%s.asc", names[i]);
		armored = peer_read(peer_data(file));
		snprintf(file, sizeof(file), "%s.pgp", names[i]);
		binary = peer_read(peer_data(file));
		cr_assert_eq(dearmor(buf_span(&armored), &out), ERR_OK);
		cr_expect(
		    span_eq(buf_span(&out), buf_span(&binary)), "%s", file);
		buf_clear(&out);
		cr_assert_eq(dearmor(buf_span(&binary), &out), ERR_OK);
		cr_expect(
		    span_eq(buf_span(&out), buf_span(&binary)), "%s", file);
		buf_clear(&armored);
		buf_clear(&binary);
		buf_clear(&out);
	}
}

#define BEGIN "-----BEGIN PGP PUBLIC KEY BLOCK-----\n"
#define END   "-----END PGP PUBLIC KEY BLOCK-----\n"

Test(openpgp_packet, armor_is_read_as_people_paste_it)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {BEGIN "\nQUJD\n=abcd\n" END, "ABC"},
	    {BEGIN "\nQUJD\n" END, "ABC"},
	    {BEGIN "QUJD\n" END, "ABC"},
	    {BEGIN "Version: x\nComment:\n\nQUJD\n" END, "ABC"},
	    {BEGIN " \t\r\nQUI=\r\n=abcd\r\n" END, "AB"},
	    {"text\n" BEGIN "\nQUJD\n" END "text\n", "ABC"},
	    {BEGIN "\nQUJD\n=abcd\n" END BEGIN "\nREVG\n" END, "ABCDEF"},
	    {BEGIN "\nQUJD\n=abcd\n\n" END, "ABC"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		cr_expect_eq(dearmor(span_str(rows[i].in), &out), ERR_OK, "%s",
		    rows[i].in);
		cr_expect(
		    span_eq_str(buf_span(&out), rows[i].out), "%s", rows[i].in);
		buf_clear(&out);
	}
}

Test(openpgp_packet, armor_that_is_wrong_is_refused)
{
	static const struct {
		const char *in;
		enum err e;
	} rows[] = {
	    {"", ERR_NO_KEY},
	    {"hello\n", ERR_NO_KEY},
	    {" " BEGIN "\nQUJD\n" END, ERR_NO_KEY},
	    {BEGIN, ERR_MALFORMED},
	    {BEGIN "\nQUJD\n", ERR_MALFORMED},
	    {BEGIN "\nQUJD\n=abcd\n", ERR_MALFORMED},
	    {BEGIN "\nQUJD\n=abcd\nQUJD\n" END, ERR_MALFORMED},
	    {BEGIN "\nQU?D\n" END, ERR_MALFORMED},
	    {BEGIN "\nQUJ\n" END, ERR_MALFORMED},
	    {BEGIN "\n" END, ERR_NO_KEY},
	    {BEGIN END, ERR_NO_KEY},
	    {BEGIN "\nQUJD\n" BEGIN "\nQUJD\n" END, ERR_MALFORMED},
	    {"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", ERR_PERMISSION},
	    {BEGIN "\nQUJD\n" END "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
		ERR_PERMISSION},
	    {"-----BEGIN PGP MESSAGE-----\n", ERR_MALFORMED},
	    {"-----BEGIN PGP SIGNED MESSAGE-----\n", ERR_MALFORMED},
	    {"-----BEGIN PGP SIGNATURE-----\n", ERR_MALFORMED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;
		enum err e = dearmor(span_str(rows[i].in), &out);

		cr_expect_eq(e, rows[i].e, "%s: %s", rows[i].in, err_name(e));
		cr_expect_eq(out.len, 0, "%s", rows[i].in);
		buf_clear(&out);
	}
}

Test(openpgp_packet, headers_are_read_in_all_their_forms)
{
	static const struct {
		uint8_t in[8];
		size_t len;
		unsigned tag;
		size_t header, body;
		bool ok;
	} rows[] = {
	    {{0x98, 2, 9, 9}, 4, 6, 2, 2, true}, /* old, one octet */
	    {{0x99, 0, 2, 9, 9}, 5, 6, 3, 2, true},
	    {{0x9a, 0, 0, 0, 1, 9}, 6, 6, 5, 1, true},
	    {{0xc6, 2, 9, 9}, 4, 6, 2, 2, true}, /* new, one octet */
	    {{0xc6, 0}, 2, 6, 2, 0, true},
	    {{0xc6, 255, 0, 0, 0, 1, 9}, 7, 6, 6, 1, true},
	    {{0xcd, 1, 9, 9}, 4, 13, 2, 1, true}, /* one follows */
	    {{0}, 0, 0, 0, 0, false},
	    {{0x46, 1, 9}, 3, 0, 0, 0, false}, /* no packet */
	    {{0x98}, 1, 0, 0, 0, false},
	    {{0x98, 3, 9, 9}, 4, 0, 0, 0, false}, /* cut */
	    {{0x99, 0}, 2, 0, 0, 0, false},
	    {{0x9b, 9, 9}, 3, 0, 0, 0, false},	     /* indeterminate */
	    {{0xc6, 0xe1, 9, 9}, 4, 0, 0, 0, false}, /* partial */
	    {{0xc6, 0xc0}, 2, 0, 0, 0, false},
	    {{0xc6, 0xc0, 0, 9}, 4, 0, 0, 0, false}, /* 192 wanted */
	    {{0xc6, 255, 255, 255, 255, 255}, 6, 0, 0, 0, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_pgp_packet p = {0};
		enum err e =
		    crypto_pgp_packet_next(SPAN(rows[i].in, rows[i].len), &p);

		cr_expect_eq(e == ERR_OK, rows[i].ok, "row %zu", i);
		if (e != ERR_OK)
			continue;
		cr_expect_eq(p.tag, rows[i].tag, "row %zu", i);
		cr_expect_eq(p.body.len, rows[i].body, "row %zu", i);
		cr_expect_eq(
		    p.size, rows[i].header + rows[i].body, "row %zu", i);
	}
}

Test(openpgp_packet, a_ring_is_cut_into_its_keys)
{
	struct buf ring = peer_read(peer_data("three.pgp"));
	struct buf bob = peer_read(peer_data("bob.pgp"));
	struct crypto_pgp_piece pieces[3];
	struct err_why why = {""};
	size_t n = 0;

	cr_assert_eq(crypto_pgp_split(buf_span(&ring), pieces, 3, &n, &why),
	    ERR_OK, "%s", why.text);
	cr_assert_eq(n, 3);
	cr_expect(span_eq(pieces[0].octets, buf_span(&bob)));
	cr_expect(span_eq(pieces[2].octets, buf_span(&bob)));
	cr_expect_eq(
	    pieces[0].octets.len + pieces[1].octets.len + pieces[2].octets.len,
	    ring.len);
	cr_expect_eq(
	    crypto_pgp_split(buf_span(&ring), pieces, 2, &n, &why), ERR_LIMIT);
	cr_expect_eq(crypto_pgp_split(
			 SPAN(ring.data, ring.len - 1), pieces, 3, &n, &why),
	    ERR_MALFORMED);
	buf_clear(&ring);
	buf_clear(&bob);
}

Test(openpgp_packet, what_belongs_to_no_key_is_refused)
{
	static const struct {
		uint8_t in[16];
		size_t len;
		enum err e;
	} rows[] = {
	    {{0}, 0, ERR_NO_KEY},
	    {{0xc5, 1, 4}, 3, ERR_PERMISSION}, /* secret key */
	    {{0xc6, 1, 4, 0xc7, 1, 4}, 6, ERR_PERMISSION},
	    {{0xcd, 1, 'a'}, 3, ERR_MALFORMED}, /* starts with a name */
	    {{0xc6, 0}, 2, ERR_MALFORMED},	/* an empty key */
	    {{0xc6, 1, 4, 0xd2, 1, 1}, 6, ERR_MALFORMED}, /* encrypted */
	    {{0xc6, 1, 4, 0xcb, 1, 'b'}, 6, ERR_MALFORMED},
	    {{0xc6, 1, 4, 0xfc, 1, 0}, 6, ERR_MALFORMED}, /* private use */
	    {{0xc1, 1, 3}, 3, ERR_MALFORMED},
	    {{0xc6, 1, 4, 'x'}, 4, ERR_MALFORMED},
	};
	struct crypto_pgp_piece pieces[2];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_why why = {""};
		size_t n = 9;

		cr_expect_eq(crypto_pgp_split(SPAN(rows[i].in, rows[i].len),
				 pieces, 2, &n, &why),
		    rows[i].e, "row %zu: %s", i, why.text);
		cr_expect_eq(n, 9, "row %zu", i);
		cr_expect_neq(why.text[0], '\0', "row %zu", i);
	}
}

Test(openpgp_packet, one_key_has_a_maximum_size)
{
	static const uint8_t key[] = {0xc6, 1, 4, 0xcd, 255, 0, 0x10, 0, 0};
	struct crypto_pgp_piece pieces[2];
	struct err_why why = {""};
	struct buf b;
	uint8_t *at;
	size_t n = 0;

	buf_init(&b, 2 * LIMIT_KEY_SIZE);
	cr_assert_eq(buf_put(&b, SPAN(key, sizeof(key))), ERR_OK);
	cr_assert_eq(buf_reserve(&b, 0x100000, &at), ERR_OK);
	memset(at, 'a', 0x100000);
	buf_grow(&b, 0x100000);
	cr_expect_eq(
	    crypto_pgp_split(buf_span(&b), pieces, 2, &n, &why), ERR_TOO_BIG);
	buf_clear(&b);
}

Test(openpgp_packet, fingerprints_follow_the_version)
{
	/* RFC 9580 A.3 and A.1 */
	struct buf v6 = peer_read(peer_data("v6.asc")), binary;
	struct crypto_pgp_piece piece;
	struct err_why why = {""};
	uint8_t fpr[32];
	char hex[65];
	size_t len = 0, n = 0;

	cr_assert_eq(dearmor(buf_span(&v6), &binary), ERR_OK);
	cr_assert_eq(crypto_pgp_split(buf_span(&binary), &piece, 1, &n, &why),
	    ERR_OK, "%s", why.text);
	cr_assert_eq(crypto_pgp_fpr(piece.key, fpr, &len), ERR_OK);
	cr_assert_eq(len, 32);
	text_hex(SPAN(fpr, len), hex);
	cr_expect_str_eq(hex, "cb186c4f0609a697e4d52dfa6c722b0c"
			      "1f1e27c18a56708f6525ec27bad9acc9");
	cr_assert_eq(crypto_pgp_fpr(SPAN_LIT("\x03xx"), fpr, &len), ERR_OK);
	cr_expect_eq(len, 0);
	buf_clear(&v6);
	buf_clear(&binary);
}
