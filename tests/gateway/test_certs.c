/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The judge of chains: what the configuration says counts, what was decided is
 * remembered, and not beyond the next change of the keystore.
 */
#include "gateway/certs.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/conf.h"
#include "keystore/admit.h"
#include "keystore/lookup.h"
#include "tests/crypto/pki.h"
#include "tests/keystore/records.h"

enum { ROOT, ALICE, N_CERTS };

static const struct pki_spec specs[N_CERTS] = {
    [ROOT] = {"root", .ext = PKI_CA},
    [ALICE] = {"alice", "root",
	.ext = PKI_LEAF "subjectAltName=email:alice@example.com\n"
			"crlDistributionPoints=URI:http://c.example/r.crl\n"},
};

static struct pki_cert certs[N_CERTS];
static struct ks_store *store;
static struct arena *arena;
static struct certs *judge;
static struct conf conf;
static unsigned told;
static char dir[64];

static void
on_unknown(void *arg, const struct crypto_path *path)
{
	cr_expect_eq(arg, &told);
	cr_expect_eq(path->n, 2);
	told++;
}

static void
setup(void)
{
	struct err_why why = {""};

	conf = (struct conf){.certs = {.revocation = CRYPTO_REVOCATION_SOFT}};
	pki_make(specs, N_CERTS, certs);
	store = records_open(dir);
	arena = arena_new(1 << 24);
	cr_assert_eq(certs_new(&conf, &judge, &why), ERR_OK, "%s", why.text);
	certs_on_unknown(judge, on_unknown, &told);
	certs_use(judge, &conf, store);
}

static void
teardown(void)
{
	certs_free(judge);
	arena_free(arena);
	records_close(store, dir);
	pki_clear(certs, N_CERTS);
}

TestSuite(certs, .init = setup, .fini = teardown);

static void
keep(int cert, enum ks_trust trust)
{
	struct ks_origin origin = {
	    .source = KS_SOURCE_MANUAL, .trust = trust, .now = PKI_NOW};
	struct ks_record *r = NULL;
	struct err_why why;

	cr_assert_eq(
	    ks_admit_cert(certs[cert].cert, &origin, arena, &r, &why), ERR_OK);
	cr_assert_eq(ks_put(store, r), ERR_OK);
}

static struct ks_result
look(int64_t now)
{
	struct ks_result r;

	ks_lookup(store, SPAN_LIT("alice@example.com"), KS_SMIME, now, NULL, 0,
	    arena, &r);
	return r;
}

Test(certs, a_decision_is_remembered_until_the_keystore_changes)
{
	struct ks_result r;

	keep(ALICE, KS_CANDIDATE);
	r = look(PKI_NOW);
	cr_expect_eq(r.state, KS_ABSENT);
	cr_expect_not_null(strstr(r.candidate[0].why, "nobody we know"));
	cr_expect_eq(told, 0);
	keep(ROOT, KS_TRUSTED);
	cr_expect_eq(look(PKI_NOW).state, KS_HOLDS);
	cr_expect_eq(told, 1);
	cr_expect_eq(look(PKI_NOW).state, KS_HOLDS);
	cr_expect_eq(told, 1, "it was worked out again");
	/* not for ever: lists go out of date, certificates end */
	cr_expect_eq(look(PKI_NOW + 61).state, KS_HOLDS);
	cr_expect_eq(told, 2);
	cr_expect_eq(look(PKI_NOW + 2 * PKI_YEAR).state, KS_LAPSED);
	keep(ROOT, KS_DISTRUSTED);
	cr_expect_eq(look(PKI_NOW + 61).state, KS_ABSENT);
}

Test(certs, the_configuration_decides)
{
	uint8_t listed[1][32];
	const char *policy[] = {"1.2.3"};

	keep(ALICE, KS_CANDIDATE);
	keep(ROOT, KS_TRUSTED);
	cr_expect_eq(look(PKI_NOW).state, KS_HOLDS);
	conf.certs.revocation = CRYPTO_REVOCATION_HARD;
	certs_use(judge, &conf, store);
	cr_expect_eq(look(PKI_NOW).state, KS_FAILED);
	told = 0;
	conf.certs.revocation = CRYPTO_REVOCATION_OFF;
	certs_use(judge, &conf, store);
	cr_expect_eq(look(PKI_NOW).state, KS_HOLDS);
	cr_expect_eq(told, 0);
	conf.certs.policy = policy;
	conf.certs.n_policy = 1;
	certs_use(judge, &conf, store);
	cr_expect_eq(look(PKI_NOW).state, KS_ABSENT);
	conf.certs.n_policy = 0;
	memcpy(listed[0], crypto_cert_info(certs[ROOT].cert)->fpr, 32);
	conf.certs.distrusted = listed;
	conf.certs.n_distrusted = 1;
	certs_use(judge, &conf, store);
	cr_expect_eq(look(PKI_NOW).state, KS_ABSENT);
}

Test(certs, a_file_of_anchors_that_is_not_there_is_said)
{
	struct conf bad = {.certs = {.anchors = "/nonexistent/cas.pem"}};
	struct certs *none = NULL;
	struct err_why why = {""};

	cr_expect_eq(certs_new(&bad, &none, &why), ERR_NOT_FOUND);
	cr_expect_null(none);
	cr_expect_not_null(strstr(why.text, "/nonexistent/cas.pem"));
}
