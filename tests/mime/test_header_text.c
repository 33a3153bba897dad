/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Values read and written: what comes in encoded words, and that nothing that
 * goes out can start another line.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>

#include "common/arena.h"
#include "mime/header.h"
#include "mime/utf8.h"

static const struct {
	const char *in, *out;
} decode[] = {
    {" hello\r\n world\r\n", "hello world"},
    {"a  b", "a  b"},
    {"=?utf-8?q?h=C3=A4?=", "h\xc3\xa4"},
    {"=?UTF-8?Q?a_b?=", "a b"},
    {"=?utf-8*de?q?a?=", "a"},
    {"=?utf-8?B?aMOk?=", "h\xc3\xa4"},
    {"=?iso-8859-1?q?h=E4?=", "h\xc3\xa4"},
    {"=?ISO-8859-15?q?=A4?=", "\xe2\x82\xac"},
    {"=?koi8-r?B?0NLJ18XU?=",
	"\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"},
    {"=?windows-1252?Q?=80?=", "\xe2\x82\xac"},
    {"=?iso-2022-jp?B?GyRCRnxLXBsoQg==?=", "\xe6\x97\xa5\xe6\x9c\xac"},
    {"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
    {"=?utf-8?q?a?=\r\n =?utf-8?q?b?=", "ab"},
    {"=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"},
    {"=?utf-8?q?a?= =?iso-8859-1?q?=E4?=", "a\xc3\xa4"},
    /* a character cut in two */
    {"=?utf-8?q?=C3?= =?utf-8?q?=A4?=", "\xc3\xa4"},
    {"x=?utf-8?q?a?=y", "xay"},
    {"Re: =?utf-8?q?=5Bsecure=5D?= hi", "Re: [secure] hi"},
    /* what cannot be decoded stays, what is no text is replaced */
    {"=?x-none?q?a?=", "=?x-none?q?a?="},
    {"=?utf-8?x?a?=", "=?utf-8?x?a?="},
    {"=?utf-8?b?!!!?=", "=?utf-8?b?!!!?="},
    {"=?utf-8?q?a", "=?utf-8?q?a"},
    {"=?utf-8?", "=?utf-8?"},
    {"=?", "=?"},
    {"=??q?a?=", "=??q?a?="},
    {"=?utf-8?q?a=ZZ?=", "a=ZZ"},
    {"=?utf-8?q?a=0D=0ABcc:_x?=", "a  Bcc: x"},
    {"=?utf-8?q?=00?=", ""},
    {"=?utf-8?b?AA==?=x", " x"},
    {"=?utf-8?q?=FF?=", "\xef\xbf\xbd"},
    {"\xe4", "\xef\xbf\xbd"},
    {"a\x01z", "a z"},
    {"", ""},
};

Test(header_text, decoding)
{
	struct buf out;

	mime_charsets_open();
	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(decode) / sizeof(decode[0]); i++) {
		buf_reset(&out);
		cr_assert(
		    mime_header_decode(span_str(decode[i].in), &out) == ERR_OK);
		/* a lone encoded NUL is a blank */
		if (decode[i].out[0] == '\0')
			cr_assert(span_trim(buf_span(&out)).len == 0);
		else
			cr_assert(span_eq_str(buf_span(&out), decode[i].out),
			    "%s: %s", decode[i].in, buf_cstr(&out));
	}
	buf_clear(&out);
	mime_charsets_close();
}

Test(header_text, without_converters_the_word_stays)
{
	struct buf out;

	buf_init(&out, 65536);
	cr_assert(mime_header_decode(SPAN_LIT("=?koi8-r?B?0NLJ18XU?="), &out) ==
		  ERR_OK);
	cr_assert(span_eq_str(buf_span(&out), "=?koi8-r?B?0NLJ18XU?="));
	buf_clear(&out);
}

/* What a sandbox does to iconv: no file can be opened any more. The limit is
   taken back before Criterion reports. */
Test(header_text, converters_opened_before_work_without_files)
{
	struct rlimit before, none;
	struct buf out;
	enum err e;
	int fd;

	mime_charsets_open();
	buf_init(&out, 65536);
	cr_assert(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = (struct rlimit){0, before.rlim_max};
	cr_assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
	fd = open("/dev/null", O_RDONLY);
	e = mime_header_decode(
	    SPAN_LIT("=?koi8-r?B?0NLJ18XU?= =?iso-8859-15?q?=A4?="), &out);
	setrlimit(RLIMIT_NOFILE, &before);
	cr_assert(fd == -1);
	cr_assert(e == ERR_OK);
	cr_assert(span_eq_str(buf_span(&out),
	    "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82"
	    "\xe2\x82\xac"));
	buf_clear(&out);
	mime_charsets_close();
}

static const char *const values[] = {
    "hello",
    "",
    "a  b",
    "J\xc3\xb6rg",
    "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, "
    "\xd0\xbc\xd0\xb8\xd1\x80! "
    "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 "
    "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 "
    "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82",
    "a long line of plain words that has to be folded somewhere before it "
    "gets longer than the line that RFC 5322 recommends to writers of mail",
    "a long line with \xc3\xa4\xc3\xb6\xc3\xbc that has to be folded somewhere "
    "before it gets longer than the line that RFC 2047 prescribes",
    "=?utf-8?q?not_meant?=",
    "ends with =?",
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
    "x",
    "\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92"
    "\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92"
    "\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92"
    "\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92\xf0\x9f\x94\x92",
};

static void
check_lines(struct span s)
{
	size_t start = 0, end;

	cr_assert(mime_is_ascii(s));
	while (start < s.len) {
		end = span_find(s, start, SPAN_LIT("\r\n"));
		cr_assert(end < s.len, "no line end");
		cr_assert(end - start <= 76, "line of %zu", end - start);
		cr_assert(span_trim(SPAN(s.data + start, end - start)).len > 0);
		start = end + 2;
		if (start < s.len)
			cr_assert(s.data[start] == ' ', "a second field");
	}
}

Test(header_text, what_is_written_reads_back)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_header h;
		struct buf out, back;

		buf_init(&out, 65536);
		buf_init(&back, 65536);
		cr_assert(mime_header_put(
			      &out, "Subject", span_str(values[i])) == ERR_OK);
		check_lines(buf_span(&out));
		cr_assert(
		    mime_header_parse(buf_span(&out), a, &h, NULL) == ERR_OK);
		cr_assert(h.n == 1 && !h.no_end);
		cr_assert(
		    mime_header_decode(h.fields[0].value, &back) == ERR_OK);
		cr_assert(span_eq_str(buf_span(&back), values[i]), "%s: %s",
		    values[i], buf_cstr(&back));
		buf_clear(&out);
		buf_clear(&back);
		arena_free(a);
	}
}

Test(header_text, nothing_starts_another_line)
{
	static const char *const evil[] = {
	    "x\r\nBcc: v@example.org",
	    "x\nBcc: v@example.org",
	    "x\rBcc: v@example.org",
	    "x\r\n\r\nbody",
	    "\r\n\r\n",
	    "x\xc2\x85y",
	    "x\xe2\x80\xa8y",
	    "x\xff\r\ny",
	    "\x00",
	    "x\vy\fz",
	};

	for (size_t i = 0; i < sizeof(evil) / sizeof(evil[0]); i++) {
		struct buf out;

		buf_init(&out, 65536);
		cr_assert(
		    mime_header_put(&out, "X", span_str(evil[i])) == ERR_OK);
		cr_assert(span_find(buf_span(&out), 0, SPAN_LIT("\r\n")) ==
			      out.len - 2,
		    "row %zu", i);
		cr_assert(span_find_chr(buf_span(&out), 0, '\n') == out.len - 1,
		    "row %zu", i);
		buf_reset(&out);
		cr_assert(mime_header_put_mailbox(
			      &out, "To", evil[i], "a@b.example") == ERR_OK);
		cr_assert(
		    span_find(buf_span(&out), 0, SPAN_LIT("\nB")) == out.len);
		cr_assert(span_find(buf_span(&out), 0, SPAN_LIT("\r\n\r")) ==
			  out.len);
		buf_clear(&out);
	}
}

Test(header_text, bad_names_and_addresses_are_refused)
{
	static const char *const names[] = {
	    "", "A b", "A:", "A\r\nB", "\xc3\xa4", "A\n"};
	static const char *const addrs[] = {"", "a@b\r\nBcc: c", "a@b>", "<a@b",
	    "a@b\n", "a@\xff", "a\xc2\x85@b"};
	struct buf out;

	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		cr_assert(mime_header_put(&out, names[i], SPAN_LIT("x")) ==
			  ERR_USAGE);
		cr_assert(mime_header_put_mailbox(
			      &out, names[i], NULL, "a@b") == ERR_USAGE);
	}
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++)
		cr_assert(mime_header_put_mailbox(&out, "To", NULL, addrs[i]) ==
			      ERR_USAGE,
		    "%s", addrs[i]);
	cr_assert(out.len == 0);
	buf_clear(&out);
}

Test(header_text, mailboxes)
{
	static const struct {
		const char *name, *text, *out;
	} rows[] = {
	    {NULL, "a@b", "To: <a@b>\r\n"},
	    {"", "a@b", "To: <a@b>\r\n"},
	    {"Bob", "a@b", "To: \"Bob\"\r\n <a@b>\r\n"},
	    {"B, \"o\" \\b", "a@b", "To: \"B, \\\"o\\\" \\\\b\"\r\n <a@b>\r\n"},
	    {"J\xc3\xb6rg", "a@b", "To: =?UTF-8?B?SsO2cmc=?=\r\n <a@b>\r\n"},
	};
	struct buf out;

	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&out);
		cr_assert(mime_header_put_mailbox(&out, "To", rows[i].name,
			      rows[i].text) == ERR_OK);
		cr_assert(span_eq_str(buf_span(&out), rows[i].out), "%s",
		    buf_cstr(&out));
	}
	buf_clear(&out);
}
