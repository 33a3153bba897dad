/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What was refused is found while it is kept, and nobody can fill it. */
#include "keystore/refused.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/digest.h"
#include "keystore/store_private.h"
#include "tests/keystore/records.h"

static char dir[64];
static struct ks_store *store;

static void
open_store(void)
{
	digest_init();
	store = records_open(dir);
}

static void
close_store(void)
{
	records_close(store, dir);
}

TestSuite(refused, .init = open_store, .fini = close_store);

enum { T0 = 1800000000 };

static void
put(const char *addr, enum ks_source source, const char *fpr, const char *why,
    int64_t at)
{
	const struct ks_refusal r = {.at = at,
	    .source = source,
	    .addr = span_str(addr),
	    .fpr = span_str(fpr),
	    .what = SPAN_LIT("OpenPGP"),
	    .url = SPAN_LIT("https://x.example"),
	    .why = span_str(why)};

	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(ks_refused_put(store, &r), ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
}

struct seen {
	size_t n;
	int64_t oldest;
	char why[300];
};

static enum err
on_refusal(void *ctx, const struct ks_refusal *r)
{
	struct seen *s = ctx;

	if (s->n++ == 0 || r->at < s->oldest)
		s->oldest = r->at;
	snprintf(s->why, sizeof(s->why), "%.*s", (int)r->why.len,
	    (const char *)r->why.data);
	return ERR_OK;
}

static struct seen
all(const char *addr, int64_t now)
{
	struct seen s = {0};

	cr_assert_eq(
	    ks_refused_each(store, span_str(addr), now, on_refusal, &s),
	    ERR_OK);
	return s;
}

Test(refused, the_last_reason_of_each_key_and_source_is_kept)
{
	put("a@b.example", KS_SOURCE_WKD, "fpr1", "too weak", T0);
	put("a@b.example", KS_SOURCE_WKD, "fpr1", "expired", T0 + 1);
	cr_expect_eq(all("a@b.example", T0 + 2).n, 1);
	cr_expect_str_eq(all("a@b.example", T0 + 2).why, "expired");
	put("a@b.example", KS_SOURCE_VKS, "fpr1", "expired", T0);
	put("a@b.example", KS_SOURCE_WKD, "fpr2", "revoked", T0);
	/* what has no fingerprint is told apart by its reason */
	put("a@b.example", KS_SOURCE_WKD, "", "no key in it", T0);
	put("a@b.example", KS_SOURCE_WKD, "", "too large", T0);
	put("c@b.example", KS_SOURCE_WKD, "fpr3", "expired", T0);
	cr_expect_eq(all("a@b.example", T0 + 2).n, 5);
	cr_expect_eq(all("c@b.example", T0 + 2).n, 1);
	cr_expect_eq(all("b.example", T0 + 2).n, 0);
	cr_expect_eq(all("", T0 + 2).n, 6);
}

Test(refused, one_that_is_let_in_later_is_forgotten)
{
	put("a@b.example", KS_SOURCE_WKD, "fpr1", "expired", T0);
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_expect_eq(ks_refused_drop(store, SPAN_LIT("a@b.example"),
			 KS_SOURCE_VKS, SPAN_LIT("fpr1")),
	    ERR_OK);
	cr_expect_eq(all("a@b.example", T0).n, 1, "another source");
	cr_expect_eq(ks_refused_drop(store, SPAN_LIT("a@b.example"),
			 KS_SOURCE_WKD, SPAN_LIT("fpr1")),
	    ERR_OK);
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_expect_eq(all("a@b.example", T0).n, 0);
}

Test(refused, a_flood_takes_the_place_of_the_oldest_of_its_kind)
{
	char fpr[16];

	put("a@b.example", KS_SOURCE_WKD, "mine", "too weak", T0 - 1);
	for (int i = 0; i < 40; i++) {
		snprintf(fpr, sizeof(fpr), "fpr%d", i);
		put("a@b.example", KS_SOURCE_HARVEST, fpr, "weak", T0 + i);
	}
	/* who writes mail pushes out nothing but what came with mail */
	cr_expect_eq(all("a@b.example", T0).n, 1 + KS_REFUSED_ROWS_MAIL);
	cr_expect_eq(all("a@b.example", T0).oldest, T0 - 1);
	for (int i = 0; i < 40; i++) {
		snprintf(fpr, sizeof(fpr), "fpr%d", i);
		put("a@b.example", KS_SOURCE_WKD, fpr, "weak", T0 + i);
	}
	cr_expect_eq(
	    all("a@b.example", T0).n, KS_REFUSED_ROWS + KS_REFUSED_ROWS_MAIL);
	cr_expect_eq(all("a@b.example", T0).oldest, T0 + 24);
}

Test(refused, many_addresses_share_a_bounded_number_of_rows)
{
	enum { MANY = 6000 };
	char addr[64];

	cr_assert_eq(ks_begin(store), ERR_OK);
	for (int i = 0; i < MANY; i++) {
		const struct ks_refusal r = {.at = T0 + i,
		    .source = KS_SOURCE_HARVEST,
		    .addr = span_str(addr),
		    .why = SPAN_LIT("weak")};
		struct ks_refusal now = r;

		snprintf(addr, sizeof(addr), "a%d@b.example", i);
		now.addr = span_str(addr);
		cr_assert_eq(ks_refused_put(store, &now), ERR_OK);
	}
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_expect_leq(all("", T0).n, KS_REFUSED_PLACES * KS_REFUSED_ROWS_MAIL);
	cr_expect_gt(all("", T0).n, MANY / 4);
	cr_expect_eq(all("a5999@b.example", T0).n, 1, "the last is there");
}

Test(refused, goes_by_itself)
{
	struct buf from;
	size_t n = 0;

	put("a@b.example", KS_SOURCE_WKD, "old", "weak", T0);
	put("a@b.example", KS_SOURCE_WKD, "new", "weak", T0 + 100);
	cr_expect_eq(all("", T0 + KS_REFUSED_KEEP_S + 50).n, 1);
	cr_expect_eq(all("", T0 + KS_REFUSED_KEEP_S).n, 2);
	buf_init(&from, 1024);
	cr_assert_eq(ks_begin(store), ERR_OK);
	do {
		cr_assert_eq(ks_refused_sweep(
				 store, &from, 10, T0 + KS_REFUSED_KEEP_S + 50),
		    ERR_OK);
	} while (from.len > 0 && n++ < 10);
	cr_assert_eq(ks_commit(store), ERR_OK);
	buf_clear(&from);
	/* also for who looks with an old clock */
	cr_expect_eq(all("", T0).n, 1);
}

Test(refused, texts_are_cut_and_what_makes_no_sense_is_refused)
{
	static char text[1000];
	struct ks_refusal r = {.at = T0,
	    .source = KS_SOURCE_WKD,
	    .addr = SPAN_LIT("a@b.example"),
	    .why = SPAN(text, sizeof(text))};

	memset(text, 'x', sizeof(text));
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_expect_eq(ks_refused_put(store, &r), ERR_OK);
	r.addr = SPAN(text, KS_ADDR_MAX + 1);
	cr_expect_eq(ks_refused_put(store, &r), ERR_MALFORMED);
	r.addr = SPAN(NULL, 0);
	cr_expect_eq(ks_refused_put(store, &r), ERR_MALFORMED);
	r.addr = SPAN_LIT("a@b.example");
	r.fpr = SPAN(text, KS_FPR_MAX + 1);
	cr_expect_eq(ks_refused_put(store, &r), ERR_MALFORMED);
	r.fpr = SPAN(NULL, 0);
	r.source = (enum ks_source)0;
	cr_expect_eq(ks_refused_put(store, &r), ERR_MALFORMED);
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_expect_eq(strlen(all("a@b.example", T0).why), KS_REFUSED_TEXT);
}

Test(refused, a_damaged_row_is_told_of)
{
	static const char *const bad[] = {"", "\2", "\1", "\1aaaaaaaa\3"};
	struct ks_refusal r = {
	    .at = T0, .source = KS_SOURCE_WKD, .addr = SPAN_LIT("a@b.example")};
	struct seen s;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(ks_begin(store), ERR_OK);
		cr_assert_eq(
		    store->ops->row_put(store, KS_ROW_REFUSED,
			SPAN_LIT("\0\0\0aaaaaaaaaaaaaaaa"), span_str(bad[i])),
		    ERR_OK);
		/* and keeps nobody from writing */
		cr_expect_eq(ks_refused_put(store, &r), ERR_OK, "row %zu", i);
		cr_assert_eq(ks_commit(store), ERR_OK);
		cr_expect_eq(
		    ks_refused_each(store, SPAN(NULL, 0), T0, on_refusal, &s),
		    ERR_DB_BROKEN, "row %zu", i);
	}
}
