/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include <criterion/criterion.h>

#include "gateway/portal/portal_private.h"

Test(portal_range, takes_one_range_of_octets)
{
	static const struct {
		const char *in;
		uint64_t size, from, len;
	} rows[] = {
	    {"bytes=0-0", 100, 0, 1},
	    {"bytes=0-99", 100, 0, 100},
	    {"Bytes=10-19", 100, 10, 10},
	    {"bytes=90-", 100, 90, 10},
	    {"bytes=90-1000", 100, 90, 10},
	    {"bytes=0-18446744073709551615", 100, 0, 100},
	    {"bytes=-1", 100, 99, 1},
	    {"bytes=-100", 100, 0, 100},
	    {"bytes=-1000", 100, 0, 100},
	    {"bytes=0-", 1, 0, 1},
	    {"bytes=5000000000-5000000001", UINT64_C(6000000000),
		UINT64_C(5000000000), 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t from = 0, len = 0;

		cr_expect_eq(portal_range_parse(span_str(rows[i].in),
				 rows[i].size, &from, &len),
		    ERR_OK, "%s", rows[i].in);
		cr_expect_eq(from, rows[i].from, "%s", rows[i].in);
		cr_expect_eq(len, rows[i].len, "%s", rows[i].in);
	}
}

Test(portal_range, refuses_everything_else)
{
	static const char *const rows[] = {"", "bytes", "bytes=", "bytes=-",
	    "bytes=-0", "bytes=100-", "bytes=100-200", "bytes=5-4",
	    "bytes=0-0,2-2", "bytes=0-1,", "bytes= 0-1", "bytes=0 -1",
	    "bytes=+0-1", "bytes=0--1", "bytes=a-b", "items=0-1",
	    "bytes=18446744073709551616-", "bytes=0-18446744073709551616",
	    "bytes=0x1-2", "bytes=1", "=0-1"};
	uint64_t from = 7, len = 7;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		cr_expect_eq(
		    portal_range_parse(span_str(rows[i]), 100, &from, &len),
		    ERR_MALFORMED, "%s", rows[i]);
	cr_expect_eq(portal_range_parse(SPAN_LIT("bytes=0-"), 0, &from, &len),
	    ERR_MALFORMED);
	cr_expect_eq(from, 7);
	cr_expect_eq(len, 7);
}
