/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "mime/anonymise.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/arena.h"
#include "mime/write.h"

#define TIME "Sat, 21 Nov 2026 09:00:00 +0000"

Test(anonymise, received_fields_keep_their_time_and_nothing_else)
{
	static const struct {
		const char *value;
		const char *want;
	} rows[] = {
	    {"from pc ([10.1.2.3])\r\n\tby gw.example; " TIME, TIME},
	    {"from a; b by c; " TIME " (CET on pc-17)", TIME},
	    {"from pc by gw", NULL},
	    {"from pc by gw; 10.1.2.3_pc", NULL},
	    {"by x; " TIME " and a text that is much too long for a time",
		NULL},
	    {"", NULL},
	    {";", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mime_field f = {.name = SPAN_LIT("Received"),
		    .value = span_str(rows[i].value)};
		struct buf out, want;

		buf_init(&out, 1000);
		buf_init(&want, 1000);
		cr_assert_eq(mime_received_short(&f, &out), ERR_OK);
		cr_assert_eq(
		    buf_printf(&want, "Received: by anonymous.invalid; %s\r\n",
			rows[i].want != NULL
			    ? rows[i].want
			    : "Thu, 01 Jan 1970 00:00:00 +0000"),
		    ERR_OK);
		cr_expect(span_eq(buf_span(&out), buf_span(&want)),
		    "row %zu: %.*s", i, (int)out.len, (const char *)out.data);
		buf_clear(&want);
		buf_clear(&out);
	}
}

Test(anonymise, what_tells_goes_and_the_rest_is_the_same_octets)
{
	static const char in[] =
	    "Received: from pc17 ([10.1.2.3]) by mta17; " TIME "\r\n"
	    "From: a@b.example\r\n"
	    "X-MAILER: Secret 1.0\r\n"
	    "X-Ms-Exchange-Organization: x\r\n"
	    "User-Agent: y\r\n"
	    "  z\r\n"
	    "x-originating-ip: [10.1.2.3]\r\n"
	    "Subject:  odd   blanks\r\n"
	    "X-Project: 12\r\n"
	    "\r\n"
	    "User-Agent: is text here\r\n";
	static const char want[] =
	    "Received: by anonymous.invalid; " TIME "\r\n"
	    "From: a@b.example\r\n"
	    "Subject:  odd   blanks\r\n"
	    "X-Project: 12\r\n"
	    "X-Classification: Internal\r\n"
	    "\r\n"
	    "User-Agent: is text here\r\n";
	const struct mime_edit edit = {
	    .add = SPAN_LIT("X-Classification: Internal\r\n"),
	    .anonymise = true};
	struct mime_sink to;
	struct buf out;

	buf_init(&out, 4096);
	to = mime_sink_buf(&out);
	cr_assert_eq(mime_write_plain(SPAN_LIT(in), &edit, &to, NULL), ERR_OK);
	cr_expect(span_eq(buf_span(&out), SPAN_LIT(want)), "%.*s", (int)out.len,
	    (const char *)out.data);
	buf_clear(&out);
}
