/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "crypto/openpgp_own.h"

#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "common/limits.h"
#include "common/secret.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/peer.h"

static struct homes h;

static void
setup(void)
{
	secret_init();
	homes_make(&h);
}

static void
teardown(void)
{
	homes_remove(&h);
}

TestSuite(openpgp_own, .init = setup, .fini = teardown);

Test(openpgp_own, a_key_is_made_that_signs_and_is_sealed_to)
{
	static const char *const addrs[] = {
	    "anna@example.com", "_domain@example.com"};
	static const char *const uids[] = {
	    "Anna M\xc3\xbcller <anna@example.com>", "<_domain@example.com>"};

	for (size_t i = 0; i < 2; i++) {
		struct crypto_pgp_secrets s = {0};
		struct err_why why = {""};
		int64_t now = (int64_t)time(NULL);

		cr_assert_eq(
		    crypto_pgp_generate(h.pgp, uids[i], 86400 * 30, &s, &why),
		    ERR_OK, "%s", why.text);
		cr_assert_eq(s.n, 1);
		cr_expect_eq(s.keys[0].sign_err, ERR_OK);
		cr_expect_str_eq(s.keys[0].sign_alg, "Ed25519");
		cr_expect_eq(s.certs.certs[0].seal_err, ERR_OK);
		cr_expect_str_eq(s.certs.certs[0].seal_alg, "Cv25519");
		cr_assert_eq(s.certs.certs[0].n_uids, 1);
		cr_expect_str_eq(s.certs.certs[0].uids[0].text, uids[i]);
		cr_assert_not_null(s.certs.certs[0].uids[0].addr);
		cr_expect_str_eq(s.certs.certs[0].uids[0].addr, addrs[i]);
		cr_expect_gt(s.certs.certs[0].expires, now + 86400 * 29);
		cr_expect_lt(s.certs.certs[0].expires, now + 86400 * 31);
		crypto_pgp_secrets_clear(&s);
	}
}

Test(openpgp_own, a_user_id_that_is_none_makes_no_key)
{
	static const char *const uids[] = {"", " ", "x\n<a@example.com>"};

	for (size_t i = 0; i < 3; i++) {
		struct crypto_pgp_secrets s = {0};
		struct err_why why = {""};

		cr_expect_neq(crypto_pgp_generate(h.pgp, uids[i], 0, &s, &why),
		    ERR_OK, "row %zu", i);
		cr_expect_neq(why.text[0], '\0');
		cr_expect_eq(s.n, 0);
		cr_expect_null(s.keys);
	}
}

/* What is handed out, taken in again with the passphrase. */
static enum err
take_back(struct span armor, const char *passphrase,
    struct crypto_pgp_secrets *out, struct err_why *why)
{
	struct secret *pass = secret_from(span_str(passphrase));
	enum err e = crypto_pgp_take_secrets(h.pgp, armor, pass, out, why);

	secret_free(pass);
	return e;
}

Test(openpgp_own, what_is_handed_out_opens_with_its_passphrase_alone)
{
	struct crypto_pgp_secrets s = {0}, back = {0};
	struct secret *pass = secret_from(SPAN_LIT("a % b\xc3\xa4 c"));
	struct crypto_pgp_signer key;
	struct err_why why = {""};
	struct buf armor, plain;

	buf_init(&armor, LIMIT_KEY_SIZE);
	buf_init(&plain, LIMIT_KEY_SIZE);
	cr_assert_eq(
	    crypto_pgp_generate(h.pgp, "<anna@example.com>", 0, &s, &why),
	    ERR_OK, "%s", why.text);
	cr_expect_eq(s.certs.certs[0].expires, 0);
	key.fpr = SPAN(s.keys[0].fpr, s.keys[0].fpr_len);
	key.secret = secret_span(s.keys[0].octets);
	cr_assert_eq(crypto_pgp_secret_armor(h.pgp, &key, pass, &armor, &why),
	    ERR_OK, "%s", why.text);
	cr_expect_eq(
	    take_back(buf_span(&armor), "a % b", &back, &why), ERR_PASSPHRASE);
	cr_assert_eq(
	    take_back(buf_span(&armor), "a % b\xc3\xa4 c", &back, &why), ERR_OK,
	    "%s", why.text);
	cr_assert_eq(back.n, 1);
	cr_expect_str_eq(back.keys[0].fpr_hex, s.keys[0].fpr_hex);
	cr_expect(secret_eq(back.keys[0].octets, s.keys[0].octets));
	/* the people's own gpg reads the armor */
	peer_write(peer_path(h.dir, "sec.asc"), buf_span(&armor));
	cr_expect_eq(
	    peer_run(NULL, NULL, "gpg", "--homedir", h.people, "--batch",
		"--show-keys", peer_path(h.dir, "sec.asc"), NULL),
	    0);
	secret_free(pass);
	crypto_pgp_secrets_clear(&s);
	crypto_pgp_secrets_clear(&back);
	buf_clear(&armor);
	buf_clear(&plain);
}

Test(openpgp_own, nothing_is_handed_out_without_a_passphrase_or_a_key)
{
	struct secret *none = secret_new(0), *pass = secret_from(SPAN_LIT("x"));
	uint8_t fpr[20] = {1};
	struct crypto_pgp_signer key = {.fpr = SPAN(fpr, 20)};
	struct err_why why = {""};
	struct buf armor;
	struct buf in = peer_read(peer_data("sign/sam.sec.pgp"));

	buf_init(&armor, LIMIT_KEY_SIZE);
	key.secret = buf_span(&in);
	if (none != NULL)
		cr_expect_eq(
		    crypto_pgp_secret_armor(h.pgp, &key, none, &armor, &why),
		    ERR_PASSPHRASE);
	/* another fingerprint than the key has */
	cr_expect_neq(
	    crypto_pgp_secret_armor(h.pgp, &key, pass, &armor, &why), ERR_OK);
	key.secret = SPAN_LIT("no key");
	cr_expect_neq(
	    crypto_pgp_secret_armor(h.pgp, &key, pass, &armor, &why), ERR_OK);
	cr_expect_eq(armor.len, 0);
	secret_free(none);
	secret_free(pass);
	buf_clear(&armor);
	buf_clear(&in);
}

Test(openpgp_own, armor_is_what_gpg_reads)
{
	struct buf armor, in = peer_read(peer_data("bob.pgp"));

	buf_init(&armor, LIMIT_KEY_SIZE);
	for (size_t cut = 0; cut < 3; cut++) {
		buf_reset(&armor);
		cr_assert_eq(crypto_pgp_armor("MESSAGE",
				 SPAN(in.data, in.len - cut), &armor),
		    ERR_OK);
		peer_write(peer_path(h.dir, "a.asc"), buf_span(&armor));
		cr_expect_eq(peer_run(peer_path(h.dir, "a.asc"),
				 peer_path(h.dir, "a.bin"), "gpg", "--homedir",
				 h.people, "--batch", "--dearmor", NULL),
		    0);
		{
			struct buf out = peer_read(peer_path(h.dir, "a.bin"));

			cr_expect(span_eq(
			    buf_span(&out), SPAN(in.data, in.len - cut)));
			buf_clear(&out);
		}
	}
	buf_clear(&armor);
	buf_clear(&in);
}
