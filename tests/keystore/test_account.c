/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Accounts of who picks up mail, as every process takes them; part of the
 * contract of stores.
 */
#include "keystore/account.h"

#include <criterion/criterion.h>
#include <string.h>

#include "keystore/store_private.h"
#include "tests/keystore/records.h"

static char dir[64];
static struct ks_store *store;

static void
open_store(void)
{
	store = records_open(dir);
}

static void
close_store(void)
{
	records_close(store, dir);
}

TestSuite(account, .init = open_store, .fini = close_store);

static struct ks_account
sample(uint8_t i)
{
	struct ks_account a = {.at = 1000 + i, .resets = i};

	memset(&a.key, i, sizeof(a.key));
	a.key.public[0] = 4;
	return a;
}

static enum err
put(const char *addr, const struct ks_account *a)
{
	return ks_account_put(store, span_str(addr), a);
}

static void
expect_is(const char *addr, uint8_t i)
{
	struct ks_account want = sample(i), got;

	cr_assert_eq(ks_account_get(store, span_str(addr), &got), ERR_OK);
	cr_expect_eq(got.at, want.at);
	cr_expect_eq(got.resets, want.resets);
	cr_expect_eq(
	    memcmp(&got.key, &want.key, sizeof(got.key)), 0, "%s", addr);
}

static enum err
add_up(void *ctx, struct span addr, const struct ks_account *a)
{
	struct buf *b = ctx;
	enum err e = buf_put(b, addr);

	return e != ERR_OK ? e : buf_printf(b, "=%u ", a->resets);
}

Test(account, is_found_by_its_address_alone)
{
	struct ks_account a = sample(1), b = sample(2), got;
	struct buf all;

	cr_expect_eq(ks_account_get(store, SPAN_LIT("a@b.example"), &got),
	    ERR_NOT_FOUND);
	cr_assert_eq(put("b@b.example", &b), ERR_OK);
	cr_assert_eq(put("a@b.example", &a), ERR_OK);
	expect_is("a@b.example", 1);
	expect_is("b@b.example", 2);
	cr_expect_eq(
	    ks_account_get(store, SPAN_LIT("@b.example"), &got), ERR_NOT_FOUND);
	cr_expect_eq(ks_account_get(store, SPAN_LIT(""), &got), ERR_NOT_FOUND);
	buf_init(&all, 200);
	cr_assert_eq(ks_account_each(store, add_up, &all), ERR_OK);
	cr_expect_str_eq(buf_cstr(&all), "a@b.example=1 b@b.example=2 ");
	buf_clear(&all);
}

Test(account, another_takes_its_place_and_one_that_goes_is_gone)
{
	struct ks_account a = sample(1), b = sample(2), got;

	cr_assert_eq(put("a@b.example", &a), ERR_OK);
	cr_assert_eq(put("a@b.example", &b), ERR_OK);
	expect_is("a@b.example", 2);
	cr_assert_eq(ks_account_del(store, SPAN_LIT("a@b.example")), ERR_OK);
	cr_expect_eq(ks_account_get(store, SPAN_LIT("a@b.example"), &got),
	    ERR_NOT_FOUND);
	cr_expect_eq(
	    ks_account_del(store, SPAN_LIT("a@b.example")), ERR_NOT_FOUND);
}

Test(account, is_of_an_address)
{
	static char long_addr[KS_ADDR_MAX + 10];
	static const char *const bad[] = {"", "a", "a@", long_addr};
	struct ks_account a = sample(1);

	memset(long_addr, 'a', sizeof(long_addr) - 1);
	long_addr[3] = '@';
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(put(bad[i], &a), ERR_MALFORMED, "%s", bad[i]);
}

Test(account, damage_is_no_account)
{
	static uint8_t octets[400] = {1};
	static const size_t sizes[] = {0, 1, 13, 157, 159, 400};
	struct ks_account got;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		cr_assert_eq(
		    store->ops->row_put(store, KS_ROW_ACCOUNT,
			SPAN_LIT("a@b.example"), SPAN(octets, sizes[i])),
		    ERR_OK);
		cr_expect_eq(
		    ks_account_get(store, SPAN_LIT("a@b.example"), &got),
		    ERR_DB_BROKEN, "%zu", sizes[i]);
	}
	octets[0] = 2;
	cr_assert_eq(store->ops->row_put(store, KS_ROW_ACCOUNT,
			 SPAN_LIT("a@b.example"), SPAN(octets, 158)),
	    ERR_OK);
	cr_expect_eq(ks_account_get(store, SPAN_LIT("a@b.example"), &got),
	    ERR_DB_BROKEN, "another version");
}
