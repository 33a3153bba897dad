/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What senders are told: who wants to hear what, one notification for all of a
 * message, none lost by a crash, none made by who should not. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/store_rig.h"

enum { MESSAGE = 100, SPAN_MS = 31 * 1000, HOUR_MS = 3600 * 1000 };

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

TestSuite(store_notice, .init = set_up, .fini = tear_down);

/* n entries of one message, each for a recipient of its own, with relay. */
static void
submit(unsigned n, const char *from, uint8_t notify)
{
	static const char *const to[] = {
	    "b0@example.org", "b1@example.org", "b2@example.org"};
	struct proto_submit m = {.attempt = 1, .n_entries = n};
	struct proto_deliver d;
	struct entry e[3];

	for (unsigned i = 0; i < n; i++) {
		e[i] = rig_entry(&rig, 1000 + i, MESSAGE, ENTRY_READY);
		e[i].from = e[i].from_key = from;
		e[i].rcpt[0] = (struct entry_rcpt){to[i], to[i], "", notify};
	}
	m.entry = e;
	rig_submit(&rig, 0, MESSAGE, &m);
	cr_assert_eq(rig_committed(&rig, MESSAGE), ERR_OK);
	for (unsigned i = 0; i < n; i++)
		cr_assert(rig_deliver(&rig, &d));
}

static void
report_as(uint64_t entry, const struct proto_rcpt_result *r, bool more)
{
	struct proto_rcpt_result copy = *r;
	struct proto_result m = {.rcpt = &copy, .n_rcpt = 1, .more = more};
	struct buf b;

	m.outer = SPAN_LIT("sealed header");
	buf_init(&b, 8192);
	cr_assert_eq(proto_result_pack(&m, &b), ERR_OK);
	rig_send(&rig, ROLE_RELAY, 0, PROTO_RESULT, entry, buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 20);
}

static void
report(uint64_t entry, enum proto_outcome outcome)
{
	const struct proto_rcpt_result r = {.outcome = (uint8_t)outcome,
	    .code = outcome == PROTO_FAILED ? 550 : 250,
	    .status = outcome == PROTO_FAILED ? "5.1.1" : "2.0.0",
	    .text = "said so"};

	report_as(entry, &r, false);
}

/* What relay makes of a question. */
static struct proto_notified
answer_to(const struct proto_notify *q)
{
	struct proto_notified m = {.first = q->first, .n = q->dsn.n_rcpt};

	m.entry = rig_entry(&rig, 5000 + q->first, MESSAGE, ENTRY_READY);
	m.entry.from = m.entry.from_key = "";
	m.entry.rcpt[0] = (struct entry_rcpt){
	    q->dsn.from, q->dsn.from_key, "", PROTO_NOTIFY_NEVER};
	return m;
}

static void
answer(const struct proto_notified *m)
{
	struct buf b;

	buf_init(&b, 100000);
	cr_assert_eq(proto_notified_pack(m, &b), ERR_OK);
	rig_send(&rig, ROLE_RELAY, 0, PROTO_NOTIFIED, MESSAGE, buf_span(&b));
	buf_clear(&b);
	rig_run(&rig, 20);
}

/* Nothing more is asked for, though there was time enough: it is looked at
   every second. */
static bool
nothing_asked(void)
{
	unsigned before = rig.n_notify;

	rig_advance(&rig, SPAN_MS);
	for (int i = 0; i < 30 && rig.n_notify == before; i++)
		(void)rig_is_quiet(&rig, ROLE_RELAY, 0);
	return rig.n_notify == before;
}

static void
crash(void)
{
	rig_kill(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

/* --- who is told what --- */

static const struct row {
	const char *name;
	const char *from;
	uint8_t notify;
	struct proto_rcpt_result r;
	bool late, told;
	enum mime_dsn_action action;
} rows[] = {
    {"failed", "a@ours.example", 0, {.outcome = PROTO_FAILED}, false, true,
	MIME_DSN_FAILED},
    {"failed, and taken over by the peer", "a@ours.example", 0,
	{.outcome = PROTO_FAILED, .quiet = true}, false, true, MIME_DSN_FAILED},
    {"failed, NEVER", "a@ours.example", PROTO_NOTIFY_NEVER,
	{.outcome = PROTO_FAILED}, false, false, 0},
    {"failed, SUCCESS alone", "a@ours.example", PROTO_NOTIFY_SUCCESS,
	{.outcome = PROTO_FAILED}, false, false, 0},
    {"failed, null sender", "", 0, {.outcome = PROTO_FAILED}, false, false, 0},
    {"failed, from outside", "x@far.example", PROTO_NOTIFY_OUTSIDE,
	{.outcome = PROTO_FAILED}, false, false, 0},
    {"failed, from outside, asked for", "x@far.example",
	PROTO_NOTIFY_OUTSIDE | PROTO_NOTIFY_FAILURE, {.outcome = PROTO_FAILED},
	false, false, 0},
    {"deferred", "a@ours.example", 0, {.outcome = PROTO_DEFERRED}, false, false,
	0},
    {"late", "a@ours.example", 0, {.outcome = PROTO_DEFERRED}, true, true,
	MIME_DSN_DELAYED},
    {"late, FAILURE alone", "a@ours.example", PROTO_NOTIFY_FAILURE,
	{.outcome = PROTO_DEFERRED}, true, false, 0},
    {"late, from outside", "x@far.example", PROTO_NOTIFY_OUTSIDE,
	{.outcome = PROTO_DEFERRED}, true, false, 0},
    {"delivered", "a@ours.example", 0, {.outcome = PROTO_DELIVERED}, false,
	false, 0},
    {"delivered, SUCCESS", "a@ours.example", PROTO_NOTIFY_SUCCESS,
	{.outcome = PROTO_DELIVERED}, false, true, MIME_DSN_RELAYED},
    {"delivered, SUCCESS, by the peer", "a@ours.example", PROTO_NOTIFY_SUCCESS,
	{.outcome = PROTO_DELIVERED, .quiet = true}, false, false, 0},
    {"delivered by LMTP, SUCCESS", "a@ours.example", PROTO_NOTIFY_SUCCESS,
	{.outcome = PROTO_DELIVERED, .final = true}, false, true,
	MIME_DSN_DELIVERED},
    {"delivered, from outside", "x@far.example",
	PROTO_NOTIFY_OUTSIDE | PROTO_NOTIFY_SUCCESS,
	{.outcome = PROTO_DELIVERED}, false, false, 0},
};

static bool
is_held(void)
{
	char *text = rig_request(&rig, "{\"verb\":\"store-status\"}");
	bool held = strstr(text, "\"held\":1") != NULL;

	free(text);
	return held;
}

Test(store_notice, who_is_told_what)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proto_rcpt_result r = rows[i].r;
		struct proto_notify q;
		struct proto_deliver d;
		bool failed = r.outcome == PROTO_FAILED;

		tear_down();
		set_up();
		r.status = "1.2.3";
		r.text = "said so";
		submit(1, rows[i].from, rows[i].notify);
		if (rows[i].late) {
			report(1000, PROTO_DEFERRED);
			rig_advance(&rig, 5ull * HOUR_MS);
			cr_assert(rig_deliver(&rig, &d));
			cr_assert(d.warn);
		}
		report_as(1000, &r, false);
		/* what may not be told is held, unless nobody wants it */
		cr_expect_eq(is_held(),
		    failed && !rows[i].told &&
			(rows[i].notify &
			    (PROTO_NOTIFY_NEVER | PROTO_NOTIFY_SUCCESS)) == 0,
		    "%s", rows[i].name);
		rig_advance(&rig, SPAN_MS);
		if (!rows[i].told)
			continue;
		cr_assert(rig_notify(&rig, &q), "%s", rows[i].name);
		cr_expect_eq(q.dsn.n_rcpt, 1);
		cr_expect_eq(
		    q.dsn.rcpt[0].action, rows[i].action, "%s", rows[i].name);
		cr_expect_str_eq(q.dsn.rcpt[0].addr, "b0@example.org");
		cr_expect_str_eq(q.dsn.rcpt[0].text, "said so");
		cr_expect_str_eq(q.dsn.from, rows[i].from);
		cr_expect_eq(q.dsn.message_id, MESSAGE);
		cr_expect(span_eq_str(q.dsn.outer, "sealed header"));
		cr_expect_eq(q.dsn.rcpt[0].until_ms > 0, rows[i].late);
	}
}

/* One after the other: had any been told wrongly it would be here. */
Test(store_notice, nobody_is_told_who_must_not)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct proto_rcpt_result r = rows[i].r;
		struct proto_submit m = {.attempt = 1, .n_entries = 1};
		struct entry e =
		    rig_entry(&rig, 1000 + i, MESSAGE + i, ENTRY_READY);
		struct proto_deliver d;

		if (rows[i].told || rows[i].late)
			continue;
		e.from = e.from_key = rows[i].from;
		e.rcpt[0].notify = rows[i].notify;
		m.entry = &e;
		rig_submit(&rig, 0, MESSAGE + i, &m);
		cr_assert_eq(rig_committed(&rig, MESSAGE + i), ERR_OK);
		cr_assert(rig_deliver(&rig, &d));
		r.status = r.text = "";
		report_as(1000 + i, &r, false);
	}
	cr_expect(nothing_asked());
}

/* --- one for all --- */

Test(store_notice, one_tells_of_all_recipients_of_a_message)
{
	struct proto_notified m;
	struct proto_notify q;
	struct proto_deliver d;

	submit(3, "a@ours.example", 0);
	report(1000, PROTO_FAILED);
	report(1001, PROTO_DELIVERED);
	/* the third is under way: it may have to be told as well */
	rig_advance(&rig, 2000);
	rig_run(&rig, 1500);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
	cr_assert_eq(rig.n_notify, 0);
	report(1002, PROTO_FAILED);
	cr_assert(rig_notify(&rig, &q));
	cr_assert_eq(q.dsn.n_rcpt, 2);
	cr_expect_str_eq(q.dsn.rcpt[0].addr, "b0@example.org");
	cr_expect_str_eq(q.dsn.rcpt[1].addr, "b2@example.org");
	m = answer_to(&q);
	answer(&m);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, m.entry.id);
	cr_expect_str_eq(d.entry.rcpt[0].addr, "a@ours.example");
	/* said again, it adds nothing */
	m.entry.id++;
	answer(&m);
	cr_expect(nothing_asked());
}

Test(store_notice, it_does_not_wait_for_ever)
{
	struct proto_notify q;

	submit(2, "a@ours.example", 0);
	report(1000, PROTO_FAILED);
	rig_advance(&rig, SPAN_MS);
	cr_assert(rig_notify(&rig, &q));
	cr_expect_eq(q.dsn.n_rcpt, 1);
}

Test(store_notice, what_comes_meanwhile_is_told_next)
{
	struct proto_notified m;
	struct proto_notify q, again;
	struct proto_deliver d;

	submit(2, "a@ours.example", 0);
	report(1000, PROTO_FAILED);
	rig_advance(&rig, SPAN_MS);
	cr_assert(rig_notify(&rig, &q));
	report(1001, PROTO_FAILED);
	m = answer_to(&q);
	answer(&m);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, m.entry.id);
	report(m.entry.id, PROTO_DELIVERED);
	cr_assert(rig_notify(&rig, &again));
	cr_assert_eq(again.dsn.n_rcpt, 1);
	cr_expect_str_eq(again.dsn.rcpt[0].addr, "b1@example.org");
	cr_expect(span_eq_str(again.dsn.outer, "sealed header"));
	m = answer_to(&again);
	answer(&m);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, m.entry.id);
}

/* Whenever each of them was tried before: the sender is warned of both. */
Test(store_notice, late_entries_of_a_message_meet)
{
	struct proto_notify q;
	struct proto_deliver d;

	rig.conf.retry.first_ms = rig.conf.retry.max_ms = 3ull * HOUR_MS;
	submit(2, "a@ours.example", 0);
	report(1000, PROTO_DEFERRED);
	rig_advance(&rig, 60 * 1000);
	report(1001, PROTO_DEFERRED);
	rig_advance(&rig, 3ull * HOUR_MS + 1000);
	for (int i = 0; i < 2; i++) {
		cr_assert(rig_deliver(&rig, &d));
		cr_expect(!d.warn);
		report(d.entry.id, PROTO_DEFERRED);
	}
	rig_advance(&rig, HOUR_MS);
	for (int i = 0; i < 2; i++) {
		cr_assert(rig_deliver(&rig, &d));
		cr_expect(d.warn);
	}
	report(1000, PROTO_DEFERRED);
	report(1001, PROTO_DEFERRED);
	cr_assert(rig_notify(&rig, &q));
	cr_assert_eq(q.dsn.n_rcpt, 2);
	cr_expect_eq(q.dsn.rcpt[0].action, MIME_DSN_DELAYED);
	cr_expect_eq(q.dsn.rcpt[1].action, MIME_DSN_DELAYED);
}

/* --- crashes --- */

Test(store_notice, a_crash_loses_no_notification)
{
	struct proto_notified m;
	struct proto_notify q, again;
	struct proto_deliver d;

	submit(1, "a@ours.example", 0);
	report(1000, PROTO_FAILED);
	crash();
	rig_advance(&rig, SPAN_MS);
	cr_assert(rig_notify(&rig, &q));
	cr_assert_eq(q.dsn.n_rcpt, 1);
	/* asked for, and not answered yet */
	crash();
	cr_assert(rig_notify(&rig, &again));
	cr_expect_eq(again.first, q.first);
	m = answer_to(&again);
	answer(&m);
	/* answered, and the entry is in the spool */
	crash();
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, m.entry.id);
	report(m.entry.id, PROTO_DELIVERED);
	cr_expect(nothing_asked());
}

Test(store_notice, a_relay_that_dies_is_asked_again)
{
	struct proto_notify q;

	submit(1, "a@ours.example", 0);
	report(1000, PROTO_FAILED);
	rig_advance(&rig, SPAN_MS);
	cr_assert(rig_notify(&rig, &q));
	rig_disconnect(&rig, ROLE_RELAY, 0);
	rig_run(&rig, 20);
	rig_connect(&rig, ROLE_RELAY, 0);
	cr_assert(rig_notify(&rig, &q));
	cr_expect_eq(q.dsn.n_rcpt, 1);
}

Test(store_notice, one_that_could_not_be_made_is_asked_for_again)
{
	struct proto_notified m;
	struct proto_notify q;

	submit(1, "a@ours.example", 0);
	report(1000, PROTO_FAILED);
	rig_advance(&rig, SPAN_MS);
	cr_assert(rig_notify(&rig, &q));
	m = (struct proto_notified){.first = q.first};
	answer(&m);
	cr_assert(rig_notify(&rig, &q));
	cr_expect_eq(q.dsn.n_rcpt, 1);
}

/* --- a relay under somebody else's control --- */

Test(store_notice, what_was_not_asked_for_is_refused)
{
	struct proto_notified good, m;
	struct proto_notify q;
	struct proto_deliver d;

	submit(1, "a@ours.example", 0);
	report(1000, PROTO_FAILED);
	rig_advance(&rig, SPAN_MS);
	cr_assert(rig_notify(&rig, &q));
	good = answer_to(&q);
	for (int i = 0; i < 8; i++) {
		struct entry_rcpt rcpt = good.entry.rcpt[0];

		m = good;
		m.entry.rcpt = &rcpt;
		switch (i) {
		case 0:
			rcpt.key = "mallory@far.example";
			break;
		case 1:
			m.entry.from = "a@ours.example";
			break;
		case 2:
			m.entry.kind = ENTRY_PENDING;
			m.entry.why = ENTRY_WHY_HELD;
			break;
		case 3:
			m.entry.message_id++;
			break;
		case 4:
			rcpt.notify = 0;
			break;
		case 5:
			m.n++;
			break;
		case 6:
			m.entry.after = ENTRY_AFTER_AGAIN;
			break;
		default:
			m.first++;
			break;
		}
		answer(&m);
		cr_expect(rig_is_quiet(&rig, ROLE_RELAY, 0), "change %d", i);
	}
	answer(&good);
	cr_assert(rig_deliver(&rig, &d));
	cr_expect_eq(d.entry.id, good.entry.id);
}

/* --- a part of the recipients is done while others take their time --- */

Test(store_notice, what_was_delivered_is_durable_before_the_rest_is_known)
{
	struct entry e = rig_entry(&rig, 1000, MESSAGE, ENTRY_READY);
	struct entry_rcpt rcpts[2] = {{"b@x.example", "b@x.example", "", 0},
	    {"c@y.example", "c@y.example", "", 0}};
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};
	const struct proto_rcpt_result r = {.rcpt = 1,
	    .outcome = PROTO_DELIVERED,
	    .code = 250,
	    .status = "2.0.0",
	    .text = "ok"};
	struct proto_deliver d;

	e.rcpt = rcpts;
	e.n_rcpt = 2;
	rig_submit(&rig, 0, MESSAGE, &m);
	cr_assert_eq(rig_committed(&rig, MESSAGE), ERR_OK);
	cr_assert(rig_deliver(&rig, &d));
	report_as(1000, &r, true);
	/* the attempt goes on: it is not handed out again */
	rig_advance(&rig, HOUR_MS);
	cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0));
	crash();
	cr_assert(rig_deliver(&rig, &d));
	cr_assert_eq(d.n_open, 1);
	cr_expect_eq(d.open[0], 0);
}
