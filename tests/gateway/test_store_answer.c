/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers to mail that was picked up on their way from the portal to a worker:
 * what has the only copy of one keeps it until it is mail, or refused.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/text.h"
#include "tests/lib/store_rig.h"

#define OBJECT "AAAAAAAAAAAAAAAAAAAAAA"

enum { ALARM_MS = 30 * 60 * 1000 };

static struct rig rig;

static void
set_up(void)
{
	struct ipc_msg m;

	rig_init(&rig);
	rig.conf.hostname = "gw.ours.example";
	rig.conf.alarm_to = "admin@elsewhere.example";
	rig.conf.alarm_ms = 15 * 60 * 1000;
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_connect(&rig, ROLE_PORTAL, 0);
	/* whom it knows: the answers are behind that */
	cr_assert(rig_recv(&rig, ROLE_PORTAL, 0, &m));
	cr_assert_eq(m.type, PROTO_ACCOUNTS);
	ipc_msg_clear(&m);
}

static void
tear_down(void)
{
	rig_clear(&rig);
}

TestSuite(store_answer, .init = set_up, .fini = tear_down);

/* The portal shows an answer. */
static void
show(uint64_t id, const char *object)
{
	const struct proto_answer_came came = {
	    .object = object, .client = "192.0.2.1"};
	struct buf b;
	int fd = -1;

	cr_assert_eq(memfd_from(SPAN_LIT("sealed"), &fd), ERR_OK);
	buf_init(&b, 4096);
	cr_assert_eq(proto_answer_came_pack(&came, &b), ERR_OK);
	cr_assert_eq(ipc_send(rig.far[ROLE_PORTAL][0], PROTO_ANSWER_CAME, id,
			 buf_span(&b), &fd, 1),
	    ERR_OK);
	buf_clear(&b);
	close(fd);
	rig_run(&rig, 30);
}

/* One mail to the administrator. */
static bool
alarm_comes(void)
{
	struct proto_deliver d;

	rig_advance(&rig, ALARM_MS);
	if (!rig_deliver(&rig, &d))
		return false;
	cr_assert_str_eq(d.entry.rcpt[0].addr, "admin@elsewhere.example");
	rig_result(&rig, d.entry.id, PROTO_DELIVERED);
	return true;
}

Test(store_answer, a_code_for_the_unknown_is_an_alarm)
{
	struct packer p;
	struct buf b;

	buf_init(&b, 256);
	pack_begin(&p, &b);
	pack_str(&p, OBJECT);
	pack_str(&p, "123456");
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_CODE, 0, buf_span(&b));
	rig_send(&rig, ROLE_PORTAL, 0, PROTO_OBJECT_CODE, 0, buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 30);
	cr_expect(alarm_comes());
	rig_advance(&rig, ALARM_MS);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "once");
}

static bool
comes(enum role_id role, unsigned index, uint16_t type, uint64_t id)
{
	struct ipc_msg m;
	bool is;

	if (!rig_recv(&rig, role, index, &m))
		return false;
	is = m.type == type && m.id == id;
	ipc_msg_clear(&m);
	return is;
}

static bool
is_handed_out(uint64_t id)
{
	return comes(ROLE_WORKER, 0, PROTO_ANSWER_OPEN, id | ENTRY_ID_ANSWER);
}

static bool
is_taken_off(uint64_t id)
{
	return comes(ROLE_PORTAL, 0, PROTO_ANSWER_TAKEN, id);
}

/* Without a word of whom it must be from. */
static bool
is_handed_out_as_stray(uint64_t id)
{
	struct proto_answer_open open;
	struct ipc_msg m;
	bool is;

	if (!rig_recv(&rig, ROLE_WORKER, 0, &m))
		return false;
	is = m.type == PROTO_ANSWER_OPEN && m.id == (id | ENTRY_ID_ANSWER) &&
	     proto_answer_open_unpack(m.payload, rig.arena, &open) == ERR_OK &&
	     open.from_key[0] == '\0' && open.n_to == 0;
	ipc_msg_clear(&m);
	return is;
}

/* What a worker makes of it. */
static void
hold(uint64_t id)
{
	struct entry e =
	    rig_entry(&rig, 5000 + id, id | ENTRY_ID_ANSWER, ENTRY_PENDING);
	struct proto_submit m = {
	    .attempt = 1, .entry = &e, .n_entries = 1, .digest = {(uint8_t)id}};

	e.route = ENTRY_INBOUND;
	e.why = ENTRY_WHY_HELD;
	rig_submit(&rig, 0, id | ENTRY_ID_ANSWER, &m);
	rig_run(&rig, 30);
}

/* The same of one so large. */
static void
hold_large(uint64_t id, uint64_t size)
{
	struct entry e =
	    rig_entry(&rig, 5000 + id, id | ENTRY_ID_ANSWER, ENTRY_PENDING);
	struct proto_submit m = {
	    .attempt = 1, .entry = &e, .n_entries = 1, .digest = {(uint8_t)id}};
	char name[TEXT_ID_SIZE], path[200];
	int fd;

	text_id(e.id, name);
	snprintf(path, sizeof(path), "%s/%s", rig.conf.paths.bodies, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_eq(ftruncate(fd, (off_t)sealed_size(size)), 0);
	close(fd);
	e.route = ENTRY_INBOUND;
	e.why = ENTRY_WHY_HELD;
	e.body_size = size;
	e.body = SPAN(NULL, 0);
	e.file = name;
	rig_submit(&rig, 0, id | ENTRY_ID_ANSWER, &m);
	rig_run(&rig, 30);
}

/* An administrator does not want it. */
static void
discard(uint64_t id)
{
	char name[TEXT_ID_SIZE], request[128], *answer;

	text_id(5000 + id, name);
	snprintf(request, sizeof(request),
	    "{\"verb\":\"queue-delete\",\"id\":\"%s\",\"uid\":0}", name);
	answer = rig_request(&rig, request);
	cr_assert_not_null(answer);
	cr_assert_not_null(strstr(answer, "\"ok\":true"), "%s", answer);
	free(answer);
}

Test(store_answer, what_answers_the_unknown_is_held)
{
	show(1, OBJECT);
	cr_expect(is_handed_out_as_stray(1));
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0), "it is no mail yet");
	hold(1);
	cr_expect(is_taken_off(1));
	show(1, OBJECT);
	cr_expect(is_taken_off(1), "said again it is not made twice");
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
}

/* Nothing else bounds them: a portal may make them up. */
Test(store_answer, the_unknown_is_answered_so_often_an_hour)
{
	for (uint64_t id = 1; id <= LIMIT_ANSWERS; id++) {
		show(id, OBJECT);
		cr_assert(is_handed_out_as_stray(id), "%d", (int)id);
		hold(id);
		cr_assert(is_taken_off(id), "%d", (int)id);
	}
	show(99, OBJECT);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0), "it is asked again");
	rig_advance(&rig, 60 * 60 * 1000);
	show(99, OBJECT);
	cr_expect(is_handed_out_as_stray(99));
}

static void
hold_next(uint64_t id)
{
	if ((id - 1) % LIMIT_ANSWERS == 0)
		rig_advance(&rig, 60 * 60 * 1000);
	show(id, OBJECT);
	cr_assert(is_handed_out_as_stray(id), "%d", (int)id);
}

/* They stay until somebody has looked at them. */
Test(store_answer, so_many_of_the_unknown_are_held_and_no_more)
{
	uint64_t id;

	for (id = 1; id < LIMIT_STRAYS; id++) {
		hold_next(id);
		hold(id);
		cr_assert(is_taken_off(id), "%d", (int)id);
	}
	rig_advance(&rig, 60 * 60 * 1000);
	/* that one will be held, too */
	show(id, OBJECT);
	cr_assert(is_handed_out_as_stray(id));
	show(id + 1, OBJECT);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0), "one too many is coming");
	hold(id);
	cr_assert(is_taken_off(id));
	rig_advance(&rig, 60 * 60 * 1000);
	show(id + 1, OBJECT);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0), "the hour is no matter");
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0), "it stays there");
	discard(1);
	rig_advance(&rig, 60 * 1000);
	show(id + 1, OBJECT);
	cr_expect(is_handed_out_as_stray(id + 1));
}

Test(store_answer, so_many_octets_of_the_unknown_are_held_and_no_more)
{
	const uint64_t n = 4, size = LIMIT_STRAYS_SIZE / n;

	for (uint64_t id = 1; id <= n; id++) {
		show(id, OBJECT);
		cr_assert(is_handed_out_as_stray(id), "%d", (int)id);
		hold_large(id, size);
		cr_assert(is_taken_off(id), "%d", (int)id);
	}
	show(n + 1, OBJECT);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	cr_expect(alarm_comes());
	discard(2);
	rig_advance(&rig, 60 * 1000);
	show(n + 1, OBJECT);
	cr_expect(is_handed_out_as_stray(n + 1));
}

/* Something that can be answered. */
static void
escrow(void)
{
	const char *to[] = {"a@ours.example"};
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_object o = {.name = OBJECT,
	    .size = 5000,
	    .expires_s = UINT32_MAX,
	    .answer_to = to,
	    .n_answer_to = 1};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .object = &o,
	    .n_objects = 1};

	e.wait_object = o.name;
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	/* by its submission, and by its name */
	while (!rig_is_quiet(&rig, ROLE_PORTAL, 0))
		continue; /* it has taken one */
}

static void
die(void)
{
	rig_disconnect(&rig, ROLE_WORKER, 0);
	rig_run(&rig, 30);
	rig_connect(&rig, ROLE_WORKER, 0);
	rig_run(&rig, 30);
}

static void
fail(uint64_t id, enum err why)
{
	struct buf b;

	buf_init(&b, 256);
	cr_assert_eq(proto_failure_pack(why, "it was so", &b), ERR_OK);
	rig_send(&rig, ROLE_WORKER, 0, PROTO_ANSWER_BAD, id | ENTRY_ID_ANSWER,
	    buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 30);
}

Test(store_answer, who_works_on_one_is_not_given_it_again)
{
	escrow();
	for (uint64_t id = 1; id <= 4; id++) {
		show(id, OBJECT);
		cr_expect(is_handed_out(id), "%d", (int)id);
	}
	for (int i = 0; i < 8; i++)
		for (uint64_t id = 1; id <= 4; id++)
			show(id, OBJECT);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0), "it has them");
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0), "it takes its time");
	fail(1, ERR_AGAIN);
	show(1, OBJECT);
	cr_expect(is_handed_out(1), "now it can");
	fail(2, ERR_BAD_SEAL);
	cr_expect(is_taken_off(2));
}

Test(store_answer, of_which_workers_die_is_refused_and_not_its_neighbours)
{
	escrow();
	for (int i = 0; i < 6; i++) {
		for (uint64_t id = 1; id <= 4; id++) {
			show(id, OBJECT);
			cr_assert(is_handed_out(id), "%d: %d", i, (int)id);
		}
		die();
	}
	show(1, OBJECT);
	cr_expect(is_taken_off(1));
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
	for (uint64_t id = 2; id <= 4; id++) {
		show(id, OBJECT);
		cr_expect(is_handed_out(id), "%d", (int)id);
	}
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0));
}

/* The hour's are those that were handed out, each once. */
Test(store_answer, what_nobody_took_is_not_of_the_hours)
{
	rig_disconnect(&rig, ROLE_WORKER, 0);
	rig_run(&rig, 30);
	for (uint64_t i = 0; i <= LIMIT_ANSWERS; i++)
		show(1, OBJECT);
	rig_connect(&rig, ROLE_WORKER, 0);
	rig_run(&rig, 30);
	for (uint64_t i = 0; i <= LIMIT_ANSWERS; i++) {
		show(1, OBJECT);
		cr_assert(is_handed_out_as_stray(1), "%d", (int)i);
		fail(1, ERR_AGAIN);
	}
	for (int i = 0; i < 3; i++) {
		show(1, OBJECT);
		cr_assert(is_handed_out_as_stray(1), "%d", i);
		die();
	}
	for (uint64_t id = 1; id <= LIMIT_ANSWERS; id++) {
		show(id, OBJECT);
		cr_assert(is_handed_out_as_stray(id), "%d", (int)id);
		hold(id);
		cr_assert(is_taken_off(id), "%d", (int)id);
	}
	show(99, OBJECT);
	cr_expect(rig_is_quiet(&rig, ROLE_WORKER, 0));
}

Test(store_answer, a_worker_that_begins_anew_died_of_nothing)
{
	escrow();
	for (int i = 0; i < 7; i++) {
		for (uint64_t id = 1; id <= 2; id++) {
			show(id, OBJECT);
			cr_assert(is_handed_out(id), "%d: %d", i, (int)id);
		}
		fail(1, ERR_AGAIN);
		die();
	}
	cr_expect(rig_is_quiet(&rig, ROLE_PORTAL, 0));
}
