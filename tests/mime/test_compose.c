/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Composed messages, octet by octet, and strings that try to be more.
 */
#include "mime/compose.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "mime/date.h"
#include "mime/write.h"

static struct mime_compose
example(void)
{
	return (struct mime_compose){.from_name = "Sealgate",
	    .from = "postmaster@example.com",
	    .to = "carol@example.org",
	    .subject = "A message is waiting",
	    .message_id = "4Kq1@gw.example.com",
	    .date_s = 1795298280,
	    .body = SPAN_LIT("Hello,\nthere is a message.\r\n")};
}

Test(compose, a_plain_notice)
{
	static const struct mime_compose_field extra[] = {
	    {"Auto-Submitted", "auto-generated"}};
	struct mime_compose m = example();
	struct mime_sink sink;
	struct buf out;

	m.extra = extra;
	m.n_extra = 1;
	m.reply_to = "alice@example.com";
	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	cr_assert(mime_compose_write(&m, &sink) == ERR_OK);
	cr_assert(span_eq_str(buf_span(&out),
		      "Date: Sat, 21 Nov 2026 21:58:00 +0000\r\n"
		      "From: \"Sealgate\"\r\n <postmaster@example.com>\r\n"
		      "To: <carol@example.org>\r\n"
		      "Reply-To: <alice@example.com>\r\n"
		      "Subject: A message is waiting\r\n"
		      "Message-ID: <4Kq1@gw.example.com>\r\n"
		      "Auto-Submitted: auto-generated\r\n"
		      "MIME-Version: 1.0\r\n"
		      "Content-Type: text/plain; charset=us-ascii\r\n"
		      "Content-Transfer-Encoding: 7bit\r\n"
		      "\r\n"
		      "Hello,\r\nthere is a message.\r\n"),
	    "%s", buf_cstr(&out));
	buf_clear(&out);
}

Test(compose, bodies_are_encoded_where_they_must_be)
{
	static const struct {
		const char *body, *out;
	} rows[] = {
	    {"", "charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"},
	    {"x", "7bit\r\n\r\nx\r\n"},
	    {"h\xc3\xa4\n",
		"charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable"
		"\r\n\r\nh=C3=A4\r\n"},
	    {"\xc3\xa4 \n", "\r\n\r\n=C3=A4=20\r\n"},
	    {"\xc3\xa4=\t\n", "\r\n\r\n=C3=A4=3D=09\r\n"},
	    {"\xc3\xa4\n\n.\n", "\r\n\r\n=C3=A4\r\n\r\n.\r\n"},
	    {"a\x01z", "\r\n\r\na=01z\r\n"},
	    {"a\rb", "\r\n\r\na=0Db\r\n"},
	    {"\xc3\xa4"
	     "0123456789012345678901234567890123456789012345678901234567890123"
	     "456789",
		"\r\n\r\n=C3=A4012345678901234567890123456789012345678901234567"
		"890123456789012345678=\r\n9\r\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_compose m = example();
		struct mime_sink sink;
		struct buf out;
		struct span s;
		size_t len = strlen(rows[i].out);

		buf_init(&out, 65536);
		sink = mime_sink_buf(&out);
		m.body = span_str(rows[i].body);
		cr_assert(mime_compose_write(&m, &sink) == ERR_OK);
		s = buf_span(&out);
		cr_assert(s.len > len);
		cr_assert(
		    span_eq_str(SPAN(s.data + s.len - len, len), rows[i].out),
		    "row %zu: %s", i, buf_cstr(&out));
		buf_clear(&out);
	}
}

Test(compose, no_string_starts_a_field)
{
	struct mime_compose m = example();
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	m.subject = "x\r\nBcc: v@example.org\r\n\r\nbody";
	m.from_name = "x\r\nBcc: v@example.org";
	cr_assert(mime_compose_write(&m, &sink) == ERR_OK);
	cr_assert(span_find(buf_span(&out), 0, SPAN_LIT("\nBcc")) == out.len);
	buf_clear(&out);
}

Test(compose, what_cannot_be_written_is_refused)
{
	static const struct mime_compose_field bad[] = {{"X y", "z"}};
	struct mime_sink sink;
	struct mime_compose m;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	m = example();
	m.to = "a@b\r\nBcc: c@d";
	cr_assert(mime_compose_write(&m, &sink) == ERR_USAGE);
	m = example();
	m.to = NULL;
	cr_assert(mime_compose_write(&m, &sink) == ERR_USAGE);
	m = example();
	m.from = "";
	cr_assert(mime_compose_write(&m, &sink) == ERR_USAGE);
	m = example();
	m.message_id = "a>\r\nX: y";
	cr_assert(mime_compose_write(&m, &sink) == ERR_USAGE);
	m = example();
	m.message_id = "";
	cr_assert(mime_compose_write(&m, &sink) == ERR_USAGE);
	m = example();
	m.extra = bad;
	m.n_extra = 1;
	cr_assert(mime_compose_write(&m, &sink) == ERR_USAGE);
	m = example();
	m.body = SPAN_LIT("\xff");
	cr_assert(mime_compose_write(&m, &sink) == ERR_MALFORMED);
	cr_assert(out.len == 0);
	buf_clear(&out);
}

Test(compose, dates)
{
	cr_assert_str_eq(mime_date(0).text, "Thu, 1 Jan 1970 00:00:00 +0000");
	cr_assert_str_eq(
	    mime_date(1709164799).text, "Wed, 28 Feb 2024 23:59:59 +0000");
	cr_assert_str_eq(
	    mime_date(1709164800).text, "Thu, 29 Feb 2024 00:00:00 +0000");
	cr_assert_str_eq(
	    mime_date(INT64_MAX).text, "Thu, 1 Jan 1970 00:00:00 +0000");
}

static enum err
write_file(const void *arg, const struct mime_sink *to)
{
	return arg == NULL ? ERR_IO : mime_puts(to, arg);
}

Test(compose, a_file_stands_behind_the_text)
{
	static const uint8_t zero[16];
	const struct mime_boundary boundary = mime_boundary_make(zero);
	struct mime_compose_file file = {.name = "message.html",
	    .boundary = &boundary,
	    .write = write_file,
	    .arg = "<p a=\"b\">\r\nGr\xc3\xbc\xc3\x9f"
		   "e \r\n-- x"};
	struct mime_compose m = example();
	char want[2048];
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	cr_assert_eq(mime_compose_write_with(&m, &file, &sink), ERR_OK);
	snprintf(want, sizeof(want),
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed; boundary=\"%s\"\r\n"
	    "\r\n--%s\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n"
	    "Content-Transfer-Encoding: 7bit\r\n"
	    "\r\n"
	    "Hello,\r\nthere is a message.\r\n"
	    "\r\n--%s\r\n"
	    "Content-Type: text/html; charset=utf-8; name=\"message.html\"\r\n"
	    "Content-Disposition: attachment; filename=\"message.html\"\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n"
	    "\r\n"
	    "<p a=3D\"b\">\r\nGr=C3=BC=C3=9Fe=20\r\n=2D- x"
	    "\r\n--%s--\r\n",
	    boundary.text, boundary.text, boundary.text, boundary.text);
	cr_expect_not_null(strstr(buf_cstr(&out), want), "%s", buf_cstr(&out));
	/* what it fails with is told */
	file.arg = NULL;
	cr_expect_eq(mime_compose_write_with(&m, &file, &sink), ERR_IO);
	m.message_id = "";
	cr_expect_eq(mime_compose_write_with(&m, &file, &sink), ERR_USAGE);
	buf_clear(&out);
}
