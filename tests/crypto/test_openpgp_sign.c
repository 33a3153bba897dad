/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Signing with OpenPGP, with gpg, sq and rnp as those who verify;
 * openpgp_ring.c and openpgp_data.c are tested here, too.
 */
#include "crypto/openpgp_sign.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/openpgp.h"
#include "crypto/openpgp_kind.h"
#include "crypto/openpgp_packet.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/out.h"
#include "tests/crypto/peer.h"

#define TEXT "Content-Type: text/plain\r\n\r\nHello \r\n- you\r\n"

/* A key to sign with, its fingerprint from the public half. */
struct person {
	struct buf pub, sec;
	uint8_t fpr[32];
	struct crypto_pgp_signer signer;
};

static struct person
person(const char *name)
{
	struct person p = {0};
	struct crypto_pgp_piece piece;
	char file[64];
	size_t n;

	snprintf(file, sizeof(file), "sign/%s.pgp", name);
	p.pub = peer_read(peer_data(file));
	snprintf(file, sizeof(file), "sign/%s.sec.pgp", name);
	p.sec = peer_read(peer_data(file));
	cr_assert_eq(
	    crypto_pgp_split(buf_span(&p.pub), &piece, 1, &n, NULL), ERR_OK);
	cr_assert_eq(crypto_pgp_fpr(piece.key, p.fpr, &n), ERR_OK);
	return p;
}

static const struct crypto_pgp_signer *
signer(struct person *p)
{
	p->signer = (struct crypto_pgp_signer){
	    .fpr = SPAN(p->fpr, 20), .secret = buf_span(&p->sec)};
	return &p->signer;
}

static void
person_clear(struct person *p)
{
	buf_clear(&p->pub);
	buf_clear(&p->sec);
}

/* The error, the signature in DIR/sig; nothing is left of a failed one. */
static enum err
sign(struct homes *h, struct person *p, struct span in, char *micalg,
    struct err_why *why)
{
	int fd = out_new("before");
	enum err e = crypto_pgp_sign(h->pgp, signer(p), in, fd, micalg, why);
	struct buf out = out_read(fd);

	if (e == ERR_OK)
		peer_write(
		    peer_path(h->dir, "sig"), SPAN(out.data + 6, out.len - 6));
	else
		cr_expect(span_eq_str(buf_span(&out), "before"),
		    "output after %s", err_name(e));
	buf_clear(&out);
	close(fd);
	return e;
}

static void
people_know(struct homes *h, const struct person *p)
{
	peer_write(peer_path(h->dir, "pub"), buf_span(&p->pub));
	cr_assert_eq(
	    peer_run(NULL, NULL, "gpg", "--homedir", h->people, "--batch",
		"--quiet", "--import", peer_path(h->dir, "pub"), NULL),
	    0);
}

static bool
gpg_verifies(struct homes *h, struct span text)
{
	peer_write(peer_path(h->dir, "text"), text);
	return peer_run(NULL, NULL, "gpg", "--homedir", h->people, "--batch",
		   "--quiet", "--trust-model", "always", "--verify",
		   peer_path(h->dir, "sig"), peer_path(h->dir, "text"),
		   NULL) == 0;
}

Test(openpgp_sign, every_kind_of_key_signs_with_its_hash)
{
	static const struct {
		const char *name, *micalg;
	} rows[] = {
	    {"sam", "pgp-sha256"},
	    {"rosa", "pgp-sha256"},
	    {"p256", "pgp-sha256"},
	    {"p384", "pgp-sha384"},
	    {"p521", "pgp-sha512"},
	    {"sub", "pgp-sha256"},
	    {"offline", "pgp-sha256"},
	    {"two", "pgp-sha256"},
	};
	struct homes h;

	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct person p = person(rows[i].name);
		char micalg[CRYPTO_PGP_MICALG] = "";
		struct err_why why = {""};

		cr_assert_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_OK,
		    "%s: %s", rows[i].name, why.text);
		cr_expect_str_eq(
		    micalg, rows[i].micalg, "%s: %s", rows[i].name, micalg);
		people_know(&h, &p);
		cr_expect(gpg_verifies(&h, SPAN_LIT(TEXT)), "%s", rows[i].name);
		cr_expect_not(
		    gpg_verifies(&h, SPAN_LIT(TEXT "x")), "%s", rows[i].name);
		person_clear(&p);
	}
	homes_remove(&h);
}

Test(openpgp_sign, sequoia_and_rnp_verify_it)
{
	struct homes h;
	struct person p = person("sam");
	char micalg[CRYPTO_PGP_MICALG];
	struct err_why why = {""};

	homes_make(&h);
	cr_assert_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_OK);
	peer_write(peer_path(h.dir, "pub"), buf_span(&p.pub));
	peer_write(peer_path(h.dir, "text"), SPAN_LIT(TEXT));
	if (peer_has("sq"))
		cr_expect_eq(peer_run(NULL, NULL, "sq", "verify",
				 "--signer-cert", peer_path(h.dir, "pub"),
				 "--detached", peer_path(h.dir, "sig"),
				 peer_path(h.dir, "text"), NULL),
		    0, "sq");
	if (peer_has("rnp")) {
		peer_run(NULL, NULL, "mv", peer_path(h.dir, "sig"),
		    peer_path(h.dir, "text.sig"), NULL);
		cr_expect_eq(peer_run(NULL, NULL, "rnp", "--keyfile",
				 peer_path(h.dir, "pub"), "--verify",
				 peer_path(h.dir, "text.sig"), NULL),
		    0, "rnp");
	}
	person_clear(&p);
	homes_remove(&h);
}

Test(openpgp_sign, a_key_that_must_not_sign_does_not)
{
	static const struct {
		const char *name;
		enum err e;
		const char *why;
	} rows[] = {
	    {"expired", ERR_KEY_EXPIRED, "key has expired"},
	    {"revoked", ERR_KEY_REVOKED, "the key is revoked"},
	    {"subexpired", ERR_KEY_EXPIRED, "signing key has expired"},
	    {"subrevoked", ERR_KEY_REVOKED, "signing key is revoked"},
	    {"certonly", ERR_KEY_UNUSABLE, "no signing key"},
	    {"short", ERR_KEY_UNUSABLE, "shorter than 2048"},
	    {"stub", ERR_NO_KEY, "secret part of its signing key"},
	    {"pass", ERR_ENGINE, ""}, /* a passphrase that nobody gives */
	};
	struct homes h;
	struct person good = person("sam");
	char micalg[CRYPTO_PGP_MICALG] = "none";
	struct err_why why = {""};

	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct person p = person(rows[i].name);
		enum err e = sign(&h, &p, SPAN_LIT(TEXT), micalg, &why);

		cr_expect_eq(e, rows[i].e, "%s: %s %s", rows[i].name,
		    err_name(e), why.text);
		cr_expect_not_null(strstr(why.text, rows[i].why), "%s: %s",
		    rows[i].name, why.text);
		cr_expect_str_eq(micalg, "none", "%s", rows[i].name);
		person_clear(&p);
	}
	cr_expect_eq(sign(&h, &good, SPAN_LIT(TEXT), micalg, &why), ERR_OK,
	    "%s", why.text);
	person_clear(&good);
	homes_remove(&h);
}

Test(openpgp_sign, what_is_not_the_secret_key_asked_for_is_refused)
{
	struct person sam = person("sam"), rosa = person("rosa"), p = sam;
	struct homes h;
	char micalg[CRYPTO_PGP_MICALG];
	struct err_why why = {""};

	homes_make(&h);
	p.sec = rosa.sec;
	cr_expect_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_NO_KEY);
	cr_expect_not_null(strstr(why.text, "another one"), "%s", why.text);
	p.sec = sam.pub;
	cr_expect_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_NO_KEY);
	p.sec = (struct buf){0};
	cr_expect_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_NO_KEY);
	p.sec = sam.sec;
	p.sec.len /= 2;
	cr_expect_neq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_OK);
	p.sec = (struct buf){.data = (uint8_t *)TEXT, .len = strlen(TEXT)};
	cr_expect_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_MALFORMED);
	p = sam;
	cr_expect_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_OK);
	person_clear(&sam);
	person_clear(&rosa);
	homes_remove(&h);
}

static size_t
count_files(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	size_t n = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	return n;
}

Test(openpgp_sign, a_later_copy_of_a_key_takes_the_place_of_the_first)
{
	struct person first = person("sam"), second = person("sam2");
	struct homes h;
	char micalg[CRYPTO_PGP_MICALG], dump[96];
	struct err_why why = {""};
	struct buf b;

	homes_make(&h);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(sign(&h, &first, SPAN_LIT(TEXT), micalg, &why),
		    ERR_OK, "%s", why.text);
	cr_assert_eq(sign(&h, &second, SPAN_LIT(TEXT), micalg, &why), ERR_OK,
	    "%s", why.text);
	people_know(&h, &second);
	cr_expect(gpg_verifies(&h, SPAN_LIT(TEXT)));
	snprintf(dump, sizeof(dump), "%s/dump", h.dir);
	peer_run(NULL, dump, "gpg", "--homedir", h.people, "--list-packets",
	    peer_path(h.dir, "sig"), NULL);
	b = peer_read(dump);
	cr_expect_lt(span_find(buf_span(&b), 0, SPAN_LIT("keyid 8")), b.len);
	buf_clear(&b);
	person_clear(&first);
	person_clear(&second);
	homes_remove(&h);
}

Test(openpgp_sign, keys_stay_in_the_home_and_are_gone_with_it)
{
	struct person p = person("sub");
	struct homes h;
	char micalg[CRYPTO_PGP_MICALG], keys[128];
	struct err_why why = {""};

	homes_make(&h);
	snprintf(keys, sizeof(keys), "%s/s/private-keys-v1.d", h.gateway);
	cr_assert_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why), ERR_OK);
	cr_expect_eq(count_files(keys), 3, "%zu", count_files(keys));
	/* a process that died and starts again: it finds nothing */
	cr_assert_eq(peer_run(NULL, NULL, "cp", "-r", h.gateway,
			 peer_path(h.dir, "left"), NULL),
	    0);
	crypto_pgp_close(h.pgp);
	cr_expect_neq(access(h.gateway, F_OK) == 0 && count_files(h.gateway), 1,
	    "something is left in the home");
	h.pgp = NULL;
	cr_assert_eq(crypto_pgp_open(peer_path(h.dir, "left"), NULL,
			 HOMES_TIMEOUT, &h.pgp, &why),
	    ERR_OK, "%s", why.text);
	cr_expect_neq(
	    access(peer_path(h.dir, "left/s/private-keys-v1.d"), F_OK), 0);
	cr_expect_neq(access(peer_path(h.dir, "left/s/pubring.kbx"), F_OK), 0);
	person_clear(&p);
	homes_remove(&h);
}

/* More keys than there is room for, made by gpg at once. */
Test(openpgp_sign, the_oldest_key_makes_room)
{
	enum { MORE = CRYPTO_PGP_SECRETS + 3 };
	struct homes h;
	char keys[128], name[64], file[96];
	struct person *p = calloc(MORE, sizeof(*p));
	struct err_why why = {""};
	char micalg[CRYPTO_PGP_MICALG];

	homes_make(&h);
	snprintf(keys, sizeof(keys), "%s/s/private-keys-v1.d", h.gateway);
	snprintf(file, sizeof(file), "%s/key", h.dir);
	for (size_t i = 0; i < MORE; i++) {
		struct crypto_pgp_piece piece;
		size_t n;

		snprintf(name, sizeof(name), "n%zu@example.com", i);
		cr_assert_eq(
		    peer_run(NULL, NULL, "gpg", "--homedir", h.people,
			"--batch", "--quiet", "--pinentry-mode", "loopback",
			"--passphrase", "", "--quick-gen-key", name, "ed25519",
			"cert,sign", "never", NULL),
		    0);
		peer_run(NULL, file, "gpg", "--homedir", h.people, "--batch",
		    "--export", name, NULL);
		p[i].pub = peer_read(file);
		peer_run(NULL, file, "gpg", "--homedir", h.people, "--batch",
		    "--export-secret-keys", name, NULL);
		p[i].sec = peer_read(file);
		cr_assert_eq(
		    crypto_pgp_split(buf_span(&p[i].pub), &piece, 1, &n, NULL),
		    ERR_OK);
		cr_assert_eq(crypto_pgp_fpr(piece.key, p[i].fpr, &n), ERR_OK);
		cr_assert_eq(sign(&h, &p[i], SPAN_LIT(TEXT), micalg, &why),
		    ERR_OK, "%zu: %s", i, why.text);
		cr_expect_eq(count_files(keys),
		    i < CRYPTO_PGP_SECRETS ? i + 1 : CRYPTO_PGP_SECRETS,
		    "%zu: %zu", i, count_files(keys));
	}
	/* the first one comes again */
	cr_expect_eq(sign(&h, &p[0], SPAN_LIT(TEXT), micalg, &why), ERR_OK);
	cr_expect(gpg_verifies(&h, SPAN_LIT(TEXT)));
	for (size_t i = 0; i < MORE; i++)
		person_clear(&p[i]);
	free(p);
	homes_remove(&h);
}

static enum err
seal_sign(struct homes *h, struct person *p, const char *const *names, size_t n,
    struct span in, struct err_why *why)
{
	struct buf keys[4], out;
	struct span spans[4];
	int fd = out_new("before");
	enum err e;

	for (size_t i = 0; i < n; i++) {
		keys[i] = peer_read(peer_data(names[i]));
		spans[i] = buf_span(&keys[i]);
	}
	e = crypto_pgp_seal_sign(h->pgp, spans, n, signer(p), in, fd, why);
	out = out_read(fd);
	if (e == ERR_OK)
		peer_write(peer_path(h->dir, "sealed"),
		    SPAN(out.data + 6, out.len - 6));
	else
		cr_expect(span_eq_str(buf_span(&out), "before"),
		    "output after %s", err_name(e));
	for (size_t i = 0; i < n; i++)
		buf_clear(&keys[i]);
	buf_clear(&out);
	close(fd);
	return e;
}

Test(openpgp_sign, what_is_signed_and_sealed_opens_and_verifies)
{
	static const char *const names[] = {"bob.pgp", "rita.pgp"};
	static const char *const secrets[] = {"bob.sec.asc", "rita.sec.asc"};
	static const char *const people[] = {"sam", "rosa", "offline"};
	struct buf in = peer_octets(300000), b;
	struct homes h;
	struct err_why why = {""};
	struct crypto_pgp_structure s;

	homes_make(&h);
	for (size_t i = 0; i < 2; i++)
		cr_assert_eq(peer_run(NULL, NULL, "gpg", "--homedir", h.people,
				 "--batch", "--quiet", "--import",
				 peer_data(secrets[i]), NULL),
		    0);
	for (size_t i = 0; i < 3; i++) {
		struct person p = person(people[i]);

		people_know(&h, &p);
		cr_assert_eq(seal_sign(&h, &p, names, 2, buf_span(&in), &why),
		    ERR_OK, "%s: %s", people[i], why.text);
		cr_assert_eq(
		    peer_run(NULL, peer_path(h.dir, "status"), "gpg",
			"--homedir", h.people, "--batch", "--yes", "--quiet",
			"--trust-model", "always", "--status-fd", "1",
			"--output", peer_path(h.dir, "opened"), "--decrypt",
			peer_path(h.dir, "sealed"), NULL),
		    0);
		b = peer_read(peer_path(h.dir, "opened"));
		cr_expect(
		    span_eq(buf_span(&b), buf_span(&in)), "%s", people[i]);
		buf_clear(&b);
		b = peer_read(peer_path(h.dir, "status"));
		cr_expect_lt(span_find(buf_span(&b), 0, SPAN_LIT("GOODSIG")),
		    b.len, "%s", people[i]);
		buf_clear(&b);
		b = peer_read(peer_path(h.dir, "sealed"));
		crypto_pgp_structure(buf_span(&b), &s);
		cr_expect_eq(s.kind, CRYPTO_PGP_KIND_ENCRYPTED);
		cr_expect_eq(s.n_recipients, 2);
		buf_clear(&b);
		person_clear(&p);
	}
	buf_clear(&in);
	homes_remove(&h);
}

Test(openpgp_sign, one_that_cannot_sign_or_be_sealed_to_fails_both)
{
	static const char *const good[] = {"bob.pgp"};
	static const char *const bad[] = {"bob.pgp", "revoked.pgp"};
	struct homes h;
	struct person sam = person("sam"), old = person("expired");
	struct err_why why = {""};

	homes_make(&h);
	cr_expect_eq(seal_sign(&h, &old, good, 1, SPAN_LIT(TEXT), &why),
	    ERR_KEY_EXPIRED, "%s", why.text);
	cr_expect_eq(seal_sign(&h, &sam, bad, 2, SPAN_LIT(TEXT), &why),
	    ERR_KEY_REVOKED, "%s", why.text);
	cr_expect_eq(
	    seal_sign(&h, &sam, NULL, 0, SPAN_LIT(TEXT), &why), ERR_NO_KEY);
	cr_expect_eq(seal_sign(&h, &sam, good, 1, SPAN_LIT(TEXT), &why), ERR_OK,
	    "%s", why.text);
	person_clear(&sam);
	person_clear(&old);
	homes_remove(&h);
}

/* gpg does everything but the last step, which a script does. */
#define FAKE(does)                                                             \
	"#!/bin/sh\n"                                                          \
	"for a; do case $a in "                                                \
	"--detach-sign|--encrypt|-e|-se|--sign|-b|-s) " does ";; esac; done\n" \
	"exec gpg \"$@\"\n"

/* With the key that was meant. */
#define SAYS_IT_SIGNED(does)                                                   \
	FAKE("cat >/dev/null; echo '[GNUPG:] SIG_CREATED D 22 10 00 "          \
	     "1790000000 C5AA6DD11384BB6907722CD9BF786D36DC1D5756' >&3; " does \
	     "; exit 0")
#define BEGIN "printf -- '-----BEGIN PGP SIGNATURE-----\\n\\n"
#define END   "-----END PGP SIGNATURE-----\\n'"

Test(openpgp_sign, a_gpg_that_lies_or_dies_is_not_believed)
{
	static const char *const names[] = {"bob.pgp"};
	static const struct {
		const char *script;
		enum err e;
		unsigned timeout_ms;
	} rows[] = {
	    {FAKE("exit 1"), ERR_ENGINE, HOMES_TIMEOUT},
	    {FAKE("exit 0"), ERR_ENGINE, HOMES_TIMEOUT},
	    {FAKE("kill -9 $$"), ERR_ENGINE, HOMES_TIMEOUT},
	    {FAKE("exec cat"), ERR_ENGINE, HOMES_TIMEOUT},
	    {FAKE("cat >/dev/null; exit 0"), ERR_ENGINE, HOMES_TIMEOUT},
	    /* all is well, but for the signature: none, and half of one */
	    {SAYS_IT_SIGNED("echo text"), ERR_ENGINE, HOMES_TIMEOUT},
	    {SAYS_IT_SIGNED(BEGIN "aGVsbG8K\\n" END), ERR_ENGINE,
		HOMES_TIMEOUT},
	    {FAKE("exec sleep 60"), ERR_TIMEOUT, 1500},
	};
	struct person p = person("sam");
	char fake[96], micalg[CRYPTO_PGP_MICALG];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_why why = {""};
		struct homes h;

		homes_make(&h);
		crypto_pgp_close(h.pgp);
		h.pgp = NULL;
		snprintf(fake, sizeof(fake), "%s/gpg", h.dir);
		peer_write(fake, span_str(rows[i].script));
		cr_assert_eq(chmod(fake, 0700), 0);
		cr_assert_eq(crypto_pgp_open(h.gateway, fake,
				 rows[i].timeout_ms, &h.pgp, &why),
		    ERR_OK, "%s", why.text);
		cr_expect_eq(sign(&h, &p, SPAN_LIT(TEXT), micalg, &why),
		    rows[i].e, "%s: %s", rows[i].script, why.text);
		if (strstr(rows[i].script, "SIG_CREATED") != NULL)
			cr_expect_str_eq(why.text,
			    "gpg ended without a whole signature", "%s",
			    rows[i].script);
		cr_expect_eq(seal_sign(&h, &p, names, 1, SPAN_LIT(TEXT), &why),
		    rows[i].e, "%s: %s", rows[i].script, why.text);
		homes_remove(&h);
	}
	person_clear(&p);
}
