/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Store and mail for pick-up: what worker and portal say of it is a claim of
 * theirs, and is checked. The other ends are played.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/object_header.h"
#include "gateway/store/spool.h"
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

/* --- quotas */

/* Name and size of an object of its sender, in a message of its own. */
static enum err
submit_of(const char *sender, const char *name, uint64_t size, uint64_t id)
{
	struct entry e = rig_entry(&rig, id + 5000, id, ENTRY_READY);
	struct proto_object o = {.name = name,
	    .size = size,
	    .expires_s = clock_unix_ms() / 1000 + 3600};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .object = &o,
	    .n_objects = 1};

	e.from = e.from_key = sender;
	e.wait_object = name;
	rig_submit(&rig, 0, id, &m);
	return rig_committed(&rig, id);
}

/* What the portal is told next about an object; of accounts it hears when it
   comes. */
static uint16_t
told_portal(char name_out[32])
{
	struct proto_object o;
	struct unpacker u;
	struct ipc_msg m;
	uint16_t type;

	cr_assert(rig_recv(&rig, ROLE_PORTAL, 0, &m));
	if (m.type == PROTO_ACCOUNTS) {
		ipc_msg_clear(&m);
		cr_assert(rig_recv(&rig, ROLE_PORTAL, 0, &m));
	}
	type = m.type;
	unpack_begin(&u, m.payload);
	proto_object_unpack(&u, rig.arena, &o);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	snprintf(name_out, 32, "%s", o.name);
	ipc_msg_clear(&m);
	return type;
}

static void
portal_says(uint16_t type, const char *name)
{
	struct packer p;
	struct buf b;

	buf_init(&b, 256);
	pack_begin(&p, &b);
	pack_str(&p, name);
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, type, 0, buf_span(&b));
	buf_clear(&b);
}

static void
expect_usage(uint64_t objects, uint64_t octets)
{
	char want[128], *answer = NULL;
	bool found = false;

	snprintf(want, sizeof(want),
	    "\"escrow_objects\":%llu,\"escrow_octets\":%llu,",
	    (unsigned long long)objects, (unsigned long long)octets);
	/* what the portal said may be committed with the next round */
	for (int i = 0; i < 200 && !found; i++) {
		free(answer);
		answer =
		    rig_request(&rig, "{\"verb\":\"store-status\",\"uid\":0}");
		found = answer != NULL && strstr(answer, want) != NULL;
	}
	cr_assert(found, "%s: %s", want, answer);
	free(answer);
}

#define A "a@ours.example"
#define B "b@ours.example"

Test(store_object, a_sender_has_a_quota_and_all_have_one)
{
	rig.conf.portal.present = true;
	rig.conf.portal.sender_quota = 10000;
	rig.conf.portal.quota = 15000;
	cr_expect_eq(submit_of(A, "A1", 10001, 1), ERR_QUOTA);
	cr_expect_eq(submit_of(A, "A2", 10000, 2), ERR_OK);
	cr_expect_eq(submit_of(A, "A3", 1, 3), ERR_QUOTA);
	cr_expect_eq(submit_of(B, "B1", 5001, 4), ERR_QUOTA);
	cr_expect_eq(submit_of(B, "B2", 5000, 5), ERR_OK);
	expect_usage(2, 15000);
	rig.conf.portal.sender_quota = rig.conf.portal.quota = 0;
	rig.conf.portal.sender_quota_objects = 2;
	rig.conf.portal.quota_objects = 4;
	cr_expect_eq(submit_of(A, "A4", UINT32_MAX, 6), ERR_OK);
	cr_expect_eq(submit_of(A, "A5", 1, 7), ERR_QUOTA);
	cr_expect_eq(submit_of(B, "B3", 1, 8), ERR_OK);
	cr_expect_eq(submit_of("c@ours.example", "C1", 1, 9), ERR_QUOTA);
}

Test(store_object, what_is_refused_for_a_quota_leaves_nothing)
{
	char name[32];

	rig.conf.portal.present = true;
	rig.conf.portal.quota_objects = 1;
	cr_assert_eq(submit_of(A, "A1", 100, 1), ERR_OK);
	cr_expect_eq(told_portal(name), PROTO_OBJECT_ADD);
	cr_expect_eq(submit_of(A, "A2", 100, 2), ERR_QUOTA);
	cr_expect_eq(told_portal(name), PROTO_OBJECT_DROP);
	cr_expect_str_eq(name, "A2");
	portal_says(PROTO_OBJECT_DROPPED, "A2");
	expect_usage(1, 100);
	/* said again under the same name, what is there stays */
	rig.conf.portal.quota_objects = 2;
	cr_expect_eq(submit_of(A, "A1", 100, 3), ERR_EXISTS);
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0));
	cr_expect_eq(submit_of(A, "A2", 100, 2), ERR_OK);
}

Test(store_object, what_goes_makes_room_whatever_is_restarted)
{
	char *answer;

	rig.conf.portal.present = true;
	rig.conf.portal.sender_quota_objects = 2;
	cr_assert_eq(submit_of(A, "A1", 100, 1), ERR_OK);
	cr_assert_eq(submit_of(A, "A2", 200, 2), ERR_OK);
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	expect_usage(2, 300);
	cr_expect_eq(submit_of(A, "A3", 1, 3), ERR_QUOTA);
	portal_says(PROTO_OBJECT_EXPIRED, "A1");
	expect_usage(1, 200);
	portal_says(PROTO_OBJECT_EXPIRED, "A1");
	expect_usage(1, 200);
	cr_expect_eq(submit_of(A, "A4", 50, 4), ERR_OK);
	answer = rig_request(
	    &rig, "{\"verb\":\"escrow-revoke\",\"object\":\"A2\",\"uid\":0}");
	cr_assert(answer != NULL && strstr(answer, "\"ok\":true") != NULL);
	free(answer);
	portal_says(PROTO_OBJECT_DROPPED, "A2");
	expect_usage(1, 50);
	cr_expect_eq(submit_of(A, "A5", 60, 5), ERR_OK);
	expect_usage(2, 110);
}

/* What waits for a portal that is away is not said again for each of them. */
Test(store_object, the_portal_hears_of_what_was_changed_alone)
{
	char name[32], *answer;

	rig.conf.portal.present = true;
	cr_assert_eq(submit_of(A, "A1", 100, 1), ERR_OK);
	cr_assert_eq(submit_of(A, "A2", 100, 2), ERR_OK);
	cr_assert_eq(submit_of(A, "A3", 100, 3), ERR_OK);
	while (!rig_is_quiet(&rig, ROLE_PORTAL, 0))
		continue; /* it has taken one */
	answer = rig_request(
	    &rig, "{\"verb\":\"escrow-revoke\",\"object\":\"A2\",\"uid\":0}");
	cr_assert(answer != NULL && strstr(answer, "\"ok\":true") != NULL);
	free(answer);
	cr_expect_eq(told_portal(name), PROTO_OBJECT_DROP);
	cr_expect_str_eq(name, "A2");
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0));
}

enum { RACERS = 24, FITTING = 7 };

/* All at once, in one commit or in several: what fits gets in. */
Test(store_object, many_workers_together_keep_to_the_quota)
{
	char name[RACERS][8];
	unsigned taken = 0;

	rig.conf.portal.present = true;
	rig.conf.portal.sender_quota = FITTING * 100;
	for (unsigned k = 1; k < RIG_INDEXES; k++)
		rig_connect(&rig, ROLE_WORKER, k);
	for (unsigned i = 0; i < RACERS; i++) {
		struct entry e =
		    rig_entry(&rig, 6000 + i, 500 + i, ENTRY_READY);
		struct proto_object o = {
		    .size = 100, .expires_s = clock_unix_ms() / 1000 + 3600};
		struct proto_submit m = {.attempt = 1,
		    .entry = &e,
		    .n_entries = 1,
		    .object = &o,
		    .n_objects = 1};

		snprintf(name[i], sizeof(name[i]), "R%u", i);
		o.name = e.wait_object = name[i];
		e.from = e.from_key = A;
		rig_submit(&rig, i % RIG_INDEXES, 500 + i, &m);
	}
	for (unsigned answers = 0; answers < RACERS;) {
		struct proto_committed c;
		struct ipc_msg m;

		cr_assert(rig_recv(&rig, ROLE_LISTENER, 0, &m));
		if (m.type == PROTO_COMMITTED) {
			cr_assert_eq(
			    proto_committed_unpack(m.payload, rig.arena, &c),
			    ERR_OK);
			cr_assert(c.result == ERR_OK || c.result == ERR_QUOTA);
			taken += c.result == ERR_OK ? 1 : 0;
			answers++;
		}
		ipc_msg_clear(&m);
	}
	cr_expect_eq(taken, FITTING);
	expect_usage(FITTING, FITTING * 100);
}

/* --- what only its file tells of */

static void
portal_has(const char *name, uint64_t size)
{
	const struct proto_object o = {.name = name,
	    .size = size,
	    .expires_s = clock_unix_ms() / 1000 + 3600,
	    .door = OBJECT_DOOR_CODE};
	struct packer p;
	struct buf b;

	buf_init(&b, 1024);
	pack_begin(&p, &b);
	pack_u32(&p, 1);
	proto_object_pack(&p, &o);
	pack_u64(&p, clock_unix_ms() / 1000);
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_FOUND, 0, buf_span(&b));
	buf_clear(&b);
}

Test(store_object, what_the_portal_has_alone_is_counted_and_revoked)
{
	char name[32], *answer;

	rig.conf.portal.present = true;
	rig.conf.portal.quota = 700;
	portal_has(OBJECT, 500);
	expect_usage(1, 500);
	portal_has(OBJECT, 500);
	cr_expect_eq(submit_of(A, "A1", 300, 1), ERR_QUOTA);
	cr_expect_eq(told_portal(name), PROTO_OBJECT_DROP);
	expect_usage(1, 500);
	/* nobody is known who would get a code */
	expect_refused("123456", "no recipient");
	answer = rig_request(&rig,
	    "{\"verb\":\"escrow-revoke\",\"object\":\"" OBJECT "\",\"uid\":0}");
	cr_assert(answer != NULL && strstr(answer, "\"ok\":true") != NULL);
	free(answer);
	cr_expect_eq(told_portal(name), PROTO_OBJECT_DROP);
	cr_expect_str_eq(name, OBJECT);
	portal_says(PROTO_OBJECT_DROPPED, OBJECT);
	expect_usage(0, 0);
}

Test(store_object, what_is_submitted_counts_more_than_what_was_found)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_object o = {.expires_s = clock_unix_ms() / 1000 + 3600};
	struct proto_deliver d;

	rig.conf.portal.present = true;
	portal_has(OBJECT, 1);
	expect_usage(1, 1);
	cr_assert_eq(submit_object(&o, &e), ERR_OK);
	expect_usage(1, 5000);
	portal_has(OBJECT, 1);
	expect_usage(1, 5000);
	portal_says(PROTO_OBJECT_HAVE, OBJECT);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, 1000);
}

/* --- what the sender hears */

static void
portal_reports(uint16_t type)
{
	const struct proto_opened m = {.name = OBJECT,
	    .client = "192.0.2.1",
	    .agent = "Browser",
	    .at_ms = clock_unix_ms()};
	struct buf b;

	if (type == PROTO_OBJECT_EXPIRED) {
		portal_says(type, OBJECT);
		return;
	}
	buf_init(&b, 4096);
	cr_assert_eq(proto_opened_pack(&m, &b), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, type, 0, buf_span(&b));
	buf_clear(&b);
}

/* One mail leaves for the sender, and one alone. */
static void
expect_told(const char *what)
{
	struct proto_deliver d;

	cr_assert(rig_deliver(&rig, &d), "%s", what);
	cr_expect_str_eq(d.entry.rcpt[0].key, "a@ours.example", "%s", what);
	cr_expect_str_eq(d.entry.from, "", "%s", what);
	rig_result(&rig, d.entry.id, PROTO_DELIVERED);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "%s", what);
}

Test(store_object, its_sender_hears_once_of_each_thing_that_happens)
{
	rig.conf.portal.present = rig.conf.portal.receipts = true;
	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	portal_reports(PROTO_OBJECT_LOCKED);
	expect_told("locked");
	portal_reports(PROTO_OBJECT_LOCKED);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "locked again");
	portal_reports(PROTO_OBJECT_EXPIRED);
	expect_told("expired");
}

Test(store_object, who_has_heard_of_an_opening_hears_of_no_expiry)
{
	rig.conf.portal.present = rig.conf.portal.receipts = true;
	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	portal_reports(PROTO_OBJECT_OPENED);
	expect_told("opened");
	portal_reports(PROTO_OBJECT_OPENED);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "opened again");
	portal_reports(PROTO_OBJECT_EXPIRED);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "expired");
}

/* --- answers */

enum { SHOWN = 100 }; /* as the portal calls it: the id of a message, too */

static const uint64_t answer_id = ENTRY_ID_ANSWER | SHOWN;

static void
make_answerable(void)
{
	static const char *to[] = {"a@ours.example"};
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_object o = {.answer_to = to, .n_answer_to = 1};

	o.expires_s = clock_unix_ms() / 1000 + 3600;
	cr_assert_eq(submit_object(&o, &e), ERR_OK);
}

static void
show_answer(uint64_t id)
{
	const struct proto_answer_came m = {.object = OBJECT, .client = ""};
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct buf b;

	buf_init(&b, 256);
	cr_assert_eq(proto_answer_came_pack(&m, &b), ERR_OK);
	cr_assert_eq(ipc_post(rig.far[ROLE_PORTAL][0], PROTO_ANSWER_CAME, id,
			 buf_span(&b), &fd, 1),
	    ERR_OK);
	buf_clear(&b);
	close(fd);
}

/* The next message to that process is of this type; its id, 0: it is not. */
static uint64_t
next_id(enum role_id role, uint16_t type)
{
	struct ipc_msg m;
	uint64_t id = 0;

	while (id == 0 && rig_recv(&rig, role, 0, &m)) {
		if (m.type == type)
			id = m.id;
		ipc_msg_clear(&m);
	}
	return id;
}

static void
submit_answer(uint64_t entry_id, uint64_t id)
{
	struct entry e = rig_entry(&rig, entry_id, id, ENTRY_PENDING);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};

	rig_submit(&rig, 0, id, &m);
}

Test(store_object, an_answer_meets_no_message_whatever_its_id)
{
	make_answerable();
	/* the message 100 is committed: the answer 100 is not */
	show_answer(SHOWN);
	cr_assert_eq(next_id(ROLE_WORKER, PROTO_ANSWER_OPEN), answer_id);
	submit_answer(1001, answer_id);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_ANSWER_TAKEN), SHOWN);
	cr_expect(rig_is_quiet(&rig, ROLE_LISTENER, 0));
	/* said again it is known, after a crash, too */
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	show_answer(SHOWN);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_ANSWER_TAKEN), SHOWN);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
}

Test(store_object, the_listener_hears_nothing_of_answers)
{
	make_answerable();
	show_answer(SHOWN);
	cr_assert_eq(next_id(ROLE_WORKER, PROTO_ANSWER_OPEN), answer_id);
	/* it has an id twice: refused */
	submit_answer(1000, answer_id);
	cr_expect(rig_is_quiet(&rig, ROLE_LISTENER, 0));
	show_answer(SHOWN);
	cr_assert_eq(next_id(ROLE_WORKER, PROTO_ANSWER_OPEN), answer_id);
	submit_answer(1001, answer_id);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_ANSWER_TAKEN), SHOWN);
	cr_expect(rig_is_quiet(&rig, ROLE_LISTENER, 0));
}

Test(store_object, who_has_no_answer_refuses_none)
{
	struct buf b;

	make_answerable();
	buf_init(&b, 256);
	cr_assert_eq(proto_failure_pack(ERR_MALFORMED, "no", &b), ERR_OK);
	rig_send(
	    &rig, ROLE_WORKER, 0, PROTO_ANSWER_BAD, answer_id, buf_span(&b));
	rig_run(&rig, 20);
	show_answer(SHOWN);
	cr_assert_eq(next_id(ROLE_WORKER, PROTO_ANSWER_OPEN), answer_id);
	rig_send(
	    &rig, ROLE_WORKER, 0, PROTO_ANSWER_BAD, answer_id, buf_span(&b));
	buf_clear(&b);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_ANSWER_TAKEN), SHOWN);
}

Test(store_object, its_answers_are_counted_whatever_the_portal_knows)
{
	make_answerable();
	for (uint64_t i = 0; i < LIMIT_ANSWERS; i++) {
		show_answer(SHOWN + i);
		cr_assert_eq(
		    next_id(ROLE_WORKER, PROTO_ANSWER_OPEN), answer_id + i);
		submit_answer(2000 + i, answer_id + i);
		cr_assert_eq(
		    next_id(ROLE_PORTAL, PROTO_ANSWER_TAKEN), SHOWN + i);
	}
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	show_answer(SHOWN + LIMIT_ANSWERS);
	cr_expect_eq(
	    next_id(ROLE_PORTAL, PROTO_ANSWER_TAKEN), SHOWN + LIMIT_ANSWERS);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
}

/* --- who opens it, and how often */

static void
opened_by(unsigned client)
{
	struct proto_opened m = {
	    .name = OBJECT, .agent = "Browser", .at_ms = clock_unix_ms()};
	char addr[32];
	struct buf b;

	snprintf(addr, sizeof(addr), "192.0.2.%u", client);
	m.client = addr;
	buf_init(&b, 4096);
	cr_assert_eq(proto_opened_pack(&m, &b), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_OPENED, 0, buf_span(&b));
	buf_clear(&b);
}

/* The answer to a request has that text, sooner or later. */
static void
expect_text(const char *request, const char *text)
{
	char *answer = NULL;
	bool found = false;

	for (int i = 0; i < 500 && !found; i++) {
		free(answer);
		answer = rig_request(&rig, request);
		found = answer != NULL && strstr(answer, text) != NULL;
		if (!found)
			rig_run(&rig, 10);
	}
	cr_assert(found, "%s: %s", text, answer);
	free(answer);
}

static void
wait_for_views(unsigned n)
{
	char text[64];

	snprintf(text, sizeof(text), "\"views\":%u,", n);
	expect_text(
	    "{\"verb\":\"escrow-show\",\"id\":\"" OBJECT "\",\"uid\":0}", text);
}

/* So many records of the audit log since the start. */
static void
expect_rows(unsigned n)
{
	char text[96];

	snprintf(text, sizeof(text),
	    "sealgate_escrow_total{type=\\\"viewed\\\"} %u\\n", n);
	expect_text("{\"verb\":\"store-metrics\",\"uid\":0}", text);
}

Test(store_object, a_client_is_written_down_twice_an_hour_at_most)
{
	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	for (unsigned i = 0; i < 30; i++)
		opened_by(1);
	wait_for_views(30);
	expect_rows(1);
	rig_advance(&rig, HOUR_MS);
	expect_rows(2);
	opened_by(1);
	wait_for_views(31);
	expect_rows(3);
	rig_advance(&rig, HOUR_MS);
	opened_by(1);
	wait_for_views(32);
	expect_rows(4);
}

Test(store_object, many_clients_are_few_records)
{
	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	for (unsigned i = 0; i < 60; i++)
		opened_by(i);
	wait_for_views(60);
	expect_rows(10);
	rig_advance(&rig, HOUR_MS);
	expect_rows(11);
}

Test(store_object, what_was_counted_is_said_after_a_crash_too)
{
	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	for (unsigned i = 0; i < 5; i++)
		opened_by(1);
	wait_for_views(5);
	expect_rows(1);
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	rig_advance(&rig, HOUR_MS);
	expect_rows(1);
	wait_for_views(5);
}

Test(store_object, what_was_counted_is_said_before_it_goes)
{
	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	for (unsigned i = 0; i < 3; i++)
		opened_by(1);
	wait_for_views(3);
	portal_says(PROTO_OBJECT_EXPIRED, OBJECT);
	expect_rows(2);
}

/* --- what is remembered of them */

enum { FEW = 3, MANY = 40 };

static size_t
count_done(struct db *db)
{
	struct db_cursor *c = NULL;
	struct db_txn *txn = NULL;
	struct span key, val;
	size_t n = 0;

	cr_assert_eq(db_read(db, &txn), ERR_OK);
	cr_assert_eq(db_cursor_open(txn, STORE_DONE, &c), ERR_OK);
	while (db_cursor_move(c, DB_NEXT, &key, &val) == ERR_OK)
		n++;
	db_cursor_close(c);
	db_end(txn);
	return n;
}

/* Half of all is old, young before old and old before young. */
static void
put_done(struct db_txn *txn, uint64_t part)
{
	for (uint64_t i = 1; i <= MANY; i++) {
		struct store_done d = {
		    .when_ms = i % 2 == 0 ? 1000 : 5000, .committed = true};

		cr_assert_eq(store_done_put(txn, part | i, &d), ERR_OK);
	}
}

Test(store_prune, young_answers_keep_no_old_ones)
{
	struct store_done d = {.when_ms = 1000, .committed = true};
	struct store_opened opened;
	struct err_why why = {""};
	struct db_txn *txn = NULL;
	struct rig r;
	uint64_t at = 0;

	rig_init(&r);
	cr_assert_eq(
	    store_spool_open(&r.conf, &opened, &why), ERR_OK, "%s", why.text);
	cr_assert_eq(db_write(opened.db, &txn), ERR_OK);
	put_done(txn, ENTRY_ID_ANSWER);
	cr_assert_eq(store_done_put(txn, 7, &d), ERR_OK);
	cr_assert_eq(db_commit(txn), ERR_OK);
	for (unsigned i = 0; i < MANY / FEW + 2; i++) {
		size_t before = count_done(opened.db);

		cr_assert_eq(db_write(opened.db, &txn), ERR_OK);
		cr_assert_eq(store_done_prune(txn, 2000, FEW, &at), ERR_OK);
		cr_assert_eq(db_commit(txn), ERR_OK);
		cr_expect_leq(before - count_done(opened.db), 2 * FEW);
	}
	cr_expect_eq(count_done(opened.db), MANY / 2, "the young ones stay");
	db_close(opened.db);
	rig_clear(&r);
}

/* --- a portal in a DMZ */

static const char one[] = "instance one....", other[] = "instance two....";

static void
say_viewed(const char *instance, uint64_t id)
{
	const struct proto_opened m = {.name = OBJECT,
	    .client = "192.0.2.1",
	    .agent = "",
	    .at_ms = clock_unix_ms()};
	struct buf b;

	buf_init(&b, 1024);
	cr_assert_eq(proto_opened_pack(&m, &b), ERR_OK);
	rig_send_dmz(&rig, instance, id, PROTO_OBJECT_OPENED, buf_span(&b));
	buf_clear(&b);
}

static void
expect_views(unsigned n, const char *what)
{
	char want[32];
	char *answer = rig_request(
	    &rig, "{\"verb\":\"escrow-show\",\"id\":\"" OBJECT "\",\"uid\":0}");

	snprintf(want, sizeof(want), "\"views\":%u,", n);
	cr_assert(answer != NULL && strstr(answer, want) != NULL, "%s: %s",
	    what, answer);
	free(answer);
}

Test(store_object, what_a_dmz_says_twice_happens_once)
{
	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	say_viewed(one, 1);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_OBJECT_NOTED), 1);
	say_viewed(one, 1);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_OBJECT_NOTED), 1);
	expect_views(1, "the same");
	/* it says so when it is durable, and not before */
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	expect_views(1, "after a crash");
	say_viewed(one, 1);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_OBJECT_NOTED), 1);
	expect_views(1, "the same after a crash");
	say_viewed(one, 7);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_OBJECT_NOTED), 7);
	say_viewed(one, 6);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_OBJECT_NOTED), 6);
	expect_views(2, "an old one");
	/* a machine that was replaced counts from the beginning */
	say_viewed(other, 1);
	cr_assert_eq(next_id(ROLE_PORTAL, PROTO_OBJECT_NOTED), 1);
	expect_views(3, "another machine");
}

Test(store_object, what_a_dmz_may_not_say_is_noted_and_nothing_else)
{
	static const struct {
		const char *name;
		uint16_t type;
		const char *payload;
	} rows[] = {
	    {"that it has an object", PROTO_OBJECT_HAVE, OBJECT},
	    {"that it is over", PROTO_OBJECT_EXPIRED, OBJECT},
	    {"that it is gone", PROTO_OBJECT_DROPPED, OBJECT},
	    {"an event in an event", PROTO_OBJECT_EVENT, ""},
	    {"mail", PROTO_SUBMIT, ""},
	    {"nothing", PROTO_OBJECT_OPENED, ""},
	    {"what is cut", PROTO_OBJECT_LOCKED, "x"},
	    {"an account that is none", PROTO_ACCOUNT_SET, OBJECT},
	};
	uint64_t id = 100;

	make_object(OBJECT_DOOR_OPEN, 9ull * HOUR_MS);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packer p;
		struct buf b;

		buf_init(&b, 256);
		pack_begin(&p, &b);
		if (rows[i].payload[0] != '\0')
			pack_str(&p, rows[i].payload);
		cr_assert_eq(pack_end(&p), ERR_OK);
		rig_send_dmz(&rig, one, ++id, rows[i].type, buf_span(&b));
		cr_expect_eq(next_id(ROLE_PORTAL, PROTO_OBJECT_NOTED), id, "%s",
		    rows[i].name);
		buf_clear(&b);
	}
	expect_views(0, "nothing of it");
	/* the notice waits as before: the object is not there */
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0));
}
