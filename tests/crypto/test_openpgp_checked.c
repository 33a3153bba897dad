/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A certificate that is sealed to again and again is judged each time as the
 * first time, however much of the work is saved.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_private.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/out.h"
#include "tests/crypto/peer.h"

enum { TIMES = 4 };

static enum err
seal(struct homes *h, const struct span *certs, size_t n, struct err_why *why)
{
	struct buf out;
	int fd = out_new("");
	enum err e =
	    crypto_pgp_seal(h->pgp, certs, n, SPAN_LIT("secret"), fd, why);

	out = out_read(fd);
	if (e == ERR_OK)
		peer_write(peer_path(h->dir, "sealed"), buf_span(&out));
	buf_clear(&out);
	close(fd);
	return e;
}

static bool
opens(struct homes *h, const char *secret)
{
	struct buf b;
	bool same;

	peer_run(NULL, NULL, "gpg", "--homedir", h->people, "--batch",
	    "--quiet", "--import", peer_data(secret), NULL);
	if (peer_run(NULL, NULL, "gpg", "--homedir", h->people, "--batch",
		"--yes", "--quiet", "--output", peer_path(h->dir, "opened"),
		"--decrypt", peer_path(h->dir, "sealed"), NULL) != 0)
		return false;
	b = peer_read(peer_path(h->dir, "opened"));
	same = span_eq_str(buf_span(&b), "secret");
	buf_clear(&b);
	return same;
}

static bool
is_checked(struct homes *h, struct span cert)
{
	struct err_why why = {""};
	struct pgp_found found;

	cr_assert_eq(
	    crypto_pgp_checked_find(h->pgp, cert, &found, &why), ERR_OK);
	return found.fpr != NULL;
}

Test(openpgp_checked, what_is_sealed_again_opens)
{
	static const char *const names[] = {"bob", "rita", "nina"};
	struct buf b[3];
	struct span certs[3];
	struct homes h;
	char file[64];

	homes_make(&h);
	for (size_t i = 0; i < 3; i++) {
		snprintf(file, sizeof(file), "%s.pgp", names[i]);
		b[i] = peer_read(peer_data(file));
		certs[i] = buf_span(&b[i]);
	}
	for (size_t k = 0; k < TIMES; k++) {
		/* of the three, some have been seen and some have not */
		for (size_t n = 1; n <= 3; n++) {
			struct err_why why = {""};

			cr_assert_eq(seal(&h, certs, n, &why), ERR_OK,
			    "%zu, %zu: %s", k, n, why.text);
			snprintf(
			    file, sizeof(file), "%s.sec.asc", names[n - 1]);
			cr_expect(opens(&h, file), "%zu, %zu", k, n);
		}
		/* the request's own keys, and nobody else's after it */
		cr_expect_neq(
		    access(peer_path(h.gateway, "k0"), F_OK), 0, "%zu", k);
	}
	for (size_t i = 0; i < 3; i++) {
		cr_expect(is_checked(&h, certs[i]), "%s", names[i]);
		buf_clear(&b[i]);
	}
	b[0] = peer_read(peer_path(h.gateway, PGP_KEYRING));
	cr_expect_eq(b[0].len, 0);
	buf_clear(&b[0]);
	homes_remove(&h);
}

Test(openpgp_checked, what_is_unusable_stays_so_each_time)
{
	static const struct {
		const char *cert;
		enum err e;
	} rows[] = {
	    {"expired.pgp", ERR_KEY_EXPIRED},
	    {"subexpired.pgp", ERR_KEY_EXPIRED},
	    {"revoked.pgp", ERR_KEY_REVOKED},
	    {"subrevoked.pgp", ERR_KEY_REVOKED},
	    {"signonly.pgp", ERR_KEY_UNUSABLE},
	    {"message.asc", ERR_MALFORMED},
	};
	struct homes h;

	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = peer_read(peer_data(rows[i].cert));
		struct span cert = buf_span(&b);
		char first[sizeof(((struct err_why *)0)->text)] = "";

		for (size_t k = 0; k < TIMES; k++) {
			struct err_why why = {""};
			enum err e = seal(&h, &cert, 1, &why);

			cr_expect_eq(e, rows[i].e, "%s, %zu: %s %s",
			    rows[i].cert, k, err_name(e), why.text);
			if (k == 0)
				memcpy(first, why.text, sizeof(first));
			cr_expect_str_eq(
			    why.text, first, "%s, %zu", rows[i].cert, k);
		}
		buf_clear(&b);
	}
	homes_remove(&h);
}

/* A note of gpg's that the signature before it was found good (doc/DETAILS),
   behind each packet. */
static void
put_notes(struct span cert, struct buf *out)
{
	struct crypto_pgp_packet p;

	for (size_t pos = 0; pos < cert.len; pos += p.size) {
		cr_assert_eq(crypto_pgp_packet_next(
				 SPAN(cert.data + pos, cert.len - pos), &p),
		    ERR_OK);
		cr_assert_eq(
		    buf_put(out, SPAN(cert.data + pos, p.size)), ERR_OK);
		cr_assert_eq(
		    buf_put(out, SPAN("\xb0\x06\x00\x03gpg\x00", 8)), ERR_OK);
	}
}

Test(openpgp_checked, notes_that_came_along_are_not_believed)
{
	struct buf b = peer_read(peer_data("bob.pgp")), forged;
	struct span cert;
	struct homes h;

	homes_make(&h);
	/* the signature that binds the subkey is the last packet */
	b.data[b.len - 1] ^= 1;
	buf_init(&forged, 65536);
	put_notes(buf_span(&b), &forged);
	cert = buf_span(&forged);
	for (size_t k = 0; k < TIMES; k++) {
		struct err_why why = {""};
		enum err e = seal(&h, &cert, 1, &why);

		cr_expect_eq(e, ERR_KEY_UNUSABLE, "%zu: %s %s", k, err_name(e),
		    why.text);
	}
	cr_expect(!is_checked(&h, cert));
	/* gpg does believe what stands in a keyring: that is why */
	peer_write(peer_path(h.people, "notes.gpg"), cert);
	cr_expect_eq(
	    peer_run(NULL, NULL, "gpg", "--homedir", h.people, "--batch",
		"--quiet", "--no-default-keyring", "--keyring", "notes.gpg",
		"--trust-model", "always", "-r", "bob@work.example", "--output",
		peer_path(h.dir, "x"), "--encrypt", peer_data("bob.pgp"), NULL),
	    0);
	buf_clear(&forged);
	buf_clear(&b);
	homes_remove(&h);
}

Test(openpgp_checked, another_key_in_its_place_is_not_sealed_to)
{
	struct buf bob = peer_read(peer_data("bob.pgp")),
		   rita = peer_read(peer_data("rita.pgp"));
	struct span cert = buf_span(&bob);
	struct err_why why = {""};
	struct homes h;
	char script[512], fake[96];

	homes_make(&h);
	crypto_pgp_close(h.pgp);
	h.pgp = NULL;
	snprintf(fake, sizeof(fake), "%s/gpg", h.dir);
	snprintf(script, sizeof(script),
	    "#!/bin/sh\n"
	    "for a; do case $a in */k0) cat '%s/other' >\"$a\";; esac; done\n"
	    "exec gpg \"$@\"\n",
	    h.dir);
	peer_write(peer_path(h.dir, "other"), buf_span(&rita));
	peer_write(fake, span_str(script));
	cr_assert_eq(chmod(fake, 0700), 0);
	cr_assert_eq(
	    crypto_pgp_open(h.gateway, fake, HOMES_TIMEOUT, &h.pgp, &why),
	    ERR_OK, "%s", why.text);
	cr_expect_eq(seal(&h, &cert, 1, &why), ERR_ENGINE);
	cr_expect_str_eq(why.text, "gpg sealed to another key");
	/* from the second time on it does not come as a file */
	cr_expect_eq(seal(&h, &cert, 1, &why), ERR_OK, "%s", why.text);
	cr_expect(opens(&h, "bob.sec.asc"));
	buf_clear(&bob);
	buf_clear(&rita);
	homes_remove(&h);
}

/* One key that is bad, or a gpg that fails, costs the others nothing. */
Test(openpgp_checked, only_what_is_at_fault_is_refused)
{
	struct buf b[2] = {peer_read(peer_data("bob.pgp")),
	    peer_read(peer_data("revoked.pgp"))};
	const struct span certs[2] = {buf_span(&b[0]), buf_span(&b[1])};
	struct homes h;

	homes_make(&h);
	for (size_t k = 0; k < TIMES; k++) {
		struct err_why why = {""};

		cr_expect_eq(seal(&h, certs, 2, &why), ERR_KEY_REVOKED,
		    "%zu: %s", k, why.text);
	}
	cr_expect(is_checked(&h, certs[0]));
	for (size_t i = 0; i < 2; i++)
		buf_clear(&b[i]);
	homes_remove(&h);
}

Test(openpgp_checked, what_was_refused_is_asked_for_again)
{
	struct buf b = peer_read(peer_data("bob.pgp"));
	struct span cert = buf_span(&b);
	struct homes h;
	unsigned n = 0;

	homes_make(&h);
	cr_expect(!is_checked(&h, cert));
	cr_expect(is_checked(&h, cert));
	crypto_pgp_checked_refuse(h.pgp, cert);
	while (n < 1000 && !is_checked(&h, cert))
		n++;
	cr_expect(n >= 10 && n < 1000, "%u", n);
	buf_clear(&b);
	homes_remove(&h);
}

Test(openpgp_checked, a_place_goes_to_who_comes_more_often)
{
	struct buf b = peer_read(peer_data("bob.pgp"));
	struct span cert = buf_span(&b);
	struct homes h;
	struct err_why why = {""};
	struct pgp_found found;
	uint8_t octets[8] = {0};

	homes_make(&h);
	cr_expect(!is_checked(&h, cert));
	cr_expect(is_checked(&h, cert));
	/* twenty thousand others pass, none of them twice; each place sees
	   about twenty */
	for (uint32_t i = 0; i < 20000; i++) {
		memcpy(octets, &i, sizeof(i));
		cr_assert_eq(crypto_pgp_checked_find(h.pgp,
				 SPAN(octets, sizeof(octets)), &found, &why),
		    ERR_OK);
		cr_assert_null(found.fpr);
		if (i % 500 == 0)
			cr_expect(is_checked(&h, cert), "%u", i);
	}
	/* without a word from it meanwhile */
	for (uint32_t i = 20000; i < 60000; i++) {
		memcpy(octets, &i, sizeof(i));
		cr_assert_eq(crypto_pgp_checked_find(h.pgp,
				 SPAN(octets, sizeof(octets)), &found, &why),
		    ERR_OK);
	}
	cr_expect(!is_checked(&h, cert));
	buf_clear(&b);
	homes_remove(&h);
}
