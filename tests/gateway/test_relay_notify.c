/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Notifications as relay has its part in them: the header that a result brings
 * along, and what is written of the facts that store has gathered. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "tests/lib/outlast.h"
#include "tests/lib/relay_driver.h"
#include "tests/lib/script_peer.h"
#include "tests/lib/still_loop.h"

#define CANARY	    "CANARY-51d0"
#define SECRET_BODY "BODY-9c2e"
#define TEXT                                                                   \
	"Subject: " CANARY "\r\nBcc: hidden@example.org\r\n\r\n" SECRET_BODY   \
	"\r\n"
#define OK    "< 250 ok\n"
#define HELLO "< 220 mx\n> EHLO gw.example.com\n"
#define DATA  "> DATA\n< 354 go\nbody\n"

static struct entry_rcpt rcpts[] = {
    {"r1@example.org", "r1@example.org", "", 0},
    {"r2@other.example", "r2@other.example", "", PROTO_NOTIFY_SUCCESS},
};

static struct entry
sample(uint32_t n_rcpt)
{
	return (struct entry){.message_id = 5,
	    .kind = ENTRY_READY,
	    .from = "sender@example.com",
	    .from_key = "sender@example.com",
	    .envid = "",
	    .accepted_ms = 1795252087123ull,
	    .rcpt = rcpts,
	    .n_rcpt = n_rcpt};
}

static bool
has(const struct buf *b, const char *what)
{
	return span_find(buf_span(b), 0, span_str(what)) < b->len;
}

/* --- what a result brings --- */

static const struct quoted {
	const char *name;
	const char *reply; /* to RCPT */
	const char *from;
	uint8_t notify, require;
	bool warn, give_up, quoted;
} quoted[] = {
    {"failed", "< 550 x\n", NULL, 0, 0, false, false, true},
    {"failed, NEVER", "< 550 x\n", NULL, PROTO_NOTIFY_NEVER, 0, false, false,
	false},
    {"failed, null sender", "< 550 x\n", "", 0, 0, false, false, false},
    {"failed, REQUIRETLS", "< 550 x\n", NULL, 0, ENTRY_REQUIRE_TLS, false, true,
	false},
    {"failed, from outside", "< 550 x\n", NULL, PROTO_NOTIFY_OUTSIDE, 0, false,
	false, false},
    {"deferred", "< 450 x\n", NULL, 0, 0, false, false, false},
    {"late", "< 450 x\n", NULL, 0, 0, true, false, true},
    {"late, FAILURE only", "< 450 x\n", NULL, PROTO_NOTIFY_FAILURE, 0, true,
	false, false},
    {"given up", "< 450 x\n", NULL, 0, 0, false, true, true},
    {"delivered", OK DATA OK, NULL, 0, 0, false, false, false},
    {"delivered, SUCCESS", OK DATA OK, NULL, PROTO_NOTIFY_SUCCESS, 0, false,
	false, true},
};

static void
check_outer(struct relay_driver *d, const struct entry *e,
    const struct proto_result *r, const struct quoted *row)
{
	struct dsn dsn = {.message_id = e->message_id,
	    .from_key = e->from_key,
	    .outer = r->outer};
	struct buf b;

	cr_assert_eq(r->outer.len > 0, row->quoted, "%s", row->name);
	if (!row->quoted)
		return;
	buf_init(&b, 100000);
	cr_assert_eq(relay_driver_open_outer(d, &dsn, &b), ERR_OK);
	cr_expect(has(&b, "Subject: " CANARY), "%s", row->name);
	cr_expect(!has(&b, SECRET_BODY) && !has(&b, "hidden@example.org"));
	/* it is of no other message, and for nobody else */
	dsn.message_id++;
	cr_expect_eq(relay_driver_open_outer(d, &dsn, &b), ERR_BAD_SEAL);
	dsn.message_id--;
	dsn.from_key = "mallory@example.com";
	cr_expect_eq(relay_driver_open_outer(d, &dsn, &b), ERR_BAD_SEAL);
	buf_clear(&b);
}

Test(notify, a_result_brings_the_header_when_somebody_is_told)
{
	for (size_t i = 0; i < sizeof(quoted) / sizeof(quoted[0]); i++) {
		const struct quoted *row = &quoted[i];
		char script[256];
		const char *scripts[1] = {script};
		struct entry_rcpt rcpt = rcpts[0];
		struct entry e = sample(1);
		struct proto_deliver m = {
		    .warn = row->warn, .give_up = row->give_up};
		struct script_peer *peer;
		struct relay_driver *d;
		uint64_t id;

		snprintf(script, sizeof(script),
		    HELLO "< 250 mx\n> MAIL\n" OK "> RCPT\n%s", row->reply);
		peer = script_peer_new(scripts, 1);
		d = relay_driver_new(script_peer_port(peer), 60000);
		relay_driver_start(d);
		rcpt.notify = row->notify;
		e.require = row->require;
		e.rcpt = &rcpt;
		if (row->from != NULL)
			e.from = e.from_key = row->from;
		id = relay_driver_deliver(d, &m, &e, SPAN_LIT(TEXT));
		relay_driver_wait(d, 1, 60000);
		cr_assert_not_null(relay_driver_result(d, id), "%s", row->name);
		check_outer(d, &e, relay_driver_result(d, id), row);
		relay_driver_free(d);
		script_peer_free(peer);
	}
}

/* One next hop hangs: what the other has taken is told at once. */
Test(notify, a_delivery_is_told_while_others_take_their_time)
{
	static const char *const quick[] = {
	    HELLO "< 250 mx\n> MAIL\n" OK "> RCPT\n" OK DATA OK};
	static const char *const slow[] = {"hang"};
	struct script_peer *a = script_peer_new(quick, 1);
	struct script_peer *b = script_peer_new(slow, 1);
	struct relay_driver *d =
	    relay_driver_new(script_peer_port(a), OUTLAST_MS);
	struct conf_route route = {.domain = "other.example"};
	struct conf *c = relay_driver_conf(d);
	struct entry e = sample(2);
	struct proto_deliver m = {0};
	const struct proto_result *r;
	uint64_t id;

	route.relay = c->outbound;
	route.relay.port = script_peer_port(b);
	c->route = &route;
	c->n_route = 1;
	relay_driver_start(d);
	id = relay_driver_deliver(d, &m, &e, SPAN_LIT(TEXT));
	still_set(STILL_STANDS);
	for (int i = 0; i < 18000 && relay_driver_partial(d) == 0; i++)
		relay_driver_wait(d, 1, 5);
	cr_expect_eq(relay_driver_partial(d), 1);
	(void)outlast(d, b, 1);
	r = relay_driver_result(d, id);
	cr_assert_not_null(r);
	cr_expect_eq(relay_driver_partial(d), 1);
	cr_assert_eq(r->n_rcpt, 2, "and once more at the end");
	cr_expect_eq(r->rcpt[0].outcome, PROTO_DELIVERED);
	cr_expect_eq(r->rcpt[1].outcome, PROTO_DEFERRED);
	relay_driver_free(d);
	script_peer_free(a);
	script_peer_free(b);
}

/* --- what is written --- */

static struct dsn_rcpt
fact(enum mime_dsn_action action, const char *status, uint16_t code,
    const char *text)
{
	return (struct dsn_rcpt){.addr = "r1@example.org",
	    .orcpt = "rfc822;R1+40example.org",
	    .action = (uint8_t)action,
	    .status = status,
	    .reason = "",
	    .advice = "",
	    .peer = code == 0 ? "" : "mx.example.org [192.0.2.1]:25",
	    .code = code,
	    .text = text,
	    .at_ms = 1795252087123ull};
}

static struct proto_notify
question(struct dsn_rcpt *r, uint32_t n)
{
	return (struct proto_notify){.first = 7,
	    .dsn = {.message_id = 99,
		.from = "sender@example.com",
		.from_key = "sender@example.com",
		.envid = "QQ+3D1",
		.accepted_ms = 1795252000000ull,
		.rcpt = r,
		.n_rcpt = n}};
}

static void
made(struct relay_driver *d, const struct proto_notify *m, uint32_t n,
    struct buf *out)
{
	const struct proto_notified *got = NULL;

	/* the key comes when it comes */
	for (int i = 0; i < 200 && (got == NULL || got->n == 0); i++)
		got = relay_driver_notify(d, m, 5000);
	cr_assert_not_null(got);
	cr_assert_eq(got->first, m->first);
	cr_assert_eq(got->n, n, "%u", (unsigned)got->n);
	cr_assert_eq(got->entry.kind, ENTRY_READY);
	cr_assert_eq(got->entry.message_id, m->dsn.message_id);
	cr_assert_str_empty(got->entry.from);
	cr_assert_eq(got->entry.n_rcpt, 1);
	cr_assert_str_eq(got->entry.rcpt[0].addr, m->dsn.from);
	cr_assert_eq(got->entry.rcpt[0].notify, PROTO_NOTIFY_NEVER);
	buf_reset(out);
	relay_driver_open(d, &got->entry, out);
}

static const struct {
	enum mime_dsn_action action;
	const char *status;
	uint16_t code;
	const char *text;
	const char *said, *unsaid;
} texts[] = {
    {MIME_DSN_FAILED, "5.1.1", 550, "xyzzy", "There is no such address.",
	"5.0.0"},
    {MIME_DSN_FAILED, "5.1.1", 550, "xyzzy", "Diagnostic-Code: smtp; 550 xyzzy",
	"smtp; smtp"},
    {MIME_DSN_FAILED, "5.2.2", 552, "xyzzy", "mailbox is full",
	"no such address"},
    {MIME_DSN_FAILED, "5.7.1", 554, "xyzzy", "refused the message", "5.0.0"},
    {MIME_DSN_FAILED, "5.9.9", 550, "xyzzy", "could not be delivered", "5.0.0"},
    {MIME_DSN_FAILED, "5.6.3", 0, "no 8-bit", "takes no 8-bit text",
	"Remote-MTA"},
    {MIME_DSN_FAILED, "5.1.1", 550, "a\r\nAction: delivered", "Action: failed",
	"\r\nAction: delivered"},
    {MIME_DSN_DELAYED, "4.4.1", 0, "no answer", "Action: delayed", "NOT"},
    {MIME_DSN_RELAYED, "2.0.0", 250, "ok", "Action: relayed", "NOT"},
    {MIME_DSN_DELIVERED, "2.0.0", 250, "ok", "Action: delivered", "handed on"},
    {MIME_DSN_DELIVERED, "2.0.0", 250, "ok", "Original-Envelope-Id: QQ=1",
	"QQ+3D"},
    {MIME_DSN_FAILED, "5.1.1", 550, "xyzzy",
	"Original-Recipient: rfc822;R1@example.org", "+40"},
};

Test(notify, what_it_says_of_one)
{
	struct relay_driver *d = relay_driver_new(1, 8000);
	struct buf b;

	relay_driver_start(d);
	buf_init(&b, 1000000);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct dsn_rcpt r = fact(texts[i].action, texts[i].status,
		    texts[i].code, texts[i].text);
		struct proto_notify m = question(&r, 1);

		made(d, &m, 1, &b);
		cr_expect(has(&b, texts[i].said), "%d: %.*s", (int)i,
		    (int)b.len, (const char *)b.data);
		cr_expect(!has(&b, texts[i].unsaid), "%d: %s", (int)i,
		    texts[i].unsaid);
	}
	buf_clear(&b);
	relay_driver_free(d);
}

Test(notify, several_recipients_have_a_block_each)
{
	struct relay_driver *d = relay_driver_new(1, 8000);
	struct dsn_rcpt r[3] = {
	    fact(MIME_DSN_FAILED, "5.1.1", 550, "nobody"),
	    fact(MIME_DSN_DELAYED, "4.4.1", 0, "no answer"),
	    fact(MIME_DSN_FAILED, "5.7.1", 0, ""),
	};
	struct proto_notify m = question(r, 3);
	struct buf b;

	r[1].addr = "r2@example.org";
	r[2].addr = "r3@example.org";
	r[2].reason = "A rule says so.";
	r[2].advice = "Ask somebody.";
	buf_init(&b, 1000000);
	relay_driver_start(d);
	m.dsn.outer =
	    relay_driver_seal_outer(d, &m.dsn, SPAN_LIT("Subject: quoted\r\n"));
	made(d, &m, 3, &b);
	cr_expect(has(&b, "Final-Recipient: rfc822; r1@example.org"));
	cr_expect(has(&b, "Final-Recipient: rfc822; r2@example.org"));
	cr_expect(has(&b, "Final-Recipient: rfc822; r3@example.org"));
	cr_expect(has(&b, "Action: failed") && has(&b, "Action: delayed"));
	cr_expect(has(&b, "A rule says so.") && has(&b, "Ask somebody."));
	cr_expect(has(&b, "Subject: quoted"));
	/* one that is of another message is left out, and nothing with it */
	m.dsn.message_id++;
	made(d, &m, 3, &b);
	cr_expect(!has(&b, "Subject: quoted") && has(&b, "Ask somebody."));
	buf_clear(&b);
	relay_driver_free(d);
}

/* What does not fit is told in the next one. */
Test(notify, very_many_recipients_are_told_in_several)
{
	enum { MANY = 1000 };
	static struct dsn_rcpt r[MANY];
	static char text[600];
	struct relay_driver *d = relay_driver_new(1, 8000);
	struct proto_notify m = question(r, MANY);
	const struct proto_notified *got = NULL;

	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < MANY; i++)
		r[i] = fact(MIME_DSN_FAILED, "5.1.1", 550, text);
	relay_driver_start(d);
	for (int i = 0; i < 200 && (got == NULL || got->n == 0); i++)
		got = relay_driver_notify(d, &m, 60000);
	cr_assert_not_null(got);
	cr_expect(got->n >= 50 && got->n < MANY, "%u", (unsigned)got->n);
	cr_expect(got->entry.body.len <= LIMIT_BODY_INLINE);
	relay_driver_free(d);
}

Test(notify, nothing_for_nobody)
{
	struct dsn_rcpt r = fact(MIME_DSN_FAILED, "5.1.1", 550, "x");
	struct relay_driver *d = relay_driver_new(1, 8000);
	struct proto_notify m = question(&r, 1);
	const struct proto_notified *got;
	struct buf b;

	relay_driver_start(d);
	buf_init(&b, 1000000);
	made(d, &m, 1, &b); /* it has its key now */
	m.dsn.from = m.dsn.from_key = "";
	got = relay_driver_notify(d, &m, 5000);
	cr_assert_not_null(got);
	cr_expect_eq(got->n, 0);
	m = question(&r, 0);
	got = relay_driver_notify(d, &m, 5000);
	cr_assert_not_null(got);
	cr_expect_eq(got->n, 0);
	buf_clear(&b);
	relay_driver_free(d);
}
