/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The pre-scan: line ends, NUL, sizes, hops, and the bounds that keep
 * libetpan's stack and time small.
 */
#include "mime/scan.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"

static const struct {
	const char *in;
	size_t header_len, body_at, longest;
	unsigned fields, received;
	bool header_8bit, body_8bit, crlf;
} valid[] = {
    {"", 0, 0, 0, 0, 0, false, false, false},
    {"\r\n", 0, 2, 0, 0, 0, false, false, true},
    {"A: b\r\n", 6, 6, 4, 1, 0, false, false, true},
    {"A: b\r\n\r\n", 6, 8, 4, 1, 0, false, false, true},
    {"A: b\r\n\r\nhello\r\n", 6, 8, 5, 1, 0, false, false, true},
    {"A: b\r\n\r\nhello", 6, 8, 5, 1, 0, false, false, false},
    {"A: b\r\n c\r\nD: e\r\n\r\nx\r\n", 16, 18, 4, 2, 0, false, false, true},
    {"Received: a\r\nreceived: b\r\n\r\nReceived: c\r\n", 26, 28, 11, 2, 2,
	false, false, true},
    {"A: \xc3\xa4\r\n\r\nx\r\n", 7, 9, 5, 1, 0, true, false, true},
    {"A: b\r\n\r\n\xe4\r\n", 6, 8, 4, 1, 0, false, true, true},
    {"A: b\r\n\r\n12345678\xe4\r\n", 6, 8, 9, 1, 0, false, true, true},
};

static const struct {
	const char *what;
	const char *in;
	size_t len;
} line_ends[] = {
    {"bare LF", "A: b\n\r\n", 7},
    {"bare LF in the body", "A: b\r\n\r\nx\ny\r\n", 13},
    {"bare CR", "A: b\rc\r\n\r\n", 10},
    {"bare CR in the body", "A: b\r\n\r\nx\ry\r\n", 13},
    {"bare CR at the end", "A: b\r\n\r\nx\r", 10},
    {"CR CR LF", "A: b\r\r\n\r\n", 9},
    {"LF first", "\nA: b\r\n", 7},
    {"only LF", "\n", 1},
    {"only CR", "\r", 1},
    {"LF CR", "A: b\r\n\n\r", 8},
    {"smuggled end of data", "A: b\r\n\r\nx\n.\r\nMAIL", 17},
    {"NUL in the header", "A: \0\r\n\r\n", 8},
    {"NUL in the body", "A: b\r\n\r\n\0\r\n", 11},
    {"NUL at the end", "A: b\r\n\r\nx\r\n\0", 12},
};

Test(scan, counts_of_good_messages)
{
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
		struct mime_scan s;

		cr_assert(mime_scan(span_str(valid[i].in), &s, NULL) == ERR_OK,
		    "row %zu", i);
		cr_assert(s.header_len == valid[i].header_len, "row %zu", i);
		cr_assert(s.body_at == valid[i].body_at, "row %zu", i);
		cr_assert(s.longest_line == valid[i].longest, "row %zu", i);
		cr_assert(s.fields == valid[i].fields, "row %zu", i);
		cr_assert(s.received == valid[i].received, "row %zu", i);
		cr_assert(s.header_8bit == valid[i].header_8bit, "row %zu", i);
		cr_assert(s.body_8bit == valid[i].body_8bit, "row %zu", i);
		cr_assert(s.ends_in_crlf == valid[i].crlf, "row %zu", i);
		cr_assert(s.complex == NULL, "row %zu", i);
	}
}

Test(scan, refuses_line_ends_that_smuggle)
{
	for (size_t i = 0; i < sizeof(line_ends) / sizeof(line_ends[0]); i++) {
		struct mime_scan s;
		struct err_why why = {""};

		cr_assert(mime_scan(SPAN(line_ends[i].in, line_ends[i].len), &s,
			      &why) == ERR_LINE_END,
		    "%s", line_ends[i].what);
		cr_assert(why.text[0] != '\0', "%s", line_ends[i].what);
	}
}

/* head, then n times row, then tail */
static enum err
scan_many(const char *head, size_t n, const char *row, const char *tail,
    struct mime_scan *out)
{
	struct buf b;
	enum err e;

	buf_init(&b, 64u * 1024 * 1024);
	cr_assert(buf_puts(&b, head) == ERR_OK);
	for (size_t i = 0; i < n; i++)
		cr_assert(buf_puts(&b, row) == ERR_OK);
	cr_assert(buf_puts(&b, tail) == ERR_OK);
	e = mime_scan(buf_span(&b), out, NULL);
	buf_clear(&b);
	return e;
}

Test(scan, limits_are_exact)
{
	struct mime_scan s;

	cr_assert(scan_many("", 50, "Received: x\r\n", "\r\n", &s) == ERR_OK);
	cr_assert(scan_many("", 51, "Received: x\r\n", "\r\n", &s) == ERR_LOOP);
	cr_assert(scan_many("", 1000, "A: x\r\n", "\r\n", &s) == ERR_OK);
	cr_assert(scan_many("", 1001, "A: x\r\n", "\r\n", &s) == ERR_LIMIT);
	cr_assert(scan_many("A: ", 65536 - 3, "x", "\r\n\r\n", &s) == ERR_OK);
	cr_assert(
	    scan_many("A: ", 65536 - 2, "x", "\r\n\r\n", &s) == ERR_LIMIT);
	cr_assert(scan_many("A: x\r\n\r\n", 65536, "x", "\r\n", &s) == ERR_OK);
	cr_assert(
	    scan_many("A: x\r\n\r\n", 65537, "x", "\r\n", &s) == ERR_LIMIT);
	/* a field of many lines */
	cr_assert(scan_many("A: x\r\n", 5000, " 0123456789\r\n", "\r\n", &s) ==
		  ERR_OK);
	cr_assert(scan_many("A: x\r\n", 6000, " 0123456789\r\n", "\r\n", &s) ==
		  ERR_LIMIT);
	/* a header of many fields */
	cr_assert(scan_many("", 900,
		      "A: 0123456789012345678901234567890123456789"
		      "0123456789012345678901234567890123456789"
		      "0123456789012345678901234567890123456789"
		      "0123456789012345678901234567890123456789"
		      "0123456789012345678901234567890123456789"
		      "0123456789012345678901234567890123456789"
		      "0123456789012345678901234567890123456789"
		      "0123456789\r\n",
		      "\r\n", &s) == ERR_LIMIT);
}

Test(scan, what_would_cost_a_parser_too_much_is_marked)
{
	struct mime_scan s;

	cr_assert(scan_many("A: x\r\n\r\n", 100,
		      "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "",
		      &s) == ERR_OK);
	cr_assert(s.complex == NULL);
	cr_assert(scan_many("A: x\r\n\r\n", 101,
		      "Content-Type: multipart/mixed; boundary=b\r\n\r\n", "",
		      &s) == ERR_OK);
	cr_assert(s.complex != NULL);
	cr_assert(scan_many("A: x\r\n\r\n", 101,
		      "CONTENT-TYPE :\r\n\tMeSSage/rfc822\r\n\r\n", "",
		      &s) == ERR_OK);
	cr_assert(s.complex != NULL);
	cr_assert(scan_many("A: x\r\n\r\n", 5000,
		      "Content-Type: text/plain\r\n\r\n", "", &s) == ERR_OK);
	cr_assert(s.complex == NULL);
	cr_assert(scan_many("A: x\r\n\r\n", 10000, "--\r\n", "", &s) == ERR_OK);
	cr_assert(s.complex == NULL);
	cr_assert(
	    scan_many("A: x\r\n\r\n", 10001, "--x\r\n", "", &s) == ERR_OK);
	cr_assert(s.complex != NULL);
	cr_assert(scan_many("A: x\r\n\r\nFrom: ", 5000, "(((((((\r\n ", "\r\n",
		      &s) == ERR_OK);
	cr_assert(s.complex != NULL);
	cr_assert(scan_many("From: ", 5000, "(", "\r\n\r\n", &s) == ERR_OK);
	cr_assert(s.complex != NULL);
	cr_assert(scan_many("A: x\r\n\r\n", 5000, "((((((((((\r\n", "", &s) ==
		  ERR_OK);
	cr_assert(s.complex == NULL);
}
