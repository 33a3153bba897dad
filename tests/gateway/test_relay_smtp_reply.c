/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/relay/smtp_reply.h"

#include <criterion/criterion.h>
#include <string.h>

struct good {
	const char *in;
	uint16_t code;
	const char *status;
	const char *text;
	size_t used;
};

static const struct good good[] = {
    {"220 ready\r\n", 220, "", "ready", 11},
    {"250\r\n", 250, "", "", 5},
    {"250 \r\n", 250, "", "", 6},
    {"250 2.0.0 ok\r\nmore", 250, "2.0.0", "ok", 14},
    {"250-one\r\n250 two\r\n", 250, "", "one two", 18},
    {"550-5.1.1 no\r\n550 5.1.1 such user\r\n", 550, "5.1.1", "no such user",
	35},
    {"550 5.7.509\r\n", 550, "5.7.509", "", 13},
    {"250 ok\n", 250, "", "ok", 7},
    {"550 4.1.1 other class\r\n", 550, "", "4.1.1 other class", 23},
    {"550 5.1.1x\r\n", 550, "", "5.1.1x", 12},
    {"550 5.1\r\n", 550, "", "5.1", 9},
    {"550 5.1.1234 x\r\n", 550, "", "5.1.1234 x", 16},
    {"550 a\tb\x7f\xc3\xa4\r\n", 550, "", "a?b?\xc3\xa4", 12},
    {"354-\r\n354 x\r\n", 354, "", "x", 13},
};

Test(smtp_reply, replies_are_read)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct good *g = &good[i];
		struct relay_reply r;
		size_t used;

		cr_assert_eq(relay_reply_parse(span_str(g->in), &r, &used),
		    ERR_OK, "%s", g->in);
		cr_assert_eq(r.code, g->code, "%s", g->in);
		cr_assert_str_eq(r.status, g->status, "%s", g->in);
		cr_assert_str_eq(r.text, g->text, "%s: %s", g->in, r.text);
		cr_assert_eq(used, g->used, "%s: %zu", g->in, used);
	}
}

Test(smtp_reply, every_cut_waits_for_more)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		for (size_t n = 0; n < good[i].used; n++) {
			struct relay_reply r;
			size_t used;

			cr_assert_eq(
			    relay_reply_parse(SPAN(good[i].in, n), &r, &used),
			    ERR_AGAIN, "%s at %zu", good[i].in, n);
		}
}

Test(smtp_reply, what_is_no_reply_is_refused)
{
	static const char *const bad[] = {
	    "\r\n",
	    "\n",
	    "hello\r\n",
	    "25\r\n",
	    "2\r\n",
	    "2500 x\r\n",
	    "250x\r\n",
	    "250\tx\r\n",
	    " 250 x\r\n",
	    "150 x\r\n",
	    "099 x\r\n",
	    "600 x\r\n",
	    "-50 x\r\n",
	    "25a x\r\n",
	    "250-a\r\n251 b\r\n",
	    "250-a\r\nb\r\n",
	    "250-a\r\n\r\n",
	    "250\x01\r\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct relay_reply r;
		size_t used;

		cr_assert_eq(relay_reply_parse(span_str(bad[i]), &r, &used),
		    ERR_MALFORMED, "%s", bad[i]);
	}
}

Test(smtp_reply, nothing_is_without_end)
{
	struct relay_reply r;
	struct buf b;
	size_t used;

	buf_init(&b, 1000000);
	for (int i = 0; i < RELAY_REPLY_LINE + 10; i++)
		cr_assert_eq(buf_puts(&b, i == 0 ? "250 " : "x"), ERR_OK);
	cr_assert_eq(relay_reply_parse(buf_span(&b), &r, &used), ERR_TOO_BIG);
	cr_assert_eq(buf_puts(&b, "\r\n"), ERR_OK);
	cr_assert_eq(relay_reply_parse(buf_span(&b), &r, &used), ERR_TOO_BIG);
	buf_reset(&b);
	while (b.len <= RELAY_REPLY_MAX)
		cr_assert_eq(buf_puts(&b, "250-x\r\n"), ERR_OK);
	cr_assert_eq(relay_reply_parse(buf_span(&b), &r, &used), ERR_TOO_BIG);
	buf_clear(&b);
}

Test(smtp_reply, offers_are_read)
{
	struct relay_reply r;
	struct relay_offer o;
	size_t used;

	cr_assert_eq(relay_reply_parse(
			 span_str("250-STARTTLS greets you\r\n"
				  "250-PIPELINING\r\n250-size 1000\r\n"
				  "250-8bitMIME\r\n250-DSN \r\n"
				  "250-CHUNKINGS\r\n250-X\r\n250 SMTPUTF8\r\n"),
			 &r, &used),
	    ERR_OK);
	relay_offer_parse(&r, &o);
	cr_assert(o.pipelining && o.size && o.mime_8bit && o.dsn && o.smtputf8);
	cr_assert(!o.chunking && !o.starttls);
	cr_assert_eq(o.size_max, 1000);
}

Test(smtp_reply, plain_is_found_among_the_ways_to_log_in)
{
	static const struct {
		const char *reply;
		bool plain;
	} rows[] = {
	    {"250-x\r\n250 AUTH PLAIN\r\n", true},
	    {"250-x\r\n250 auth LOGIN  plain X\r\n", true},
	    {"250-x\r\n250-AUTH LOGIN\r\n250 AUTH PLAIN\r\n", true},
	    {"250-x\r\n250 AUTH LOGIN PLAIN-CLIENTTOKEN\r\n", false},
	    {"250-x\r\n250 AUTH\r\n", false},
	    {"250-x\r\n250 AUTH=PLAIN\r\n", false},
	    {"250 AUTH PLAIN\r\n", false}, /* the greeting */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct relay_reply r;
		struct relay_offer o;
		size_t used;

		cr_assert_eq(
		    relay_reply_parse(span_str(rows[i].reply), &r, &used),
		    ERR_OK);
		relay_offer_parse(&r, &o);
		cr_expect_eq(o.auth_plain, rows[i].plain, "%s", rows[i].reply);
	}
}

Test(smtp_reply, limits_are_read)
{
	static const struct {
		const char *reply;
		uint64_t rcpt, mail;
	} rows[] = {
	    {"250-x\r\n250 LIMITS RCPTMAX=20 MAILMAX=5\r\n", 20, 5},
	    {"250-x\r\n250 limits mailmax=7  rcptmax=1\r\n", 1, 7},
	    {"250-x\r\n250 LIMITS RCPTDOMAINMAX=3\r\n", 0, 0},
	    {"250-x\r\n250 LIMITS RCPTMAX=0 MAILMAX=-1\r\n", 0, 0},
	    {"250-x\r\n250 LIMITS RCPTMAX= MAILMAX=5x\r\n", 0, 0},
	    {"250-x\r\n250 LIMITS RCPTMAX MAILMAX 5\r\n", 0, 0},
	    {"250-x\r\n250 LIMITS =5\r\n", 0, 0},
	    {"250-x\r\n250 LIMITS RCPTMAX=99999999999999999999\r\n", 0, 0},
	    {"250-x\r\n250 LIMITS\r\n", 0, 0},
	    {"250 LIMITS RCPTMAX=2\r\n", 0, 0}, /* the greeting */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct relay_reply r;
		struct relay_offer o;
		size_t used;

		cr_assert_eq(
		    relay_reply_parse(span_str(rows[i].reply), &r, &used),
		    ERR_OK);
		relay_offer_parse(&r, &o);
		cr_expect_eq(o.rcpt_max, rows[i].rcpt, "%s", rows[i].reply);
		cr_expect_eq(o.mail_max, rows[i].mail, "%s", rows[i].reply);
	}
}

Test(smtp_reply, a_size_that_is_none_is_no_limit)
{
	static const char *const rows[] = {"250-x\r\n250 SIZE\r\n",
	    "250-x\r\n250 SIZE x\r\n", "250-x\r\n250 SIZE -1\r\n",
	    "250-x\r\n250 SIZE 99999999999999999999999\r\n"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct relay_reply r;
		struct relay_offer o;
		size_t used;

		cr_assert_eq(
		    relay_reply_parse(span_str(rows[i]), &r, &used), ERR_OK);
		relay_offer_parse(&r, &o);
		cr_assert(o.size, "%s", rows[i]);
		cr_assert_eq(o.size_max, 0, "%s", rows[i]);
	}
}

Test(smtp_reply, not_every_refusal_is_of_the_recipient)
{
	static const struct {
		uint16_t code;
		const char *status;
		bool no;
	} rows[] = {
	    {550, "", true},
	    {551, "", true},
	    {553, "", true},
	    {550, "5.0.0", true},
	    {550, "5.1.1", true},
	    {554, "5.1.1", true},
	    {550, "5.1.2", true},
	    {501, "5.1.3", true},
	    {551, "5.1.6", true},
	    {556, "5.1.10", true},
	    {250, "", false},
	    {450, "4.1.1", false},
	    {550, "4.1.1", false},
	    {552, "", false},
	    {554, "", false},
	    {554, "5.0.0", false},
	    {530, "", false},
	    {550, "5.1.0", false},
	    {553, "5.1.7", false},
	    {550, "5.1.8", false},
	    {550, "5.1.100", false},
	    {550, "5.2.1", false},
	    {552, "5.2.2", false},
	    {550, "5.7.1", false},
	    {554, "5.7.1", false},
	    {504, "5.5.2", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(
		    relay_reply_no_such_rcpt(rows[i].code, rows[i].status),
		    rows[i].no, "%d %s", rows[i].code, rows[i].status);
}
