/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Taking in secret keys of OpenPGP; openpgp_agent.c is tested here, too.
 */
#include "crypto/openpgp_secret.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/secret.h"
#include "crypto/openpgp_sign.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/out.h"
#include "tests/crypto/peer.h"

static enum err
take(struct homes *h, const char *name, const char *passphrase,
    struct crypto_pgp_secrets *out, struct err_why *why)
{
	struct secret *secret =
	    passphrase == NULL ? NULL : secret_from(span_str(passphrase));
	struct buf b = peer_read(peer_data(name));
	enum err e =
	    crypto_pgp_take_secrets(h->pgp, buf_span(&b), secret, out, why);

	cr_expect(crypto_pgp_has_secret(buf_span(&b)) || e == ERR_MALFORMED ||
		      e == ERR_NO_KEY,
	    "%s", name);
	buf_clear(&b);
	secret_free(secret);
	return e;
}

/* Does what was taken sign, without a passphrase? */
static bool
signs(struct homes *h, const struct crypto_pgp_secret *key)
{
	struct crypto_pgp_signer signer = {.fpr = SPAN(key->fpr, key->fpr_len),
	    .secret = secret_span(key->octets)};
	char micalg[CRYPTO_PGP_MICALG];
	struct err_why why;
	int fd = out_new("");
	enum err e = crypto_pgp_sign(
	    h->pgp, &signer, SPAN_LIT("x\r\n"), fd, micalg, &why);

	close(fd);
	return e == ERR_OK;
}

Test(openpgp_secret, keys_are_taken_in_without_their_passphrase)
{
	static const struct {
		const char *file, *passphrase, *addr, *alg;
	} rows[] = {
	    {"sign/sam.sec.pgp", NULL, "sam@example.com", "Ed25519"},
	    {"sign/sam.sec.pgp", "not needed", "sam@example.com", "Ed25519"},
	    {"sign/rosa.sec.pgp", NULL, "rosa@example.com", "RSA"},
	    {"sign/p384.sec.pgp", NULL, "p384@example.com", "P-384"},
	    {"sign/offline.sec.pgp", NULL, "sub@example.com", "Ed25519"},
	    {"sign/pass.sec.pgp", "correct horse", "pass@example.com", "RSA"},
	    {"sign/pass.sec.asc", "correct horse", "pass@example.com", "RSA"},
	    {"sign/passoffline.sec.pgp", "correct horse", "pass@example.com",
		"RSA"},
	};
	struct homes h;

	secret_init();
	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_pgp_secrets s = {0};
		struct err_why why = {""};

		cr_assert_eq(
		    take(&h, rows[i].file, rows[i].passphrase, &s, &why),
		    ERR_OK, "%s: %s", rows[i].file, why.text);
		cr_assert_eq(s.n, 1, "%s", rows[i].file);
		cr_assert_eq(s.keys[0].sign_err, ERR_OK, "%s: %s", rows[i].file,
		    s.keys[0].sign_why.text);
		cr_expect_str_eq(s.keys[0].sign_alg, rows[i].alg, "%s: %s",
		    rows[i].file, s.keys[0].sign_alg);
		cr_assert_eq(s.certs.n, 1);
		cr_expect_str_eq(s.certs.certs[0].fpr_hex, s.keys[0].fpr_hex);
		cr_expect_str_eq(s.certs.certs[0].uids[0].addr, rows[i].addr);
		cr_expect(signs(&h, &s.keys[0]), "%s", rows[i].file);
		crypto_pgp_secrets_clear(&s);
	}
	homes_remove(&h);
}

Test(openpgp_secret, the_wrong_passphrase_takes_in_nothing)
{
	static const char *const files[] = {
	    "sign/pass.sec.asc", "sign/passoffline.sec.pgp"};
	static const char *const words[] = {
	    NULL, "", "correct", "correct horse "};
	struct crypto_pgp_secrets s = {0};
	struct homes h;
	char keys[128];

	secret_init();
	homes_make(&h);
	snprintf(keys, sizeof(keys), "%s/s/pubring.kbx", h.gateway);
	for (size_t i = 0; i < 2; i++)
		for (size_t k = 0; k < 4; k++) {
			struct err_why why = {""};
			enum err e = take(&h, files[i], words[k], &s, &why);

			cr_expect_eq(e, ERR_PASSPHRASE, "%s, %s: %s %s",
			    files[i], words[k] ? words[k] : "none", err_name(e),
			    why.text);
			cr_expect_eq(s.n, 0);
			cr_expect_null(s.keys);
			cr_expect_neq(access(keys, F_OK), 0);
		}
	homes_remove(&h);
}

Test(openpgp_secret, keys_that_do_not_sign_say_why)
{
	static const struct {
		const char *file;
		enum err e;
		size_t certs;
		bool opens;
	} rows[] = {
	    {"sign/expired.sec.pgp", ERR_KEY_EXPIRED, 1, false},
	    {"sign/revoked.sec.pgp", ERR_KEY_REVOKED, 1, false},
	    {"sign/subexpired.sec.pgp", ERR_KEY_EXPIRED, 1, false},
	    {"sign/subrevoked.sec.pgp", ERR_KEY_REVOKED, 1, false},
	    {"sign/certonly.sec.pgp", ERR_KEY_UNUSABLE, 1, false},
	    {"sign/short.sec.pgp", ERR_KEY_UNUSABLE, 1, false},
	    {"sign/stub.sec.pgp", ERR_NO_KEY, 1, true},
	    {"sign/v6.sec.pgp", ERR_UNSUPPORTED, 0, false},
	};
	struct homes h;

	secret_init();
	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_pgp_secrets s = {0};
		struct err_why why = {""};

		cr_assert_eq(take(&h, rows[i].file, NULL, &s, &why), ERR_OK,
		    "%s: %s", rows[i].file, why.text);
		cr_assert_eq(s.n, 1, "%s", rows[i].file);
		cr_expect_eq(s.keys[0].sign_err, rows[i].e, "%s: %s",
		    rows[i].file, s.keys[0].sign_why.text);
		cr_expect_neq(s.keys[0].sign_why.text[0], '\0');
		cr_expect_eq(s.keys[0].octets != NULL, rows[i].opens, "%s",
		    rows[i].file);
		cr_expect_eq(s.certs.n, rows[i].certs, "%s", rows[i].file);
		crypto_pgp_secrets_clear(&s);
	}
	homes_remove(&h);
}

/* Mail that was sealed to it while it was good is still to be opened. */
Test(openpgp_secret, an_expired_key_is_taken_in_to_open_with)
{
	struct crypto_pgp_secrets s = {0};
	struct err_why why = {""};
	struct homes h;
	struct buf b;
	char command[1024];

	secret_init();
	homes_make(&h);
	snprintf(command, sizeof(command),
	    "set -e; export GNUPGHOME=%s/e; mkdir -m 700 $GNUPGHOME; cd %s; "
	    "T='--faked-system-time 20260101T000000!'; "
	    "gpg --batch -q $T --passphrase '' --quick-gen-key "
	    "old@example.com ed25519 sign 20260110T000000; "
	    "f=$(gpg --with-colons --list-keys | sed -n "
	    "'/^fpr/{s/.*::\\([0-9A-F]*\\):/\\1/p;q}'); "
	    "gpg --batch -q $T --passphrase '' --quick-add-key $f cv25519 "
	    "encr 20260110T000000; "
	    "gpg --batch -q --export-secret-keys $f >old.sec; "
	    "gpgconf --kill all",
	    h.dir, h.dir);
	cr_assert_eq(peer_run(NULL, NULL, "sh", "-c", command, NULL), 0);
	b = peer_read(peer_path(h.dir, "old.sec"));
	cr_assert_eq(
	    crypto_pgp_take_secrets(h.pgp, buf_span(&b), NULL, &s, &why),
	    ERR_OK, "%s", why.text);
	cr_assert_eq(s.n, 1);
	cr_expect_eq(s.keys[0].sign_err, ERR_KEY_EXPIRED);
	cr_assert_not_null(s.keys[0].octets);
	crypto_pgp_secrets_clear(&s);
	buf_clear(&b);
	homes_remove(&h);
}

Test(openpgp_secret, several_keys_at_once)
{
	static const char *const files[] = {"sign/sam.sec.pgp",
	    "sign/v6.sec.pgp", "sign/expired.sec.pgp", "sign/rosa.sec.pgp"};
	struct crypto_pgp_secrets s = {0};
	struct err_why why = {""};
	struct homes h;
	struct buf all;
	size_t good = 0;

	secret_init();
	homes_make(&h);
	buf_init(&all, 100000);
	for (size_t i = 0; i < 4; i++) {
		struct buf b = peer_read(peer_data(files[i]));

		cr_assert_eq(buf_put(&all, buf_span(&b)), ERR_OK);
		buf_clear(&b);
	}
	cr_assert_eq(
	    crypto_pgp_take_secrets(h.pgp, buf_span(&all), NULL, &s, &why),
	    ERR_OK, "%s", why.text);
	cr_assert_eq(s.n, 4);
	cr_expect_eq(s.certs.n, 3);
	for (size_t i = 0; i < s.n; i++)
		good += s.keys[i].sign_err == ERR_OK && signs(&h, &s.keys[i]);
	cr_expect_eq(good, 2);
	crypto_pgp_secrets_clear(&s);
	/* a public key among them */
	{
		struct buf b = peer_read(peer_data("bob.pgp"));

		cr_assert_eq(buf_put(&all, buf_span(&b)), ERR_OK);
		buf_clear(&b);
	}
	cr_expect_eq(
	    crypto_pgp_take_secrets(h.pgp, buf_span(&all), NULL, &s, &why),
	    ERR_MALFORMED);
	buf_clear(&all);
	homes_remove(&h);
}

Test(openpgp_secret, what_is_no_secret_key_is_refused)
{
	static const struct {
		const char *file;
		enum err e;
	} rows[] = {
	    {"bob.asc", ERR_MALFORMED},
	    {"bob.pgp", ERR_MALFORMED},
	    {"message.asc", ERR_MALFORMED},
	    {"p256.pem", ERR_NO_KEY},
	};
	struct crypto_pgp_secrets s = {0};
	struct homes h;

	secret_init();
	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err_why why = {""};
		enum err e = take(&h, rows[i].file, NULL, &s, &why);

		cr_expect_eq(e, rows[i].e, "%s: %s %s", rows[i].file,
		    err_name(e), why.text);
	}
	cr_expect_not(crypto_pgp_has_secret(SPAN(NULL, 0)));
	cr_expect_not(crypto_pgp_has_secret(SPAN_LIT("\x95")));
	homes_remove(&h);
}
