/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Paths by what a store has; path_status.c and store_revocation.c are tested
 * here, too.
 */
#include "keystore/path.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "common/pack.h"
#include "crypto/cert_cache.h"
#include "crypto/revocation.h"
#include "keystore/admit.h"
#include "keystore/issuer.h"
#include "keystore/own.h"
#include "tests/crypto/pki.h"
#include "tests/keystore/records.h"

#define N(table) (sizeof(table) / sizeof(table[0]))
#define HOUR	 INT64_C(3600)
#define URL	 "http://crl.example/ca.crl"

enum { ROOT, CA, CA_AGAIN, OTHER, ALICE, N_CERTS };

static const struct pki_spec specs[N_CERTS] = {
    [ROOT] = {"root", .ext = PKI_CA},
    [CA] = {"ca", "root",
	.ext = PKI_CA "crlDistributionPoints=URI:http://crl.example/root\n"},
    [CA_AGAIN] = {"ca again", "root", "ca", .ext = PKI_CA, .key = "=ca"},
    [OTHER] = {"other", .ext = PKI_CA},
    [ALICE] = {"alice", "ca",
	.ext = PKI_LEAF "subjectAltName=email:alice@example.com\n"
			"crlDistributionPoints=URI:" URL "\n"
			"authorityInfoAccess=OCSP;URI:http://ocsp.example/\n"},
};

static struct pki_cert certs[N_CERTS];
static struct ks_store *store;
static struct arena *arena;
static char dir[64];

static void
setup(void)
{
	pki_make(specs, N_CERTS, certs);
	store = records_open(dir);
	arena = arena_new(1 << 24);
}

static void
teardown(void)
{
	arena_free(arena);
	records_close(store, dir);
	pki_clear(certs, N_CERTS);
}

TestSuite(path, .init = setup, .fini = teardown);

static void
keep(int cert, enum ks_trust trust, const char *domain)
{
	struct ks_origin origin = {
	    .source = KS_SOURCE_MANUAL, .trust = trust, .now = PKI_NOW};
	struct ks_record *r = NULL;
	struct err_why why;

	cr_assert_eq(
	    ks_admit_cert(certs[cert].cert, &origin, arena, &r, &why), ERR_OK);
	r->domain = span_str(domain);
	cr_assert_eq(ks_put(store, r), ERR_OK);
}

static struct ks_path_rules rules = {.revocation = CRYPTO_REVOCATION_SOFT};

static enum err
check(const char *addr, int more, struct crypto_path *out)
{
	struct crypto_cert *with[] = {more < 0 ? NULL : certs[more].cert};
	struct ks_path_query q = {.store = store,
	    .rules = &rules,
	    .leaf = certs[ALICE].cert,
	    .more = with,
	    .n_more = more >= 0,
	    .purpose = CRYPTO_FOR_SEAL,
	    .addr = span_str(addr),
	    .now = PKI_NOW};

	return ks_path_check(&q, out);
}

Test(path, is_made_of_what_the_store_has)
{
	static const struct {
		const char *what;
		int root, ca, with; /* enum ks_trust, -1: not there */
		const char *domain; /* of the root */
		enum err err;
	} rows[] = {
	    {"root trusted, CA a candidate", KS_TRUSTED, KS_CANDIDATE, -1, "",
		ERR_OK},
	    {"root trusted, CA harvested", KS_TRUSTED, KS_HARVESTED, -1, "",
		ERR_OK},
	    {"root pinned", KS_PINNED, KS_CANDIDATE, -1, "", ERR_OK},
	    {"CA trusted", -1, KS_TRUSTED, -1, "", ERR_OK},
	    {"CA of the message", KS_TRUSTED, -1, CA, "", ERR_OK},
	    {"CA of the message, again", KS_TRUSTED, KS_CANDIDATE, CA, "",
		ERR_OK},
	    {"root for the domain", KS_TRUSTED, KS_CANDIDATE, -1, "example.com",
		ERR_OK},

	    {"nothing", -1, -1, -1, "", ERR_KEY_UNTRUSTED},
	    {"no CA", KS_TRUSTED, -1, -1, "", ERR_KEY_UNTRUSTED},
	    {"no root", -1, KS_CANDIDATE, -1, "", ERR_KEY_UNTRUSTED},
	    {"root discovered", KS_DISCOVERED, KS_CANDIDATE, -1, "",
		ERR_KEY_UNTRUSTED},
	    {"root distrusted", KS_DISTRUSTED, KS_TRUSTED, -1, "", ERR_OK},
	    {"CA distrusted", KS_TRUSTED, KS_DISTRUSTED, CA, "",
		ERR_KEY_UNTRUSTED},
	    /* another certificate of the distrusted key */
	    {"CA distrusted, new one", KS_TRUSTED, KS_DISTRUSTED, CA_AGAIN, "",
		ERR_KEY_UNTRUSTED},
	    {"anchor of the message", -1, -1, ROOT, "", ERR_KEY_UNTRUSTED},
	    {"root for another domain", KS_TRUSTED, KS_CANDIDATE, -1,
		"example.org", ERR_KEY_UNTRUSTED},
	    {"another CA of the message", KS_TRUSTED, -1, OTHER, "",
		ERR_KEY_UNTRUSTED},
	};

	for (size_t i = 0; i < N(rows); i++) {
		struct crypto_path path;
		enum err e;

		if (rows[i].root >= 0)
			keep(ROOT, (enum ks_trust)rows[i].root, rows[i].domain);
		if (rows[i].ca >= 0)
			keep(CA, (enum ks_trust)rows[i].ca, "");
		e = check("alice@example.com", rows[i].with, &path);
		cr_expect_eq(e, rows[i].err, "%s: %s %s", rows[i].what,
		    err_name(e), path.why.text);
		crypto_path_clear(&path);
		for (int c = 0; c < N_CERTS; c++) {
			const uint8_t *fpr =
			    crypto_cert_info(certs[c].cert)->fpr;

			e = ks_delete(store, SPAN(fpr, 32));
			cr_assert(e == ERR_OK || e == ERR_NOT_FOUND);
		}
	}
}

Test(path, a_configured_fingerprint_ends_every_path)
{
	uint8_t listed[1][CRYPTO_CERT_FPR_SIZE];
	struct crypto_path path;

	keep(ROOT, KS_TRUSTED, "");
	keep(CA, KS_CANDIDATE, "");
	cr_expect_eq(check("", -1, &path), ERR_OK, "%s", path.why.text);
	crypto_path_clear(&path);
	memcpy(listed[0], crypto_cert_info(certs[CA].cert)->fpr, 32);
	rules.distrusted = listed;
	rules.n_distrusted = 1;
	cr_expect_eq(check("", -1, &path), ERR_KEY_UNTRUSTED);
	cr_expect_not_null(strstr(path.why.text, "distrusted"));
	crypto_path_clear(&path);
	rules.n_distrusted = 0;
}

/* --- revocation --- */

#define GOOD CRYPTO_REVOKED_NO
#define BAD  CRYPTO_REVOKED_YES

struct wants {
	struct ks_want w[4];
	uint8_t id[4][KS_WANT_ID];
	char url[4][64];
	size_t n;
};

static enum err
note_want(void *ctx, const struct ks_want *w)
{
	struct wants *all = ctx;
	bool is_new = false;
	size_t i = all->n++;

	cr_assert_lt(i, 4);
	snprintf(all->url[i], 64, "%.*s", (int)w->url.len, w->url.data);
	all->w[i] = *w;
	ks_want_id(w->kind, w->issuer, w->url, w->serial, all->id[i]);
	return ks_want_add(store, w, PKI_NOW, &is_new);
}

static void
want_all(struct wants *all)
{
	struct crypto_path path;

	*all = (struct wants){.n = 0};
	keep(ROOT, KS_TRUSTED, "");
	keep(CA, KS_CANDIDATE, "");
	cr_assert_eq(check("", -1, &path), ERR_OK, "%s", path.why.text);
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_expect_eq(ks_path_wants(&path, note_want, all), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	crypto_path_clear(&path);
}

static void
say(const uint8_t *id, const struct ks_said *said)
{
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(ks_want_done(store, id, PKI_NOW, said,
			 SPAN_LIT("the server did not answer")),
	    ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
}

/* A list with one certificate in it. */
static struct buf
list_of(const struct crypto_cert *cert, uint8_t reason)
{
	uint8_t digest[32];
	struct packer p;
	struct buf b;

	ks_admit_name(crypto_cert_info(cert)->serial_raw, digest);
	buf_init(&b, 64);
	pack_begin(&p, &b);
	pack_raw(&p, digest, CRYPTO_LIST_DIGEST);
	pack_u64(&p, PKI_NOW - HOUR);
	pack_u8(&p, reason);
	cr_assert_eq(pack_end(&p), ERR_OK);
	return b;
}

Test(path, wants_what_its_certificates_name)
{
	struct wants all;

	want_all(&all);
	cr_assert_eq(all.n, 3);
	cr_expect_eq(all.w[0].kind, KS_WANT_LIST);
	cr_expect_str_eq(all.url[0], URL);
	cr_expect_eq(all.w[1].kind, KS_WANT_ANSWER);
	cr_expect_str_eq(all.url[1], "http://ocsp.example/");
	cr_expect_eq(all.w[2].kind, KS_WANT_LIST);
	cr_expect_str_eq(all.url[2], "http://crl.example/root");
}

Test(path, what_was_said_decides)
{
	static const struct {
		const char *what;
		int64_t until; /* of the list; 0: none */
		int listed;    /* -1: nobody; else the certificate */
		uint8_t reason, scope;
		int64_t answer_until; /* 0: none */
		enum crypto_revoked answer;
		enum crypto_revoked state;
	} rows[] = {
	    {"nothing", 0, -1, 0, 3, 0, 0, CRYPTO_REVOKED_UNKNOWN},
	    {"good by list", HOUR, -1, 0, 3, 0, 0, GOOD},
	    {"good by list of users", HOUR, -1, 0, CRYPTO_LIST_USERS, 0, 0,
		GOOD},
	    {"good by answer", 0, -1, 0, 3, HOUR, GOOD, GOOD},
	    {"revoked by list", HOUR, ALICE, 1, 3, 0, 0, BAD},
	    {"revoked by list, good by answer", HOUR, ALICE, 1, 3, HOUR, GOOD,
		BAD},
	    {"revoked by answer", HOUR, -1, 0, 3, HOUR, BAD, BAD},
	    {"list of CAs", HOUR, ALICE, 1, CRYPTO_LIST_CAS, 0, 0,
		CRYPTO_REVOKED_UNKNOWN},
	    {"another listed", HOUR, CA, 1, 3, 0, 0, GOOD},
	    {"old list", -1, -1, 0, 3, 0, 0, CRYPTO_REVOKED_UNKNOWN},
	    {"old list with it", -1, ALICE, 1, 3, 0, 0, BAD},
	    {"old list that held it", -1, ALICE, 6, 3, 0, 0,
		CRYPTO_REVOKED_UNKNOWN},
	    {"held", HOUR, ALICE, 6, 3, 0, 0, BAD},
	    {"old answer", 0, -1, 0, 3, -1, GOOD, CRYPTO_REVOKED_UNKNOWN},
	    {"old answer, revoked", 0, -1, 0, 3, -1, BAD, BAD},
	    {"the responder does not know", 0, -1, 0, 3, HOUR, 0,
		CRYPTO_REVOKED_UNKNOWN},
	};
	struct wants all;

	want_all(&all);
	for (size_t i = 0; i < N(rows); i++) {
		struct buf entries = list_of(
		    certs[rows[i].listed < 0 ? OTHER : rows[i].listed].cert,
		    rows[i].reason);
		struct ks_said list = {.until = PKI_NOW + rows[i].until,
		    .scope = rows[i].scope,
		    .entries = buf_span(&entries)};
		struct ks_said answer = {
		    .until = PKI_NOW + rows[i].answer_until,
		    .state = (uint8_t)rows[i].answer};
		struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};

		if (rows[i].until == 0)
			list.until = 0;
		if (rows[i].answer_until == 0)
			answer.until = 0;
		/* without an entry for the case that it says nothing */
		if (rows[i].listed < 0)
			list.entries = SPAN(NULL, 0);
		say(all.id[0], &list);
		say(all.id[1], &answer);
		ks_revocation_of(
		    store, certs[ALICE].cert, certs[CA].cert, PKI_NOW, &s);
		cr_expect_eq(s.state, rows[i].state, "%s", rows[i].what);
		buf_clear(&entries);
	}
}

Test(path, a_revoked_issuer_ends_the_path)
{
	struct buf entries = list_of(certs[CA].cert, 1);
	struct ks_said list = {
	    .until = PKI_NOW + HOUR, .scope = 3, .entries = buf_span(&entries)};
	struct crypto_path path;
	struct wants all;

	want_all(&all);
	say(all.id[2], &list);
	cr_expect_eq(check("", -1, &path), ERR_KEY_REVOKED);
	cr_expect_not_null(strstr(path.why.text, "CN=ca"));
	crypto_path_clear(&path);
	rules.revocation = CRYPTO_REVOCATION_OFF;
	cr_expect_eq(check("", -1, &path), ERR_OK);
	crypto_path_clear(&path);
	rules.revocation = CRYPTO_REVOCATION_HARD;
	list.entries = SPAN(NULL, 0);
	say(all.id[2], &list);
	cr_expect_eq(check("", -1, &path), ERR_RUNG_FAILED);
	crypto_path_clear(&path);
	say(all.id[0], &list);
	cr_expect_eq(check("", -1, &path), ERR_OK, "%s", path.why.text);
	crypto_path_clear(&path);
	rules.revocation = CRYPTO_REVOCATION_SOFT;
	buf_clear(&entries);
}

/* --- the schedule --- */

struct due {
	size_t n;
	struct ks_want last;
	char trouble[64];
};

static enum err
count_due(void *ctx, const uint8_t *id, const struct ks_want *w)
{
	struct due *d = ctx;

	(void)id;
	cr_expect_gt(w->issuer.len, 100);
	d->n++;
	d->last = *w;
	snprintf(d->trouble, sizeof(d->trouble), "%.*s", (int)w->trouble.len,
	    w->trouble.len > 0 ? (const char *)w->trouble.data : "");
	return ERR_OK;
}

static struct due
due_at(int64_t now)
{
	struct due d = {.n = 0};

	cr_expect_eq(ks_want_due(store, now, count_due, &d), ERR_OK);
	return d;
}

static struct due
look(const uint8_t *id)
{
	struct due d = {.n = 0};

	cr_expect_eq(ks_want_get(store, id, count_due, &d), ERR_OK);
	return d;
}

Test(path, what_is_wanted_is_fetched_again_in_time)
{
	struct ks_said week = {.until = PKI_NOW + 7 * 24 * HOUR};
	struct ks_said hour = {.until = PKI_NOW + HOUR};
	struct wants all;
	struct due d;

	want_all(&all);
	cr_expect_eq(due_at(PKI_NOW).n, 3);
	cr_expect_eq(due_at(PKI_NOW - 1).n, 0);
	/* wanted once more: nothing changes */
	want_all(&all);
	cr_expect_eq(due_at(PKI_NOW).n, 3);
	say(all.id[0], &week);
	say(all.id[1], &hour);
	cr_expect_eq(due_at(PKI_NOW).n, 1);
	cr_expect_eq(look(all.id[0]).last.due, PKI_NOW + 24 * HOUR);
	d = look(all.id[1]);
	cr_expect_eq(d.last.due, PKI_NOW + HOUR / 4 * 3);
	cr_expect_eq(d.last.good, PKI_NOW + HOUR);
	/* failures put it off, further each time, up to hours */
	for (int i = 0; i < 10; i++)
		say(all.id[2], NULL);
	d = look(all.id[2]);
	cr_expect_eq(d.last.failures, 10);
	cr_expect_eq(d.last.due, PKI_NOW + 4 * HOUR);
	cr_expect_str_eq(d.trouble, "the server did not answer");
	cr_expect_eq(due_at(PKI_NOW + 1).n, 0);
	/* a failure does not lose what was known */
	say(all.id[1], NULL);
	d = look(all.id[1]);
	cr_expect_eq(d.last.good, PKI_NOW + HOUR);
	cr_expect_eq(d.last.due, PKI_NOW + 300);
	say(all.id[2], &week);
	cr_expect_str_eq(look(all.id[2]).trouble, "");
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_expect_eq(ks_want_put_off(store, all.id[2], PKI_NOW + 60), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_expect_eq(look(all.id[2]).last.due, PKI_NOW + 60);
	cr_expect_eq(due_at(PKI_NOW + 60).n, 1);
}

static enum err
take_state(void *ctx, const struct ks_said *there)
{
	*(int *)ctx = there->state;
	return ERR_OK;
}

/* They come by plain HTTP, and yesterday's is signed as well. */
Test(path, an_older_answer_changes_nothing)
{
	struct ks_said good = {.from = PKI_NOW - 2 * HOUR,
	    .until = PKI_NOW + HOUR,
	    .state = CRYPTO_REVOKED_NO};
	struct ks_said revoked = {.from = PKI_NOW - HOUR,
	    .until = PKI_NOW + HOUR,
	    .state = CRYPTO_REVOKED_YES};
	struct wants all;
	int state = -1;

	want_all(&all);
	say(all.id[0], &good);
	say(all.id[0], &revoked);
	say(all.id[0], &good);
	cr_assert_eq(ks_said_get(store, all.id[0], take_state, &state), ERR_OK);
	cr_expect_eq(state, CRYPTO_REVOKED_YES);
	cr_expect_eq(look(all.id[0]).last.failures, 1);
	good.from = PKI_NOW;
	say(all.id[0], &good);
	cr_assert_eq(ks_said_get(store, all.id[0], take_state, &state), ERR_OK);
	cr_expect_eq(state, CRYPTO_REVOKED_NO);
}

Test(path, a_list_by_hand_counts_for_its_issuer_and_goes_not_back)
{
	struct buf entries = list_of(certs[ALICE].cert, 1);
	struct ks_said said = {.from = PKI_NOW - 10,
	    .until = PKI_NOW + HOUR,
	    .scope = CRYPTO_LIST_USERS | CRYPTO_LIST_CAS,
	    .entries = buf_span(&entries)};
	struct span der = crypto_cert_der(certs[CA].cert), all = SPAN(NULL, 0);
	struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};

	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(ks_said_import(store, crypto_cert_der(certs[ROOT].cert),
			 all, PKI_NOW, &said),
	    ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	ks_revocation_of(store, certs[ALICE].cert, certs[CA].cert, PKI_NOW, &s);
	cr_expect_eq(s.state, CRYPTO_REVOKED_UNKNOWN, "of another issuer");
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(ks_said_import(store, der, all, PKI_NOW, &said), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	ks_revocation_of(store, certs[ALICE].cert, certs[CA].cert, PKI_NOW, &s);
	cr_expect_eq(s.state, CRYPTO_REVOKED_YES);
	said.from--;
	said.entries = SPAN(NULL, 0);
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_expect_eq(
	    ks_said_import(store, der, all, PKI_NOW, &said), ERR_EXISTS);
	said.from += 2;
	cr_expect_eq(ks_said_import(store, der, all, PKI_NOW, &said), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	ks_revocation_of(store, certs[ALICE].cert, certs[CA].cert, PKI_NOW, &s);
	cr_expect_eq(s.state, CRYPTO_REVOKED_NO);
	buf_clear(&entries);
}

Test(path, a_list_by_hand_for_a_url_is_that_which_is_wanted)
{
	struct ks_said said = {.from = PKI_NOW,
	    .until = PKI_NOW + 4 * HOUR,
	    .scope = CRYPTO_LIST_USERS | CRYPTO_LIST_CAS};
	struct due d = {.n = 0};
	struct wants all;

	want_all(&all);
	cr_assert_eq(due_at(PKI_NOW).n, 3);
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(ks_said_import(store, crypto_cert_der(certs[CA].cert),
			 SPAN_LIT(URL), PKI_NOW, &said),
	    ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	d = due_at(PKI_NOW);
	cr_expect_eq(d.n, 2, "it is not fetched before its time");
}

Test(path, what_no_certificate_needs_any_more_is_forgotten)
{
	struct ks_said said = {.until = PKI_NOW + HOUR};
	struct wants all;
	struct due d = {.n = 0};
	int64_t end = PKI_NOW + 2 * PKI_YEAR;

	want_all(&all);
	say(all.id[0], &said);
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_expect_eq(ks_want_forget(store, PKI_NOW + HOUR, 64), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_expect_eq(due_at(end).n, 3);
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_expect_eq(ks_want_forget(store, end, 2), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_expect_eq(due_at(end).n, 1);
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_expect_eq(ks_want_forget(store, end, 64), ERR_OK);
	cr_expect_eq(ks_want_done(store, all.id[0], end, &said, SPAN(NULL, 0)),
	    ERR_NOT_FOUND);
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_expect_eq(due_at(end).n, 0);
	cr_expect_eq(
	    ks_want_get(store, all.id[0], count_due, &d), ERR_NOT_FOUND);
}

Test(path, a_want_that_makes_no_sense_is_refused)
{
	struct span der = crypto_cert_der(certs[CA].cert);
	struct span url = SPAN_LIT(URL), one = SPAN_LIT("1");
	char long_url[LIMIT_REVOCATION_URL + 1];
	const struct ks_want rows[] = {
	    {.kind = KS_WANT_LIST, .url = url},
	    {.kind = KS_WANT_LIST, .issuer = der},
	    {.kind = KS_WANT_LIST, .issuer = der, .url = url, .serial = one},
	    {.kind = KS_WANT_LIST, .issuer = der, .url = url, .request = one},
	    {.kind = KS_WANT_LIST,
		.issuer = der,
		.url = SPAN(long_url, sizeof(long_url))},
	    {.kind = KS_WANT_ANSWER, .issuer = der, .url = url},
	    {.kind = KS_WANT_ANSWER, .issuer = der, .url = url, .serial = one},
	    {.kind = KS_WANT_ANSWER, .issuer = der, .url = url, .request = one},
	    {.kind = (enum ks_want_kind)3, .issuer = der, .url = url},
	};
	bool is_new = false;

	memset(long_url, 'x', sizeof(long_url));
	cr_assert_eq(ks_begin(store), ERR_OK);
	for (size_t i = 0; i < N(rows); i++)
		cr_expect_eq(ks_want_add(store, &rows[i], PKI_NOW, &is_new),
		    ERR_MALFORMED, "row %zu", i);
	ks_rollback(store);
}

Test(path, the_issuers_that_come_along_are_kept_and_believed_in_nothing)
{
	struct ks_origin origin = {
	    .source = KS_SOURCE_LDAP, .trust = KS_DISCOVERED, .now = PKI_NOW};
	struct pki_spec many[KS_PER_NAME_MAX + 2];
	struct pki_cert made[N(many)];
	struct crypto_path path;
	struct ks_record *r = NULL;
	struct err_why why;
	bool added = false;

	for (size_t i = 0; i < N(many); i++)
		many[i] = (struct pki_spec){"many", .ext = PKI_CA};
	pki_make(many, N(many), made);
	for (size_t i = 0; i < N(many); i++) {
		cr_assert_eq(
		    ks_admit_cert(made[i].cert, &origin, arena, &r, &why),
		    ERR_OK);
		cr_assert_eq(ks_begin(store), ERR_OK);
		cr_expect_eq(ks_issuer_keep(store, r, &added),
		    i < KS_PER_NAME_MAX ? ERR_OK : ERR_LIMIT);
		cr_expect_eq(added, i < KS_PER_NAME_MAX);
		cr_assert_eq(ks_commit(store), ERR_OK);
	}
	pki_clear(made, N(many));
	/* an intermediate is used, and an anchor stays one */
	keep(ROOT, KS_TRUSTED, "");
	cr_assert_eq(
	    ks_admit_cert(certs[CA].cert, &origin, arena, &r, &why), ERR_OK);
	cr_expect_eq(ks_issuer_keep(store, r, &added), ERR_OK);
	cr_expect(added);
	cr_assert_eq(
	    ks_admit_cert(certs[ROOT].cert, &origin, arena, &r, &why), ERR_OK);
	cr_expect_eq(ks_issuer_keep(store, r, &added), ERR_OK);
	cr_expect_not(added);
	cr_expect_eq(check("", -1, &path), ERR_OK, "%s", path.why.text);
	crypto_path_clear(&path);
	/* what only an administrator says, or who is no CA */
	origin.source = KS_SOURCE_MANUAL;
	cr_assert_eq(
	    ks_admit_cert(certs[OTHER].cert, &origin, arena, &r, &why), ERR_OK);
	cr_expect_eq(ks_issuer_keep(store, r, &added), ERR_PERMISSION);
	origin.source = KS_SOURCE_LDAP;
	cr_assert_eq(
	    ks_admit_cert(certs[ALICE].cert, &origin, arena, &r, &why), ERR_OK);
	cr_expect_not(ks_is_issuer(r));
	cr_expect_eq(ks_issuer_keep(store, r, &added), ERR_MALFORMED);
}

Test(path, a_ca_of_our_own_knows_what_it_issued)
{
	struct span fpr = SPAN(crypto_cert_info(certs[CA].cert)->fpr, 32);
	struct span leaf = SPAN(crypto_cert_info(certs[ALICE].cert)->fpr, 32);
	struct ks_ca own = {.fpr = fpr, .added = PKI_NOW};
	struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};
	struct ks_record *r = NULL;

	keep(ALICE, KS_TRUSTED, "");
	ks_revocation_of(store, certs[ALICE].cert, certs[CA].cert, PKI_NOW, &s);
	cr_expect_eq(s.state, CRYPTO_REVOKED_UNKNOWN);
	cr_assert_eq(ks_ca_put(store, &own), ERR_OK);
	ks_revocation_of(store, certs[ALICE].cert, certs[CA].cert, PKI_NOW, &s);
	cr_expect_eq(s.state, CRYPTO_REVOKED_NO);
	cr_assert_eq(ks_get(store, leaf, arena, &r), ERR_OK);
	r->flaw = KS_FLAW_REVOKED;
	cr_assert_eq(ks_put(store, r), ERR_OK);
	ks_revocation_of(store, certs[ALICE].cert, certs[CA].cert, PKI_NOW, &s);
	cr_expect_eq(s.state, CRYPTO_REVOKED_YES);
}
