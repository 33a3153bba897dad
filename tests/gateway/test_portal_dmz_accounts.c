/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Accounts for a portal in a DMZ: what is told ends in the same accounts
 * there, however little the connection takes and whatever store says in
 * between. The connection is played.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "common/digest.h"
#include "common/secret.h"
#include "gateway/portal/dmz_inside_private.h"
#include "gateway/proto.h"

enum { MANY = 3000, ARENA = 4 * 1024 * 1024 };

static struct portal_accounts *here, *there;
static struct portal_inside in;
static unsigned room, frames; /* frames that it takes, and has taken */
static enum err said;

/* In the place of the connection: what is sent is heard at once. */
bool
portal_wire_has_room(const struct portal_wire *w)
{
	(void)w;
	return room > 0;
}

void
portal_wire_send(struct portal_wire *w, const struct proto_frame *f)
{
	struct arena *a = arena_new(ARENA);
	struct proto_accounts m;
	struct proto_account_said s;

	(void)w;
	frames++;
	room -= room > 0 ? 1 : 0;
	cr_assert_eq(f->type, FRAME_TELL);
	cr_assert_leq(f->octets.len, LIMIT_DMZ_PIECE);
	if (f->number == PROTO_ACCOUNTS) {
		cr_assert_eq(proto_accounts_unpack(f->octets, a, &m), ERR_OK);
		portal_accounts_take(there, &m);
	} else if (f->number == PROTO_ACCOUNT_DROP) {
		cr_assert_eq(f->octets.len, PICKUP_ACCOUNT_ID);
		portal_accounts_drop(there, f->octets.data);
	} else {
		cr_assert_eq(f->number, PROTO_ACCOUNT_SAID);
		cr_assert_eq(proto_account_said_unpack(f->octets, &s), ERR_OK);
		said = s.result;
	}
	arena_free(a);
}

static void
start(void)
{
	secret_init();
	digest_init();
	here = portal_accounts_new();
	there = portal_accounts_new();
	cr_assert(here != NULL && there != NULL);
	in = (struct portal_inside){.opt = {.accounts = here}, .up = true};
	room = 1000;
	frames = 0;
	said = ERR_COUNT;
}

static void
end(void)
{
	portal_accounts_free(here);
	portal_accounts_free(there);
}

TestSuite(portal_dmz_accounts, .init = start, .fini = end);

static struct pickup_account
account(unsigned i)
{
	return (struct pickup_account){
	    .public = {4, (uint8_t)(i >> 8), (uint8_t)i},
	    .wrapped = {(uint8_t)i}};
}

/* Store says so to the portal here. */
static void
tell(bool first, bool last, unsigned from, unsigned n)
{
	static struct pickup_account list[MANY];
	const struct proto_accounts m = {
	    .first = first, .last = last, .account = list, .n = n};

	for (unsigned i = 0; i < n; i++)
		list[i] = account(from + i);
	portal_accounts_take(here, &m);
	portal_inside_accounts(&in, &m);
}

static void
drop(unsigned i)
{
	struct pickup_account a = account(i);
	uint8_t id[PICKUP_ACCOUNT_ID];

	pickup_account_id(&a, id);
	portal_accounts_drop(here, id);
	portal_inside_account(&in, PROTO_ACCOUNT_DROP, SPAN(id, sizeof(id)));
}

static enum err
find(const struct portal_accounts *all, unsigned i)
{
	struct pickup_account a = account(i), found;
	uint8_t id[PICKUP_ACCOUNT_ID];
	enum err e;

	pickup_account_id(&a, id);
	e = portal_accounts_find(all, id, &found);
	if (e == ERR_OK)
		cr_expect_eq(memcmp(&a, &found, sizeof(a)), 0, "%u", i);
	return e;
}

static void
expect_the_same(const char *what)
{
	cr_assert(portal_accounts_are_whole(there), "%s", what);
	for (unsigned i = 0; i < 2 * MANY; i++)
		cr_assert_eq(find(there, i), find(here, i), "%s: %u", what, i);
}

Test(portal_dmz_accounts, all_are_told_once_store_has_told_all)
{
	portal_accounts_anew(&in);
	tell(true, false, 0, MANY / 2);
	cr_expect_eq(frames, 0, "half of them are not all");
	tell(false, true, MANY / 2, MANY / 2);
	expect_the_same("the first");
	frames = 0;
	portal_accounts_go_on(&in);
	cr_expect_eq(frames, 0, "there is nothing more");
	/* one more is told alone, and one that goes */
	tell(false, true, MANY, 1);
	drop(7);
	cr_expect_eq(frames, 2);
	expect_the_same("after a change");
	/* store is new and says less */
	tell(true, true, 5, 10);
	expect_the_same("store's second list");
	cr_expect_eq(find(there, 4), ERR_NOT_FOUND);
}

Test(portal_dmz_accounts, none_is_a_list_too)
{
	tell(true, true, 0, 0);
	cr_expect_eq(frames, 1);
	expect_the_same("none");
}

Test(portal_dmz_accounts, a_slow_connection_gets_what_changes_meanwhile)
{
	unsigned turns = 0;

	room = 0;
	tell(true, true, 0, MANY);
	cr_expect_eq(frames, 0);
	/* before the first: it stands in the list */
	tell(false, true, MANY, 1);
	drop(0);
	while (!in.accounts_told) {
		room = 1;
		portal_accounts_go_on(&in);
		cr_expect_eq(portal_accounts_are_whole(there), in.accounts_told,
		    "%u", turns);
		tell(false, true, MANY + 1 + turns, 1);
		drop(1 + 3 * turns);
		turns++;
		cr_assert_lt(turns, MANY / 8);
	}
	cr_expect_gt(turns, 8);
	expect_the_same("at the end");
}

/* Whoever reads there does not notice that all are told anew. */
Test(portal_dmz_accounts, none_is_missing_meanwhile)
{
	tell(true, true, 0, MANY);
	expect_the_same("at first");
	room = 0;
	portal_accounts_anew(&in);
	while (!in.accounts_told) {
		for (unsigned i = 0; i < MANY; i++)
			cr_assert_eq(find(there, i), ERR_OK, "%u", i);
		room = 1;
		portal_accounts_go_on(&in);
	}
	expect_the_same("at the end");
}

Test(portal_dmz_accounts, who_was_away_is_told_anew)
{
	const struct proto_account_said m = {.result = ERR_EXISTS};
	struct buf b;

	in.up = false;
	tell(true, true, 0, 10);
	tell(false, true, 10, 1);
	drop(3);
	buf_init(&b, 64);
	cr_assert_eq(proto_account_said_pack(&m, &b), ERR_OK);
	portal_inside_account(&in, PROTO_ACCOUNT_SAID, buf_span(&b));
	cr_expect_eq(frames, 0);
	in.up = true;
	portal_accounts_anew(&in);
	expect_the_same("after a hello");
	/* another machine, after half of it */
	portal_accounts_free(there);
	there = portal_accounts_new();
	tell(true, true, 0, MANY);
	portal_accounts_free(there);
	there = portal_accounts_new();
	in.accounts_at = PORTAL_ACCOUNT_PARTS / 2;
	portal_accounts_anew(&in);
	expect_the_same("another machine");
	portal_inside_account(&in, PROTO_ACCOUNT_SAID, buf_span(&b));
	cr_expect_eq(said, ERR_EXISTS);
	buf_clear(&b);
}
