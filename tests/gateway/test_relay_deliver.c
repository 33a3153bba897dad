/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Entries, destinations and results: bodies that do not open, sessions that
 * are used again, notifications, a store that goes away, the end. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/digest.h"
#include "common/stream.h"
#include "tests/lib/outlast.h"
#include "tests/lib/relay_driver.h"
#include "tests/lib/script_peer.h"
#include "tests/lib/still_loop.h"

#define CANARY	    "CANARY-51d0"
#define SECRET_BODY "BODY-9c2e"
#define TEXT                                                                   \
	"Subject: " CANARY "\r\nBcc: hidden@example.org\r\n\r\n" SECRET_BODY   \
	"\r\n"

#define HELLO	  "< 220 mx\n> EHLO gw.example.com\n"
#define OK	  "< 250 ok\n"
#define BARE	  HELLO "< 250 mx\n"
#define CHUNK	  HELLO "< 250-mx\n< 250-PIPELINING\n< 250 CHUNKING\n"
#define ENVELOPE  "> MAIL\n" OK "> RCPT\n" OK
#define DATA	  "> DATA\n< 354 go\nbody\n"
#define LATE_DATA "> DATA\n< 354 go\ngate\nbody\n"
/* any number of messages */
#define MANY CHUNK "mark\n> MAIL\n> RCPT\nbdat\n" OK OK OK "again\n"

enum { PATIENCE_MS = 90000, LOOK_MS = 5, FULL_MS = 500 };

static struct entry_rcpt rcpts[] = {
    {"r1@example.org", "r1@example.org", "rfc822;R1+40example.org", 0},
    {"r2@example.org", "r2@example.org", "", 0},
    {"r3@example.org", "r3@example.org", "", 0},
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

struct scene {
	struct script_peer *peer;
	struct relay_driver *driver;
};

static struct scene
begin(const char *const *script, uint64_t timeout_ms)
{
	struct scene s;

	s.peer = script_peer_new(script, 1);
	s.driver = relay_driver_new(script_peer_port(s.peer), timeout_ms);
	relay_driver_start(s.driver);
	return s;
}

static void
end(struct scene *s)
{
	relay_driver_free(s->driver);
	cr_assert_str_empty(script_peer_complaint(s->peer), "%s",
	    script_peer_complaint(s->peer));
	script_peer_free(s->peer);
}

/* Run the relay until the peer has that. */
static void
run_until_seen(struct scene *s, const char *what)
{
	for (int i = 0;
	     i < PATIENCE_MS / LOOK_MS && script_peer_count(s->peer, what) == 0;
	     i++)
		relay_driver_wait(s->driver, 1, LOOK_MS);
}

static const struct proto_result *
deliver(struct scene *s, struct proto_deliver *m, const struct entry *e)
{
	uint64_t id = relay_driver_deliver(s->driver, m, e, SPAN_LIT(TEXT));
	const struct proto_result *r;

	relay_driver_wait(s->driver, 1, 60000);
	r = relay_driver_result(s->driver, id);
	cr_assert_not_null(r);
	return r;
}

/* --- bodies --- */

static struct buf
large_text(size_t size)
{
	struct buf b;

	buf_init(&b, size + 100);
	cr_assert_eq(buf_puts(&b, "Subject: large\r\n\r\n"), ERR_OK);
	while (b.len < size)
		cr_assert_eq(buf_puts(&b, ".23456789 " CANARY "\r\n"), ERR_OK);
	return b;
}

Test(deliver, what_is_not_ready_is_never_sent)
{
	static const char *const script[] = {MANY};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0};
	const struct proto_result *r;

	e.kind = ENTRY_PENDING;
	r = deliver(&s, &m, &e);
	cr_assert_eq(r->rcpt[0].outcome, PROTO_DEFERRED);
	cr_assert_eq(script_peer_connections(s.peer), 0);
	end(&s);
}

/* One octet of the sealed body turned over, in each of its parts. */
Test(deliver, an_altered_body_is_never_sent)
{
	static const char *const script[] = {MANY};
	static const size_t places[] = {
	    0, 4, 5, 8, 20, 30, SEALED_HEADER, SEALED_HEADER + 40, SIZE_MAX};
	struct entry e = sample(1);

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct scene s = begin(script, 60000);
		uint64_t id = relay_driver_deliver_broken(
		    s.driver, &e, SPAN_LIT(TEXT), places[i]);
		const struct proto_result *r;

		relay_driver_wait(s.driver, 1, 60000);
		r = relay_driver_result(s.driver, id);
		cr_assert_not_null(r, "%zu", i);
		cr_assert_eq(r->rcpt[0].outcome, PROTO_DEFERRED, "%zu", i);
		cr_assert(!script_peer_saw_plain(s.peer, "MAIL"), "%zu", i);
		end(&s);
	}
}

/* The last chunk of a large one is altered: its beginning is on the wire when
   that is found. The end of the message never is. */
Test(deliver, a_large_altered_body_never_gets_its_end)
{
	static const char *const data[] = {BARE ENVELOPE DATA OK};
	static const char *const bdat[] = {
	    CHUNK "> MAIL\n> RCPT\n" OK OK "bdat\n" OK "bdat\n" OK "bdat\n" OK};
	struct buf text = large_text(3 * STREAM_CHUNK);
	struct entry e = sample(1);

	for (int i = 0; i < 2; i++) {
		struct scene s = begin(i == 0 ? data : bdat, 60000);
		uint64_t id = relay_driver_deliver_broken(
		    s.driver, &e, buf_span(&text), SIZE_MAX);
		const struct proto_result *r;

		relay_driver_wait(s.driver, 1, 60000);
		r = relay_driver_result(s.driver, id);
		cr_assert_not_null(r);
		cr_assert_eq(r->rcpt[0].outcome, PROTO_DEFERRED);
		relay_driver_free(s.driver);
		for (int k = 0; k < PATIENCE_MS / LOOK_MS &&
				!script_peer_saw_plain(s.peer, CANARY);
		     k++)
			usleep(LOOK_MS * 1000);
		cr_assert(script_peer_saw_plain(s.peer, CANARY), "%d", i);
		cr_assert(!script_peer_saw_plain(s.peer, "\r\n.\r\n"));
		cr_assert(!script_peer_saw_plain(s.peer, "LAST"));
		script_peer_free(s.peer);
	}
	buf_clear(&text);
}

/* At a peer that reads later, as one behind a slow line does. */
Test(deliver, a_large_body_arrives_whole)
{
	static const char *const data[] = {BARE ENVELOPE LATE_DATA OK};
	static const char *const bdat[] = {
	    CHUNK "> MAIL\n> RCPT\n" OK OK "gate\nmark\nbdat\n" OK "again\n"};
	static const char *const tls[] = {
	    HELLO "< 250-x\n< 250 STARTTLS\n> STARTTLS\n< 220 go\ntls\n> EHLO\n"
		  "< 250 mx\n" ENVELOPE LATE_DATA OK};
	const char *const *scripts[] = {data, bdat, tls};
	/* 5 MiB: many times what a socket takes at once */
	struct buf text = large_text(5 * 1024 * 1024);
	unsigned lines = (unsigned)(text.len / 23);
	struct entry e = sample(1);

	for (int i = 0; i < 3; i++) {
		struct scene s = begin(scripts[i], 60000);
		uint64_t id =
		    relay_driver_deliver_file(s.driver, &e, buf_span(&text));
		const struct proto_result *r;
		unsigned n;

		/* it cannot send on now, or is not as far as that */
		relay_driver_wait(s.driver, 1, FULL_MS);
		script_peer_open(s.peer);
		relay_driver_wait(s.driver, 1, 60000);
		r = relay_driver_result(s.driver, id);
		cr_assert_not_null(r, "%d", i);
		cr_assert_eq(r->rcpt[0].outcome, PROTO_DELIVERED, "%d: %s", i,
		    r->rcpt[0].text);
		n = script_peer_count(s.peer, CANARY "\r\n");
		/* a command may stand in the middle of a line */
		cr_assert(n > lines - (i == 1 ? 90 : 3) && n <= lines,
		    "%d: %u of %u", i, n, lines);
		if (i != 1)
			cr_assert_eq(
			    script_peer_count(s.peer, "\r\n..2345"), n);
		end(&s);
	}
	buf_clear(&text);
}

/* --- probes --- */

/* Asked at once after a start, before keys has answered. */
Test(deliver, who_is_asked_for_early_is_looked_up_all_the_same)
{
	static const char *const known[] = {BARE ENVELOPE "> RSET\n" OK};
	static const char *const not_known[] = {
	    BARE "> MAIL\n" OK "> RCPT\n< 550 5.1.1 no such user\n"
		 "> RSET\n" OK};
	struct scene s = begin(known, 60000);

	cr_assert_eq(
	    relay_driver_probe(s.driver, "sam@example.org", 60000), PROTO_YES);
	end(&s);
	s = begin(not_known, 60000);
	cr_assert_eq(
	    relay_driver_probe(s.driver, "eve@example.org", 60000), PROTO_NO);
	end(&s);
	/* and what nobody asks any more is freed */
	s = begin(known, 60000);
	relay_driver_conf(s.driver)->inbound.present = false;
	cr_assert_eq(relay_driver_probe(s.driver, "sam@example.org", 60000),
	    PROTO_UNKNOWN);
	end(&s);
}

/* --- destinations --- */

Test(deliver, sessions_are_used_again)
{
	static const char *const script[] = {MANY};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	unsigned n = 300;

	for (unsigned i = 0; i < n; i++) {
		struct proto_deliver m = {0};

		(void)relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));
	}
	cr_assert_eq(relay_driver_wait(s.driver, n, 60000), n);
	cr_assert_leq(script_peer_connections(s.peer), 20);
	cr_assert_eq(script_peer_count(s.peer, "MAIL FROM"), n);
	cr_assert_eq(
	    script_peer_count(s.peer, "EHLO"), script_peer_connections(s.peer));
	end(&s);
}

Test(deliver, a_transaction_that_failed_is_reset_before_the_next)
{
	static const char *const script[] = {
	    BARE "> MAIL\n" OK
		 "> RCPT\n< 550 5.1.1 no\n> RSET\n" OK ENVELOPE DATA OK};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0};
	uint64_t id;

	cr_assert_eq(deliver(&s, &m, &e)->rcpt[0].outcome, PROTO_FAILED);
	memset(&m, 0, sizeof(m));
	id = relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));
	relay_driver_wait(s.driver, 2, 60000);
	cr_assert_eq(relay_driver_result(s.driver, id)->rcpt[0].outcome,
	    PROTO_DELIVERED);
	cr_assert_eq(script_peer_connections(s.peer), 1);
	end(&s);
}

Test(deliver, only_open_recipients_are_asked_for)
{
	static const char *const script[] = {
	    BARE "> MAIL\n" OK "> RCPT TO:<r2@\n" OK DATA OK};
	struct scene s = begin(script, 60000);
	struct entry e = sample(3);
	uint32_t open[] = {1};
	struct proto_deliver m = {.open = open, .n_open = 1};
	const struct proto_result *r = deliver(&s, &m, &e);

	cr_assert_eq(r->n_rcpt, 1);
	cr_assert_eq(r->rcpt[0].rcpt, 1);
	cr_assert_eq(r->rcpt[0].outcome, PROTO_DELIVERED);
	end(&s);
}

Test(deliver, a_dead_destination_gives_back_what_waits)
{
	static const char *const script[] = {"< 421 no\n"};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);

	for (int i = 0; i < 50; i++) {
		struct proto_deliver m = {0};

		(void)relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));
	}
	cr_assert_eq(relay_driver_wait(s.driver, 50, 60000), 50);
	cr_assert_leq(script_peer_connections(s.peer), 5);
	end(&s);
}

/* It looks like a server, and takes no mail. */
Test(deliver, who_hangs_up_before_any_mail_is_not_asked_again_at_once)
{
	static const char *const script[] = {BARE};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0};
	const struct proto_result *r = deliver(&s, &m, &e);

	cr_expect_eq(r->rcpt[0].outcome, PROTO_DEFERRED);
	cr_expect_leq(script_peer_connections(s.peer), 5);
	end(&s);
}

/* A server that starts anew: what comes a moment later waits for it. */
Test(deliver, what_comes_right_after_a_failure_waits_a_moment)
{
	static const char *const script[] = {"< 421 no\n", MANY};
	struct scene s = {.peer = script_peer_new(script, 2)};
	struct entry e = sample(1);
	struct proto_deliver m = {0};
	uint64_t id;

	s.driver = relay_driver_new(script_peer_port(s.peer), 60000);
	relay_driver_start(s.driver);
	cr_assert_eq(deliver(&s, &m, &e)->rcpt[0].outcome, PROTO_DEFERRED);
	memset(&m, 0, sizeof(m));
	id = relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));
	relay_driver_wait(s.driver, 2, 60000);
	cr_expect_eq(relay_driver_result(s.driver, id)->rcpt[0].outcome,
	    PROTO_DELIVERED);
	end(&s);
}

Test(deliver, a_hanging_destination_does_not_block_another)
{
	static const char *const hangs[] = {"hang"};
	static const char *const works[] = {MANY};
	struct scene s = begin(hangs, 60000);
	struct script_peer *other = script_peer_new(works, 1);
	struct conf *c = relay_driver_conf(s.driver);
	struct entry e = sample(1);
	struct proto_deliver slow = {0}, quick = {0};
	uint64_t id;

	c->inbound.port = script_peer_port(other);
	(void)relay_driver_deliver(s.driver, &slow, &e, SPAN_LIT(TEXT));
	e.route = ENTRY_INBOUND;
	id = relay_driver_deliver(s.driver, &quick, &e, SPAN_LIT(TEXT));
	cr_assert_eq(relay_driver_wait(s.driver, 1, 60000), 1);
	cr_assert_eq(relay_driver_result(s.driver, id)->rcpt[0].outcome,
	    PROTO_DELIVERED);
	end(&s);
	script_peer_free(other);
}

Test(deliver, tls_sessions_are_resumed)
{
	static const char *const script[] = {
	    HELLO "< 250-x\n< 250 STARTTLS\n> STARTTLS\n< 220 go\ntls\n> EHLO\n"
		  "< 250 mx\n" ENVELOPE DATA OK};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0}, again = {0};
	const struct proto_result *r = deliver(&s, &m, &e);
	uint64_t id;

	cr_assert_str_eq(proto_result_hop(r, &r->rcpt[0])->had, "encrypt");
	cr_assert(!proto_result_hop(r, &r->rcpt[0])->resumed);
	/* the peer closes; the relay sees it, or asks anew */
	relay_driver_wait(s.driver, 2, 100);
	id = relay_driver_deliver(s.driver, &again, &e, SPAN_LIT(TEXT));
	relay_driver_wait(s.driver, 2, 60000);
	r = relay_driver_result(s.driver, id);
	cr_assert_not_null(r);
	cr_assert_eq(r->rcpt[0].outcome, PROTO_DELIVERED);
	cr_assert_str_eq(proto_result_hop(r, &r->rcpt[0])->had, "encrypt");
	cr_assert(proto_result_hop(r, &r->rcpt[0])->resumed);
	cr_assert_eq(script_peer_connections(s.peer), 2);
	end(&s);
}

/* --- store and the end --- */

Test(deliver, a_result_is_kept_for_the_store_that_comes_back)
{
	static const char *const script[] = {
	    BARE ENVELOPE "> DATA\n< 354 go\nbody\n"
			  "hang"};
	struct scene s = begin(script, OUTLAST_MS);
	struct entry e = sample(1);
	struct proto_deliver m = {0};
	uint64_t id = relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));

	/* until the whole message is out */
	outlast_await(s.driver, s.peer);
	relay_driver_cut_store(s.driver);
	still_pass(OUTLAST_MS);
	relay_driver_wait(s.driver, 1, 50);
	cr_assert_null(relay_driver_result(s.driver, id));
	relay_driver_new_store(s.driver);
	relay_driver_wait(s.driver, 1, 60000);
	cr_assert_not_null(relay_driver_result(s.driver, id));
	cr_assert_eq(
	    relay_driver_result(s.driver, id)->rcpt[0].outcome, PROTO_DEFERRED);
	end(&s);
}

Test(deliver, a_store_that_asks_before_it_listens_gets_no_second_delivery)
{
	static const char *const script[] = {BARE ENVELOPE DATA
	    "gate\n" OK "mark\n> MAIL\n" OK "> RCPT\n" OK DATA OK "again\n"};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0}, again = {0}, other = {0};
	uint64_t id, next;

	e.id = entry_new_id();
	id = relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));
	run_until_seen(&s, "\r\n.\r\n");
	relay_driver_cut_store(s.driver);
	script_peer_open(s.peer);
	relay_driver_wait(s.driver, 1, 100);
	cr_assert_null(relay_driver_result(s.driver, id));
	relay_driver_new_store(s.driver);
	(void)relay_driver_deliver(s.driver, &again, &e, SPAN_LIT(TEXT));
	e.id = 0;
	next = relay_driver_deliver(s.driver, &other, &e, SPAN_LIT(TEXT));
	cr_assert_eq(relay_driver_wait(s.driver, 2, 60000), 2);
	cr_assert_eq(relay_driver_result(s.driver, id)->rcpt[0].outcome,
	    PROTO_DELIVERED);
	cr_assert_eq(relay_driver_result(s.driver, next)->rcpt[0].outcome,
	    PROTO_DELIVERED);
	cr_assert_eq(script_peer_count(s.peer, "MAIL FROM"), 2);
	end(&s);
}

Test(deliver, without_store_nothing_is_begun)
{
	static const char *const script[] = {BARE "> MAIL\nhang"};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0};
	uint64_t id = relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));

	run_until_seen(&s, "MAIL");
	relay_driver_cut_store(s.driver);
	relay_driver_wait(s.driver, 1, 50);
	relay_driver_new_store(s.driver);
	relay_driver_wait(s.driver, 1, 60000);
	cr_assert_eq(
	    relay_driver_result(s.driver, id)->rcpt[0].outcome, PROTO_DEFERRED);
	cr_assert(!script_peer_saw_plain(s.peer, SECRET_BODY));
	end(&s);
}

Test(deliver, what_waits_is_recalled)
{
	static const char *const script[] = {"hang"};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0};
	uint64_t id = relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));

	relay_driver_wait(s.driver, 1, 50);
	relay_driver_recall(s.driver, id);
	relay_driver_wait(s.driver, 1, 60000);
	cr_assert_not_null(relay_driver_result(s.driver, id));
	cr_assert_eq(
	    relay_driver_result(s.driver, id)->rcpt[0].outcome, PROTO_DEFERRED);
	end(&s);
}

Test(deliver, the_end_waits_for_the_reply_to_a_whole_message)
{
	static const char *const script[] = {BARE ENVELOPE DATA OK};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0};
	uint64_t id = relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));

	relay_driver_wait(s.driver, 1, 60000);
	cr_assert_eq(relay_driver_result(s.driver, id)->rcpt[0].outcome,
	    PROTO_DELIVERED);
	cr_assert(relay_driver_stop(s.driver, 60000));
	end(&s);
}

Test(deliver, the_end_is_bounded_and_gives_everything_back)
{
	static const char *const script[] = {BARE ENVELOPE DATA "hang"};
	struct scene s = begin(script, 60000);
	struct entry e = sample(1);
	struct proto_deliver m = {0}, later = {0};
	struct conf *c = relay_driver_conf(s.driver);
	uint64_t first = relay_driver_deliver(s.driver, &m, &e, SPAN_LIT(TEXT));
	uint64_t second;

	run_until_seen(&s, "\r\n.\r\n");
	/* this one has no session yet, or one that is stuck before the dot */
	second = relay_driver_deliver(s.driver, &later, &e, SPAN_LIT(TEXT));
	relay_driver_wait(s.driver, 1, 20);
	c->limits.stop_ms = 50;
	cr_assert(relay_driver_stop(s.driver, PATIENCE_MS));
	cr_assert_null(relay_driver_result(s.driver, first));
	(void)second;
	end(&s);
}
