/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail with binary parts as mail of lines: what becomes of each part, and what
 * is refused.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "common/err.h"
#include "mime/binary.h"

/* With NULs in them. */
struct text {
	const char *p;
	size_t len;
};

#define T(s)                                                                   \
	{                                                                      \
		s, sizeof(s) - 1                                               \
	}
#define TOP "From: a@b.example\r\nMIME-Version: 1.0\r\n"
#define BIN "Content-Transfer-Encoding: binary\r\n"
#define MIX "Content-Type: multipart/mixed; boundary=b\r\n"

static enum err
to_lines(const struct text *in, struct buf *out, struct err_why *why)
{
	struct mime_sink sink = mime_sink_buf(out);

	buf_init(out, 1 << 20);
	return mime_binary_write(SPAN(in->p, in->len), &sink, why);
}

Test(binary, what_is_not_text_becomes_base64)
{
	static const struct {
		const char *name;
		struct text in, out;
	} rows[] = {
	    {"text stays", T(TOP "\r\nHello\r\n"), T(TOP "\r\nHello\r\n")},
	    {"its label does not", T(TOP BIN "\r\nHello\r\n"),
		T(TOP "Content-Transfer-Encoding: 8bit\r\n\r\nHello\r\n")},
	    {"NUL", T(TOP BIN "\r\na\0b"),
		T(TOP "Content-Transfer-Encoding: base64\r\n\r\nYQBi\r\n")},
	    {"LF", T(TOP BIN "\r\na\nb"),
		T(TOP "Content-Transfer-Encoding: base64\r\n\r\nYQpi\r\n")},
	    {"CR", T(TOP "\r\na\rb"),
		T(TOP "Content-Transfer-Encoding: base64\r\n\r\nYQ1i\r\n")},
	    {"CR at the end", T(TOP BIN "\r\na\r"),
		T(TOP "Content-Transfer-Encoding: base64\r\n\r\nYQ0=\r\n")},
	    {"parts",
		T(TOP MIX BIN "\r\nbefore\r\n--b\r\n" BIN
			      "\r\na\0\r\n--b \r\n\r\n"
			      "text\r\n--b--\r\nbehind\r\n"),
		T(TOP MIX
		    "Content-Transfer-Encoding: 8bit\r\n\r\nbefore\r\n"
		    "--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		    "YQA=\r\n\r\n--b \r\n\r\ntext\r\n--b--\r\nbehind\r\n")},
	    {"what looks like a boundary is none",
		T(TOP MIX "\r\n--b\r\n" BIN "\r\na\0\n--b\nx--b\r\n--bc\r\n"
			  "\r\n--b--"),
		T(TOP MIX "\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n"
			  "YQAKLS1iCngtLWINCi0tYmMNCg==\r\n\r\n--b--")},
	    {"a message within",
		T(TOP "Content-Type: message/rfc822\r\n" BIN "\r\n" TOP BIN
		      "\r\n\0"),
		T(TOP "Content-Type: message/rfc822\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n\r\n" TOP
		      "Content-Transfer-Encoding: base64\r\n\r\nAA==\r\n")},
	    {"a digest",
		T(TOP "Content-Type: multipart/digest; boundary=b\r\n\r\n"
		      "--b\r\n\r\n" TOP BIN "\r\n\0\r\n--b--\r\n"),
		T(TOP "Content-Type: multipart/digest; boundary=b\r\n\r\n"
		      "--b\r\n\r\n" TOP
		      "Content-Transfer-Encoding: base64\r\n\r\nAA==\r\n\r\n"
		      "--b--\r\n")},
	    {"signed text is not touched",
		T(TOP "Content-Type: multipart/signed; boundary=b\r\n" BIN
		      "\r\n--b\r\n" BIN "\r\nx\r\n--b--\r\n"),
		T(TOP "Content-Type: multipart/signed; boundary=b\r\n"
		      "Content-Transfer-Encoding: 8bit\r\n"
		      "\r\n--b\r\n" BIN "\r\nx\r\n--b--\r\n")},
	    {"no part is empty for that",
		T(TOP MIX "\r\n--b\r\n--b\r\n\r\n\r\n--b--\r\n"),
		T(TOP MIX "\r\n--b\r\n--b\r\n\r\n\r\n--b--\r\n")},
	    {"a header alone", T(TOP), T(TOP)},
	    {"nothing", T(""), T("")},
	};
	struct err_why why;
	struct buf out;
	enum err e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		why.text[0] = '\0';
		e = to_lines(&rows[i].in, &out, &why);
		cr_assert_eq(e, ERR_OK, "%s: %s %s", rows[i].name, err_name(e),
		    why.text);
		cr_assert(span_eq(buf_span(&out),
			      SPAN(rows[i].out.p, rows[i].out.len)),
		    "%s: %.*s", rows[i].name, (int)out.len,
		    (const char *)out.data);
		buf_clear(&out);
	}
}

Test(binary, what_cannot_be_said_in_lines_is_refused)
{
	static const struct {
		const char *name;
		struct text in;
		enum err e;
	} rows[] = {
	    {"signed",
		T(TOP
		    "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n"
		    "\r\n\0\r\n--b--\r\n"),
		ERR_CONVERT_SIGNED},
	    {"signed within",
		T(TOP MIX "\r\n--b\r\nContent-Type: multipart/signed; "
			  "boundary=c\r\n\r\n--c\r\n\r\n\0\r\n--c--\r\n\r\n"
			  "--b--\r\n"),
		ERR_CONVERT_SIGNED},
	    {"without MIME", T("From: a@b.example\r\n\r\n\0"), ERR_CONVERT},
	    {"MIME twice", T(TOP TOP "\r\n\0"), ERR_CONVERT},
	    {"a header with LF", T("From: a@b.example\nX: y\r\n\r\n"),
		ERR_LINE_END},
	    {"a header with NUL", T("From: a\0\r\n\r\nx"), ERR_LINE_END},
	    {"two types",
		T(TOP "Content-Type: text/plain\r\nContent-Type: a/b\r\n\r\nx"),
		ERR_CONVERT},
	    {"two encodings", T(TOP BIN BIN "\r\nx"), ERR_CONVERT},
	    {"no header ends", T("From: a\0"), ERR_CONVERT},
	    {"base64 that is none",
		T(TOP "Content-Transfer-Encoding: base64\r\n\r\n\0"),
		ERR_CONVERT},
	    {"an encoding nobody knows",
		T(TOP "Content-Transfer-Encoding: x-y\r\n\r\n\0"), ERR_CONVERT},
	    {"no end", T(TOP MIX "\r\n--b\r\n\r\n\0"), ERR_CONVERT},
	    {"no part", T(TOP MIX "\r\n--b--\r\n"), ERR_CONVERT},
	    {"no part at all", T(TOP MIX "\r\n\0"), ERR_CONVERT},
	    {"before", T(TOP MIX "\r\n\0\r\n--b\r\n\r\nx\r\n--b--\r\n"),
		ERR_CONVERT},
	    {"behind", T(TOP MIX "\r\n--b\r\n\r\nx\r\n--b--\r\n\0"),
		ERR_CONVERT},
	    {"no boundary", T(TOP "Content-Type: multipart/mixed\r\n\r\n\0"),
		ERR_CONVERT},
	    {"partial", T(TOP "Content-Type: message/partial\r\n\r\n\0"),
		ERR_CONVERT},
	    {"a message in base64",
		T(TOP "Content-Type: message/rfc822\r\n"
		      "Content-Transfer-Encoding: base64\r\n\r\n\0"),
		ERR_CONVERT},
	};
	struct err_why why;
	struct buf out;
	enum err e;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		why.text[0] = '\0';
		e = to_lines(&rows[i].in, &out, &why);
		cr_assert_eq(e, rows[i].e, "%s: %s", rows[i].name, err_name(e));
		cr_assert(why.text[0] != '\0', "%s", rows[i].name);
		buf_clear(&out);
	}
}

Test(binary, nothing_goes_deeper_than_the_limit)
{
	struct err_why why = {""};
	struct buf in, out;
	struct mime_sink sink = mime_sink_buf(&out);

	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(
		    buf_puts(&in, "MIME-Version: 1.0\r\n"
				  "Content-Type: message/rfc822\r\n\r\n"),
		    ERR_OK);
	cr_assert_eq(mime_binary_write(buf_span(&in), &sink, &why), ERR_LIMIT);
	buf_clear(&in);
	buf_clear(&out);
}
