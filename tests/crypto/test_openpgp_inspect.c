/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Admitting OpenPGP certificates: what they say, what is stored of them, what
 * is refused.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto/openpgp.h"
#include "tests/crypto/homes.h"
#include "tests/crypto/out.h"
#include "tests/crypto/peer.h"

/* User IDs as "address" or "-", a revoked one with "!", joined by blanks. */
static void
join_uids(const struct crypto_pgp_cert *cert, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < cert->n_uids; i++) {
		const struct crypto_pgp_uid *uid = &cert->uids[i];
		size_t len = strlen(out);

		snprintf(out + len, size - len, "%s%s%s", i == 0 ? "" : " ",
		    uid->revoked ? "!" : "",
		    uid->addr == NULL ? "-" : uid->addr);
	}
}

static struct crypto_pgp_list
inspect(struct homes *h, const char *file)
{
	struct buf b = peer_read(peer_data(file));
	struct crypto_pgp_list list = {0};
	struct err_why why = {""};

	cr_assert_eq(crypto_pgp_inspect(h->pgp, buf_span(&b), &list, &why),
	    ERR_OK, "%s: %s", file, why.text);
	buf_clear(&b);
	return list;
}

Test(openpgp, keys_say_what_they_are)
{
	static const struct {
		const char *file, *alg;
		unsigned bits;
		const char *seal_alg;
		unsigned seal_bits;
		const char *uids;
		enum err e;
		bool revoked;
	} rows[] = {
	    {"bob.asc", "Ed25519", 255, "Cv25519", 255,
		"- bob@example.org bob@work.example !old@example.org", ERR_OK,
		false},
	    {"bob.pgp", "Ed25519", 255, "Cv25519", 255,
		"- bob@example.org bob@work.example !old@example.org", ERR_OK,
		false},
	    {"rita.pgp", "RSA", 3072, "RSA", 3072, "rita@example.org", ERR_OK,
		false},
	    {"nina.pgp", "P-256", 256, "P-256", 256, "nina@example.org", ERR_OK,
		false},
	    {"expired.pgp", "Ed25519", 255, "", 0, "past@example.org",
		ERR_KEY_EXPIRED, false},
	    {"subexpired.pgp", "Ed25519", 255, "", 0, "half@example.org",
		ERR_KEY_EXPIRED, false},
	    {"revoked.pgp", "Ed25519", 255, "", 0, "!rev@example.org",
		ERR_KEY_REVOKED, true},
	    {"subrevoked.pgp", "Ed25519", 255, "", 0, "sub@example.org",
		ERR_KEY_REVOKED, false},
	    {"signonly.pgp", "Ed25519", 255, "", 0, "sig@example.org",
		ERR_KEY_UNUSABLE, false},
	    {"rsa1024.pgp", "RSA", 2048, "RSA", 1024, "short@example.org",
		ERR_KEY_UNUSABLE, false},
	    {"v6.asc", "", 0, "", 0, "", ERR_UNSUPPORTED, false},
	};
	struct homes h;

	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_pgp_list list = inspect(&h, rows[i].file);
		struct crypto_pgp_cert *cert = &list.certs[0];
		const char *file = rows[i].file;
		char uids[256];

		join_uids(cert, uids, sizeof(uids));
		cr_expect_eq(list.n, 1, "%s", file);
		cr_expect_str_eq(
		    cert->alg, rows[i].alg, "%s: %s", file, cert->alg);
		cr_expect_eq(
		    cert->bits, rows[i].bits, "%s: %u", file, cert->bits);
		cr_expect_str_eq(cert->seal_alg, rows[i].seal_alg, "%s: %s",
		    file, cert->seal_alg);
		cr_expect_eq(cert->seal_bits, rows[i].seal_bits, "%s: %u", file,
		    cert->seal_bits);
		cr_expect_str_eq(uids, rows[i].uids, "%s: %s", file, uids);
		cr_expect_eq(cert->seal_err, rows[i].e, "%s: %s", file,
		    cert->seal_why.text);
		cr_expect_eq(cert->seal_why.text[0] == '\0',
		    rows[i].e == ERR_OK, "%s", file);
		cr_expect_eq(cert->revoked, rows[i].revoked, "%s", file);
		cr_expect_eq(cert->minimal.len == 0,
		    rows[i].e == ERR_UNSUPPORTED, "%s", file);
		crypto_pgp_list_clear(&list);
	}
	homes_remove(&h);
}

Test(openpgp, times_and_fingerprints_are_right)
{
	struct homes h;
	struct crypto_pgp_list list;

	homes_make(&h);
	list = inspect(&h, "nina.pgp");
	cr_expect_eq(list.certs[0].created, INT64_C(1767225600));
	cr_expect_eq(list.certs[0].expires, 0);
	cr_expect_eq(list.certs[0].seal_until, INT64_C(3786912000));
	cr_expect_eq(list.certs[0].version, 4);
	cr_expect_eq(list.certs[0].fpr_len, 20);
	cr_expect_eq(strlen(list.certs[0].fpr_hex), 40);
	crypto_pgp_list_clear(&list);
	list = inspect(&h, "expired.pgp");
	cr_expect_eq(list.certs[0].expires, INT64_C(1609459200));
	crypto_pgp_list_clear(&list);
	list = inspect(&h, "v6.asc");
	cr_expect_eq(list.certs[0].version, 6);
	cr_expect_eq(list.certs[0].fpr_len, 32);
	crypto_pgp_list_clear(&list);
	homes_remove(&h);
}

Test(openpgp, a_ring_is_listed_in_its_order_each_key_once)
{
	static const char *const files[] = {"three.pgp", "two.asc"};
	struct homes h;

	homes_make(&h);
	for (size_t i = 0; i < 2; i++) {
		struct crypto_pgp_list list = inspect(&h, files[i]);

		cr_assert_eq(list.n, 2, "%s: %zu", files[i], list.n);
		cr_expect_str_eq(list.certs[0].alg, "Ed25519");
		cr_expect_str_eq(list.certs[1].alg, "RSA");
		cr_expect_eq(list.certs[1].seal_err, ERR_OK);
		crypto_pgp_list_clear(&list);
	}
	homes_remove(&h);
}

Test(openpgp, what_is_stored_has_self_signatures_only_and_seals)
{
	struct buf signed_key = peer_read(peer_data("signed.pgp"));
	int out = out_new("");
	struct homes h;
	struct crypto_pgp_list list, again;
	struct err_why why = {""};
	struct span key;

	homes_make(&h);
	list = inspect(&h, "signed.pgp");
	again = inspect(&h, "nina.pgp");
	cr_assert_gt(list.certs[0].minimal.len, 0);
	cr_expect_lt(list.certs[0].minimal.len, signed_key.len);
	cr_expect(span_eq(buf_span(&list.certs[0].minimal),
	    buf_span(&again.certs[0].minimal)));
	/* what came before is forgotten */
	cr_expect_eq(again.n, 1);
	key = buf_span(&list.certs[0].minimal);
	cr_expect_eq(crypto_pgp_seal(h.pgp, &key, 1, SPAN_LIT("x"), out, &why),
	    ERR_OK, "%s", why.text);
	close(out);
	buf_clear(&signed_key);
	crypto_pgp_list_clear(&list);
	crypto_pgp_list_clear(&again);
	homes_remove(&h);
}

Test(openpgp, a_key_whose_self_signatures_are_wrong_is_refused)
{
	struct buf b = peer_read(peer_data("rita.pgp"));
	struct crypto_pgp_list list = {0};
	struct homes h;
	struct err_why why = {""};
	size_t at = span_find(buf_span(&b), 0, SPAN_LIT("Rita"));

	homes_make(&h);
	cr_assert_lt(at, b.len);
	b.data[at] = 'M'; /* now another name than was signed */
	cr_assert_eq(crypto_pgp_inspect(h.pgp, buf_span(&b), &list, &why),
	    ERR_OK, "%s", why.text);
	cr_assert_eq(list.n, 1);
	cr_expect_eq(list.certs[0].seal_err, ERR_KEY_UNUSABLE);
	cr_expect_eq(list.certs[0].n_uids, 0);
	cr_expect_eq(list.certs[0].minimal.len, 0);
	crypto_pgp_list_clear(&list);
	buf_clear(&b);
	homes_remove(&h);
}

Test(openpgp, what_is_no_public_key_is_refused)
{
	static const struct {
		const char *file;
		enum err e;
	} rows[] = {
	    {"bob.sec.asc", ERR_PERMISSION},
	    {"message.asc", ERR_MALFORMED},
	    {"p256.pem", ERR_NO_KEY},
	    {"p256.der", ERR_NO_KEY},
	};
	struct homes h;

	homes_make(&h);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf b = peer_read(peer_data(rows[i].file));
		struct crypto_pgp_list list = {0};
		struct err_why why = {""};

		cr_expect_eq(
		    crypto_pgp_inspect(h.pgp, buf_span(&b), &list, &why),
		    rows[i].e, "%s: %s", rows[i].file, why.text);
		cr_expect_null(list.certs);
		cr_expect_neq(why.text[0], '\0', "%s", rows[i].file);
		buf_clear(&b);
	}
	homes_remove(&h);
}
