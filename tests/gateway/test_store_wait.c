/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages whose client waits for the next hop: whose they are at each moment,
 * what the listener is told, and that none is lost or told twice however
 * often anybody dies.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/pack.h"
#include "tests/lib/store_pair.h"

enum { ENTRY = 1000, MESSAGE = 100 };

TestSuite(store_wait, .init = pair_set_up, .fini = pair_tear_down);

static struct proto_committed
told(void)
{
	struct proto_committed c = {.result = ERR_COUNT, .reply = {0, "", ""}};

	(void)!rig_committed_as(&rig, MESSAGE, &c);
	return c;
}

static void
submit(bool waits)
{
	struct entry e = pair_entry(ENTRY, MESSAGE, ENTRY_READY);
	struct proto_submit m = {
	    .attempt = 1, .waits = waits, .entry = &e, .n_entries = 1};

	rig_submit(&rig, 0, MESSAGE, &m);
}

/* Submitted, and with relay. */
static void
begin(void)
{
	struct proto_committed c;
	struct proto_deliver d;

	submit(true);
	c = told();
	cr_assert_eq(c.result, ERR_OK);
	cr_assert(c.waits);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.n_open, 2);
}

struct said {
	uint8_t outcome;
	uint16_t code;
};

static void
report_some(const struct said *said, uint32_t n, bool more)
{
	struct proto_rcpt_result results[2];
	struct proto_result r = {.rcpt = results, .n_rcpt = n, .more = more};

	for (uint32_t i = 0; i < n; i++) {
		results[i] = (struct proto_rcpt_result){.rcpt = i,
		    .outcome = said[i].outcome,
		    .code = said[i].code,
		    .status = "5.1.9",
		    .text = i == 0 ? "first" : "second"};
	}
	pair_report(ENTRY, &r);
}

static void
report(const struct said said[2])
{
	report_some(said, 2, false);
}

static void
end_wait(bool keep)
{
	uint8_t octet = keep;

	rig_send(
	    &rig, ROLE_LISTENER, 0, PROTO_WAIT_END, MESSAGE, SPAN(&octet, 1));
}

static void
fence(void)
{
	struct buf b;
	struct packer p;

	buf_init(&b, 16);
	pack_begin(&p, &b);
	pack_u32(&p, 1);
	cr_assert_eq(pack_end(&p), ERR_OK);
	rig_send(&rig, ROLE_LISTENER, 0, PROTO_FENCE, MESSAGE, buf_span(&b));
	buf_clear(&b);
}

/* How many entries there are, by the answer to queue-list. */
static unsigned
entries(void)
{
	char *text = rig_request(&rig, "{\"verb\":\"queue-list\"}");
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, "\"entry\"")) != NULL;
	     at++)
		n++;
	free(text);
	return n;
}

/* Recipients that a notification is to be made of. */
static unsigned
n_told(bool some)
{
	struct proto_notify q;

	rig_advance(&rig, 31 * 1000);
	return some && rig_notify(&rig, &q) ? q.dsn.n_rcpt : rig.n_notify;
}

Test(store_wait, what_the_next_hop_says_of_all_is_the_answer)
{
	static const struct {
		const char *name;
		struct said said[2];
		int code; /* that the client hears; 0: what the worker said */
		unsigned left; /* entries */
		unsigned told; /* recipients that the sender hears of */
	} rows[] = {
	    {"taken", {{PROTO_DELIVERED, 250}, {PROTO_DELIVERED, 250}}, 250, 0,
		0},
	    {"refused", {{PROTO_FAILED, 554}, {PROTO_FAILED, 554}}, 554, 0, 0},
	    {"refused, each its way",
		{{PROTO_FAILED, 550}, {PROTO_FAILED, 552}}, 550, 0, 0},
	    {"put off", {{PROTO_DEFERRED, 451}, {PROTO_DEFERRED, 450}}, 451, 0,
		0},
	    {"goodbye", {{PROTO_DEFERRED, 421}, {PROTO_DEFERRED, 421}}, 451, 0,
		0},
	    /* from here on it is ours */
	    {"one refused", {{PROTO_DELIVERED, 250}, {PROTO_FAILED, 550}}, 0, 0,
		1},
	    {"one put off", {{PROTO_DELIVERED, 250}, {PROTO_DEFERRED, 450}}, 0,
		1, 0},
	    {"refused and put off",
		{{PROTO_FAILED, 550}, {PROTO_DEFERRED, 450}}, 0, 1, 1},
	    {"nobody there", {{PROTO_DEFERRED, 0}, {PROTO_DEFERRED, 0}}, 0, 1,
		0},
	    {"we gave up", {{PROTO_FAILED, 0}, {PROTO_FAILED, 0}}, 0, 0, 2},
	    {"a refusal of the session",
		{{PROTO_DEFERRED, 530}, {PROTO_DEFERRED, 530}}, 0, 1, 0},
	};
	struct proto_committed c;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin();
		report(rows[i].said);
		c = told();
		cr_assert_eq(c.result, ERR_OK, "%s", rows[i].name);
		cr_assert_not(c.waits, "%s", rows[i].name);
		cr_assert_eq(c.reply.code, rows[i].code, "%s: %u", rows[i].name,
		    c.reply.code);
		if (rows[i].code != 0)
			cr_assert_str_eq(c.reply.text, "first");
		cr_assert_eq(entries(), rows[i].left, "%s", rows[i].name);
		cr_assert_eq(
		    n_told(rows[i].told > 0), rows[i].told, "%s", rows[i].name);
		pair_tear_down();
		pair_set_up();
	}
}

Test(store_wait, who_has_it_does_not_get_it_again_when_relay_dies)
{
	static const struct said yes = {PROTO_DELIVERED, 250};
	struct proto_deliver d;

	begin();
	report_some(&yes, 1, true);
	rig_run(&rig, 100);
	cr_assert(
	    rig_is_quiet(&rig, ROLE_LISTENER, 0), "who waits goes on waiting");
	rig_disconnect(&rig, ROLE_RELAY, 0);
	rig_connect(&rig, ROLE_RELAY, 0);
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.n_open, 1);
	cr_assert_eq(d.open[0], 1);
}

Test(store_wait, what_is_settled_in_between_is_part_of_the_answer)
{
	static const struct said yes[2] = {
	    {PROTO_DELIVERED, 250}, {PROTO_DELIVERED, 250}};
	static const struct said some[2] = {
	    {PROTO_DELIVERED, 250}, {PROTO_FAILED, 550}};
	struct proto_committed c;

	begin();
	report_some(yes, 1, true);
	report(yes);
	c = told();
	cr_assert_eq(c.reply.code, 250);
	cr_assert_eq(entries(), 0);
	pair_tear_down();
	pair_set_up();
	begin();
	report_some(some, 1, true);
	report(some);
	c = told();
	cr_assert_eq(c.result, ERR_OK);
	cr_assert_eq(c.reply.code, 0);
	cr_assert_eq(n_told(true), 1);
}

Test(store_wait, without_the_word_nobody_waits)
{
	struct proto_committed c;

	submit(false);
	c = told();
	cr_assert_eq(c.result, ERR_OK);
	cr_assert_not(c.waits);
}

Test(store_wait, several_variants_have_no_single_answer)
{
	struct entry e[2] = {rig_entry(&rig, ENTRY, MESSAGE, ENTRY_READY),
	    rig_entry(&rig, ENTRY + 1, MESSAGE, ENTRY_READY)};
	struct proto_submit m = {
	    .attempt = 1, .waits = true, .entry = e, .n_entries = 2};
	struct proto_committed c;

	rig_submit(&rig, 0, MESSAGE, &m);
	c = told();
	cr_assert_eq(c.result, ERR_OK);
	cr_assert_not(c.waits);
}

Test(store_wait, after_its_time_it_is_ours)
{
	static const struct said no[2] = {
	    {PROTO_FAILED, 550}, {PROTO_FAILED, 550}};
	struct proto_committed c;

	begin();
	end_wait(true);
	c = told();
	cr_assert_eq(c.result, ERR_OK);
	cr_assert_not(c.waits);
	cr_assert_eq(c.reply.code, 0);
	/* the answer was 250: whoever is refused now hears of it by mail */
	report(no);
	rig_run(&rig, 100);
	cr_assert_eq(entries(), 0);
	cr_assert_eq(n_told(true), 2);
}

Test(store_wait, an_answer_that_was_lost_is_told_again)
{
	static const struct said no[2] = {
	    {PROTO_FAILED, 550}, {PROTO_FAILED, 550}};
	struct proto_committed c;

	begin();
	report(no);
	c = told();
	cr_assert_eq(c.reply.code, 550);
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	fence();
	c = told();
	cr_assert_eq(c.result, ERR_OK);
	cr_assert_not(c.waits);
	cr_assert_eq(c.reply.code, 550);
	cr_assert_str_eq(c.reply.text, "first");
}

Test(store_wait, a_store_that_died_goes_on_for_a_client_that_is_there)
{
	static const struct said yes[2] = {
	    {PROTO_DELIVERED, 250}, {PROTO_DELIVERED, 250}};
	struct proto_committed c;
	struct proto_deliver d;

	begin();
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0),
	    "it is not delivered before its client has shown");
	fence();
	c = told();
	cr_assert(c.waits);
	cr_assert(rig_deliver(&rig, &d));
	report(yes);
	c = told();
	cr_assert_eq(c.reply.code, 250);
	cr_assert_eq(entries(), 0);
}

Test(store_wait, without_its_client_it_goes)
{
	begin();
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
	for (int i = 0; i < 4 && entries() > 0; i++) {
		rig_advance(&rig, LIMIT_WAIT_CLAIM_MS / 2);
		rig_run(&rig, 1100);
	}
	cr_assert_eq(entries(), 0);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
}

Test(store_wait, a_client_that_left_is_told_nothing_and_owed_nothing)
{
	static const struct said some[2] = {
	    {PROTO_DELIVERED, 250}, {PROTO_FAILED, 550}};

	begin();
	end_wait(false);
	rig_run(&rig, 100);
	cr_assert_eq(entries(), 1, "it is under way");
	report(some);
	rig_run(&rig, 100);
	cr_assert_eq(entries(), 0, "no notification: it will come again");
}

Test(store_wait, a_relay_that_dies_makes_no_answer)
{
	static const struct said yes[2] = {
	    {PROTO_DELIVERED, 250}, {PROTO_DELIVERED, 250}};
	struct proto_deliver d;
	struct proto_committed c;

	begin();
	rig_disconnect(&rig, ROLE_RELAY, 0);
	rig_connect(&rig, ROLE_RELAY, 0);
	cr_assert(rig_deliver(&rig, &d));
	report(yes);
	c = told();
	cr_assert_eq(c.reply.code, 250);
}

Test(store_wait, what_an_administrator_deletes_is_accepted)
{
	struct proto_committed c;
	static const struct said off[2] = {
	    {PROTO_DEFERRED, 0}, {PROTO_DEFERRED, 0}};

	begin();
	free(rig_request(&rig,
	    "{\"verb\":\"queue-delete\",\"id\":\"00000000000Z8\",\"uid\":0}"));
	report(off);
	c = told();
	cr_assert_eq(c.result, ERR_OK);
	cr_assert_eq(c.reply.code, 0);
}
