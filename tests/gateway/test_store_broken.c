/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Entries whose octets are gone: held with an alarm, and in nobody's way. And
 * entries that an administrator has deleted while somebody had them: gone.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/sealed.h"
#include "common/text.h"
#include "gateway/store/store_private.h"
#include "tests/lib/store_rig.h"

enum { HOUR_MS = 3600 * 1000, MESSAGE = 100, BROKEN = 1000, WHOLE = 2000 };

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

TestSuite(store_broken, .init = set_up, .fini = tear_down);

static void
body_path(uint64_t id, char out[200])
{
	char name[TEXT_ID_SIZE];

	text_id(id, name);
	snprintf(out, 200, "%s/%s", rig.conf.paths.bodies, name);
}

static void
make_body(uint64_t id)
{
	char path[200];
	int fd;

	body_path(id, path);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	cr_assert_neq(fd, -1);
	cr_assert_eq(ftruncate(fd, (off_t)sealed_size(LIMIT_BODY_INLINE)), 0);
	close(fd);
}

static void
lose_body(uint64_t id)
{
	char path[200];

	body_path(id, path);
	cr_assert_eq(unlink(path), 0);
}

/* One whose body is a file of its own, and one whose is not. */
static void
submit(enum entry_kind kind)
{
	char name[TEXT_ID_SIZE];
	struct entry e[2];
	struct proto_submit m = {.attempt = 1, .entry = e, .n_entries = 2};

	text_id(BROKEN, name);
	e[0] = rig_entry(&rig, BROKEN, MESSAGE, kind);
	e[1] = rig_entry(&rig, WHOLE, MESSAGE, kind);
	e[0].body_size = LIMIT_BODY_INLINE;
	e[0].body = SPAN(NULL, 0);
	e[0].file = name;
	for (int i = 0; kind == ENTRY_PENDING && i < 2; i++) {
		e[i].strength = 5;
		e[i].why = ENTRY_WHY_UNDECIDED;
	}
	make_body(BROKEN);
	rig_submit(&rig, 0, MESSAGE, &m);
	cr_assert_eq(rig_committed(&rig, MESSAGE), ERR_OK);
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

static bool
asks(const char *verb, uint64_t id)
{
	char name[TEXT_ID_SIZE], request[200];

	text_id(id, name);
	snprintf(request, sizeof(request),
	    "{\"verb\":\"%s\",\"id\":\"%s\",\"uid\":0}", verb, name);
	return answer_has(request, "\"ok\":true");
}

static void
is_held(void)
{
	cr_expect(answer_has("{\"verb\":\"store-status\"}", "\"held\":1"));
	cr_expect(answer_has("{\"verb\":\"queue-list\"}",
	    "its sealed body is not there or cannot be read"));
}

Test(store_broken, mail_without_its_body_is_held_and_in_nobodys_way)
{
	struct proto_deliver d;

	rig_disconnect(&rig, ROLE_RELAY, 0);
	submit(ENTRY_READY);
	lose_body(BROKEN);
	rig_connect(&rig, ROLE_RELAY, 0);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, WHOLE);
	rig_result(&rig, WHOLE, PROTO_DELIVERED);
	rig_run(&rig, 20);
	is_held();
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	rig_advance(&rig, 200ull * HOUR_MS);
	cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0));
	is_held();
	/* whoever has the file again, out of a backup, lets it go */
	make_body(BROKEN);
	cr_expect(asks("queue-release", BROKEN));
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, BROKEN);
	rig_result(&rig, BROKEN, PROTO_DELIVERED);
	rig_run(&rig, 20);
	cr_expect(answer_has("{\"verb\":\"store-status\"}", "\"ready\":0"));
}

Test(store_broken, an_entry_that_cannot_be_read_is_held)
{
	struct proto_deliver d;
	struct db_txn *txn = NULL;
	uint64_t id = BROKEN;

	rig_disconnect(&rig, ROLE_RELAY, 0);
	submit(ENTRY_READY);
	cr_assert_eq(db_write(rig.store->db, &txn), ERR_OK);
	cr_assert_eq(
	    db_put(txn, STORE_ENTRY, db_u64(&id), SPAN_LIT("\x01?")), ERR_OK);
	cr_assert_eq(db_commit(txn), ERR_OK);
	rig_connect(&rig, ROLE_RELAY, 0);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, WHOLE);
	rig_run(&rig, 20);
	cr_expect(answer_has("{\"verb\":\"store-status\"}", "\"held\":1"));
}

Test(store_broken, what_waits_for_a_decision_is_held_as_well)
{
	struct ipc_msg m;
	struct buf b;

	submit(ENTRY_PENDING);
	lose_body(BROKEN);
	rig_advance(&rig, HOUR_MS);
	cr_assert(rig_recv(&rig, ROLE_WORKER, 0, &m));
	cr_expect_eq(m.type, PROTO_DECIDE);
	cr_expect_eq(m.id, WHOLE);
	ipc_msg_clear(&m);
	/* the worker is free for the other, which may have been the first */
	buf_init(&b, 256);
	cr_assert_eq(
	    proto_failure_pack(ERR_RUNG_FAILED, "no answer", &b), ERR_OK);
	rig_send(&rig, ROLE_WORKER, 0, PROTO_UNDECIDED, WHOLE, buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 20);
	is_held();
}

/* Deleted while relay had it; then relay dies, or store does. */
Test(store_broken, what_was_deleted_meanwhile_does_not_come_back)
{
	struct proto_deliver d;
	struct ipc_msg m;

	for (int store_dies = 0; store_dies < 2; store_dies++) {
		struct entry e = rig_entry(&rig, WHOLE + store_dies,
		    MESSAGE + store_dies, ENTRY_READY);
		struct proto_submit s = {
		    .attempt = 1, .entry = &e, .n_entries = 1};

		rig_submit(&rig, 0, MESSAGE + store_dies, &s);
		cr_assert_eq(rig_committed(&rig, MESSAGE + store_dies), ERR_OK);
		cr_assert(rig_deliver(&rig, &d));
		cr_expect(asks("queue-delete", WHOLE + store_dies));
		cr_assert(rig_recv(&rig, ROLE_RELAY, 0, &m));
		cr_expect_eq(m.type, PROTO_RECALL);
		ipc_msg_clear(&m);
		if (store_dies) {
			rig_kill(&rig);
			cr_assert_eq(rig_start(&rig), ERR_OK);
		} else {
			rig_disconnect(&rig, ROLE_RELAY, 0);
			rig_run(&rig, 20);
			rig_connect(&rig, ROLE_RELAY, 0);
		}
		rig_advance(&rig, 9ull * HOUR_MS);
		cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0));
		cr_expect(
		    answer_has("{\"verb\":\"store-status\"}", "\"ready\":0"));
	}
}
