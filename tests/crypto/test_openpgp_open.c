/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening what gpg, sq and rnp sealed, and all that must stay closed;
 * openpgp_keep.c and openpgp_message.c are tested here, too.
 */
#include "crypto/openpgp_open.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_packet.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/peer.h"

#define TEXT "Content-Type: text/plain\n\nThe text.\n"
#define GPG(h, ...)                                                            \
	cr_assert_eq(                                                          \
	    peer_run(NULL, NULL, "gpg", "--homedir", (h)->people, "--batch",   \
		"--quiet", "--yes", "--trust-model", "always", "-o",           \
		peer_path((h)->dir, "m"), __VA_ARGS__, NULL),                  \
	    0)

/* Who opens, and whose signatures are known. */
struct desk {
	struct homes h;
	struct buf secret[2]; /* of sam and rita */
	struct buf cert[2];   /* of sam and rosa */
	struct span certs[2];
	struct crypto_pgp_open_ask ask;
	struct crypto_pgp_opened opened;
	struct err_why why;
	struct buf out; /* of the last opening */
};

static struct buf
secret_of(const char *file)
{
	struct buf armored = peer_read(peer_data(file)), b;

	buf_init(&b, LIMIT_KEY_SIZE);
	cr_assert_eq(
	    crypto_pgp_dearmor_secret(buf_span(&armored), &b, NULL), ERR_OK);
	buf_clear(&armored);
	return b;
}

static void
desk_make(struct desk *d)
{
	static const char *const people[] = {"sign/sam.sec.pgp",
	    "sign/rosa.sec.pgp", "bob.sec.asc", "rita.sec.asc", "nina.sec.asc",
	    "sign/expired.sec.pgp"};

	*d = (struct desk){0};
	secret_init();
	homes_make(&d->h);
	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
		peer_run(NULL, NULL, "gpg", "--homedir", d->h.people, "--batch",
		    "--quiet", "--import", peer_data(people[i]), NULL);
	d->secret[0] = secret_of("sign/sam.sec.pgp");
	d->secret[1] = secret_of("rita.sec.asc");
	d->cert[0] = peer_read(peer_data("sign/sam.pgp"));
	d->cert[1] = peer_read(peer_data("sign/rosa.pgp"));
	for (size_t i = 0; i < 2; i++) {
		d->certs[i] = buf_span(&d->cert[i]);
		d->ask.secret[i] = buf_span(&d->secret[i]);
	}
	d->ask.n_secrets = 2;
	d->ask.certs = d->certs;
	d->ask.n_certs = 2;
	d->ask.max = 1 << 20;
	buf_init(&d->out, 1);
	peer_write(peer_path(d->h.dir, "text"), SPAN_LIT(TEXT));
}

static void
desk_remove(struct desk *d)
{
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&d->secret[i]);
		buf_clear(&d->cert[i]);
	}
	buf_clear(&d->out);
	homes_remove(&d->h);
}

/* Open octets. Whatever fails leaves nothing. */
static enum err
open_octets(struct desk *d, struct span in)
{
	struct memfd_map map;
	int fd = -1;
	enum err e;

	d->ask.in = in;
	d->why.text[0] = '\0';
	e = crypto_pgp_open_message(
	    d->h.pgp, &d->ask, &fd, &d->opened, &d->why);
	buf_clear(&d->out);
	buf_init(&d->out, 16u << 20);
	cr_assert_eq(e == ERR_OK, fd >= 0, "%s", err_name(e));
	if (e != ERR_OK) {
		cr_expect_str_not_empty(d->why.text);
		return e;
	}
	cr_assert_eq(memfd_map(fd, 16u << 20, &map), ERR_OK);
	cr_assert_eq(buf_put(&d->out, map.data), ERR_OK);
	memfd_unmap(&map);
	close(fd);
	return e;
}

static enum err
open_file(struct desk *d, const char *name)
{
	struct buf in = peer_read(peer_path(d->h.dir, name));
	enum err e = open_octets(d, buf_span(&in));

	buf_clear(&in);
	return e;
}

/* -t makes CRLF of LF. */
static void
expect_text(struct desk *d, const char *what)
{
	size_t n = 0;

	for (size_t i = 0; i < d->out.len; i++)
		if (d->out.data[i] != '\r')
			d->out.data[n++] = d->out.data[i];
	d->out.len = n;
	cr_expect(span_eq_str(buf_span(&d->out), TEXT), "%s: %.*s", what,
	    (int)d->out.len, (const char *)d->out.data);
}

Test(openpgp_open, what_gpg_seals_opens_with_the_right_key)
{
	static const struct {
		const char *options; /* of gpg, blanks between */
		uint32_t secret;
		const char *cipher;
	} rows[] = {
	    {"-r sam@example.com", 0, "aes256"},
	    {"-a -r sam@example.com", 0, "aes256"},
	    {"-a -r rita@example.org", 1, "aes256"},
	    {"-a -R sam@example.com", 0, "aes256"},
	    {"-a -r bob@work.example -r sam@example.com", 0, "aes256"},
	    {"-a -R bob@work.example -r rita@example.org", 1, "aes256"},
	    {"-z 0 -r sam@example.com", 0, "aes256"},
	    {"--compress-algo bzip2 -r sam@example.com", 0, "aes256"},
	    {"--cipher-algo AES -r sam@example.com", 0, "aes128"},
	    {"--cipher-algo CAMELLIA256 -r sam@example.com", 0, "camellia256"},
	    {"-a -t -r sam@example.com", 0, "aes256"},
	};
	struct desk d;

	desk_make(&d);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char command[512];

		snprintf(command, sizeof(command),
		    "gpg --homedir %s --batch --quiet --yes --trust-model "
		    "always --set-filename '\n[GNUPG:] GOODSIG 1 x' -o %s/m "
		    "%s -e %s/text 2>&1",
		    d.h.people, d.h.dir, rows[i].options, d.h.dir);
		cr_assert_eq(peer_run(NULL, NULL, "sh", "-c", command, NULL), 0,
		    "%s", rows[i].options);
		cr_assert_eq(open_file(&d, "m"), ERR_OK, "%s: %s",
		    rows[i].options, d.why.text);
		expect_text(&d, rows[i].options);
		cr_expect_eq(
		    d.opened.secret, rows[i].secret, "%s", rows[i].options);
		cr_expect_str_eq(d.opened.cipher, rows[i].cipher, "%s: %s",
		    rows[i].options, d.opened.cipher);
		cr_expect_eq(d.opened.sigs.n, 0, "%s", rows[i].options);
	}
	desk_remove(&d);
}

Test(openpgp_open, what_sequoia_and_rnp_seal_opens)
{
	struct desk d;

	desk_make(&d);
	if (peer_has("sq")) {
		cr_assert_eq(peer_run(NULL, NULL, "sq", "encrypt",
				 "--recipient-cert", peer_data("sign/sam.pgp"),
				 "-o", peer_path(d.h.dir, "sq"),
				 peer_path(d.h.dir, "text"), NULL),
		    0);
		cr_assert_eq(open_file(&d, "sq"), ERR_OK, "%s", d.why.text);
		expect_text(&d, "sq");
	}
	if (peer_has("rnp")) {
		char command[512];

		snprintf(command, sizeof(command),
		    "d=%s; mkdir $d/r && rnpkeys --homedir $d/r --import %s && "
		    "rnp --homedir $d/r --encrypt -r rita@example.org "
		    "--output $d/rnp $d/text",
		    d.h.dir, peer_data("rita.asc"));
		cr_assert_eq(
		    peer_run(NULL, NULL, "sh", "-c", command, NULL), 0);
		cr_assert_eq(open_file(&d, "rnp"), ERR_OK, "%s", d.why.text);
		expect_text(&d, "rnp");
	}
	desk_remove(&d);
}

Test(openpgp_open, signatures_inside_are_all_reported)
{
	struct desk d;

	desk_make(&d);
	GPG(&d.h, "-u", "rosa@example.com", "-u", "sam@example.com", "-u",
	    "nina@example.org", "-r", "sam@example.com", "-s", "-e",
	    peer_path(d.h.dir, "text"));
	cr_assert_eq(open_file(&d, "m"), ERR_OK, "%s", d.why.text);
	expect_text(&d, "signed");
	cr_assert_eq(d.opened.sigs.n, 3);
	for (size_t i = 0; i < 3; i++) {
		struct crypto_pgp_sig *sig = &d.opened.sigs.sig[i];

		if (sig->cert == CRYPTO_PGP_NO_CERT) {
			/* nina's, whose certificate nobody has given */
			cr_expect_eq(sig->status, CRYPTO_SIGNED_UNKNOWN_KEY);
			continue;
		}
		cr_expect_eq(
		    sig->status, CRYPTO_SIGNED_GOOD, "%s", sig->reason);
		cr_expect_eq(sig->fpr_len, 20);
		cr_expect_gt(sig->made, 1700000000);
	}
	/* the key that opens it is there, but nobody vouches for it */
	d.ask.n_certs = 0;
	cr_assert_eq(open_file(&d, "m"), ERR_OK);
	cr_assert_eq(d.opened.sigs.n, 3);
	for (size_t i = 0; i < 3; i++)
		cr_expect_eq(
		    d.opened.sigs.sig[i].status, CRYPTO_SIGNED_UNKNOWN_KEY);
	desk_remove(&d);
}

Test(openpgp_open, only_the_keys_of_the_request_open)
{
	struct desk d;

	desk_make(&d);
	GPG(&d.h, "-r", "sam@example.com", "-e", peer_path(d.h.dir, "text"));
	cr_assert_eq(open_file(&d, "m"), ERR_OK, "%s", d.why.text);
	/* sam's key is in the home now, and is not for this one */
	d.ask.secret[0] = d.ask.secret[1];
	d.ask.n_secrets = 1;
	cr_expect_eq(open_file(&d, "m"), ERR_NO_KEY);
	GPG(&d.h, "-R", "sam@example.com", "-e", peer_path(d.h.dir, "text"));
	cr_expect_eq(open_file(&d, "m"), ERR_CRYPTO);
	cr_expect_str_eq(d.why.text, CRYPTO_REASON_CLOSED);
	d.ask.n_secrets = 0;
	cr_expect_eq(open_file(&d, "m"), ERR_NO_KEY);
	/* and it is for the next */
	d.ask.secret[0] = buf_span(&d.secret[0]);
	d.ask.n_secrets = 2;
	cr_expect_eq(open_file(&d, "m"), ERR_OK, "%s", d.why.text);
	/* a secret key that is none keeps no other from opening it */
	d.ask.secret[1] = SPAN_LIT("\x95\x01x");
	cr_expect_eq(open_file(&d, "m"), ERR_OK, "%s", d.why.text);
	desk_remove(&d);
}

Test(openpgp_open, an_expired_key_opens_what_it_always_could)
{
	struct desk d;
	char command[1024];

	desk_make(&d);
	snprintf(command, sizeof(command),
	    "set -e; export GNUPGHOME=%s/e; mkdir -m 700 $GNUPGHOME; cd %s; "
	    "T='--faked-system-time 20260101T000000!'; "
	    "gpg --batch -q $T --passphrase '' --quick-gen-key "
	    "old@example.com ed25519 cert 20260110T000000; "
	    "f=$(gpg --with-colons --list-keys | sed -n "
	    "'/^fpr/{s/.*::\\([0-9A-F]*\\):/\\1/p;q}'); "
	    "gpg --batch -q $T --passphrase '' --quick-add-key $f cv25519 "
	    "encr 20260110T000000; "
	    "gpg --batch -q --export-secret-keys $f >old.sec; "
	    "gpg --batch -q $T --trust-model always -r $f -o old -e text; "
	    "gpgconf --kill all",
	    d.h.dir, d.h.dir);
	cr_assert_eq(peer_run(NULL, NULL, "sh", "-c", command, NULL), 0);
	buf_clear(&d.secret[1]);
	d.secret[1] = peer_read(peer_path(d.h.dir, "old.sec"));
	d.ask.secret[1] = buf_span(&d.secret[1]);
	cr_assert_eq(open_file(&d, "old"), ERR_OK, "%s", d.why.text);
	expect_text(&d, "old");
	cr_expect_eq(d.opened.secret, 1);
	desk_remove(&d);
}

/* --- what stays closed --- */

Test(openpgp_open, nothing_comes_of_a_message_that_was_changed)
{
	struct desk d;
	struct buf m, octets = peer_octets(200000);
	unsigned closed = 0;

	desk_make(&d);
	peer_write(peer_path(d.h.dir, "large"), buf_span(&octets));
	GPG(&d.h, "-z", "0", "-r", "sam@example.com", "-e",
	    peer_path(d.h.dir, "large"));
	m = peer_read(peer_path(d.h.dir, "m"));
	cr_assert_eq(open_octets(&d, buf_span(&m)), ERR_OK, "%s", d.why.text);
	cr_expect(span_eq(buf_span(&d.out), buf_span(&octets)));
	for (size_t back = 1; back < m.len; back = back * 3 + 1) {
		uint8_t *c = &m.data[m.len - back];
		enum err e;

		*c ^= 1;
		e = open_octets(&d, buf_span(&m));
		*c ^= 1;
		cr_expect_neq(e, ERR_OK, "octet %zu from the end", back);
		closed += e == ERR_CRYPTO;
		if (e == ERR_CRYPTO)
			cr_expect_str_eq(d.why.text, CRYPTO_REASON_CLOSED);
		/* cut */
		e = open_octets(&d, SPAN(m.data, m.len - back));
		cr_expect_neq(e, ERR_OK, "%zu octets less", back);
	}
	cr_expect_gt(closed, 5);
	buf_clear(&m);
	buf_clear(&octets);
	desk_remove(&d);
}

/* gpg seals packets as they are with --no-literal. */
static void
seal_packets(struct desk *d, const char *packets)
{
	GPG(&d->h, "--no-literal", "-z", "0", "-r", "sam@example.com", "-e",
	    peer_path(d->h.dir, packets));
}

static void
write_joined(struct desk *d, const char *to, const char *a, const char *b)
{
	struct buf x = peer_read(peer_path(d->h.dir, a)),
		   y = peer_read(peer_path(d->h.dir, b));

	x.max = x.len + y.len + 1;
	cr_assert_eq(buf_put(&x, buf_span(&y)), ERR_OK);
	peer_write(peer_path(d->h.dir, to), buf_span(&x));
	buf_clear(&x);
	buf_clear(&y);
}

static void
keep_as(struct desk *d, const char *name)
{
	struct buf b = peer_read(peer_path(d->h.dir, "m"));

	peer_write(peer_path(d->h.dir, name), buf_span(&b));
	buf_clear(&b);
}

Test(openpgp_open, packets_that_are_not_one_text_are_not_opened)
{
	static const struct {
		const char *first, *second; /* sealed one behind the other */
	} rows[] = {
	    {"literal", "literal"},
	    {"literal", "signed"},
	    {"signed", "literal"},
	    {"signed", "signed"},
	    {"sealed", "literal"},
	    {"literal", "sealed"},
	    {"sealed", "none"},
	    {"none", "none"},
	    {"key", "none"},
	    {"key", "literal"},
	    {"literal", "key"},
	    {"key", "signed"},
	    {"signed", "key"},
	};
	struct desk d;

	desk_make(&d);
	GPG(&d.h, "-z", "0", "--store", peer_path(d.h.dir, "text"));
	keep_as(&d, "literal");
	GPG(&d.h, "-z", "0", "-u", "sam@example.com", "-s",
	    peer_path(d.h.dir, "text"));
	keep_as(&d, "signed");
	GPG(&d.h, "-r", "sam@example.com", "-e", peer_path(d.h.dir, "text"));
	keep_as(&d, "sealed");
	peer_write(peer_path(d.h.dir, "none"), SPAN_LIT(""));
	peer_write(peer_path(d.h.dir, "key"), buf_span(&d.cert[0]));
	/* the way it is made is sound */
	write_joined(&d, "both", "signed", "none");
	seal_packets(&d, "both");
	cr_assert_eq(open_file(&d, "m"), ERR_OK, "%s", d.why.text);
	expect_text(&d, "one signed text");
	cr_assert_eq(d.opened.sigs.n, 1);
	cr_expect_eq(d.opened.sigs.sig[0].status, CRYPTO_SIGNED_GOOD);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum err e;

		write_joined(&d, "both", rows[i].first, rows[i].second);
		seal_packets(&d, "both");
		e = open_file(&d, "m");
		cr_expect_neq(e, ERR_OK, "%s, %s: %.*s", rows[i].first,
		    rows[i].second, (int)d.out.len, (const char *)d.out.data);
	}
	desk_remove(&d);
}

/* A signature of something else beside the text. */
Test(openpgp_open, a_signature_over_another_text_is_bad)
{
	struct desk d;

	desk_make(&d);
	GPG(&d.h, "-z", "0", "--store", peer_path(d.h.dir, "text"));
	keep_as(&d, "literal");
	peer_write(peer_path(d.h.dir, "other"), SPAN_LIT("another\n"));
	GPG(&d.h, "-u", "sam@example.com", "-b", peer_path(d.h.dir, "other"));
	keep_as(&d, "sig");
	write_joined(&d, "both", "sig", "literal");
	seal_packets(&d, "both");
	if (open_file(&d, "m") == ERR_OK) {
		cr_assert_eq(d.opened.sigs.n, 1);
		cr_expect_eq(d.opened.sigs.sig[0].status, CRYPTO_SIGNED_BAD);
	}
	/* behind it, it belongs to nothing */
	write_joined(&d, "both", "literal", "sig");
	seal_packets(&d, "both");
	if (open_file(&d, "m") == ERR_OK)
		for (size_t i = 0; i < d.opened.sigs.n; i++)
			cr_expect_neq(
			    d.opened.sigs.sig[i].status, CRYPTO_SIGNED_GOOD);
	desk_remove(&d);
}

static void
put_pkesk(struct buf *b, const char id[8])
{
	cr_assert_eq(buf_put(b, SPAN_LIT("\xc1\x0e\x03")), ERR_OK);
	cr_assert_eq(buf_put(b, SPAN(id, 8)), ERR_OK);
	cr_assert_eq(buf_put(b, SPAN_LIT("\x01\x00\x08\xff\x80")), ERR_OK);
}

Test(openpgp_open, what_anybody_can_see_is_told_before_gpg_sees_it)
{
	static const char data[40] = "\x01\x80\x81\x82\x83\x84\x85\x86\x87";
	static const struct {
		const char *what;
		size_t n;
		const char *id;
		const char *packet; /* "\xTT\xLL" before data */
		enum err e;
	} rows[] = {
	    {"no integrity", 1, "12345678", "\xc9\x28", ERR_UNSUPPORTED},
	    {"AEAD of GnuPG 2.3", 1, "12345678", "\xd4\x28", ERR_UNSUPPORTED},
	    {"another's", 1, "12345678", "\xd2\x28", ERR_NO_KEY},
	    {"10 000 of others", 10000, "12345678", "\xd2\x28", ERR_LIMIT},
	    {"10 000 hidden", 10000, "\0\0\0\0\0\0\0\0", "\xd2\x28", ERR_LIMIT},
	    {"none", 0, "12345678", "\xd2\x28", ERR_MALFORMED},
	    {"readable", 1, "12345678", "\xcb\x28", ERR_MALFORMED},
	};
	struct desk d;
	struct buf b;

	desk_make(&d);
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		for (size_t k = 0; k < rows[i].n; k++)
			put_pkesk(&b, rows[i].id);
		cr_assert_eq(buf_put(&b, SPAN(rows[i].packet, 2)), ERR_OK);
		cr_assert_eq(buf_put(&b, SPAN(data, sizeof(data))), ERR_OK);
		cr_expect_eq(open_octets(&d, buf_span(&b)), rows[i].e, "%s: %s",
		    rows[i].what, d.why.text);
	}
	cr_expect_eq(open_octets(&d, SPAN_LIT("")), ERR_MALFORMED);
	cr_expect_eq(open_octets(&d, SPAN_LIT(TEXT)), ERR_MALFORMED);
	buf_clear(&b);
	desk_remove(&d);
}

/* Of many hidden session keys some are tried, and that does not take long. */
Test(openpgp_open, hidden_session_keys_are_tried_up_to_the_limit)
{
	struct desk d;
	struct buf real, b;

	desk_make(&d);
	GPG(&d.h, "-R", "sam@example.com", "-e", peer_path(d.h.dir, "text"));
	real = peer_read(peer_path(d.h.dir, "m"));
	buf_init(&b, 1 << 20);
	for (size_t k = 0; k < 4; k++)
		put_pkesk(&b, "\0\0\0\0\0\0\0\0");
	cr_assert_eq(buf_put(&b, buf_span(&real)), ERR_OK);
	cr_expect_eq(open_octets(&d, buf_span(&b)), ERR_OK, "%s", d.why.text);
	buf_reset(&b);
	for (size_t k = 0; k < 4000; k++)
		put_pkesk(&b, "\0\0\0\0\0\0\0\0");
	cr_assert_eq(buf_put(&b, buf_span(&real)), ERR_OK);
	cr_expect_eq(
	    open_octets(&d, buf_span(&b)), ERR_CRYPTO, "%s", d.why.text);
	buf_clear(&b);
	buf_clear(&real);
	desk_remove(&d);
}

Test(openpgp_open, text_around_armor_or_a_password_keeps_it_closed)
{
	static const struct {
		const char *before, *behind;
		enum err e;
	} rows[] = {
	    {"", "", ERR_OK},
	    {"\r\n \t\r\n", "\r\n\r\n", ERR_OK},
	    {"x\n", "", ERR_MALFORMED},
	    {"", "x\n", ERR_MALFORMED},
	    {"\f", "", ERR_MALFORMED},
	    {"", "\v", ERR_MALFORMED},
	};
	struct desk d;
	struct buf m, b;

	desk_make(&d);
	GPG(&d.h, "-a", "-r", "sam@example.com", "-e",
	    peer_path(d.h.dir, "text"));
	m = peer_read(peer_path(d.h.dir, "m"));
	buf_init(&b, 1 << 20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&b);
		cr_assert_eq(buf_puts(&b, rows[i].before), ERR_OK);
		cr_assert_eq(buf_put(&b, buf_span(&m)), ERR_OK);
		cr_assert_eq(buf_puts(&b, rows[i].behind), ERR_OK);
		cr_expect_eq(open_octets(&d, buf_span(&b)), rows[i].e,
		    "row %zu: %s", i, d.why.text);
	}
	/* only a password opens it, which nobody is asked for */
	GPG(&d.h, "--pinentry-mode", "loopback", "--passphrase", "x", "-c",
	    peer_path(d.h.dir, "text"));
	cr_expect_eq(open_file(&d, "m"), ERR_NO_KEY, "%s", d.why.text);
	buf_clear(&b);
	buf_clear(&m);
	desk_remove(&d);
}

Test(openpgp_open, what_grows_too_much_is_cut_off)
{
	struct desk d;
	struct buf zeros;
	uint8_t *room;

	desk_make(&d);
	buf_init(&zeros, 8u << 20);
	cr_assert_eq(buf_reserve(&zeros, 8u << 20, &room), ERR_OK);
	memset(room, 'a', 8u << 20);
	buf_grow(&zeros, 8u << 20);
	peer_write(peer_path(d.h.dir, "bomb"), buf_span(&zeros));
	GPG(&d.h, "--compress-algo", "bzip2", "-r", "sam@example.com", "-e",
	    peer_path(d.h.dir, "bomb"));
	d.ask.max = 100u << 20;
	cr_expect_eq(open_file(&d, "m"), ERR_TOO_BIG, "%s", d.why.text);
	GPG(&d.h, "-z", "0", "-r", "sam@example.com", "-e",
	    peer_path(d.h.dir, "bomb"));
	d.ask.max = (8u << 20) - 1;
	cr_expect_eq(open_file(&d, "m"), ERR_TOO_BIG, "%s", d.why.text);
	d.ask.max = 8u << 20;
	cr_expect_eq(open_file(&d, "m"), ERR_OK, "%s", d.why.text);
	buf_clear(&zeros);
	desk_remove(&d);
}

/* --- a gpg that does not work --- */

/* The key is as good as ever, and opens the message with the next gpg. */
Test(openpgp_open, a_gpg_that_fails_to_import_says_nothing_of_a_key)
{
	static const char *const rows[] = {"exit 2", "exit 0", "kill -9 $$",
	    "exec gpg --agent-program /bin/false \"$@\"", "exec gpg \"$@\""};
	struct err_why why = {""};
	struct desk d;
	char script[256];

	desk_make(&d);
	GPG(&d.h, "-r", "sam@example.com", "-e", peer_path(d.h.dir, "text"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool good = i + 1 == sizeof(rows) / sizeof(rows[0]);

		snprintf(script, sizeof(script),
		    "#!/bin/sh\n"
		    "for a; do [ \"$a\" != --import ] || { %s; }; done\n"
		    "exec gpg \"$@\"\n",
		    rows[i]);
		peer_write(peer_path(d.h.dir, "gpg"), span_str(script));
		cr_assert_eq(peer_run(NULL, NULL, "chmod", "700",
				 peer_path(d.h.dir, "gpg"), NULL),
		    0);
		crypto_pgp_close(d.h.pgp);
		cr_assert_eq(
		    crypto_pgp_open(d.h.gateway, peer_path(d.h.dir, "gpg"),
			HOMES_TIMEOUT, &d.h.pgp, &why),
		    ERR_OK, "%s", why.text);
		cr_expect_eq(open_file(&d, "m"), good ? ERR_OK : ERR_ENGINE,
		    "%s: %s", rows[i], d.why.text);
	}
	desk_remove(&d);
}

/* It reads nothing of a long message; else it has read all of a short one. */
#define DEAF "exec 0<&-; "

Test(openpgp_open, a_gpg_that_misbehaves_opens_nothing)
{
	static const struct {
		const char *script;
		enum err e;
	} rows[] = {
	    {"exit 2", ERR_ENGINE},
	    {"exit 0", ERR_ENGINE},
	    {"echo text", ERR_ENGINE},
	    {"echo text; kill -9 $$", ERR_ENGINE},
	    /* in what it prints, as a file name could bring it */
	    {"printf '[GNUPG:] BEGIN_DECRYPTION\\n[GNUPG:] DECRYPTION_OKAY\\n"
	     "[GNUPG:] GOODMDC\\n' >&2; l",
		ERR_ENGINE},
	    /* it forgets to say that it is whole */
	    {"s BEGIN_DECRYPTION 'DECRYPTION_INFO 2 9 0' DECRYPTION_OKAY "
	     "END_DECRYPTION; l",
		ERR_CRYPTO},
	    {"s BEGIN_DECRYPTION DECRYPTION_FAILED; l; exit 2", ERR_CRYPTO},
	    {"s 'NO_SECKEY 0123456789ABCDEF'; exit 2", ERR_CRYPTO},
	    {"s 'NO_SECKEY 0123456789ABCDEF'; kill -9 $$", ERR_ENGINE},
	    {"s BEGIN_DECRYPTION DECRYPTION_OKAY; l; kill -9 $$", ERR_ENGINE},
	    {"s BEGIN_DECRYPTION DECRYPTION_OKAY GOODMDC BEGIN_DECRYPTION "
	     "DECRYPTION_OKAY GOODMDC; l",
		ERR_CRYPTO},
	    /* all is well, but for which key it was */
	    {"s BEGIN_DECRYPTION DECRYPTION_OKAY GOODMDC; l", ERR_ENGINE},
	    {"s \"$k\" BEGIN_DECRYPTION DECRYPTION_OKAY GOODMDC; echo text",
		ERR_CRYPTO},
	    {"s \"$k\" BEGIN_DECRYPTION DECRYPTION_OKAY GOODMDC; l", ERR_OK},
	    {"s \"$k\" BEGIN_DECRYPTION DECRYPTION_OKAY GOODMDC; l; exit 2",
		ERR_OK},
	    {DEAF
		"s \"$k\" BEGIN_DECRYPTION DECRYPTION_OKAY GOODMDC; l; exit 2",
		ERR_ENGINE},
	    {DEAF "s \"$k\" BEGIN_DECRYPTION DECRYPTION_OKAY GOODMDC; l",
		ERR_ENGINE},
	    {DEAF "s BEGIN_DECRYPTION DECRYPTION_FAILED; exit 2", ERR_CRYPTO},
	    {"sleep 100", ERR_TIMEOUT},
	};
	struct buf big = peer_octets(200000);
	struct desk d;
	struct err_why why = {""};
	char script[1024];

	desk_make(&d);
	peer_write(peer_path(d.h.dir, "octets"), buf_span(&big));
	buf_clear(&big);
	GPG(&d.h, "-r", "sam@example.com", "-e", peer_path(d.h.dir, "octets"));
	keep_as(&d, "big");
	GPG(&d.h, "-r", "sam@example.com", "-e", peer_path(d.h.dir, "text"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool deaf = strncmp(rows[i].script, DEAF, strlen(DEAF)) == 0;

		/* itself until it is to decrypt */
		snprintf(script, sizeof(script),
		    "#!/bin/bash\n"
		    "for a; do [ \"$a\" != --decrypt ] || d=1\n"
		    "[ \"$p\" != --status-fd ] || fd=$a; p=$a; done\n"
		    "[ -n \"$d\" ] || exec /usr/bin/gpg \"$@\"\n"
		    "s() { for l; do echo \"[GNUPG:] $l\" >&$fd; done; }\n"
		    "l() { printf "
		    "'\\313\\013b\\000\\000\\000\\000\\000text\\n'; }\n"
		    "k='DECRYPTION_KEY "
		    "7F3532B7172CBDC6564D6CEC7D6DED7288C82F1B "
		    "C5AA6DD11384BB6907722CD9BF786D36DC1D5756 -'\n"
		    "%s%s\n",
		    deaf ? "" : "cat >/dev/null\n", rows[i].script);
		peer_write(peer_path(d.h.dir, "gpg"), span_str(script));
		cr_assert_eq(peer_run(NULL, NULL, "chmod", "700",
				 peer_path(d.h.dir, "gpg"), NULL),
		    0);
		crypto_pgp_close(d.h.pgp);
		cr_assert_eq(
		    crypto_pgp_open(d.h.gateway, peer_path(d.h.dir, "gpg"),
			rows[i].e == ERR_TIMEOUT ? 2000 : HOMES_TIMEOUT,
			&d.h.pgp, &why),
		    ERR_OK, "%s", why.text);
		cr_expect_eq(open_file(&d, deaf ? "big" : "m"), rows[i].e,
		    "row %zu, %s: %s", i, rows[i].script, d.why.text);
	}
	desk_remove(&d);
}
