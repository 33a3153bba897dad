/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail for pick-up among very much of it: what is done with one object, and
 * what is looked for by the clock, must not take more with every other object
 * there is. The memory of an operation is made small here instead.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/object_header.h"
#include "gateway/pickup_word.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "tests/lib/still_loop.h"
#include "tests/lib/store_rig.h"

#define MINE	"AAAAAAAAAAAAAAAAAAAAAA"
#define ANSWERS "pickup-1@gw.example"

enum {
	MESSAGE = 100,
	ARENA = 64 * 1024,
	CROWD = 600, /* objects of others: more than fit in there */
	AT_ONCE = 50,
	HOUR_S = 3600,
};

static struct rig rig;
static struct buf text;

static void
set_up(void)
{
	rig_init(&rig);
	rig.conf.portal.present = rig.conf.portal.receipts = true;
	rig.conf.portal.extend_s = 24 * HOUR_S;
	rig.conf.hostname = "gw.example";
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	buf_init(&text, 1024 * 1024);
}

static void
tear_down(void)
{
	buf_clear(&text);
	rig_clear(&rig);
}

TestSuite(store_order, .init = set_up, .fini = tear_down);

static void
name_of(uint32_t i, char out[OBJECT_ID_TEXT_SIZE])
{
	uint8_t id[OBJECT_ID_SIZE] = {0xff};

	memcpy(id + 1, &i, sizeof(i));
	object_id_format(id, out);
}

static void
portal_says(uint16_t type, const struct buf *b)
{
	rig_send(&rig, ROLE_PORTAL, 0, type, 0, buf_span(b));
}

static void
portal_names(uint16_t type, const char *name)
{
	struct packer p;
	struct buf b;

	buf_init(&b, 256);
	pack_begin(&p, &b);
	pack_str(&p, name);
	cr_assert_eq(pack_end(&p), ERR_OK);
	portal_says(type, &b);
	buf_clear(&b);
}

/* As it may be read: what is queued is committed first. */
static bool
has_object(const char *name, struct store_object *out)
{
	struct db_txn *txn = NULL;
	enum err e;

	rig_run(&rig, 10);
	cr_assert_eq(db_read(rig.store->db, &txn), ERR_OK);
	e = store_object_get(txn, rig.arena, name, out);
	db_end(txn);
	return e == ERR_OK;
}

/* Objects of nobody that is known, which the portal has; then an operation has
   little memory. */
static void
be_crowded(void)
{
	struct store_object o;
	char name[OBJECT_ID_TEXT_SIZE];

	for (uint32_t i = 0; i < CROWD; i += AT_ONCE) {
		struct packer p;
		struct buf b;

		buf_init(&b, 64 * 1024);
		pack_begin(&p, &b);
		pack_u32(&p, AT_ONCE);
		for (uint32_t k = 0; k < AT_ONCE; k++) {
			struct proto_object m = {.name = name,
			    .size = 1,
			    .expires_s = clock_unix_ms() / 1000 + 99 * HOUR_S};

			name_of(i + k, name);
			proto_object_pack(&p, &m);
			pack_u64(&p, clock_unix_ms() / 1000);
		}
		cr_assert_eq(pack_end(&p), ERR_OK);
		portal_says(PROTO_OBJECT_FOUND, &b);
		buf_clear(&b);
	}
	for (int i = 0; i < 500 && !has_object(name, &o); i++)
		;
	cr_assert(has_object(name, &o));
	arena_free(rig.store->arena);
	rig.store->arena = arena_new(ARENA);
}

/* Of message 100, made before and open for so long from now. */
static void
make_mine(uint64_t before_s, uint64_t for_s)
{
	uint64_t now_ms = clock_unix_ms();
	struct entry e = rig_entry(&rig, 1000, MESSAGE, ENTRY_READY);
	struct proto_object o = {
	    .name = MINE, .size = 500, .expires_s = now_ms / 1000 + for_s};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .object = &o,
	    .n_objects = 1,
	    .reply_mac = SPAN_LIT("sixteen octets..")};

	e.accepted_ms = now_ms - before_s * 1000;
	e.wait_object = MINE;
	rig_submit(&rig, 0, MESSAGE, &m);
	cr_assert_eq(rig_committed(&rig, MESSAGE), ERR_OK);
}

/* Its notice leaves. */
static void
hand_over(void)
{
	struct proto_deliver d;

	portal_names(PROTO_OBJECT_HAVE, MINE);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1000);
	rig_result(&rig, d.entry.id, PROTO_DELIVERED);
	rig_run(&rig, 10);
}

static const char *
order(enum pickup_word word, uint64_t id, const char **only, uint32_t n_only)
{
	struct proto_submit m = {.attempt = 1,
	    .order = {.word = (uint8_t)word,
		.message_id = MESSAGE,
		.from = "a@ours.example",
		.from_key = "a@ours.example",
		.only = only,
		.n_only = n_only,
		.reply_to = ANSWERS}};
	struct proto_deliver d;

	rig_submit(&rig, 0, id, &m);
	cr_assert_eq(
	    rig_committed(&rig, id), ERR_OK, "%s", pickup_word_name(word));
	cr_assert(rig_own_mail(&rig, &d, &text));
	cr_assert_str_eq(d.entry.rcpt[0].key, "a@ours.example");
	return buf_cstr(&text);
}

static void
expect_said(const char *answer, const char *want)
{
	cr_expect(strstr(answer, want) != NULL, "%s: %s", want, answer);
}

Test(store_order, an_order_finds_its_objects_among_very_many)
{
	const char *only[] = {"b@example.org", "nobody@example.org"};
	struct store_object o;

	make_mine(0, 9 * HOUR_S);
	hand_over();
	be_crowded();
	expect_said(order(PICKUP_WORD_REPORT, 200, NULL, 0), "not opened yet");
	expect_said(order(PICKUP_WORD_EXTEND, 201, only, 2), "kept longer");
	expect_said(buf_cstr(&text), "nobody@example.org");
	expect_said(order(PICKUP_WORD_RECALL, 202, NULL, 0), "recalled");
	cr_assert(has_object(MINE, &o));
	cr_expect_eq(o.tell, STORE_OBJECT_TELL_DROP);
	portal_names(PROTO_OBJECT_DROPPED, MINE);
	cr_assert_not(has_object(MINE, &o));
	expect_said(order(PICKUP_WORD_REPORT, 203, NULL, 0),
	    "nothing of your message waits");
}

/* What somebody has opened, and what is done, can be answered; what was not
   understood cannot: a program may answer that. */
Test(store_order, its_sender_can_answer_what_he_is_told)
{
	const struct proto_opened m = {.name = MINE,
	    .client = "192.0.2.1",
	    .agent = "",
	    .at_ms = clock_unix_ms()};
	struct proto_deliver d;
	struct buf b;

	make_mine(0, 9 * HOUR_S);
	hand_over();
	buf_init(&b, 4096);
	cr_assert_eq(proto_opened_pack(&m, &b), ERR_OK);
	portal_says(PROTO_OBJECT_OPENED, &b);
	buf_clear(&b);
	cr_assert(rig_own_mail(&rig, &d, &text));
	/* of message 100, keyed with the octets above */
	expect_said(buf_cstr(&text), "\r\nReply-To: <pickup-0000000000000064"
				     "7369787465656e206f63746574732e2e@");
	expect_said(buf_cstr(&text), "recall ");
	expect_said(
	    order(PICKUP_WORD_REPORT, 200, NULL, 0), "\r\nReply-To: <" ANSWERS);
	cr_expect_null(
	    strstr(order(PICKUP_WORD_NONE, 201, NULL, 0), "Reply-To"));
}

/* An older version has written no rows of messages. */
Test(store_order, which_objects_a_message_has_is_made_anew_at_the_start)
{
	uint8_t key[] = "message/\0\0\0\0\0\0\0\144" MINE;
	struct db_txn *txn = NULL;

	make_mine(0, 9 * HOUR_S);
	hand_over();
	cr_assert_eq(db_write(rig.store->db, &txn), ERR_OK);
	cr_assert_eq(
	    db_del(txn, STORE_STATE, SPAN(key, sizeof(key) - 1)), ERR_OK);
	cr_assert_eq(db_commit(txn), ERR_OK);
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	expect_said(order(PICKUP_WORD_REPORT, 200, NULL, 0), "not opened yet");
}

Test(store_order, what_nobody_has_opened_is_found_among_very_many)
{
	struct proto_deliver d;

	make_mine(9 * HOUR_S, HOUR_S);
	be_crowded();
	hand_over();
	rig.store->unread_s = 0;
	cr_assert(rig_own_mail(&rig, &d, &text));
	expect_said(buf_cstr(&text), "its time is nearly over");
}

static void
look_at_views(const char *name, struct store_seen *out)
{
	struct db_txn *txn = NULL;

	cr_assert_eq(db_read(rig.store->db, &txn), ERR_OK);
	cr_assert_eq(store_seen_get(txn, rig.arena, name, out), ERR_OK);
	db_end(txn);
}

/* So many, sooner or later. */
static uint32_t
views_of(const char *name, uint32_t want)
{
	struct store_seen v = {.n = want + 1};

	for (int i = 0; i < 500 && v.n != want; i++) {
		rig_run(&rig, 10);
		look_at_views(name, &v);
	}
	return v.n;
}

Test(store_order, very_many_openings_are_swept_after_their_hour)
{
	struct store_seen v = {.n = 1};
	char name[OBJECT_ID_TEXT_SIZE], agent[256];

	memset(agent, 'a', sizeof(agent) - 1);
	agent[sizeof(agent) - 1] = '\0';
	for (uint32_t i = 0; i < CROWD; i++) {
		struct proto_opened m = {.name = name,
		    .client = "192.0.2.1",
		    .agent = agent,
		    .at_ms = clock_unix_ms()};
		struct buf b;

		name_of(i, name);
		buf_init(&b, 4096);
		cr_assert_eq(proto_opened_pack(&m, &b), ERR_OK);
		portal_says(PROTO_OBJECT_OPENED, &b);
		buf_clear(&b);
		/* what is not read yet has no endless room */
		if (i % AT_ONCE == 0)
			cr_assert_eq(views_of(name, 1), 1);
	}
	cr_assert_eq(views_of(name, 1), 1);
	arena_free(rig.store->arena);
	rig.store->arena = arena_new(ARENA);
	rig_advance(&rig, 3600ull * 1000);
	/* so many in one look */
	for (int i = 0; i < 500 && v.n > 0; i++) {
		rig.store->seen_ms = 0;
		store_seen_tick(rig.store);
		rig_run(&rig, 10);
		look_at_views(name, &v);
	}
	cr_expect_eq(v.n, 0);
}

static uint32_t
rows_of(const char *prefix)
{
	struct span from = span_str(prefix), key = from, val;
	struct db_cursor *c = NULL;
	struct db_txn *txn = NULL;
	uint32_t n = 0;
	enum err e;

	cr_assert_eq(db_read(rig.store->db, &txn), ERR_OK);
	e = db_cursor_open(txn, STORE_STATE, &c);
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &key, &val);
	for (; e == ERR_OK && key.len > from.len &&
	       memcmp(key.data, from.data, from.len) == 0;
	     n++)
		e = db_cursor_move(c, DB_NEXT, &key, &val);
	db_cursor_close(c);
	db_end(txn);
	return n;
}

/* Only what is due is looked at, however much there is: a walk over a hundred
   thousand took a quarter of a second in which nothing was accepted. */
Test(store_order, what_is_not_due_is_not_looked_at)
{
	struct proto_deliver d;
	struct db_txn *txn = NULL;

	make_mine(0, 9 * HOUR_S);
	hand_over();
	cr_expect_eq(rows_of("unread/"), 1);
	expect_said(order(PICKUP_WORD_EXTEND, 201, NULL, 0), "kept longer");
	cr_expect_eq(rows_of("unread/"), 2, "as it was, and as it is");
	/* rows of what is gone, and the first of its own, whose time it is not
	 */
	still_wall_ms = 8ll * HOUR_S * 1000;
	cr_assert_eq(db_write(rig.store->db, &txn), ERR_OK);
	cr_assert_eq(store_apply_unread(rig.store, txn, NULL), ERR_OK);
	cr_assert_eq(db_commit(txn), ERR_OK);
	cr_expect_eq(rows_of("unread/"), 1, "it is put off");
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0));
	still_wall_ms = 23ll * HOUR_S * 1000;
	rig.store->unread_s = 0;
	cr_assert(rig_own_mail(&rig, &d, &text));
	expect_said(buf_cstr(&text), "its time is nearly over");
	cr_expect_eq(rows_of("unread/"), 0);
	still_wall_ms = 0;
}

Test(store_order, what_is_due_is_made_anew_at_the_start)
{
	struct db_txn *txn = NULL;

	make_mine(0, 9 * HOUR_S);
	hand_over();
	cr_assert_eq(db_write(rig.store->db, &txn), ERR_OK);
	cr_assert_eq(store_unread_forget_all(txn), ERR_OK);
	cr_assert_eq(db_commit(txn), ERR_OK);
	cr_expect_eq(rows_of("unread/"), 0);
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	for (int i = 0; i < 500 && rows_of("unread/") == 0; i++)
		rig_run(&rig, 10);
	cr_expect_eq(rows_of("unread/"), 1);
}

/* Nor is anything looked at because of what comes. */
Test(store_order, what_comes_does_not_make_everything_be_looked_at)
{
	uint64_t at_s;

	make_mine(0, 9 * HOUR_S);
	at_s = clock_unix_ms() / 1000 + 24 * HOUR_S;
	rig.store->unread_s = at_s;
	hand_over();
	/* three quarters of its time from now */
	cr_expect_gt(rig.store->unread_s, at_s - 18 * HOUR_S);
	cr_expect_lt(rig.store->unread_s, at_s - 17 * HOUR_S);
	expect_said(order(PICKUP_WORD_EXTEND, 201, NULL, 0), "kept longer");
	cr_expect_gt(rig.store->unread_s, at_s - 18 * HOUR_S);
}

static bool
has_notice(void)
{
	struct db_txn *txn = NULL;
	struct store_status st;
	enum err e;

	cr_assert_eq(db_read(rig.store->db, &txn), ERR_OK);
	e = store_status_get(txn, rig.arena, 1000, &st);
	db_end(txn);
	return e == ERR_OK;
}

Test(store_order, what_expires_before_the_portal_has_it_takes_its_notice_along)
{
	struct proto_deliver d;
	struct store_object o;

	make_mine(0, 9 * HOUR_S);
	cr_assert(has_notice());
	portal_names(PROTO_OBJECT_EXPIRED, MINE);
	cr_assert(rig_own_mail(&rig, &d, &text));
	expect_said(buf_cstr(&text), "has expired");
	cr_expect_not(has_object(MINE, &o));
	cr_expect_not(has_notice());
}

/* As versions before have left it. */
Test(store_order, a_notice_that_waits_for_nothing_goes)
{
	struct db_txn *txn = NULL;

	make_mine(0, 9 * HOUR_S);
	cr_assert_eq(db_write(rig.store->db, &txn), ERR_OK);
	cr_assert_eq(db_del(txn, STORE_OBJECT, SPAN_LIT(MINE)), ERR_OK);
	cr_assert_eq(db_commit(txn), ERR_OK);
	store_queue(rig.store, STORE_OP_OVERDUE, 1000, NULL, SPAN(NULL, 0));
	for (int i = 0; i < 500 && has_notice(); i++)
		rig_run(&rig, 10);
	cr_expect_not(has_notice());
}
