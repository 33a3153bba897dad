/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Admission, with the certificates of tests/crypto/data and made-up OpenPGP
 * descriptions: no gpg runs here.
 */
#include "keystore/admit.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/file.h"
#include "crypto/cert.h"
#include "crypto/openpgp.h"
#include "keystore/lookup.h"
#include "tests/keystore/records.h"

enum { NOW = 5000 };

static char dir[64];
static struct ks_store *store;
static struct arena *arena;

static const struct ks_origin by_hand = {
    .source = KS_SOURCE_MANUAL, .trust = KS_TRUSTED, .now = NOW};

static void
open_store(void)
{
	store = records_open(dir);
	arena = arena_new(16 << 20);
}

static void
close_store(void)
{
	records_close(store, dir);
	arena_free(arena);
}

TestSuite(admit, .init = open_store, .fini = close_store);

static struct crypto_cert *
load(const char *name)
{
	const char *top = getenv("TOP_SRCDIR");
	struct crypto_cert *cert = NULL;
	struct err_why why = {""};
	char path[512];
	struct buf b;

	snprintf(path, sizeof(path), "%s/tests/crypto/data/%s",
	    top != NULL ? top : "..", name);
	buf_init(&b, 1 << 20);
	cr_assert_eq(file_read_path(AT_FDCWD, path, &b), ERR_OK, "%s", path);
	cr_assert_eq(crypto_cert_parse(buf_span(&b), &cert, &why), ERR_OK,
	    "%s: %s", name, why.text);
	buf_clear(&b);
	return cert;
}

static struct ks_record *
record_of(const struct crypto_cert *cert)
{
	struct ks_record *r = NULL;
	struct err_why why = {""};
	enum err e = ks_admit_cert(cert, &by_hand, arena, &r, &why);

	cr_assert_eq(e, ERR_OK, "%s: %s", err_name(e), why.text);
	return r;
}

static enum ks_admitted
admit(const struct ks_record *r)
{
	enum ks_admitted what = KS_REFUSED;
	enum err e = ks_admit(store, r, arena, &what);

	cr_assert_eq(e, ERR_OK, "%s", err_name(e));
	return what;
}

Test(admit, a_certificate_becomes_a_record)
{
	struct crypto_cert *cert = load("p256.der");
	const struct crypto_cert_info *info = crypto_cert_info(cert);
	struct ks_record *r = record_of(cert), *back;

	cr_expect_eq(r->kind, KS_SMIME);
	cr_expect(span_eq(r->fpr, SPAN(info->fpr, CRYPTO_CERT_FPR_SIZE)));
	cr_expect(span_eq(r->key, crypto_cert_der(cert)));
	cr_expect_eq(r->good_for, KS_GOOD_SEAL);
	cr_expect_eq(r->flaw, KS_FLAW_NONE);
	cr_expect_eq(r->trust, KS_TRUSTED);
	cr_expect_eq(r->added, NOW);
	cr_expect_eq(r->not_after, info->not_after);
	cr_expect_gt(r->n_addrs, 0);
	cr_expect(span_eq_str(r->alg, "P-256"));
	cr_expect_eq(admit(r), KS_ADDED);
	cr_expect_eq(ks_get(store, r->fpr, arena, &back), ERR_OK);
	cr_expect_eq(admit(r), KS_UPDATED);
	crypto_cert_unref(cert);
}

Test(admit, what_cannot_seal_is_kept_with_its_reason)
{
	static const struct {
		const char *file;
		uint32_t good_for;
		enum ks_flaw flaw;
	} rows[] = {
	    {"ca.der", KS_GOOD_ISSUE, KS_FLAW_UNSUITABLE},
	    {"signonly.der", 0, KS_FLAW_UNSUITABLE},
	    {"rsa1024.der", 0, KS_FLAW_UNSUITABLE},
	    {"x25519.der", 0, KS_FLAW_UNSUPPORTED},
	    {"ed25519.der", 0, 99},
	    {"server.der", 0, KS_FLAW_UNSUITABLE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_cert *cert = load(rows[i].file);
		struct ks_record *r = record_of(cert);

		cr_expect_eq(r->good_for, rows[i].good_for, "%s: %u",
		    rows[i].file, r->good_for);
		cr_expect(rows[i].flaw == 99 ? r->flaw != KS_FLAW_NONE
					     : r->flaw == rows[i].flaw,
		    "%s: %d", rows[i].file, (int)r->flaw);
		cr_expect_gt(r->flaw_text.len, 0, "%s", rows[i].file);
		crypto_cert_unref(cert);
	}
}

static struct crypto_pgp_uid uids[] = {
    {.text = (char[]){"B <Bob@B.Example>"}, .addr = (char[]){"Bob@B.Example"}},
    {.text = (char[]){"again"}, .addr = (char[]){"bob@b.example"}},
    {.text = (char[]){"old"},
	.addr = (char[]){"old@b.example"},
	.revoked = true},
    {.text = (char[]){"no address"}},
};

static struct crypto_pgp_cert
pgp_key(void)
{
	struct crypto_pgp_cert k = {.version = 4,
	    .fpr_len = 20,
	    .uids = uids,
	    .n_uids = 4,
	    .created = 1000,
	    .alg = "Ed25519",
	    .seal_alg = "Curve25519",
	    .minimal = {.data = (uint8_t *)uids, .len = 8, .cap = 8, .max = 8}};

	for (uint8_t i = 0; i < 20; i++)
		k.fpr[i] = i;
	return k;
}

Test(admit, an_openpgp_key_becomes_a_record)
{
	struct crypto_pgp_cert k = pgp_key();
	struct ks_record *r = NULL;
	struct err_why why = {""};

	cr_assert_eq(ks_admit_pgp(&k, &by_hand, arena, &r, &why), ERR_OK);
	cr_expect_eq(r->kind, KS_OPENPGP);
	cr_assert_eq(r->n_addrs, 1, "%zu", r->n_addrs);
	cr_expect(span_eq_str(r->addrs[0], "bob@b.example"));
	cr_assert_eq(r->n_key_ids, 1);
	cr_expect(span_eq(r->key_ids[0], SPAN(k.fpr + 12, 8)));
	cr_expect_eq(r->good_for, KS_GOOD_SEAL);
	cr_expect_eq(r->not_after, 0);
	cr_expect(span_eq_str(r->alg, "Curve25519"));
	k.minimal.len = 0;
	cr_expect_eq(ks_admit_pgp(&k, &by_hand, arena, &r, &why), ERR_NO_KEY);
	cr_expect_neq(why.text[0], '\0');
}

/* However the end of a key is told, a lookup must know it. */
Test(admit, an_openpgp_key_ends_with_what_ends_first)
{
	static const struct {
		int64_t expires, seal_until;
		enum err seal_err;
		bool revoked;
		int64_t want;
		enum ks_flaw flaw;
	} rows[] = {
	    {0, 0, ERR_OK, false, 0, KS_FLAW_NONE},
	    {9000, 0, ERR_OK, false, 9000, KS_FLAW_NONE},
	    {0, 8000, ERR_OK, false, 8000, KS_FLAW_NONE},
	    {9000, 8000, ERR_OK, false, 8000, KS_FLAW_NONE},
	    {7000, 8000, ERR_OK, false, 7000, KS_FLAW_NONE},
	    {4000, 0, ERR_KEY_EXPIRED, false, 4000, KS_FLAW_NONE},
	    {0, 0, ERR_KEY_EXPIRED, false, NOW, KS_FLAW_NONE},
	    {9000, 0, ERR_KEY_EXPIRED, false, NOW, KS_FLAW_NONE},
	    {0, 0, ERR_KEY_REVOKED, true, 0, KS_FLAW_REVOKED},
	    {0, 0, ERR_OK, true, 0, KS_FLAW_REVOKED},
	    {0, 0, ERR_KEY_REVOKED, false, 0, KS_FLAW_UNSUITABLE},
	    {0, 0, ERR_UNSUPPORTED, false, 0, KS_FLAW_UNSUPPORTED},
	    {0, 0, ERR_KEY_UNUSABLE, false, 0, KS_FLAW_UNSUITABLE},
	    {0, 0, ERR_ENGINE, false, 0, KS_FLAW_UNSUITABLE},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypto_pgp_cert k = pgp_key();
		struct ks_record *r = NULL;

		k.expires = rows[i].expires;
		k.seal_until = rows[i].seal_until;
		k.seal_err = rows[i].seal_err;
		k.revoked = rows[i].revoked;
		cr_assert_eq(
		    ks_admit_pgp(&k, &by_hand, arena, &r, NULL), ERR_OK);
		cr_expect_eq(r->not_after, rows[i].want, "row %zu: %lld", i,
		    (long long)r->not_after);
		cr_expect_eq(r->flaw, rows[i].flaw, "row %zu", i);
		cr_expect_eq(r->good_for,
		    rows[i].flaw == KS_FLAW_NONE ? KS_GOOD_SEAL : 0, "row %zu",
		    i);
	}
}

Test(admit, bringing_a_key_again_undoes_nothing)
{
	struct ks_record *back;
	struct sample s;

	sample_init(&s, 'A', "a@b.example");
	cr_expect_eq(admit(&s.r), KS_ADDED);
	cr_assert_eq(ks_set_trust(store, s.r.fpr, KS_DISTRUSTED), ERR_OK);
	s.r.added = 9999;
	cr_expect_eq(admit(&s.r), KS_STAYS_DISTRUSTED);
	cr_assert_eq(ks_get(store, s.r.fpr, arena, &back), ERR_OK);
	cr_expect_eq(back->trust, KS_DISTRUSTED);
	cr_expect_eq(back->added, 900);
	cr_assert_eq(ks_set_trust(store, s.r.fpr, KS_PINNED), ERR_OK);
	s.r.trust = KS_CANDIDATE;
	s.r.source = KS_SOURCE_HKP;
	cr_expect_eq(admit(&s.r), KS_UPDATED);
	cr_assert_eq(ks_get(store, s.r.fpr, arena, &back), ERR_OK);
	cr_expect_eq(back->trust, KS_PINNED);
	cr_expect_eq(back->source, KS_SOURCE_MANUAL);
	s.r.flaw = KS_FLAW_REVOKED;
	cr_expect_eq(admit(&s.r), KS_UPDATED);
	s.r.flaw = KS_FLAW_NONE;
	cr_expect_eq(admit(&s.r), KS_STAYS_REVOKED);
	cr_assert_eq(ks_get(store, s.r.fpr, arena, &back), ERR_OK);
	cr_expect_eq(back->flaw, KS_FLAW_REVOKED);
}

Test(admit, a_fingerprint_is_of_one_kind)
{
	enum ks_admitted what = KS_REFUSED;
	struct sample s;

	sample_init(&s, 'A', "a@b.example");
	cr_expect_eq(admit(&s.r), KS_ADDED);
	s.r.kind = KS_OPENPGP;
	cr_expect_eq(ks_admit(store, &s.r, arena, &what), ERR_EXISTS);
	cr_expect_eq(what, KS_REFUSED);
}
