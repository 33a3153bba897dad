/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Detached signatures by gpg, sq and rnp, and what is no good signature.
 */
#include "crypto/openpgp_open.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "crypto/openpgp.h"
#include "crypto/openpgp_packet.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/peer.h"

#define TEXT "Content-Type: text/plain\r\n\r\nHello \r\n- you\r\n"

struct desk {
	struct homes h;
	struct crypto_pgp_sigs sigs;
	struct err_why why;
};

static void
desk_make(struct desk *d)
{
	static const char *const people[] = {
	    "sam", "rosa", "p384", "sub", "short", "subexpired", "expired"};

	*d = (struct desk){0};
	homes_make(&d->h);
	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++) {
		char file[64];

		snprintf(file, sizeof(file), "sign/%s.sec.pgp", people[i]);
		peer_run(NULL, NULL, "gpg", "--homedir", d->h.people, "--batch",
		    "--quiet", "--import", peer_data(file), NULL);
	}
	peer_write(peer_path(d->h.dir, "text"), SPAN_LIT(TEXT));
}

/* Sign DIR/text to DIR/sig, with options of gpg. */
static void
sign(struct desk *d, const char *options)
{
	char command[512];

	snprintf(command, sizeof(command),
	    "gpg --homedir %s --batch --quiet --yes -o %s/sig %s -b %s/text",
	    d->h.people, d->h.dir, options, d->h.dir);
	cr_assert_eq(
	    peer_run(NULL, NULL, "sh", "-c", command, NULL), 0, "%s", options);
}

/* Verify DIR/sig over text with certificates, at most four, "" for none. */
static enum err
verify(struct desk *d, struct span text, const char *const certs[4])
{
	struct buf b[4], sig = peer_read(peer_path(d->h.dir, "sig"));
	struct span cert[4];
	size_t n = 0;
	enum err e;

	for (; n < 4 && certs[n] != NULL; n++) {
		char file[64];

		snprintf(file, sizeof(file), "sign/%s.pgp", certs[n]);
		b[n] = peer_read(peer_data(file));
		cert[n] = buf_span(&b[n]);
	}
	e = crypto_pgp_verify(
	    d->h.pgp, buf_span(&sig), text, cert, n, &d->sigs, &d->why);
	while (n > 0)
		buf_clear(&b[--n]);
	buf_clear(&sig);
	return e;
}

Test(openpgp_verify, a_signature_is_what_its_key_and_hash_are)
{
	static const struct {
		const char *options;
		const char *certs[4];
		uint32_t cert;
		enum crypto_signed status;
	} rows[] = {
	    {"-u sam@example.com", {"sam"}, 0, CRYPTO_SIGNED_GOOD},
	    {"-a -u sam@example.com", {"rosa", "sam"}, 1, CRYPTO_SIGNED_GOOD},
	    {"-a -u rosa@example.com", {"rosa"}, 0, CRYPTO_SIGNED_GOOD},
	    {"-a -u p384@example.com", {"p384"}, 0, CRYPTO_SIGNED_GOOD},
	    /* by a subkey */
	    {"-a -u sub@example.com", {"sam", "sub"}, 1, CRYPTO_SIGNED_GOOD},
	    {"-a -t -u sam@example.com", {"sam"}, 0, CRYPTO_SIGNED_GOOD},
	    {"-a -u sam@example.com", {NULL}, CRYPTO_PGP_NO_CERT,
		CRYPTO_SIGNED_UNKNOWN_KEY},
	    {"-a -u sam@example.com", {"rosa"}, CRYPTO_PGP_NO_CERT,
		CRYPTO_SIGNED_UNKNOWN_KEY},
	    {"-a --digest-algo SHA1 -u rosa@example.com", {"rosa"}, 0,
		CRYPTO_SIGNED_UNSUPPORTED},
	    {"-a --digest-algo RIPEMD160 -u rosa@example.com", {"rosa"}, 0,
		CRYPTO_SIGNED_UNSUPPORTED},
	    {"-a --faked-system-time 20990101T000000 -u sam@example.com",
		{"sam"}, 0, CRYPTO_SIGNED_BAD},
	    {"-a --faked-system-time 20260101T120000 -u "
	     "subexpired@example.com",
		{"subexpired"}, 0, CRYPTO_SIGNED_KEY_EXPIRED},
	    {"-a --default-sig-expire 20260101T130000 "
	     "--faked-system-time 20260101T120000 -u sam@example.com",
		{"sam"}, 0, CRYPTO_SIGNED_KEY_EXPIRED},
	};
	struct desk d;

	desk_make(&d);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct crypto_pgp_sig *sig = &d.sigs.sig[0];

		sign(&d, rows[i].options);
		cr_assert_eq(verify(&d, SPAN_LIT(TEXT), rows[i].certs), ERR_OK,
		    "%s: %s", rows[i].options, d.why.text);
		cr_assert_eq(d.sigs.n, 1, "%s", rows[i].options);
		cr_expect_eq(sig->status, rows[i].status, "%s: %d %s",
		    rows[i].options, (int)sig->status, sig->reason);
		cr_expect_eq(sig->cert, rows[i].cert, "%s", rows[i].options);
		cr_expect_eq(sig->reason[0] == '\0',
		    sig->status == CRYPTO_SIGNED_GOOD, "%s", rows[i].options);
		/* over another text */
		cr_assert_eq(
		    verify(&d, SPAN_LIT(TEXT "x"), rows[i].certs), ERR_OK);
		cr_expect_neq(
		    sig->status, CRYPTO_SIGNED_GOOD, "%s", rows[i].options);
	}
	homes_remove(&d.h);
}

/* A certificate with gpg's note behind each packet that it has checked it and
   found it good (gnupg doc/DETAILS). damaged: the signature that binds its
   first subkey does not hold. */
static void
forge(const char *name, bool damaged, struct buf *out)
{
	struct buf b = peer_read(peer_data(name));
	struct crypto_pgp_packet p;
	unsigned before = 0;

	buf_init(out, 65536);
	for (size_t pos = 0; pos < b.len; pos += p.size) {
		cr_assert_eq(
		    crypto_pgp_packet_next(SPAN(b.data + pos, b.len - pos), &p),
		    ERR_OK);
		if (damaged && before == CRYPTO_PGP_TAG_PUBLIC_SUBKEY) {
			b.data[pos + p.size - 1] ^= 1;
			damaged = false;
		}
		before = p.tag;
		cr_assert_eq(buf_put(out, SPAN(b.data + pos, p.size)), ERR_OK);
		cr_assert_eq(
		    buf_put(out, SPAN("\xb0\x06\x00\x03gpg\x00", 8)), ERR_OK);
	}
	buf_clear(&b);
}

/* In a keyring gpg believes them: one that comes with mail would tell of a
   subkey that its key never bound. */
Test(openpgp_verify, notes_in_a_certificate_are_not_believed)
{
	struct desk d;
	struct buf sig;

	desk_make(&d);
	sign(&d, "-a -u sub@example.com");
	sig = peer_read(peer_path(d.h.dir, "sig"));
	for (int damaged = 0; damaged < 2; damaged++) {
		struct buf forged;
		struct span cert;

		forge("sign/sub.pgp", damaged != 0, &forged);
		cert = buf_span(&forged);
		cr_assert_eq(crypto_pgp_verify(d.h.pgp, buf_span(&sig),
				 SPAN_LIT(TEXT), &cert, 1, &d.sigs, &d.why),
		    ERR_OK, "%s", d.why.text);
		cr_assert_eq(d.sigs.n, 1);
		cr_expect_eq(d.sigs.sig[0].status == CRYPTO_SIGNED_GOOD,
		    damaged == 0, "%d: %s", damaged, d.sigs.sig[0].reason);
		buf_clear(&forged);
	}
	buf_clear(&sig);
	homes_remove(&d.h);
}

Test(openpgp_verify, a_revoked_key_is_said_to_be_revoked)
{
	struct desk d;
	char command[1024];
	struct buf cert, sig;
	struct span span;

	desk_make(&d);
	snprintf(command, sizeof(command),
	    "set -e; export GNUPGHOME=%s/e; mkdir -m 700 $GNUPGHOME; cd %s; "
	    "gpg --batch -q --passphrase '' --quick-gen-key r@example.com "
	    "ed25519 sign never; gpg --batch -q -b -o sig text; "
	    "sed 's/^:-----/-----/' e/openpgp-revocs.d/*.rev >rev; "
	    "gpg --batch -q --import rev; gpg --batch -q --export >cert; "
	    "gpgconf --kill all",
	    d.h.dir, d.h.dir);
	cr_assert_eq(peer_run(NULL, NULL, "sh", "-c", command, NULL), 0);
	cert = peer_read(peer_path(d.h.dir, "cert"));
	sig = peer_read(peer_path(d.h.dir, "sig"));
	span = buf_span(&cert);
	cr_assert_eq(crypto_pgp_verify(d.h.pgp, buf_span(&sig), SPAN_LIT(TEXT),
			 &span, 1, &d.sigs, &d.why),
	    ERR_OK, "%s", d.why.text);
	cr_assert_eq(d.sigs.n, 1);
	cr_expect_eq(d.sigs.sig[0].status, CRYPTO_SIGNED_KEY_REVOKED);
	buf_clear(&cert);
	buf_clear(&sig);
	homes_remove(&d.h);
}

Test(openpgp_verify, sequoia_and_rnp_sign)
{
	static const char *const certs[4] = {"sam", "rosa"};
	struct desk d;
	char command[512];

	desk_make(&d);
	if (peer_has("sq")) {
		snprintf(command, sizeof(command),
		    "sq sign --detached --signer-key %s -o %s/sig %s/text",
		    peer_data("sign/sam.sec.pgp"), d.h.dir, d.h.dir);
		cr_assert_eq(
		    peer_run(NULL, NULL, "sh", "-c", command, NULL), 0);
		cr_assert_eq(verify(&d, SPAN_LIT(TEXT), certs), ERR_OK, "%s",
		    d.why.text);
		cr_assert_eq(d.sigs.n, 1);
		cr_expect_eq(d.sigs.sig[0].status, CRYPTO_SIGNED_GOOD, "%s",
		    d.sigs.sig[0].reason);
	}
	if (peer_has("rnp")) {
		snprintf(command, sizeof(command),
		    "d=%s; mkdir $d/r && rnpkeys --homedir $d/r --import %s && "
		    "rnp --homedir $d/r --sign --detach -u rosa@example.com "
		    "--overwrite --output $d/sig $d/text",
		    d.h.dir, peer_data("sign/rosa.sec.pgp"));
		cr_assert_eq(
		    peer_run(NULL, NULL, "sh", "-c", command, NULL), 0);
		cr_assert_eq(verify(&d, SPAN_LIT(TEXT), certs), ERR_OK, "%s",
		    d.why.text);
		cr_assert_eq(d.sigs.n, 1);
		cr_expect_eq(d.sigs.sig[0].status, CRYPTO_SIGNED_GOOD, "%s",
		    d.sigs.sig[0].reason);
		cr_expect_eq(d.sigs.sig[0].cert, 1);
	}
	homes_remove(&d.h);
}

Test(openpgp_verify, every_signature_is_reported)
{
	static const char *const certs[4] = {"sam", "rosa"};
	struct desk d;
	unsigned good = 0, unknown = 0;

	desk_make(&d);
	sign(&d, "-u sam@example.com -u rosa@example.com -u p384@example.com");
	cr_assert_eq(
	    verify(&d, SPAN_LIT(TEXT), certs), ERR_OK, "%s", d.why.text);
	cr_assert_eq(d.sigs.n, 3);
	for (size_t i = 0; i < 3; i++) {
		good += d.sigs.sig[i].status == CRYPTO_SIGNED_GOOD;
		unknown += d.sigs.sig[i].status == CRYPTO_SIGNED_UNKNOWN_KEY;
	}
	cr_expect_eq(good, 2);
	cr_expect_eq(unknown, 1);
	homes_remove(&d.h);
}

Test(openpgp_verify, what_is_no_signature_is_refused)
{
	static const char *const certs[4] = {"sam"};
	struct desk d;
	struct buf sig, many;

	desk_make(&d);
	sign(&d, "-a -u sam@example.com");
	sig = peer_read(peer_path(d.h.dir, "sig"));
	buf_init(&many, 64 * 1024);
	cr_assert_eq(buf_put(&many, buf_span(&sig)), ERR_OK);
	cr_assert_eq(buf_puts(&many, "trailing\n"), ERR_OK);
	peer_write(peer_path(d.h.dir, "sig"), buf_span(&many));
	cr_expect_eq(verify(&d, SPAN_LIT(TEXT), certs), ERR_MALFORMED);
	peer_write(peer_path(d.h.dir, "sig"), SPAN_LIT(""));
	cr_expect_eq(verify(&d, SPAN_LIT(TEXT), certs), ERR_MALFORMED);
	peer_write(peer_path(d.h.dir, "sig"), SPAN_LIT(TEXT));
	cr_expect_eq(verify(&d, SPAN_LIT(TEXT), certs), ERR_MALFORMED);
	/* a signed message is not a detached signature */
	cr_assert_eq(
	    peer_run(NULL, NULL, "gpg", "--homedir", d.h.people, "--batch",
		"--yes", "-o", peer_path(d.h.dir, "sig"), "-u",
		"sam@example.com", "-s", peer_path(d.h.dir, "text"), NULL),
	    0);
	cr_expect_eq(verify(&d, SPAN_LIT(TEXT), certs), ERR_MALFORMED);
	cr_assert_eq(peer_run(NULL, NULL, "gpg", "--homedir", d.h.people,
			 "--batch", "--yes", "-o", peer_path(d.h.dir, "sig"),
			 "-u", "sam@example.com", "--clearsign",
			 peer_path(d.h.dir, "text"), NULL),
	    0);
	cr_expect_eq(verify(&d, SPAN_LIT(TEXT), certs), ERR_MALFORMED);
	/* too many */
	sign(&d, "-u sam@example.com");
	buf_clear(&sig);
	sig = peer_read(peer_path(d.h.dir, "sig"));
	buf_reset(&many);
	for (size_t i = 0; i < CRYPTO_PGP_SIGS + 1; i++)
		cr_assert_eq(buf_put(&many, buf_span(&sig)), ERR_OK);
	peer_write(peer_path(d.h.dir, "sig"), buf_span(&many));
	cr_expect_eq(verify(&d, SPAN_LIT(TEXT), certs), ERR_LIMIT);
	/* one that gpg does not understand beside a good one */
	buf_reset(&many);
	cr_assert_eq(buf_put(&many, buf_span(&sig)), ERR_OK);
	cr_assert_eq(buf_put(&many, SPAN_LIT("\xc2\x02\x09\x00")), ERR_OK);
	peer_write(peer_path(d.h.dir, "sig"), buf_span(&many));
	if (verify(&d, SPAN_LIT(TEXT), certs) == ERR_OK) {
		unsigned good = 0;

		cr_assert_eq(d.sigs.n, 2);
		for (size_t i = 0; i < 2; i++)
			good += d.sigs.sig[i].status == CRYPTO_SIGNED_GOOD;
		cr_expect_leq(good, 1);
	}
	buf_clear(&sig);
	buf_clear(&many);
	homes_remove(&d.h);
}
