/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Line ends on the way out.
 */
#include "mime/sink.h"

#include <criterion/criterion.h>
#include <string.h>

Test(sink, every_line_ends_in_crlf)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"", ""},
	    {"a", "a\r\n"},
	    {"a\n", "a\r\n"},
	    {"a\r\n", "a\r\n"},
	    {"a\nb\r\nc", "a\r\nb\r\nc\r\n"},
	    {"\n\n", "\r\n\r\n"},
	    {"\r\n\r\n", "\r\n\r\n"},
	    {"a\rb", "a\r\nb\r\n"},
	    {"a\r\r\nb", "a\r\n\r\nb\r\n"},
	    {"\r", "\r\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_sink sink;
		struct buf out;

		buf_init(&out, 1000);
		sink = mime_sink_buf(&out);
		cr_assert(mime_put_crlf(&sink, span_str(rows[i].in)) == ERR_OK);
		cr_assert(
		    span_eq_str(buf_span(&out), rows[i].out), "row %zu", i);
		buf_clear(&out);
	}
}

Test(sink, long_and_many_lines)
{
	size_t len = 20000;
	char *in = malloc(len);
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 100000);
	sink = mime_sink_buf(&out);
	memset(in, 'x', len);
	for (size_t i = 10000; i < len; i += 7)
		in[i] = '\n';
	cr_assert(mime_put_crlf(&sink, SPAN(in, len)) == ERR_OK);
	for (size_t i = 0, at = 0; i < len; i++) {
		if (in[i] == '\n')
			cr_assert(out.data[at++] == '\r');
		cr_assert(out.data[at++] == (uint8_t)in[i], "octet %zu", i);
	}
	buf_clear(&out);
	free(in);
}
