/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of own keys; part of the contract of stores.
 */
#include "keystore/own.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "keystore/store_private.h"
#include "tests/keystore/records.h"

static char dir[64];
static struct ks_store *store;
static struct arena *arena;
static uint8_t ones[32], twos[32], threes[32];

static void
setup(void)
{
	store = records_open(dir);
	arena = arena_new(1 << 20);
	memset(ones, 1, sizeof(ones));
	memset(twos, 2, sizeof(twos));
	memset(threes, 3, sizeof(threes));
}

static void
teardown(void)
{
	arena_free(arena);
	records_close(store, dir);
}

TestSuite(own, .init = setup, .fini = teardown);

#define FPR(a) SPAN((a), 32)

Test(own, a_ca_comes_back_as_it_was_and_is_replaced)
{
	struct ks_ca ca = {.fpr = FPR(ones), .added = 7}, *back = NULL;

	cr_expect_eq(ks_ca_get(store, ca.fpr, arena, &back), ERR_NOT_FOUND);
	cr_assert_eq(ks_ca_put(store, &ca), ERR_OK);
	cr_assert_eq(ks_ca_get(store, ca.fpr, arena, &back), ERR_OK);
	cr_expect_eq(back->crl_number, 0);
	cr_expect_eq(back->crl.len, 0);
	ca.crl_number = 9;
	ca.this_update = 100;
	ca.next_update = 200;
	ca.crl = SPAN_LIT("list");
	cr_assert_eq(ks_ca_put(store, &ca), ERR_OK);
	cr_assert_eq(ks_ca_get(store, ca.fpr, arena, &back), ERR_OK);
	cr_expect_eq(back->added, 7);
	cr_expect_eq(back->crl_number, 9);
	cr_expect_eq(back->this_update, 100);
	cr_expect_eq(back->next_update, 200);
	cr_expect(span_eq(back->crl, ca.crl));
	cr_expect(span_eq(back->fpr, ca.fpr));
	cr_expect_eq(ks_ca_get(store, FPR(twos), arena, &back), ERR_NOT_FOUND);
}

Test(own, rows_that_could_not_be_read_back_are_refused)
{
	struct ks_ca ca = {.fpr = SPAN(ones, 31)};
	struct ks_issued i = {.ca = FPR(ones), .fpr = FPR(twos)};

	cr_expect_eq(ks_ca_put(store, &ca), ERR_MALFORMED);
	ca.fpr = FPR(ones);
	ca.crl = SPAN_LIT("a list without a number");
	cr_expect_eq(ks_ca_put(store, &ca), ERR_MALFORMED);
	ca.crl = SPAN(NULL, 0);
	ca.crl_number = 1;
	cr_expect_eq(ks_ca_put(store, &ca), ERR_MALFORMED);
	cr_expect_eq(ks_issued_put(store, &i), ERR_MALFORMED, "no serial");
	i.serial = SPAN(ones, 5);
	i.reason = 11;
	cr_expect_eq(ks_issued_put(store, &i), ERR_MALFORMED, "reason");
	i.reason = 0;
	i.fpr.len = 20;
	cr_expect_eq(ks_issued_put(store, &i), ERR_MALFORMED, "fingerprint");
	cr_expect_eq(ks_published_put(store, SPAN(ones, 3)), ERR_MALFORMED);
}

struct seen {
	size_t n;
	uint8_t first[4];
	int64_t revoked_at;
	bool automatic;
	uint8_t reason;
};

static enum err
see_issued(void *ctx, const struct ks_issued *i)
{
	struct seen *s = ctx;

	s->first[s->n++] = i->serial.data[0];
	s->revoked_at += i->revoked_at;
	s->reason = (uint8_t)(s->reason + i->reason);
	s->automatic |= i->automatic;
	cr_expect_eq(i->fpr.len, 32);
	return ERR_OK;
}

Test(own, what_a_ca_issued_is_found_and_nothing_of_another)
{
	struct ks_issued i = {.ca = FPR(ones),
	    .fpr = FPR(threes),
	    .serial = SPAN_LIT("b"),
	    .not_after = 99};
	struct seen s = {0};

	cr_assert_eq(ks_issued_put(store, &i), ERR_OK);
	i.serial = SPAN_LIT("a");
	cr_assert_eq(ks_issued_put(store, &i), ERR_OK);
	i.ca = FPR(twos);
	i.serial = SPAN_LIT("c");
	cr_assert_eq(ks_issued_put(store, &i), ERR_OK);
	cr_assert_eq(ks_issued_each(store, FPR(ones), see_issued, &s), ERR_OK);
	cr_assert_eq(s.n, 2);
	cr_expect(memcmp(s.first, "ab", 2) == 0);
	cr_expect_eq(s.revoked_at, 0);
	/* revoked in place */
	i.ca = FPR(ones);
	i.serial = SPAN_LIT("a");
	i.revoked_at = 55;
	i.reason = 4;
	i.automatic = true;
	cr_assert_eq(ks_issued_put(store, &i), ERR_OK);
	memset(&s, 0, sizeof(s));
	cr_assert_eq(ks_issued_each(store, FPR(ones), see_issued, &s), ERR_OK);
	cr_expect_eq(s.n, 2);
	cr_expect_eq(s.revoked_at, 55);
	cr_expect_eq(s.reason, 4);
	cr_expect(s.automatic);
}

/* By it the issuer knows whose certificate was taken back. */
Test(own, a_certificate_of_ours_says_whether_it_was_revoked)
{
	struct ks_ca first = {.fpr = FPR(ones)}, second = {.fpr = FPR(twos)};
	struct ks_issued good = {.ca = FPR(ones),
	    .fpr = FPR(threes),
	    .serial = SPAN_LIT("good"),
	    .not_after = 99};
	struct ks_issued revoked = {.ca = FPR(twos),
	    .fpr = FPR(threes),
	    .serial = SPAN_LIT("revoked"),
	    .not_after = 99,
	    .revoked_at = 55,
	    .reason = 4};
	static const uint8_t too_long[KS_ID_MAX + 1];
	uint8_t key[1 + 32 + 4] = "i", reason = 77;
	int64_t at = 77;

	cr_assert_eq(ks_ca_put(store, &first), ERR_OK);
	cr_assert_eq(ks_ca_put(store, &second), ERR_OK);
	cr_assert_eq(ks_issued_put(store, &good), ERR_OK);
	cr_assert_eq(ks_issued_put(store, &revoked), ERR_OK);
	/* another's, or none that there can be */
	cr_expect_eq(ks_issued_state(store, SPAN_LIT("goo"), &at, &reason),
	    ERR_NOT_FOUND);
	cr_expect_eq(
	    ks_issued_state(store, SPAN(NULL, 0), &at, &reason), ERR_NOT_FOUND);
	cr_expect_eq(ks_issued_state(
			 store, SPAN(too_long, sizeof(too_long)), &at, &reason),
	    ERR_NOT_FOUND);
	cr_expect(at == 77 && reason == 77, "left alone");
	cr_assert_eq(ks_issued_state(store, good.serial, &at, &reason), ERR_OK);
	cr_expect(at == 0 && reason == 0);
	cr_assert_eq(
	    ks_issued_state(store, revoked.serial, &at, &reason), ERR_OK);
	cr_expect(at == 55 && reason == 4);
	/* a row that cannot be read is no word that it is good */
	memset(key + 1, 1, 32);
	memcpy(key + 33, "good", 4);
	cr_assert_eq(store->ops->row_put(store, KS_ROW_OWN,
			 SPAN(key, sizeof(key)), SPAN_LIT("\x02")),
	    ERR_OK);
	cr_expect_eq(
	    ks_issued_state(store, good.serial, &at, &reason), ERR_DB_BROKEN);
}

static enum err
count_fpr(void *ctx, struct span fpr)
{
	cr_expect_eq(fpr.len, 20);
	*(size_t *)ctx += fpr.data[0];
	return ERR_OK;
}

Test(own, keys_are_published_until_they_are_not)
{
	struct span one = SPAN(ones, 20), two = SPAN(twos, 20);
	size_t sum = 0;

	cr_assert_eq(ks_published_put(store, one), ERR_OK);
	cr_assert_eq(ks_published_put(store, two), ERR_OK);
	cr_assert_eq(ks_published_put(store, two), ERR_OK);
	cr_expect_eq(ks_published_has(store, one), ERR_OK);
	cr_assert_eq(ks_published_each(store, count_fpr, &sum), ERR_OK);
	cr_expect_eq(sum, 3);
	cr_assert_eq(ks_published_delete(store, one), ERR_OK);
	cr_expect_eq(ks_published_delete(store, one), ERR_NOT_FOUND);
	cr_expect_eq(ks_published_has(store, one), ERR_NOT_FOUND);
	cr_expect_eq(ks_published_has(store, SPAN(ones, 1)), ERR_NOT_FOUND);
}

Test(own, what_is_rolled_back_was_never_there)
{
	struct ks_ca ca = {.fpr = FPR(ones), .added = 7}, *back;

	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(ks_ca_put(store, &ca), ERR_OK);
	cr_assert_eq(ks_published_put(store, ca.fpr), ERR_OK);
	cr_expect_eq(ks_ca_get(store, ca.fpr, arena, &back), ERR_OK);
	ks_rollback(store);
	cr_expect_eq(ks_ca_get(store, ca.fpr, arena, &back), ERR_NOT_FOUND);
	cr_expect_eq(ks_published_has(store, ca.fpr), ERR_NOT_FOUND);
}

static enum err
see_ca(void *ctx, const struct ks_ca *ca)
{
	++*(size_t *)ctx;
	return ca->fpr.len == 32 ? ERR_OK : ERR_INTERNAL;
}

/* Octets of a row that no writer makes: damage, never an absence. */
Test(own, damage_is_told)
{
	uint8_t key[1 + 32 + 1] = "c";
	size_t n = 0;

	memset(key + 1, 1, 33);
	cr_assert_eq(store->ops->row_put(store, KS_ROW_OWN, SPAN(key, 33),
			 SPAN_LIT("\x01short")),
	    ERR_OK);
	cr_expect_eq(ks_ca_each(store, see_ca, &n), ERR_DB_BROKEN);
	key[0] = 'i';
	cr_assert_eq(store->ops->row_put(store, KS_ROW_OWN, SPAN(key, 34),
			 SPAN_LIT("\x02 of a later version")),
	    ERR_OK);
	cr_expect_eq(
	    ks_issued_each(store, FPR(ones), see_issued, NULL), ERR_DB_BROKEN);
	key[0] = 'p';
	cr_assert_eq(store->ops->row_put(
			 store, KS_ROW_OWN, SPAN(key, 33), SPAN_LIT("\x02")),
	    ERR_OK);
	cr_expect_eq(ks_published_has(store, FPR(ones)), ERR_DB_BROKEN);
	cr_expect_eq(ks_published_each(store, count_fpr, &n), ERR_DB_BROKEN);
	cr_expect_eq(n, 0);
}
