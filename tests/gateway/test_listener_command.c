/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "gateway/listener/command.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "gateway/proto.h"

static struct arena *
new_arena(void)
{
	struct arena *a = arena_new(1024 * 1024);

	cr_assert_not_null(a);
	return a;
}

static const struct {
	const char *in;
	const char *from;
	uint64_t size;
	bool body_8bit, smtputf8, ret_hdrs;
	const char *envid;
} mails[] = {
    {"FROM:<a@example.com>", "a@example.com", 0, false, false, false, ""},
    {"from:<A@Example.COM>", "A@example.com", 0, false, false, false, ""},
    {"FROM: <a@example.com>", "a@example.com", 0, false, false, false, ""},
    {"FROM:<>", "", 0, false, false, false, ""},
    {"FROM:<> SIZE=10", "", 10, false, false, false, ""},
    {"FROM:<a@b.example> SIZE=18446744073709551615", "a@b.example", UINT64_MAX,
	false, false, false, ""},
    {"FROM:<a@b.example> BODY=8BITMIME", "a@b.example", 0, true, false, false,
	""},
    {"FROM:<a@b.example> BODY=BinaryMIME", "a@b.example", 0, true, false, false,
	""},
    {"FROM:<a@b.example> body=7bit", "a@b.example", 0, false, false, false, ""},
    {"FROM:<a@b.example> SMTPUTF8 SIZE=1", "a@b.example", 1, false, true, false,
	""},
    {"FROM:<a@b.example> RET=HDRS ENVID=QQ+3D14", "a@b.example", 0, false,
	false, true, "QQ+3D14"},
    {"FROM:<a@b.example>  RET=FULL", "a@b.example", 0, false, false, false, ""},
    {"FROM:<\"a b\"@b.example>", "\"a b\"@b.example", 0, false, false, false,
	""},
    {"FROM:<a@[192.0.2.1]>", "a@[192.0.2.1]", 0, false, false, false, ""},
    {"FROM:<\xc3\xa4@b.example> SMTPUTF8", "\xc3\xa4@b.example", 0, false, true,
	false, ""},
};

Test(command, mail_is_read)
{
	struct arena *a = new_arena();
	struct listener_mail m;
	struct listener_reply why;

	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		const char *in = mails[i].in;

		cr_assert_eq(listener_parse_mail(span_str(in), a, &m, &why),
		    ERR_OK, "%s: %d %s", in, why.code, why.text);
		cr_assert_str_eq(
		    m.from.text, mails[i].from, "%s: %s", in, m.from.text);
		cr_assert_eq(m.size, mails[i].size, "%s", in);
		cr_assert_eq(
		    m.size_given, strstr(in, "SIZE") != NULL, "%s", in);
		cr_assert_eq(m.body_8bit, mails[i].body_8bit, "%s", in);
		cr_assert_eq(
		    m.body_binary, strstr(in, "Binary") != NULL, "%s", in);
		cr_assert_eq(m.smtputf8, mails[i].smtputf8, "%s", in);
		cr_assert_eq(m.ret_hdrs, mails[i].ret_hdrs, "%s", in);
		cr_assert_str_eq(m.envid, mails[i].envid, "%s", in);
	}
	arena_free(a);
}

static const struct {
	const char *in;
	int code;
} bad_mails[] = {
    {"", 501},
    {"FROM", 501},
    {"FROM:", 501},
    {"FROM:a@example.com", 501},
    {"TO:<a@example.com>", 501},
    {"FROM:<a@example.com", 501},
    {"FROM:<a@>", 501},
    {"FROM:<@example.com>", 501},
    {"FROM:<a b@example.com>", 501},
    {"FROM:<a@example.com>SIZE=1", 501},
    {"FROM:<a@example.com> SIZE", 501},
    {"FROM:<a@example.com> SIZE=", 501},
    {"FROM:<a@example.com> SIZE=-1", 501},
    {"FROM:<a@example.com> SIZE=18446744073709551616", 501},
    {"FROM:<a@example.com> SIZE=1 SIZE=2", 501},
    {"FROM:<a@example.com> BODY=", 501},
    {"FROM:<a@example.com> BODY=BINARY", 501},
    {"FROM:<a@example.com> SMTPUTF8=yes", 501},
    {"FROM:<a@example.com> RET=NONE", 501},
    {"FROM:<a@example.com> ENVID=", 501},
    {"FROM:<a@example.com> ENVID=a=b", 501},
    {"FROM:<a@example.com> ENVID=a+3d", 501},
    {"FROM:<a@example.com> ENVID=a+4", 501},
    {"FROM:<a@example.com> AUTH=", 501},
    {"FROM:<a@example.com> AUTH=a=b", 501},
    {"FROM:<a@example.com> AUTH", 501},
    {"FROM:<a@example.com> REQUIRETLS=1", 501},
    {"FROM:<a@example.com> NOTIFY=NEVER", 555},
    {"FROM:<a@example.com> =", 555},
    {"FROM:<\xc3\xa4@b.example>", 553},
    {"FROM:<postmaster>", 501},
    {"FROM:<@a,@b:c@example.com>", 501},
};

Test(command, other_mail_is_refused)
{
	struct arena *a = new_arena();
	struct listener_mail m;
	struct listener_reply why;

	for (size_t i = 0; i < sizeof(bad_mails) / sizeof(bad_mails[0]); i++) {
		cr_assert_eq(
		    listener_parse_mail(span_str(bad_mails[i].in), a, &m, &why),
		    ERR_USAGE, "%s", bad_mails[i].in);
		cr_assert_eq(why.code, bad_mails[i].code, "%s: %d",
		    bad_mails[i].in, why.code);
		cr_assert(strlen(why.status) >= 5 && why.text[0] != '\0', "%s",
		    bad_mails[i].in);
	}
	arena_free(a);
}

static const struct {
	const char *in;
	bool utf8;
	const char *to;
	const char *domain;
	uint8_t notify;
	const char *orcpt;
} rcpts[] = {
    {"TO:<b@example.org>", false, "b@example.org", "example.org", 0, ""},
    {"to:<postmaster>", false, "postmaster", "", 0, ""},
    {"TO:<PostMaster@x.example> NOTIFY=NEVER", false, "PostMaster@x.example",
	"x.example", PROTO_NOTIFY_NEVER, ""},
    {"TO:<b@example.org> NOTIFY=SUCCESS,failure,DELAY", false, "b@example.org",
	"example.org",
	PROTO_NOTIFY_SUCCESS | PROTO_NOTIFY_FAILURE | PROTO_NOTIFY_DELAY, ""},
    {"TO:<b@example.org> ORCPT=rfc822;b+40example.org", false, "b@example.org",
	"example.org", 0, "rfc822;b+40example.org"},
    {"TO:<b@example.org> ORCPT=utf-8;\xc3\xa4@example.org", true,
	"b@example.org", "example.org", 0, "utf-8;\xc3\xa4@example.org"},
    {"TO:<b%x@example.org>", false, "b%x@example.org", "example.org", 0, ""},
};

Test(command, rcpt_is_read)
{
	struct arena *a = new_arena();
	struct listener_rcpt r;
	struct listener_reply why;

	for (size_t i = 0; i < sizeof(rcpts) / sizeof(rcpts[0]); i++) {
		const char *in = rcpts[i].in;

		cr_assert_eq(listener_parse_rcpt(
				 span_str(in), rcpts[i].utf8, a, &r, &why),
		    ERR_OK, "%s: %d %s", in, why.code, why.text);
		cr_assert_str_eq(r.to.text, rcpts[i].to, "%s", in);
		cr_assert_str_eq(r.to.domain, rcpts[i].domain, "%s", in);
		cr_assert_eq(r.notify, rcpts[i].notify, "%s", in);
		cr_assert_str_eq(r.orcpt, rcpts[i].orcpt, "%s", in);
	}
	arena_free(a);
}

static const struct {
	const char *in;
	int code;
} bad_rcpts[] = {
    {"TO:<>", 501},
    {"TO:b@example.org", 501},
    {"TO:<b>", 501},
    {"FROM:<b@example.org>", 501},
    {"TO:<@a.example:b@example.org>", 501},
    {"TO:<b@example.org> NOTIFY=", 501},
    {"TO:<b@example.org> NOTIFY=ALWAYS", 501},
    {"TO:<b@example.org> NOTIFY=NEVER,DELAY", 501},
    {"TO:<b@example.org> NOTIFY=DELAY,DELAY", 501},
    {"TO:<b@example.org> NOTIFY=DELAY,", 501},
    {"TO:<b@example.org> ORCPT=b@example.org", 501},
    {"TO:<b@example.org> ORCPT=;b@example.org", 501},
    {"TO:<b@example.org> ORCPT=rfc822;", 501},
    {"TO:<b@example.org> ORCPT=rfc822;a=b", 501},
    {"TO:<b@example.org> ORCPT=utf-8;\xc3\xa4@x", 501},
    {"TO:<\xc3\xa4@example.org>", 553},
    {"TO:<b@example.org> SIZE=1", 555},
};

Test(command, other_rcpt_is_refused)
{
	struct arena *a = new_arena();
	struct listener_rcpt r;
	struct listener_reply why;

	for (size_t i = 0; i < sizeof(bad_rcpts) / sizeof(bad_rcpts[0]); i++) {
		cr_assert_eq(listener_parse_rcpt(
				 span_str(bad_rcpts[i].in), false, a, &r, &why),
		    ERR_USAGE, "%s", bad_rcpts[i].in);
		cr_assert_eq(why.code, bad_rcpts[i].code, "%s: %d",
		    bad_rcpts[i].in, why.code);
	}
	arena_free(a);
}

Test(command, bdat_is_read_or_refused)
{
	static const struct {
		const char *in;
		bool ok;
		uint64_t size;
		bool last;
	} rows[] = {
	    {"0", true, 0, false},
	    {"10 LAST", true, 10, true},
	    {"10  last", true, 10, true},
	    {"18446744073709551615", true, UINT64_MAX, false},
	    {"", false, 0, false},
	    {"LAST", false, 0, false},
	    {"-1", false, 0, false},
	    {"0x10", false, 0, false},
	    {"18446744073709551616", false, 0, false},
	    {"10 LASTX", false, 0, false},
	    {"10 LAST 1", false, 0, false},
	};
	struct listener_bdat b;
	struct listener_reply why;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(
		    listener_parse_bdat(span_str(rows[i].in), &b, &why),
		    rows[i].ok ? ERR_OK : ERR_USAGE, "%s", rows[i].in);
		if (rows[i].ok)
			cr_assert(
			    b.size == rows[i].size && b.last == rows[i].last,
			    "%s", rows[i].in);
		else
			cr_assert_eq(why.code, 501, "%s", rows[i].in);
	}
}

Test(command, helo_keeps_what_a_trace_field_can_hold)
{
	static const char *const good[] = {
	    "mail.example.com", "[192.0.2.1]", "[IPv6:2001:db8::1]", "a_b-c"};
	static const char *const bad[] = {"", "a b", "a(b)", "a;b", "a\"b",
	    "<a>", "a\\b", "\xc3\xa4.example"};
	struct arena *a = new_arena();
	struct listener_reply why;
	const char *out;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(
		    listener_parse_helo(span_str(good[i]), a, &out, &why),
		    ERR_OK, "%s", good[i]);
		cr_assert_str_eq(out, good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(
		    listener_parse_helo(span_str(bad[i]), a, &out, &why),
		    ERR_USAGE, "%s", bad[i]);
	arena_free(a);
}

Test(command, a_line_is_split_unless_it_has_control_characters)
{
	static const char *const bad[] = {
	    "NO\001OP", "NOOP \r", "\177", "\033"};
	struct span verb, args;
	struct listener_reply why;

	cr_assert_eq(listener_command_split(SPAN_LIT("MAIL  FROM:<a@b> X=1 \t"),
			 &verb, &args, &why),
	    ERR_OK);
	cr_assert(span_eq_str(verb, "MAIL"));
	cr_assert(span_eq_str(args, "FROM:<a@b> X=1"));
	cr_assert_eq(
	    listener_command_split(SPAN_LIT(""), &verb, &args, &why), ERR_OK);
	cr_assert_eq(verb.len, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(listener_command_split(
				 span_str(bad[i]), &verb, &args, &why),
		    ERR_USAGE, "row %zu", i);
	cr_assert_eq(
	    listener_command_split(SPAN_LIT("NO\0OP"), &verb, &args, &why),
	    ERR_USAGE);
}

Test(command, a_reply_is_printable_and_has_an_end)
{
	char text[2 * LISTENER_REPLY_TEXT];
	struct listener_reply r;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	listener_reply_set(&r, 550, "5.7.1", "%s", text);
	cr_assert_eq(strlen(r.text), LISTENER_REPLY_TEXT - 1);
	listener_reply_set(&r, 550, "5.7.1", "a\r\n250 b\xc3");
	cr_assert_str_eq(r.text, "a??250 b?");
}
