/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the portal knows of accounts: what store says, all of it before it says
 * no, and nothing that is gone.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/digest.h"
#include "common/secret.h"
#include "gateway/portal/portal_private.h"
#include "gateway/proto.h"

enum { MANY = 3000 };

static struct portal_accounts *all;
static const uint8_t object[OBJECT_ID_SIZE] = {1}, other[OBJECT_ID_SIZE] = {2};

static void
start(void)
{
	secret_init();
	digest_init();
	all = portal_accounts_new();
	cr_assert_not_null(all);
}

static void
end(void)
{
	portal_accounts_free(all);
}

TestSuite(portal_accounts, .init = start, .fini = end);

static struct pickup_account
account(unsigned i)
{
	return (struct pickup_account){
	    .public = {4, (uint8_t)(i >> 8), (uint8_t)i},
	    .wrapped = {(uint8_t)i}};
}

static const uint8_t *
id_of(unsigned i)
{
	static uint8_t id[PICKUP_ACCOUNT_ID];
	struct pickup_account a = account(i);

	pickup_account_id(&a, id);
	return id;
}

static void
tell(bool first, bool last, unsigned from, unsigned n)
{
	static struct pickup_account list[MANY];
	const struct proto_accounts m = {
	    .first = first, .last = last, .account = list, .n = n};

	for (unsigned i = 0; i < n; i++)
		list[i] = account(from + i);
	portal_accounts_take(all, &m);
}

static enum err
find(unsigned i)
{
	struct pickup_account a, want = account(i);
	enum err e = portal_accounts_find(all, id_of(i), &a);

	if (e == ERR_OK)
		cr_expect_eq(memcmp(&a, &want, sizeof(a)), 0, "%u", i);
	return e;
}

Test(portal_accounts, nobody_is_refused_before_all_are_known)
{
	cr_expect_eq(find(1), ERR_BUSY);
	tell(true, false, 0, 2);
	cr_expect_eq(find(1), ERR_BUSY);
	cr_expect_eq(find(2), ERR_BUSY);
	tell(false, true, 2, 1);
	cr_expect_eq(find(1), ERR_OK);
	cr_expect_eq(find(2), ERR_OK);
	cr_expect_eq(find(3), ERR_NOT_FOUND);
}

/* Store is new, or a gateway is back: meanwhile readers open their mail. */
Test(portal_accounts, those_that_are_known_stay_while_all_are_told_anew)
{
	tell(true, true, 0, 3);
	cr_expect(portal_accounts_are_whole(all));
	tell(true, false, 1, 1);
	cr_expect_not(portal_accounts_are_whole(all));
	cr_expect_eq(find(0), ERR_OK);
	cr_expect_eq(find(9), ERR_NOT_FOUND);
	/* that broke off */
	tell(true, false, 2, 1);
	tell(false, false, 9, 1);
	cr_expect_eq(find(1), ERR_OK);
	tell(false, true, 0, 0);
	cr_expect(portal_accounts_are_whole(all));
	cr_expect_eq(find(0), ERR_NOT_FOUND);
	cr_expect_eq(find(1), ERR_NOT_FOUND);
	cr_expect_eq(find(2), ERR_OK);
	cr_expect_eq(find(9), ERR_OK);
}

Test(portal_accounts, many_are_found_and_those_that_go_are_gone)
{
	tell(true, true, 0, MANY);
	for (unsigned i = 0; i < MANY; i += 3)
		portal_accounts_drop(all, id_of(i));
	portal_accounts_drop(all, id_of(0));
	for (unsigned i = 0; i < MANY; i++)
		cr_assert_eq(
		    find(i), i % 3 == 0 ? ERR_NOT_FOUND : ERR_OK, "%u", i);
	/* the same once more is there once */
	tell(false, true, 1, 1);
	portal_accounts_drop(all, id_of(1));
	cr_expect_eq(find(1), ERR_NOT_FOUND);
}

static void
count(void *arg, const struct pickup_account *a)
{
	unsigned *seen = arg;

	seen[a->public[1] << 8 | a->public[2]]++;
}

Test(portal_accounts, each_is_in_one_part)
{
	static unsigned seen[65536];

	cr_expect_not(portal_accounts_are_whole(all));
	tell(true, true, 0, MANY);
	cr_expect(portal_accounts_are_whole(all));
	for (size_t i = 0; i < PORTAL_ACCOUNT_PARTS; i++)
		portal_accounts_part(all, i, count, seen);
	for (unsigned i = 0; i < 65536; i++)
		cr_assert_eq(seen[i], i < MANY ? 1 : 0, "%u", i);
}

static enum err
set(unsigned i, const uint8_t *by, uint64_t now_ms, bool *told)
{
	return portal_accounts_set(all, id_of(i), by, now_ms, told);
}

Test(portal_accounts, store_is_told_until_it_has_answered)
{
	bool told;

	tell(true, true, 0, 0);
	cr_expect_eq(set(7, object, 1000, &told), ERR_AGAIN);
	cr_expect(told);
	cr_expect_eq(set(7, object, 5999, &told), ERR_AGAIN);
	cr_expect_not(told);
	cr_expect_eq(set(7, object, 6000, &told), ERR_AGAIN);
	cr_expect(told);
	/* nobody hears what another asked for */
	cr_expect_eq(set(7, other, 6000, &told), ERR_PERMISSION);
	cr_expect_not(told);
	tell(false, true, 7, 1);
	portal_accounts_said(all, id_of(7), ERR_OK);
	cr_expect_eq(set(7, object, 6001, &told), ERR_OK);
	cr_expect_not(told);
}

Test(portal_accounts, a_refusal_is_heard_once)
{
	bool told;

	tell(true, true, 0, 0);
	/* of what nobody asked for */
	portal_accounts_said(all, id_of(3), ERR_OK);
	cr_expect_eq(set(3, object, 1000, &told), ERR_AGAIN);
	portal_accounts_said(all, id_of(3), ERR_EXISTS);
	cr_expect_eq(set(3, object, 1001, &told), ERR_EXISTS);
	cr_expect_not(told);
	cr_expect_eq(set(3, object, 1002, &told), ERR_AGAIN);
	cr_expect(told);
	/* more than there is room for: the oldest begin anew */
	for (unsigned i = 100; i < 100 + 400; i++)
		cr_expect_eq(set(i, object, 2000 + i, &told), ERR_AGAIN);
	cr_expect_eq(set(3, object, 3000, &told), ERR_AGAIN);
	cr_expect(told);
}
