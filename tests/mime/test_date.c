/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Dates written, and dates read from strangers.
 */
#include "mime/date.h"

#include <criterion/criterion.h>

static const struct {
	const char *in, *utc; /* NULL: no date */
} rows[] = {
    {"Sat, 20 Feb 2021 10:09:02 -0500", "Sat, 20 Feb 2021 15:09:02 +0000"},
    {" Fri, 21 Jan 2022 20:40:48 -0500\r\n (EST)",
	"Sat, 22 Jan 2022 01:40:48 +0000"},
    {"1 Jan 2026 00:30 +0130", "Wed, 31 Dec 2025 23:00:00 +0000"},
    {"thu,1 jan 1970 00:00:00 GMT", "Thu, 1 Jan 1970 00:00:00 +0000"},
    {"Thu, 1 Jan 1970 00:00:00 Z", "Thu, 1 Jan 1970 00:00:00 +0000"},
    {"Sun, 29 Feb 2032 23:59:60 UT", "Mon, 1 Mar 2032 00:00:00 +0000"},
    {"Sun, 15 Nov 2026 12:00:00 PST", "Sun, 15 Nov 2026 20:00:00 +0000"},
    {"Sun, 15 Nov 2026 12:00:00 +0000", "Sun, 15 Nov 2026 12:00:00 +0000"},
    {"", NULL},
    {"yesterday", NULL},
    {"Sun, 15 Nov 26 12:00:00 +0000", NULL},
    {"Sun 15 Nov 2026 12:00:00 +0000", NULL},
    {"Sun, 32 Nov 2026 12:00:00 +0000", NULL},
    {"Sun, 0 Nov 2026 12:00:00 +0000", NULL},
    {"Sun, 15 Nav 2026 12:00:00 +0000", NULL},
    {"Sun, 15 Nov 2026 24:00:00 +0000", NULL},
    {"Sun, 15 Nov 2026 12:60:00 +0000", NULL},
    {"Sun, 15 Nov 2026 12:00:61 +0000", NULL},
    {"Sun, 15 Nov 2026 12:00:00", NULL},
    {"Sun, 15 Nov 2026 12:00:00 +000", NULL},
    {"Sun, 15 Nov 2026 12:00:00 +0060", NULL},
    {"Sun, 15 Nov 2026 12:00:00 Mars", NULL},
    {"Sun, 15 Nov 2026 12:00:00 +0000 x", NULL},
    {"2026-11-15T12:00:00Z", NULL},
};

Test(date, read_and_written_in_utc)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t t = 7;
		enum err e = mime_date_parse(span_str(rows[i].in), &t);

		cr_assert(e == (rows[i].utc ? ERR_OK : ERR_MALFORMED), "%s",
		    rows[i].in);
		if (rows[i].utc != NULL)
			cr_assert_str_eq(mime_date(t).text, rows[i].utc);
		else
			cr_assert(t == 7, "%s", rows[i].in);
	}
}
