/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a blob is by its packets: what gpg writes, and what only looks so.
 */
#include "crypto/openpgp_kind.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mime/base64.h"
#include "tests/crypto/peer.h"

static const char *const kind_name[] = {"other", "encrypted", "signed",
    "literal", "cleartext", "signature", "keys"};

static const char *
kind_of(struct span blob)
{
	struct crypto_pgp_structure s;

	crypto_pgp_structure(blob, &s);
	return kind_name[s.kind];
}

/* --- what gpg writes --- */

struct gpg {
	char dir[64];
	char home[80];
};

static void
gpg_make(struct gpg *g)
{
	static const char *const names[] = {
	    "bob.sec.asc", "rita.pgp", "sign/sam.sec.pgp"};

	peer_dir_make(g->dir);
	snprintf(g->home, sizeof(g->home), "%s/h", g->dir);
	cr_assert_eq(mkdir(g->home, 0700), 0);
	for (size_t i = 0; i < 3; i++)
		cr_assert_eq(
		    peer_run(NULL, NULL, "gpg", "--homedir", g->home, "--batch",
			"--quiet", "--import", peer_data(names[i]), NULL),
		    0);
	peer_write(peer_path(g->dir, "in"), SPAN_LIT("Hello\n- you\n"));
}

static void
gpg_remove(struct gpg *g)
{
	peer_run(
	    NULL, NULL, "gpgconf", "--homedir", g->home, "--kill", "all", NULL);
	peer_dir_remove(g->dir);
}

/* The output of one command over DIR/in. */
static struct buf
gpg_writes(struct gpg *g, const char *what, const char *a, const char *b,
    const char *c, const char *d)
{
	const char *out = peer_path(g->dir, "out");

	cr_assert_eq(
	    peer_run(peer_path(g->dir, "in"), out, "gpg", "--homedir", g->home,
		"--batch", "--quiet", "--trust-model", "always",
		"--pinentry-mode", "loopback", "--passphrase", "x",
		"--local-user", "sam@example.com", what, a, b, c, d, NULL),
	    0, "%s %s", what, a);
	return peer_read(out);
}

Test(openpgp_kind, what_gpg_writes_is_recognised)
{
	static const struct {
		const char *what, *a, *b, *c, *d, *kind;
		size_t n;
		bool password, hidden;
	} rows[] = {
	    {"-e", "-r", "rita@example.org", "-r", "bob@example.org",
		"encrypted", 2, false, false},
	    {"-se", "-r", "rita@example.org", "-z", "0", "encrypted", 1, false,
		false},
	    {"-e", "-R", "rita@example.org", "-r", "bob@example.org",
		"encrypted", 2, false, true},
	    {"-ce", "-r", "rita@example.org", "-z", "0", "encrypted", 1, true,
		false},
	    {"-c", "-z", "0", "-z", "0", "encrypted", 0, true, false},
	    {"-s", "-z", "0", "-z", "0", "signed", 0, false, false},
	    {"-s", "-z", "6", "-z", "6", "literal", 0, false, false},
	    {"--store", "-z", "0", "-z", "0", "literal", 0, false, false},
	    {"--store", "-z", "6", "-z", "6", "literal", 0, false, false},
	    {"-b", "-z", "0", "-z", "0", "signature", 0, false, false},
	};
	struct crypto_pgp_structure s;
	struct gpg g;
	struct buf b;

	gpg_make(&g);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int size = 0; size < 2; size++) {
			/* large enough for partial lengths, too */
			struct buf in = peer_octets(size ? 100000 : 100);

			peer_write(peer_path(g.dir, "in"), buf_span(&in));
			buf_clear(&in);
			b = gpg_writes(&g, rows[i].what, rows[i].a, rows[i].b,
			    rows[i].c, rows[i].d);
			crypto_pgp_structure(buf_span(&b), &s);
			cr_expect_str_eq(kind_name[s.kind], rows[i].kind,
			    "%zu %s: %s", i, rows[i].what, kind_name[s.kind]);
			cr_expect_eq(s.n_recipients, rows[i].n, "%zu", i);
			cr_expect_eq(s.password, rows[i].password, "%zu", i);
			cr_expect_eq(s.hidden, rows[i].hidden, "%zu", i);
			cr_expect_eq(s.authenticated,
			    s.kind == CRYPTO_PGP_KIND_ENCRYPTED, "%zu", i);
			buf_clear(&b);
		}
	gpg_remove(&g);
}

Test(openpgp_kind, armor_and_key_ids_are_read)
{
	/* of bob's and rita's subkeys */
	static const uint8_t bob[] = {
	    0x32, 0x5f, 0x26, 0xb5, 0xd4, 0xf6, 0xd5, 0x80};
	struct crypto_pgp_structure s;
	struct gpg g;
	struct buf b;

	gpg_make(&g);
	b = gpg_writes(
	    &g, "-e", "--armor", "-r", "bob@example.org", "--comment=x: y");
	crypto_pgp_structure(buf_span(&b), &s);
	cr_expect_eq(s.kind, CRYPTO_PGP_KIND_ENCRYPTED);
	cr_assert_eq(s.n_key_ids, 1);
	cr_expect_arr_eq(s.key_id[0], bob, sizeof(bob));
	/* every part of it alone is something else */
	for (size_t n = 0; n + 1 < b.len; n++)
		cr_expect_str_eq(
		    kind_of(SPAN(b.data, n)), "other", "cut at %zu", n);
	buf_clear(&b);
	b = gpg_writes(&g, "--clearsign", "-z", "0", "-z", "0");
	cr_expect_str_eq(kind_of(buf_span(&b)), "cleartext");
	for (size_t n = 0; n + 1 < b.len; n++)
		cr_expect_str_eq(
		    kind_of(SPAN(b.data, n)), "other", "cut at %zu", n);
	buf_clear(&b);
	b = peer_read(peer_data("message.asc"));
	cr_expect_str_eq(kind_of(buf_span(&b)), "encrypted");
	buf_clear(&b);
	b = peer_read(peer_data("bob.asc"));
	cr_expect_str_eq(kind_of(buf_span(&b)), "keys");
	buf_clear(&b);
	b = peer_read(peer_data("sign/sam.sec.pgp"));
	cr_expect_str_eq(kind_of(buf_span(&b)), "keys");
	buf_clear(&b);
	b = peer_read(peer_data("v6.asc"));
	cr_expect_str_eq(kind_of(buf_span(&b)), "keys");
	buf_clear(&b);
	gpg_remove(&g);
}

/* --- packets by hand --- */

/* A letter is a packet.
   K: a PKESK of version 3, H: one with a hidden key, S: SKESK, E: SEIPD,
   D: SED, A: AEAD, 2: SEIPD of version 2, 6: a PKESK of version 6, L: literal,
   Z: compressed, O: one-pass, G: signature, M: marker, P: padding, U: user ID,
   X: public key, T: SEIPD with text in it, V: SEIPD of version 3, e: a SEIPD
   that is too short, k: a PKESK that is too short. */
static void
put_packet(struct buf *b, char c)
{
	static const struct {
		char c;
		unsigned tag;
		const char *head;
		size_t n_head, size;
	} rows[] = {
	    {'K', 1, "\3\1\2\3\4\5\6\7\x88\1", 10, 40},
	    {'H', 1, "\3\0\0\0\0\0\0\0\0\1", 10, 40},
	    {'6', 1, "\6\x15\4aaaaaaaaaaaa\x91\2\3\4\5\6\7\x98\x19", 24, 60},
	    {'S', 3, "\4\x9\3\xa", 4, 13},
	    {'E', 18, "\1", 1, 100},
	    {'e', 18, "\1", 1, 30},
	    {'V', 18, "\3", 1, 100},
	    {'2', 18, "\2\x9\2\x10", 4, 100},
	    {'D', 9, "", 0, 100},
	    {'A', 20, "\1\x9\2\x10", 4, 100},
	    {'L', 11, "b\0\0\0\0\0", 6, 20},
	    {'Z', 8, "\1", 1, 20},
	    {'O', 4, "\3\0\x8\x16", 4, 13},
	    {'G', 2, "\4\0\x16\x8", 4, 70},
	    {'M', 10, "PGP", 3, 3},
	    {'P', 21, "", 0, 9},
	    {'U', 13, "a@b", 3, 3},
	    {'X', 6, "\4", 1, 50},
	    {'k', 1, "\3\1\2\3", 4, 8},
	};

	if (c == 'T') {
		cr_assert_eq(buf_put(b, SPAN_LIT("\xd2\x64\1")), ERR_OK);
		for (int i = 0; i < 99; i++)
			cr_assert_eq(buf_putc(b, "plain text"[i % 10]), ERR_OK);
		return;
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].c != c)
			continue;
		cr_assert_eq(
		    buf_putc(b, (uint8_t)(0xc0 | rows[i].tag)), ERR_OK);
		cr_assert_eq(buf_putc(b, (uint8_t)rows[i].size), ERR_OK);
		cr_assert_eq(
		    buf_put(b, SPAN(rows[i].head, rows[i].n_head)), ERR_OK);
		for (size_t k = rows[i].n_head; k < rows[i].size; k++)
			cr_assert_eq(
			    buf_putc(b, (uint8_t)(k * 37 + 200)), ERR_OK);
		return;
	}
	cr_assert_fail("no packet %c", c);
}

static struct buf
put_packets(const char *letters)
{
	struct buf b;

	buf_init(&b, 10000);
	for (; *letters != '\0'; letters++)
		put_packet(&b, *letters);
	return b;
}

/* The octets in armor with this label. */
static struct buf
armor(struct span octets, const char *label)
{
	struct buf b;

	buf_init(&b, 20000);
	cr_assert_eq(
	    buf_printf(&b, "-----BEGIN PGP %s-----\n\n", label), ERR_OK);
	cr_assert_eq(mime_base64_encode(octets, &b), ERR_OK);
	cr_assert_eq(buf_printf(&b, "\n-----END PGP %s-----\n", label), ERR_OK);
	return b;
}

Test(openpgp_kind, sequences_of_packets)
{
	static const struct {
		const char *packets, *kind;
	} rows[] = {
	    {"KE", "encrypted"},
	    {"KKKE", "encrypted"},
	    {"SKE", "encrypted"},
	    {"HE", "encrypted"},
	    {"6E", "encrypted"},
	    {"K2", "encrypted"},
	    {"KD", "encrypted"},
	    {"KA", "encrypted"},
	    {"MKE", "encrypted"},
	    {"KME", "encrypted"},
	    {"KPE", "encrypted"},
	    {"SE", "encrypted"},
	    {"L", "literal"},
	    {"Z", "literal"},
	    {"ML", "literal"},
	    {"OLG", "signed"},
	    {"OOLGG", "signed"},
	    {"GL", "signed"},
	    {"OZG", "signed"},
	    {"G", "signature"},
	    {"GG", "signature"},
	    {"XU", "keys"},
	    {"XUGXUG", "keys"},
	    /* what is not the whole, or not that */
	    {"", "other"},
	    {"K", "other"},
	    {"KS", "other"},
	    {"E", "other"},
	    {"KL", "other"},
	    {"KEL", "other"},
	    {"KELG", "other"},
	    {"KEE", "other"},
	    {"KEK", "other"},
	    {"KEG", "other"},
	    {"LKE", "other"},
	    {"GKE", "other"},
	    {"KT", "other"},
	    {"KV", "other"},
	    {"Ke", "other"},
	    {"kE", "other"},
	    {"KEM", "other"},
	    {"KEP", "other"},
	    {"LL", "other"},
	    {"LE", "other"},
	    {"OL", "other"},
	    {"OLGG", "other"},
	    {"OG", "other"},
	    {"OE", "other"},
	    {"OKEG", "other"},
	    {"GE", "other"},
	    {"U", "other"},
	    {"XKE", "other"},
	    {"M", "other"},
	    {"XL", "other"},
	    {"GLG", "other"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = put_packets(rows[i].packets);
		struct buf a = armor(buf_span(&b), "MESSAGE");

		cr_expect_str_eq(kind_of(buf_span(&b)), rows[i].kind, "%s: %s",
		    rows[i].packets, kind_of(buf_span(&b)));
		cr_expect_str_eq(kind_of(buf_span(&a)), rows[i].kind,
		    "armor of %s: %s", rows[i].packets, kind_of(buf_span(&a)));
		buf_clear(&a);
		buf_clear(&b);
	}
}

Test(openpgp_kind, what_stands_beside_a_message_makes_it_another)
{
	struct buf b = put_packets("KE"), a = armor(buf_span(&b), "MESSAGE");
	struct buf lit = put_packets("L"),
		   la = armor(buf_span(&lit), "MESSAGE");
	static const struct {
		const char *before, *after, *kind;
	} rows[] = {
	    {"", "", "encrypted"},
	    {"\r\n \n", "\n\n \t\n", "encrypted"},
	    {"Hello\n", "", "other"},
	    {"", "bye\n", "other"},
	    {"> ", "", "other"},
	    {"-----BEGIN PGP MESSAGE-----\n", "", "other"},
	    {"", "-----END PGP MESSAGE-----\n", "other"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf all;

		buf_init(&all, 30000);
		cr_assert_eq(buf_puts(&all, rows[i].before), ERR_OK);
		cr_assert_eq(buf_put(&all, buf_span(&a)), ERR_OK);
		cr_assert_eq(buf_puts(&all, rows[i].after), ERR_OK);
		cr_expect_str_eq(kind_of(buf_span(&all)), rows[i].kind, "%s/%s",
		    rows[i].before, rows[i].after);
		/* two of them are not one */
		cr_assert_eq(buf_put(&all, buf_span(&la)), ERR_OK);
		cr_expect_str_eq(kind_of(buf_span(&all)), "other");
		buf_clear(&all);
	}
	/* an octet behind it, without armor */
	cr_assert_eq(buf_putc(&b, '\n'), ERR_OK);
	cr_expect_str_eq(kind_of(buf_span(&b)), "other");
	buf_clear(&b);
	buf_clear(&a);
	buf_clear(&lit);
	buf_clear(&la);
}

Test(openpgp_kind, damaged_armor_is_nothing)
{
	static const char *const rows[] = {
	    /* labels, headers, alphabet, padding, checksum */
	    "-----BEGIN PGP MESSAGE-----\n\n%s\n-----END PGP SIGNATURE-----\n",
	    "-----BEGIN PGP MESSAGE----\n\n%s\n-----END PGP MESSAGE----\n",
	    "-----BEGIN PGP MASSAGE-----\n\n%s\n-----END PGP MASSAGE-----\n",
	    "-----BEGIN PGP MESSAGE-----\n%s\n-----END PGP MESSAGE-----\n",
	    "-----BEGIN PGP MESSAGE-----\nno\n\n%s\n-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----\n\n%s",
	    "-----BEGIN PGP MESSAGE-----\n\n%s\n*\n-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----\n\n=\n%s\n-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----\n\n%s\n=\n-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----\n\n%s\n=abcde\n"
	    "-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----\n\n%s\n=abcd\nAAAA\n"
	    "-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----\n\n%s\nA\n-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----\n\n%s-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----\n\n-----END PGP MESSAGE-----",
	    "-----BEGIN PGP MESSAGE-----",
	    "-----BEGIN PGP SIGNED MESSAGE-----",
	    "-----BEGIN PGP SIGNED MESSAGE-----\n\n%s\n",
	    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nHello\n"
	    "-----BEGIN PGP MESSAGE-----\n\n%s\n-----END PGP MESSAGE-----\n",
	};
	static const char good[] =
	    "-----BEGIN PGP MESSAGE-----\nVersion: x\n\n%s\n=abcd\n"
	    "-----END PGP MESSAGE-----\n";
	struct buf b = put_packets("KE"), text, all;

	buf_init(&text, 10000);
	cr_assert_eq(mime_base64_encode(buf_span(&b), &text), ERR_OK);
	while (text.len > 0 && text.data[text.len - 1] <= ' ')
		text.len--;
	buf_init(&all, 20000);
	for (size_t i = 0; i <= sizeof(rows) / sizeof(rows[0]); i++) {
		bool last = i == sizeof(rows) / sizeof(rows[0]);
		const char *row = last ? good : rows[i];
		const char *at = strstr(row, "%s");
		size_t n = at == NULL ? strlen(row) : (size_t)(at - row);

		buf_reset(&all);
		cr_assert_eq(buf_put(&all, SPAN(row, n)), ERR_OK);
		if (at != NULL) {
			cr_assert_eq(buf_put(&all, buf_span(&text)), ERR_OK);
			cr_assert_eq(buf_puts(&all, at + 2), ERR_OK);
		}
		cr_expect_str_eq(kind_of(buf_span(&all)),
		    last ? "encrypted" : "other", "%s", row);
	}
	buf_clear(&all);
	buf_clear(&text);
	buf_clear(&b);
}

Test(openpgp_kind, lengths_that_lie_are_refused)
{
	static const struct {
		const char *octets;
		size_t len;
	} rows[] = {
	    {"\xd2", 1},
	    {"\xd2\xc0", 2},
	    {"\xd2\xff\0\0\0", 5},
	    {"\xd2\xff\xff\xff\xff\xff", 6},
	    {"\xd2\xe0", 2},
	    /* a first part below 512 octets; parts of what has none */
	    {"\xcb\xe1"
	     "ab\1c",
		6},
	    {"\xc2\xe9", 2},
	    {"\x88\x05"
	     "ab",
		4},
	    {"\x8b\x01", 2}, /* indeterminate signature */
	    {"\x00\x01", 2},
	    {"\x7f", 1},
	};
	/* a literal of indeterminate length is one to the end */
	static const char to_end[] = "\xaf"
				     "b\0\0\0\0\0hello";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_str_eq(kind_of(SPAN(rows[i].octets, rows[i].len)),
		    "other", "%zu", i);
	cr_expect_str_eq(kind_of(SPAN(to_end, sizeof(to_end) - 1)), "literal");
}

Test(openpgp_kind, more_recipients_than_are_listed_are_counted)
{
	struct crypto_pgp_structure s;
	struct buf b;

	buf_init(&b, 100000);
	for (int i = 0; i < 300; i++)
		put_packet(&b, 'K');
	put_packet(&b, 'E');
	crypto_pgp_structure(buf_span(&b), &s);
	cr_expect_eq(s.kind, CRYPTO_PGP_KIND_ENCRYPTED);
	cr_expect_eq(s.n_recipients, 300);
	cr_expect_eq(s.n_key_ids, CRYPTO_PGP_KIND_RECIPIENTS);
	buf_clear(&b);
}
