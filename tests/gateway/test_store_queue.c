/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Store towards listener, workers and relay: what is acknowledged, what is
 * sent when, what is allowed to replace what. The other ends are played.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/text.h"
#include "tests/lib/still_loop.h"
#include "tests/lib/store_rig.h"

static struct rig rig;

static void
set_up(void)
{
	rig_init(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	rig_clear(&rig);
}

TestSuite(store, .init = set_up, .fini = tear_down);

enum { HOUR_MS = 3600 * 1000 };

static void
submit_ready(uint64_t message_id, uint64_t entry_id)
{
	struct entry e = rig_entry(&rig, entry_id, message_id, ENTRY_READY);
	const char *rec = "{\"type\":\"accepted\"}";
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .audit = &rec,
	    .n_audit = 1};

	rig_submit(&rig, 0, message_id, &m);
	cr_assert_eq(rig_committed(&rig, message_id), ERR_OK);
}

static void
submit_pending(uint64_t message_id, uint64_t entry_id, enum entry_why why)
{
	struct entry e = rig_entry(&rig, entry_id, message_id, ENTRY_PENDING);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};

	e.strength = 5;
	e.why = why;
	rig_submit(&rig, 0, message_id, &m);
	cr_assert_eq(rig_committed(&rig, message_id), ERR_OK);
}

static bool
take_decide(unsigned worker, struct proto_decide *out)
{
	struct ipc_msg m;
	bool good = rig_recv(&rig, ROLE_WORKER, worker, &m);

	good = good && m.type == PROTO_DECIDE &&
	       proto_decide_unpack(m.payload, rig.arena, out) == ERR_OK;
	if (good)
		ipc_msg_clear(&m);
	return good;
}

static void
undecided(unsigned worker, uint64_t id)
{
	struct buf b;

	buf_init(&b, 256);
	cr_assert_eq(
	    proto_failure_pack(ERR_RUNG_FAILED, "no answer", &b), ERR_OK);
	rig_send(&rig, ROLE_WORKER, worker, PROTO_UNDECIDED, id, buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 10);
}

static bool
answer_has(const char *request, const char *part)
{
	char *answer = rig_request(&rig, request);
	bool yes = answer != NULL && strstr(answer, part) != NULL;

	if (!yes)
		fprintf(stderr, "%s -> %s\n", request, answer);
	free(answer);
	return yes;
}

Test(store, an_acknowledged_message_is_delivered_after_a_kill)
{
	struct proto_deliver d;

	submit_ready(100, 1000);
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1000);
	cr_assert_eq(d.entry.message_id, 100);
	cr_assert_eq(d.n_open, 1);
	cr_assert_not(d.warn);
	cr_assert_not(d.give_up);
	rig_result(&rig, 1000, PROTO_DELIVERED);
	rig_run(&rig, 20);
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"ready\":0"));
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
}

Test(store, a_message_said_twice_is_stored_once)
{
	struct entry again = rig_entry(&rig, 1001, 100, ENTRY_READY);
	struct proto_submit m = {.attempt = 2, .entry = &again, .n_entries = 1};
	struct proto_deliver d;

	submit_ready(100, 1000);
	cr_assert(rig_deliver(&rig, &d));
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
}

static enum err
fence(uint64_t id, uint32_t attempt)
{
	struct packer p;
	struct buf b;

	buf_init(&b, 16);
	pack_begin(&p, &b);
	pack_u32(&p, attempt);
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_LISTENER, 0, PROTO_FENCE, id, buf_span(&b));
	buf_clear(&b);
	return rig_committed(&rig, id);
}

Test(store, a_fenced_attempt_never_gets_in)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};
	struct proto_deliver d;

	cr_assert_eq(fence(100, 1), ERR_FENCED);
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_FENCED);
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_FENCED);
	m.attempt = 2;
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	rig_result(&rig, 1000, PROTO_DELIVERED);
	rig_run(&rig, 20);
	/* known although nothing of it is left */
	cr_assert_eq(fence(100, 2), ERR_OK);
	rig_advance(&rig, 14 * 60 * 1000);
	submit_ready(101, 1001);
	cr_assert_eq(fence(100, 2), ERR_OK);
	rig_advance(&rig, 2 * 60 * 1000);
	submit_ready(102, 1002);
	rig_run(&rig, 10);
	cr_assert_eq(fence(100, 3), ERR_FENCED);
}

Test(store, what_no_worker_may_submit_is_refused)
{
	struct entry good = rig_entry(&rig, 1000, 100, ENTRY_READY), e;
	const char *bad_rec = "{\"type\":\"audit-checkpoint\"}";
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};

	e = good;
	e.body.len--;
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_NOT_FOUND, "body too short");
	e = good;
	e.body = SPAN(NULL, 0);
	e.file = "0000000000000";
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_NOT_FOUND, "no such file");
	e = good;
	e.why = ENTRY_WHY_HELD;
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_IPC, "ready and held");
	e = good;
	e.wait_object = "nowhere";
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_NOT_FOUND, "no object");
	e = good;
	m.audit = &bad_rec;
	m.n_audit = 1;
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_IPC, "record of the log");
	m.n_audit = 0;
	rig_submit(&rig, 0, 100, &m);
	cr_expect_eq(rig_committed(&rig, 100), ERR_OK);
	rig_submit(&rig, 0, 101, &m);
	cr_expect_eq(rig_committed(&rig, 101), ERR_EXISTS, "the same entry");
}

Test(store, a_large_body_is_a_file_that_goes_with_its_entry)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};
	char name[TEXT_ID_SIZE], path[200];
	struct ipc_msg msg;
	struct stat st;
	int fd;

	text_id(1000, name);
	snprintf(path, sizeof(path), "%s/%s", rig.conf.paths.bodies, name);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	e.body_size = LIMIT_BODY_INLINE;
	e.body = SPAN(NULL, 0);
	e.file = name;
	cr_assert_eq(ftruncate(fd, (off_t)sealed_size(e.body_size)), 0);
	close(fd);
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	cr_assert(rig_recv(&rig, ROLE_RELAY, 0, &msg));
	cr_assert_eq(msg.n_fds, 1);
	cr_assert_eq(fstat(msg.fds[0], &st), 0);
	cr_assert_eq((uint64_t)st.st_size, sealed_size(e.body_size));
	ipc_msg_clear(&msg);
	rig_result(&rig, 1000, PROTO_DELIVERED);
	rig_run(&rig, 20);
	cr_assert_neq(stat(path, &st), 0);
}

Test(store, files_without_an_entry_are_swept_when_they_are_old)
{
	char old[200], young[200];
	struct timespec when[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct stat st;
	int fd;

	snprintf(old, sizeof(old), "%s/old", rig.conf.paths.bodies);
	snprintf(young, sizeof(young), "%s/young", rig.conf.paths.bodies);
	rig_kill(&rig);
	fd = open(old, O_WRONLY | O_CREAT, 0600);
	cr_assert_eq(futimens(fd, when), 0);
	close(fd);
	fd = open(young, O_WRONLY | O_CREAT, 0600);
	close(fd);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	cr_assert_neq(stat(old, &st), 0);
	cr_assert_eq(stat(young, &st), 0);
}

Test(store, a_deferred_entry_waits_longer_and_longer_then_gives_up)
{
	struct proto_deliver d;
	uint64_t age = 0;
	uint32_t tries = 0;
	bool warned = false, gave_up = false;

	submit_ready(100, 1000);
	for (; tries < 100 && !gave_up; tries++) {
		while (
		    rig_is_quiet(&rig, ROLE_KEYS, 0) && !rig_deliver(&rig, &d))
			;
		cr_assert_eq(d.tries, tries);
		cr_assert_geq(d.age_ms, age);
		age = d.age_ms;
		if (d.warn) {
			cr_assert_not(warned, "warned twice");
			cr_assert_geq(age, 4ull * HOUR_MS);
			warned = true;
		}
		gave_up = d.give_up;
		rig_result(&rig, 1000, PROTO_DEFERRED);
		rig_run(&rig, 10);
		cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
		rig_advance(
		    &rig, tries < 6 ? 400000ull << tries : 5ull * HOUR_MS);
	}
	cr_assert(warned);
	cr_assert(gave_up);
	cr_assert_geq(age, 5ull * 24 * HOUR_MS);
	cr_assert_gt(tries, 20);
}

Test(store, what_may_not_be_bounced_is_held_with_an_alarm)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};
	struct proto_deliver d;

	e.from = e.from_key = "";
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	rig_result(&rig, 1000, PROTO_FAILED);
	rig_run(&rig, 20);
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"held\":1"));
	cr_assert(answer_has("{\"verb\":\"queue-list\"}", "no sender to tell"));
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_advance(&rig, 9ull * HOUR_MS);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0), "it is held");
	cr_assert(answer_has(
	    "{\"verb\":\"queue-release\",\"id\":\"00000000000Z8\",\"uid\":0}",
	    "\"ok\":true"));
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.n_open, 1);
	rig_result(&rig, 1000, PROTO_DELIVERED);
	rig_run(&rig, 20);
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"held\":0"));
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"ready\":0"));
}

Test(store, what_is_released_late_has_its_whole_time_again)
{
	struct proto_deliver d;
	struct proto_decide p;

	submit_ready(100, 1000);
	cr_assert(rig_deliver(&rig, &d));
	rig_result(&rig, 1000, PROTO_DEFERRED);
	submit_pending(101, 1001, ENTRY_WHY_HELD);
	cr_assert(answer_has(
	    "{\"verb\":\"queue-hold\",\"id\":\"00000000000Z8\",\"uid\":0}",
	    "\"ok\":true"));
	rig_advance(&rig, 6ull * 24 * HOUR_MS);
	cr_assert(answer_has(
	    "{\"verb\":\"queue-release\",\"id\":\"00000000000Z8\",\"uid\":0}",
	    "\"ok\":true"));
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_not(d.give_up, "not bounced at the first trouble");
	cr_assert(answer_has(
	    "{\"verb\":\"queue-release\",\"id\":\"00000000000Z9\",\"uid\":0}",
	    "\"ok\":true"));
	cr_assert(take_decide(0, &p));
	cr_assert_not(p.give_up, "decided, not bounced");
}

Test(store, steps_of_the_wall_clock_expire_nothing)
{
	struct proto_deliver d;

	submit_ready(100, 1000);
	cr_assert(rig_deliver(&rig, &d));
	still_wall_ms = 30ll * 24 * HOUR_MS;
	rig_result(&rig, 1000, PROTO_DEFERRED);
	rig_run(&rig, 10);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_advance(&rig, 400 * 1000);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_lt(d.age_ms, (uint64_t)HOUR_MS);
	cr_assert_not(d.give_up);
	still_wall_ms = 0;
}

Test(store, what_relay_had_when_it_died_is_due_at_once)
{
	struct proto_deliver d;

	submit_ready(100, 1000);
	cr_assert(rig_deliver(&rig, &d));
	rig_disconnect(&rig, ROLE_RELAY, 0);
	rig_run(&rig, 10);
	rig_connect(&rig, ROLE_RELAY, 0);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1000);
	cr_assert_eq(d.tries, 0);
}

Test(store, recipients_that_are_done_are_not_sent_again)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct entry_rcpt rcpts[3] = {{"b@x.example", "b@x.example", "", 0},
	    {"c@x.example", "c@x.example", "", 0},
	    {"d@x.example", "d@x.example", "", 0}};
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};
	struct proto_rcpt_result results[] = {
	    {.rcpt = 0, .outcome = PROTO_DELIVERED, .status = "", .text = ""},
	    {.rcpt = 1, .status = "4.0.0", .text = "later"},
	    {.rcpt = 2, .outcome = PROTO_FAILED, .status = "", .text = ""}};
	struct proto_result r = {.rcpt = results, .n_rcpt = 3};
	struct proto_deliver d;
	struct buf b;

	e.rcpt = rcpts;
	e.n_rcpt = 3;
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.n_open, 3);
	buf_init(&b, 8192);
	cr_assert_eq(proto_result_pack(&r, &b), ERR_OK);
	rig_send(&rig, ROLE_RELAY, 0, PROTO_RESULT, 1000, buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 20);
	cr_assert(
	    answer_has("{\"verb\":\"queue-show\",\"id\":\"00000000000Z8\"}",
		"\"last\":\"later\""));
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_advance(&rig, 400 * 1000);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1000);
	cr_assert_eq(d.entry.n_rcpt, 3, "whole: the seal is beside all");
	cr_assert_eq(d.n_open, 1);
	cr_assert_eq(d.open[0], 1);
}

/* What the portal is told of objects; false when it is nothing. */
static bool
of_object(struct ipc_msg *out)
{
	while (rig_recv(&rig, ROLE_PORTAL, 0, out)) {
		if (out->type != PROTO_ACCOUNTS)
			return true;
		ipc_msg_clear(out);
	}
	return false;
}

Test(store, a_notice_waits_for_its_object)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_object o = {
	    .name = "AAAAAAAAAAAAAAAAAAAAAA", .size = 5000, .expires_s = 99};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .object = &o,
	    .n_objects = 1};
	struct proto_deliver d;
	struct packer p;
	struct ipc_msg msg;
	struct buf b;

	rig_connect(&rig, ROLE_PORTAL, 0);
	e.wait_object = o.name;
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	cr_assert(of_object(&msg));
	cr_assert_eq(msg.type, PROTO_OBJECT_ADD);
	ipc_msg_clear(&msg);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	cr_assert(of_object(&msg), "told again");
	ipc_msg_clear(&msg);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
	buf_init(&b, 64);
	pack_begin(&p, &b);
	pack_str(&p, o.name);
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_HAVE, 0, buf_span(&b));
	buf_clear(&b);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1000);
	rig_disconnect(&rig, ROLE_PORTAL, 0);
	rig_run(&rig, 10);
	rig_connect(&rig, ROLE_PORTAL, 0);
	cr_assert_not(of_object(&msg), "it has it");
	/* locked: a portal that has lost its count is told each time */
	buf_init(&b, 4096);
	cr_assert_eq(proto_opened_pack(&(struct proto_opened){.name = o.name,
					   .client = "192.0.2.1",
					   .agent = ""},
			 &b),
	    ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_LOCKED, 0, buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 50);
	rig_disconnect(&rig, ROLE_PORTAL, 0);
	rig_run(&rig, 10);
	rig_connect(&rig, ROLE_PORTAL, 0);
	cr_assert(of_object(&msg));
	cr_expect_eq(msg.type, PROTO_OBJECT_LOCK);
	ipc_msg_clear(&msg);
}

Test(store, a_pending_entry_is_decided_when_due_and_replaced_at_once)
{
	struct entry e;
	struct proto_submit m = {.replaces = 1000, .entry = &e, .n_entries = 1};
	struct proto_decide d;
	struct proto_deliver out;

	submit_pending(100, 1000, ENTRY_WHY_UNDECIDED);
	cr_assert(rig_is_quiet(&rig, ROLE_WORKER, 0));
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
	rig_advance(&rig, 400 * 1000);
	cr_assert(take_decide(0, &d));
	cr_assert_eq(d.entry.id, 1000);
	cr_assert_not(d.released);
	e = rig_entry(&rig, 1001, 100, ENTRY_READY);
	e.strength = 5;
	rig_submit(&rig, 0, 1000, &m);
	cr_assert(rig_deliver(&rig, &out));
	cr_assert_eq(out.entry.id, 1001);
	cr_assert_geq(out.age_ms, 400u * 1000, "it counts from the beginning");
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"pending\":0"));
}

Test(store, keys_hears_of_the_sender_while_a_worker_decides)
{
	struct proto_decide d;

	submit_pending(100, 1000, ENTRY_WHY_UNDECIDED);
	rig_run(&rig, 20);
	cr_assert_eq(rig.registered, 0);
	rig_advance(&rig, 400 * 1000);
	cr_assert(take_decide(0, &d));
	rig_run(&rig, 20);
	cr_assert_eq(rig.registered, 1000);
	cr_assert_str_eq(rig.registered_addr, d.entry.from_key);
	cr_assert_not(rig.registered_open);
	/* keys began anew */
	rig.registered = 0;
	rig_connect(&rig, ROLE_KEYS, 0);
	rig_run(&rig, 50);
	cr_assert_eq(rig.registered, 1000);
	undecided(0, 1000);
	rig_run(&rig, 50);
	cr_assert_eq(rig.registered, 0);
	/* a worker that dies loses the right, too */
	rig_advance(&rig, 2 * 700 * 1000);
	cr_assert(take_decide(0, &d));
	rig_run(&rig, 20);
	cr_assert_eq(rig.registered, 1000);
	rig_disconnect(&rig, ROLE_WORKER, 0);
	rig_run(&rig, 50);
	cr_assert_eq(rig.registered, 0);
}

Test(store, a_pending_entry_becomes_nothing_weaker_or_other)
{
	static const struct {
		const char *name;
		uint8_t strength;
		uint64_t message_id;
		enum entry_route route;
		const char *from, *rcpt;
		uint64_t replaces;
	} rows[] = {
	    {"weaker", 4, 100, ENTRY_INBOUND, "a@ours.example", "b@example.org",
		1000},
	    {"another message", 5, 101, ENTRY_INBOUND, "a@ours.example",
		"b@example.org", 1000},
	    {"another recipient", 5, 100, ENTRY_INBOUND, "a@ours.example",
		"c@example.org", 1000},
	    {"a notice to another", 0, 100, ENTRY_OUTBOUND, "", "c@example.org",
		1000},
	    {"another entry", 5, 100, ENTRY_INBOUND, "a@ours.example",
		"b@example.org", 999},
	};
	struct proto_decide d;
	struct entry e;
	struct proto_submit first = {.attempt = 1, .entry = &e, .n_entries = 1};

	e = rig_entry(&rig, 1000, 100, ENTRY_PENDING);
	e.strength = 5;
	rig_submit(&rig, 0, 100, &first);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proto_submit m = {
		    .replaces = rows[i].replaces, .entry = &e, .n_entries = 1};

		rig_advance(&rig, 400 * 1000);
		cr_assert(take_decide(0, &d), "%s", rows[i].name);
		e = rig_entry(&rig, 2000, rows[i].message_id, ENTRY_READY);
		e.strength = rows[i].strength;
		e.route = rows[i].route;
		e.from = e.from_key = rows[i].from;
		e.rcpt[0].addr = e.rcpt[0].key = rows[i].rcpt;
		rig_submit(&rig, 0, 1000, &m);
		rig_run(&rig, 10);
		cr_expect(
		    rig_is_quiet(&rig, ROLE_RELAY, 0), "%s", rows[i].name);
	}
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"pending\":1"));
}

/* Mail from outside goes to an opener at once, and from there to nobody but its
   recipients here: not out, not back to its sender, and nothing new. */
Test(store, what_an_opener_reads_goes_to_its_recipients_alone)
{
	static const struct {
		const char *name;
		uint64_t message_id;
		enum entry_route route;
		const char *from, *rcpt;
		uint64_t replaces;
		bool taken;
	} rows[] = {
	    {"outside", 100, ENTRY_OUTBOUND, "a@ours.example", "b@example.org",
		1000, false},
	    {"a notice to the sender", 100, ENTRY_OUTBOUND, "",
		"a@ours.example", 1000, false},
	    {"a notice to the sender, inside", 100, ENTRY_INBOUND, "",
		"a@ours.example", 1000, false},
	    {"another recipient", 100, ENTRY_INBOUND, "a@ours.example",
		"c@example.org", 1000, false},
	    {"new mail", 100, ENTRY_INBOUND, "a@ours.example", "b@example.org",
		0, false},
	    {"as it should be", 100, ENTRY_INBOUND, "a@ours.example",
		"b@example.org", 1000, true},
	};
	struct proto_decide d;
	struct entry e;
	struct ipc_msg m;
	struct proto_submit first = {.attempt = 1, .entry = &e, .n_entries = 1};

	rig_connect(&rig, ROLE_OPENER, 0);
	e = rig_entry(&rig, 1000, 100, ENTRY_PENDING);
	e.route = ENTRY_INBOUND;
	e.why = ENTRY_WHY_RECEIVED;
	rig_submit(&rig, 0, 100, &first);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proto_submit sub = {.attempt = rows[i].replaces == 0,
		    .replaces = rows[i].replaces,
		    .entry = &e,
		    .n_entries = 1};

		if (i > 0)
			rig_advance(&rig, 400 * 1000);
		cr_assert(
		    rig_recv(&rig, ROLE_OPENER, 0, &m), "%s", rows[i].name);
		cr_assert_eq(m.type, PROTO_DECIDE);
		cr_assert_eq(
		    proto_decide_unpack(m.payload, rig.arena, &d), ERR_OK);
		ipc_msg_clear(&m);
		cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
		/* its recipients' keys may open it, and sign nothing */
		rig_run(&rig, 20);
		cr_expect_eq(rig.registered, 1000);
		cr_expect(rig.registered_open);
		cr_expect_eq(rig.registered_addrs, 1);
		cr_expect_str_eq(rig.registered_addr, d.entry.rcpt[0].key);
		e = rig_entry(&rig, 2000, rows[i].message_id, ENTRY_READY);
		e.route = rows[i].route;
		e.from = e.from_key = rows[i].from;
		e.rcpt[0].addr = e.rcpt[0].key = rows[i].rcpt;
		rig_submit_as(&rig, ROLE_OPENER, 1000, &sub);
		rig_run(&rig, 10);
		cr_expect_eq(rig_is_quiet(&rig, ROLE_RELAY, 0), !rows[i].taken,
		    "%s", rows[i].name);
		if (rows[i].replaces == 0) {
			/* it has not answered: another one gets the entry */
			rig_disconnect(&rig, ROLE_OPENER, 0);
			rig_connect(&rig, ROLE_OPENER, 0);
		}
	}
}

Test(store, a_worker_cannot_replace_what_it_was_not_asked_about)
{
	struct entry e = rig_entry(&rig, 1001, 100, ENTRY_READY);
	struct proto_submit m = {.replaces = 1000, .entry = &e, .n_entries = 1};

	submit_pending(100, 1000, ENTRY_WHY_HELD);
	e.strength = 9;
	rig_submit(&rig, 0, 1000, &m);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"held\":1"));
}

Test(store, what_stays_undecided_is_held_and_goes_on_when_released)
{
	struct proto_decide d;
	int rounds = 0;

	submit_pending(100, 1000, ENTRY_WHY_UNDECIDED);
	for (; rounds < 12; rounds++) {
		rig_advance(&rig, 1 * HOUR_MS);
		if (rig_is_quiet(&rig, ROLE_WORKER, 0))
			continue;
		undecided(0, 1000);
		if (!rig_is_quiet(&rig, ROLE_WORKER, 0))
			cr_assert_fail("asked again at once");
	}
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"held\":1"));
	cr_assert(answer_has(
	    "{\"verb\":\"queue-release\",\"id\":\"00000000000Z8\",\"uid\":0}",
	    "\"ok\":true"));
	cr_assert(take_decide(0, &d));
	cr_assert(d.released);
}

Test(store, what_kills_workers_is_put_aside)
{
	struct proto_decide d;

	submit_pending(100, 1000, ENTRY_WHY_UNDECIDED);
	rig_advance(&rig, 400 * 1000);
	for (unsigned i = 0; i < LIMIT_CRASHES; i++) {
		cr_assert(take_decide(0, &d), "death %u", i);
		rig_disconnect(&rig, ROLE_WORKER, 0);
		rig_run(&rig, 10);
		rig_connect(&rig, ROLE_WORKER, 0);
		rig_advance(&rig, 2000);
	}
	cr_assert(rig_is_quiet(&rig, ROLE_WORKER, 0));
	cr_assert(
	    answer_has("{\"verb\":\"queue-show\",\"id\":\"00000000000Z8\"}",
		"\"why\":\"crashed\""));
}

Test(store, each_worker_has_one_entry_at_a_time)
{
	struct proto_decide d;

	for (uint64_t i = 0; i < 3; i++)
		submit_pending(100 + i, 1000 + i, ENTRY_WHY_UNDECIDED);
	rig_connect(&rig, ROLE_WORKER, 1);
	rig_advance(&rig, 400 * 1000);
	cr_assert(take_decide(0, &d));
	cr_assert(take_decide(1, &d));
	cr_assert(rig_is_quiet(&rig, ROLE_WORKER, 0));
	cr_assert(rig_is_quiet(&rig, ROLE_WORKER, 1));
	undecided(1, d.entry.id);
	cr_assert(take_decide(1, &d));
}

Test(store, an_administrator_holds_releases_and_deletes)
{
	struct proto_deliver d;
	struct ipc_msg m;

	submit_ready(100, 1000);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert(answer_has(
	    "{\"verb\":\"queue-hold\",\"id\":\"0000000000034\",\"uid\":0}",
	    "\"changed\":1"));
	cr_assert(rig_recv(&rig, ROLE_RELAY, 0, &m));
	cr_assert_eq(m.type, PROTO_RECALL);
	ipc_msg_clear(&m);
	rig_result(&rig, 1000, PROTO_DEFERRED);
	rig_advance(&rig, 9 * HOUR_MS);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0), "it is held");
	cr_assert(answer_has(
	    "{\"verb\":\"queue-release\",\"id\":\"00000000000Z8\",\"uid\":0}",
	    "\"ok\":true"));
	cr_assert(rig_deliver(&rig, &d));
	cr_assert(answer_has(
	    "{\"verb\":\"queue-delete\",\"id\":\"00000000000Z8\",\"uid\":0}",
	    "\"ok\":true"));
	cr_assert(rig_recv(&rig, ROLE_RELAY, 0, &m));
	ipc_msg_clear(&m);
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"ready\":1"));
	rig_result(&rig, 1000, PROTO_DEFERRED);
	rig_run(&rig, 20);
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"ready\":0"));
	cr_assert(answer_has("{\"verb\":\"queue-delete\",\"id\":"
			     "\"00000000000Z8\",\"uid\":0}",
	    "ERR_NOT_FOUND"));
	cr_assert(
	    answer_has("{\"verb\":\"queue-delete\",\"uid\":0}", "ERR_USAGE"));
	cr_assert(answer_has("{\"verb\":\"rm\"}", "ERR_USAGE"));
}

Test(store, the_list_comes_in_pages)
{
	for (uint64_t i = 0; i < 5; i++)
		submit_ready(100 + i, 1000 + i);
	cr_assert(
	    answer_has("{\"verb\":\"queue-list\",\"max\":2}", "\"more\":true"));
	cr_assert(answer_has("{\"verb\":\"queue-list\",\"max\":2,\"after\":"
			     "\"00000000000ZA\"}",
	    "00000000000ZB"));
	cr_assert(answer_has("{\"verb\":\"queue-list\",\"max\":2,\"after\":"
			     "\"00000000000ZB\"}",
	    "\"more\":false"));
}

Test(store, a_broken_environment_is_moved_aside_with_an_alarm)
{
	struct proto_deliver d;
	char path[200];
	int fd;

	submit_ready(100, 1000);
	rig_kill(&rig);
	snprintf(path, sizeof(path), "%s/data.mdb", rig.conf.paths.spool);
	fd = open(path, O_WRONLY);
	cr_assert_eq(pwrite(fd, "garbage garbage garbage garbage", 31, 0), 31);
	cr_assert_eq(
	    pwrite(fd, "garbage garbage garbage garbage", 31, 4096), 31);
	close(fd);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	submit_ready(101, 1001);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.entry.id, 1001);
}

Test(store, it_refuses_new_mail_below_the_reserve)
{
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};
	struct ipc_msg msg;

	rig.conf.limits.free_space = UINT64_MAX;
	rig_run(&rig, 1200);
	do
		cr_assert(rig_recv(&rig, ROLE_LISTENER, 0, &msg));
	while (msg.type != PROTO_INTAKE ||
	       msg.payload.data[3] != (uint8_t)ERR_DISK_FULL);
	ipc_msg_clear(&msg);
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_DISK_FULL);
	rig.conf.limits.free_space = 0;
	rig_run(&rig, 1200);
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
}

/* A file system of its own: needs the right to mount. */
static bool
mount_small(void)
{
	rig_kill(&rig);
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("tmpfs", rig.dir, "tmpfs", 0, "size=1m") != 0)
		return false;
	rig.conf.limits.free_space = 400 * 1024;
	return rig_start(&rig) == ERR_OK;
}

/* Submit until the disk says no; how many were acknowledged. */
static uint64_t
fill_disk(void)
{
	enum err e = ERR_OK;
	uint64_t n = 0;

	while (e == ERR_OK && n < 1000) {
		struct entry entry =
		    rig_entry(&rig, 1000 + n, 100 + n, ENTRY_READY);
		struct proto_submit m = {
		    .attempt = 1, .entry = &entry, .n_entries = 1};
		static uint8_t body[64 * 1024];

		entry.body_size = 30 * 1024;
		entry.body = SPAN(body, sealed_size(entry.body_size));
		rig_submit(&rig, 0, 100 + n, &m);
		e = rig_committed(&rig, 100 + n);
		n += e == ERR_OK;
	}
	cr_assert_eq(e, ERR_DISK_FULL, "%s", err_name(e));
	return n;
}

Test(store, a_full_disk_is_an_error_and_loses_nothing)
{
	struct proto_deliver d;
	uint64_t n;

	if (!mount_small()) {
		rig_clear(&rig); /* skipping does without .fini */
		cr_skip_test("needs the right to mount");
	}
	rig_disconnect(&rig, ROLE_RELAY, 0);
	n = fill_disk();
	cr_assert_gt(n, 3);
	cr_assert_not(rig.ended, "it goes on");
	rig_run(&rig, 1200);
	rig_connect(&rig, ROLE_RELAY, 0);
	for (uint64_t i = 0; i < n; i++) {
		cr_assert(rig_deliver(&rig, &d), "%d", (int)i);
		cr_assert_eq(d.entry.id, 1000 + i);
		rig_result(&rig, d.entry.id, PROTO_DELIVERED);
	}
	rig_run(&rig, 50);
	cr_assert(answer_has("{\"verb\":\"store-status\"}", "\"ready\":0"));
	/* the file does not shrink, but what is free in it can be used */
	submit_ready(5000, 6000);
	cr_assert(rig_deliver(&rig, &d));
	rig_kill(&rig);
	umount(rig.dir);
}

Test(store, it_ends_when_the_others_have_ended)
{
	submit_ready(100, 1000);
	rig_stop(&rig);
	cr_assert(rig.ended);
	cr_assert_not(rig.failed);
}
