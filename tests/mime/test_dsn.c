/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Notifications: the three parts, all that RFC 3464 asks for, and nothing
 * that a stranger wrote becoming more than text.
 */
#include "mime/dsn.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "mime/header.h"
#include "mime/scan.h"
#include "mime/tree.h"

struct parsed {
	struct buf text;
	struct arena *arena;
	struct mime_tree *tree;
};

static const struct mime_dsn_rcpt rcpts[] = {
    {.addr = "bob@example.org",
	.orcpt = "rfc822;bob@old.example.org",
	.action = MIME_DSN_FAILED,
	.status = "5.1.1",
	.remote_mta = "mx.example.org",
	.diagnostic = "550 5.1.1 no such user",
	.reason = "The other server does not know this address.",
	.advice = "Check the address.",
	.last_attempt_s = 1795298280},
    {.addr = "carol@example.net",
	.action = MIME_DSN_DELAYED,
	.status = "4.4.1",
	.reason = "The other server cannot be reached.",
	.retry_until_s = 1795298280 + 86400},
    {.addr = "dan@example.net",
	.action = MIME_DSN_RELAYED,
	.status = "2.0.0",
	.reason = "Handed on."},
};

static struct mime_dsn
example(void)
{
	return (struct mime_dsn){.host = "gw.example.com",
	    .to = "alice@example.com",
	    .envid = "QQ314159",
	    .queue_id = "4Kq1",
	    .now_s = 1795298280,
	    .arrival_s = 1795298000,
	    .rcpts = rcpts,
	    .n = 3,
	    .outer = SPAN_LIT("From: alice@example.com\r\nSubject: s\r\n"),
	    .boundary =
		mime_boundary_make((const uint8_t *)"0123456789abcdef")};
}

static void
write_and_parse(const struct mime_dsn *d, struct parsed *p)
{
	static const uint8_t zeros[MIME_TREE_PADDING];
	struct mime_sink sink;
	struct mime_scan scan;
	const char *why = "";
	size_t len;

	buf_init(&p->text, 1024 * 1024);
	p->arena = arena_new(1024 * 1024);
	sink = mime_sink_buf(&p->text);
	cr_assert(mime_dsn_write(d, &sink) == ERR_OK);
	len = p->text.len;
	cr_assert(buf_put(&p->text, SPAN(zeros, sizeof(zeros))) == ERR_OK);
	cr_assert(mime_scan(SPAN(p->text.data, len), &scan, NULL) == ERR_OK);
	cr_assert(scan.longest_line <= 998);
	cr_assert(!scan.body_8bit);
	cr_assert(
	    mime_tree_parse(SPAN(p->text.data, len), &scan,
		mime_dsn_needs_utf8(d), p->arena, &p->tree, NULL) == ERR_OK);
	cr_assert(!mime_tree_is_ambiguous(p->tree, &why), "%s", why);
	cr_assert_eq(mime_part_child_count(mime_tree_root(p->tree)),
	    d->outer.len > 0 ? 3 : 2);
}

static struct span
child_body(const struct parsed *p, size_t i)
{
	return mime_part_body(mime_part_child(mime_tree_root(p->tree), i));
}

static bool
contains(struct span s, const char *what)
{
	return span_find(s, 0, span_str(what)) < s.len;
}

static void
clear(struct parsed *p)
{
	buf_clear(&p->text);
	arena_free(p->arena);
}

Test(dsn, three_parts_for_three_fates)
{
	struct mime_dsn d = example();
	const struct mime_part *root;
	const struct mime_field *f;
	struct parsed p;
	struct span s;

	write_and_parse(&d, &p);
	root = mime_tree_root(p.tree);
	cr_assert(mime_part_is(root, "multipart", "report"));
	cr_assert_str_eq(
	    mime_part_param(root, "report-type"), "delivery-status");
	cr_assert(mime_header_unique(mime_tree_header(p.tree), "Auto-Submitted",
		      &f) == ERR_OK);
	cr_assert(span_eq_str(span_trim(f->value), "auto-replied"));
	cr_assert(
	    mime_header_unique(mime_tree_header(p.tree), "To", &f) == ERR_OK);
	cr_assert(span_eq_str(span_trim(f->value), "<alice@example.com>"));

	cr_assert(mime_part_is(mime_part_child(root, 0), "text", "plain"));
	s = child_body(&p, 0);
	cr_assert(contains(s, "NOT delivered"));
	cr_assert(contains(s, "bob@example.org"));
	cr_assert(contains(s, "does not know this address"));
	cr_assert(contains(s, "550 5.1.1 no such user"));
	cr_assert(contains(s, "Check the address."));
	cr_assert(contains(s, "carol@example.net"));
	cr_assert(contains(s, "4Kq1"));

	cr_assert(mime_part_is(
	    mime_part_child(root, 1), "message", "delivery-status"));
	s = child_body(&p, 1);
	cr_assert(span_starts_caseeq(s,
	    "Original-Envelope-Id: QQ314159\r\n"
	    "Reporting-MTA: dns; gw.example.com\r\nArrival-Date: "));
	cr_assert(contains(s,
	    "\r\n\r\nOriginal-Recipient: rfc822;bob@old.example.org\r\n"
	    "Final-Recipient: rfc822; bob@example.org\r\n"
	    "Action: failed\r\nStatus: 5.1.1\r\n"
	    "Remote-MTA: dns; mx.example.org\r\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
	    "Last-Attempt-Date: "));
	cr_assert(contains(s,
	    "\r\n\r\nFinal-Recipient: rfc822; carol@example.net\r\n"
	    "Action: delayed\r\nStatus: 4.4.1\r\nWill-Retry-Until: "));
	cr_assert(contains(s, "\r\nAction: relayed\r\n"));

	cr_assert(
	    mime_part_is(mime_part_child(root, 2), "text", "rfc822-headers"));
	cr_assert(span_eq(child_body(&p, 2), d.outer));
	clear(&p);
}

Test(dsn, what_strangers_wrote_stays_on_its_line)
{
	struct mime_dsn_rcpt r = rcpts[0];
	struct mime_dsn d = example();
	struct parsed p;
	struct span s;

	r.diagnostic = "550 x\r\nAction: delivered\r\n\r\nFinal-Recipient: "
		       "rfc822; v@w\r\n--=_sg30313233343536373839616263646566";
	r.remote_mta = "mx\nStatus: 2.0.0";
	r.orcpt = "rfc822;x\r\ny\xff";
	d.rcpts = &r;
	d.n = 1;
	d.envid = "a\r\n\r\nb";
	write_and_parse(&d, &p);
	s = child_body(&p, 1);
	cr_assert(!contains(s, "\nAction: delivered"));
	cr_assert(!contains(s, "\nStatus: 2"));
	cr_assert(!contains(s, "\nb"));
	cr_assert(!contains(child_body(&p, 0), "\nAction"));
	cr_assert(!contains(child_body(&p, 0), "\n--=_sg"));
	clear(&p);
}

Test(dsn, addresses_beyond_ascii)
{
	struct mime_dsn_rcpt r = rcpts[0];
	struct mime_dsn d = example();
	struct parsed p;

	r.addr = "j\xc3\xb6rg@example.org";
	d.rcpts = &r;
	d.n = 1;
	cr_assert(!mime_dsn_needs_utf8(&d));
	write_and_parse(&d, &p);
	cr_assert(contains(child_body(&p, 1),
	    "Final-Recipient: utf-8; j\\x{F6}rg@example.org\r\n"));
	clear(&p);
	d.to = "\xc3\xa4@example.org";
	cr_assert(mime_dsn_needs_utf8(&d));
	write_and_parse(&d, &p);
	clear(&p);
}

Test(dsn, a_header_that_must_not_be_told_is_no_part)
{
	struct mime_dsn d = example();
	struct parsed p;

	d.outer = SPAN(NULL, 0);
	write_and_parse(&d, &p);
	cr_assert(contains(child_body(&p, 0), "is left out, and its text"));
	clear(&p);
}

Test(dsn, outer_header_beyond_ascii_is_encoded)
{
	struct mime_dsn d = example();
	const struct mime_part *part;
	struct parsed p;

	d.outer = SPAN_LIT("Subject: h\xc3\xa4\r\n");
	write_and_parse(&d, &p);
	part = mime_part_child(mime_tree_root(p.tree), 2);
	cr_assert(mime_part_is(part, "message", "global-headers"));
	cr_assert(span_eq_str(mime_part_body(part), "Subject: h=C3=A4\r\n"));
	clear(&p);
	d.outer = SPAN_LIT("Subject: h\xe4\r\n");
	write_and_parse(&d, &p);
	part = mime_part_child(mime_tree_root(p.tree), 2);
	cr_assert(mime_part_is(part, "text", "rfc822-headers"));
	cr_assert(span_eq_str(mime_part_body(part), "Subject: h=E4\r\n"));
	clear(&p);
}

Test(dsn, incomplete_ones_are_refused)
{
	struct mime_dsn_rcpt none = rcpts[0];
	struct mime_sink sink;
	struct mime_dsn d;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	d = example();
	d.to = "";
	cr_assert(mime_dsn_write(&d, &sink) == ERR_USAGE);
	d = example();
	d.n = 0;
	cr_assert(mime_dsn_write(&d, &sink) == ERR_USAGE);
	d = example();
	d.host = "gw\r\nX: y";
	cr_assert(mime_dsn_write(&d, &sink) == ERR_USAGE);
	d = example();
	d.queue_id = NULL;
	cr_assert(mime_dsn_write(&d, &sink) == ERR_USAGE);
	d = example();
	none.reason = NULL;
	d.rcpts = &none;
	d.n = 1;
	cr_assert(mime_dsn_write(&d, &sink) == ERR_USAGE);
	d = example();
	d.to = "a@b\r\nBcc: c";
	cr_assert(mime_dsn_write(&d, &sink) == ERR_USAGE);
	d = example();
	d.outer = span_str(d.boundary.text);
	cr_assert(mime_dsn_write(&d, &sink) == ERR_USAGE);
	cr_assert(out.len == 0);
	buf_clear(&out);
}
