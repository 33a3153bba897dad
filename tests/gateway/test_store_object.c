/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Store and mail for pick-up: what worker and portal say of it is a claim of
 * theirs, and is checked. The other ends are played.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/object_header.h"
#include "tests/lib/store_rig.h"

static struct rig rig;

#define OBJECT "AAAAAAAAAAAAAAAAAAAAAA"

static void
set_up(void)
{
	rig_init(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
}

static void
tear_down(void)
{
	rig_clear(&rig);
}

TestSuite(store_object, .init = set_up, .fini = tear_down);

/* Submit the message 100, whose notice waits for the object. */
static enum err
submit_object(struct proto_object *o, struct entry *notice)
{
	struct proto_submit m = {.attempt = 1,
	    .entry = notice,
	    .n_entries = 1,
	    .object = o,
	    .n_objects = 1};

	o->name = OBJECT;
	o->size = 5000;
	notice->wait_object = o->name;
	rig_submit(&rig, 0, 100, &m);
	return rig_committed(&rig, 100);
}

Test(store_object, a_notice_without_a_recipient_is_refused)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_object o = {.expires_s = 99};

	e.n_rcpt = 0;
	cr_expect_eq(submit_object(&o, &e), ERR_IPC);
	e.n_rcpt = 1;
	cr_expect_eq(submit_object(&o, &e), ERR_OK);
}

/* --- the code at the door --- */

enum { HOUR_MS = 3600 * 1000 };

static void
say_code(const char *code)
{
	struct packer p;
	struct buf b;

	buf_init(&b, 256);
	pack_begin(&p, &b);
	pack_str(&p, OBJECT);
	pack_str(&p, code);
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_CODE, 0, buf_span(&b));
	buf_clear(&b);
}

/* A mail leaves for the object's recipient when the portal says this. */
static void
expect_mailed(const char *code)
{
	struct proto_deliver d;

	say_code(code);
	cr_assert(rig_deliver(&rig, &d), "%s", code);
	cr_assert_str_eq(d.entry.rcpt[0].key, "b@example.org");
	rig_result(&rig, d.entry.id, PROTO_DELIVERED);
	rig_run(&rig, 10);
}

static void
expect_refused(const char *code, const char *why)
{
	say_code(code);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "%s: %s", code, why);
}

static void
make_object(enum object_door door, uint64_t for_ms)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_object o = {.door = door};

	o.expires_s = (clock_unix_ms() + for_ms) / 1000;
	cr_assert_eq(submit_object(&o, &e), ERR_OK);
}

Test(store_object, nothing_but_a_code_is_mailed_as_one)
{
	static const char *const bad[] = {"", "12345", "1234567", "12345x",
	    " 12345", "-12345", "123456\n",
	    "Your parcel waits: http://x.example/", "\xd9\xa1\xd9\xa2\xd9\xa3"};

	make_object(OBJECT_DOOR_CODE, 9ull * HOUR_MS);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_refused(bad[i], "no code");
	expect_mailed("012345");
}

Test(store_object, a_code_goes_where_there_is_a_door)
{
	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	expect_refused("123456", "no door");
}

Test(store_object, an_object_has_so_many_codes_an_hour)
{
	make_object(OBJECT_DOOR_CODE, 9ull * HOUR_MS);
	for (unsigned i = 0; i < LIMIT_DOOR_CODES; i++)
		expect_mailed("123456");
	expect_refused("123456", "too many");
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	expect_refused("123456", "counted on");
	rig_advance(&rig, HOUR_MS);
	expect_mailed("123456");
}

Test(store_object, no_code_goes_for_what_is_over)
{
	char *answer;

	make_object(OBJECT_DOOR_CODE, 2ull * HOUR_MS);
	expect_mailed("123456");
	answer =
	    rig_request(&rig, "{\"verb\":\"escrow-extend\",\"object\":\"" OBJECT
			      "\",\"for_s\":7200,\"uid\":0}");
	cr_assert(answer != NULL && strstr(answer, "\"ok\":true") != NULL, "%s",
	    answer);
	free(answer);
	expect_mailed("123456");
	rig_advance(&rig, 2ull * HOUR_MS);
	expect_refused("123456", "expired");
}

Test(store_object, no_code_goes_for_what_is_revoked)
{
	char *answer;

	make_object(OBJECT_DOOR_CODE, 9ull * HOUR_MS);
	answer = rig_request(&rig,
	    "{\"verb\":\"escrow-revoke\",\"object\":\"" OBJECT "\",\"uid\":0}");
	cr_assert(answer != NULL && strstr(answer, "\"ok\":true") != NULL, "%s",
	    answer);
	free(answer);
	expect_refused("123456", "revoked");
}
