/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "common/memfd.h"
#include "gateway/listener/mend.h"

Test(mend, every_line_ends_in_crlf)
{
	static const struct {
		const char *in, *out;
		uint64_t header;
	} row[] = {
	    {"", "", 0},
	    {"a", "a", 1},
	    {"a\r\nb\r\n\r\nc", "a\r\nb\r\n\r\nc", 8},
	    {"a\nb\n\nc\n", "a\r\nb\r\n\r\nc\r\n", 8},
	    {"a\rb\r\rc\r", "a\r\nb\r\n\r\nc\r\n", 8},
	    {"a\n\rb", "a\r\n\r\nb", 5},
	    {"a\r\r\nb", "a\r\n\r\nb", 5},
	    {"\n", "\r\n", 2},
	    {"\r", "\r\n", 2},
	    {"a\n.\n.\r.", "a\r\n.\r\n.\r\n.", 10},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct span in = span_str(row[i].in);
		struct listener_mended m;
		struct memfd_map map;
		int fd;

		cr_assert_eq(memfd_from(in, &fd), ERR_OK);
		cr_assert_eq(
		    listener_mend(fd, in.len, 100, &m), ERR_OK, "row %zu", i);
		cr_assert_eq(memfd_map(m.fd, 100, &map), ERR_OK);
		cr_expect(
		    span_eq(map.data, span_str(row[i].out)), "row %zu", i);
		cr_expect_eq(m.size, strlen(row[i].out), "row %zu", i);
		cr_expect_eq(m.header_at, row[i].header, "row %zu: %zu", i,
		    (size_t)m.header_at);
		memfd_unmap(&map);
		close(m.fd);
		close(fd);
	}
}

Test(mend, what_grows_beyond_the_limit_is_refused)
{
	struct listener_mended m = {.fd = -5};
	struct buf b;
	int fd;

	buf_init(&b, 200000);
	for (int i = 0; i < 60000; i++)
		cr_assert_eq(buf_put(&b, SPAN_LIT("x\n")), ERR_OK);
	cr_assert_eq(memfd_from(buf_span(&b), &fd), ERR_OK);
	cr_expect_eq(listener_mend(fd, b.len, 179999, &m), ERR_TOO_BIG);
	cr_expect_eq(m.fd, -5);
	cr_assert_eq(listener_mend(fd, b.len, 180000, &m), ERR_OK);
	cr_expect_eq(m.size, 180000);
	close(m.fd);
	close(fd);
	buf_clear(&b);
}
