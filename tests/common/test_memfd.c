/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Files of others, copied: they may be cut short at any time.
 */
#include "common/memfd.h"

#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"

enum { SIZE = 200 * 1000 }; /* more than is copied at once */

static uint8_t octets[SIZE];

/* A file that is not sealed. */
static int
foreign(void)
{
	int fd = -1;

	for (size_t i = 0; i < SIZE; i++)
		octets[i] = (uint8_t)(i * 7 / 3);
	cr_assert_eq(memfd_new(&fd), ERR_OK);
	cr_assert_eq(memfd_write(fd, SPAN(octets, SIZE)), ERR_OK);
	return fd;
}

Test(memfd, a_copy_stays_when_its_file_is_cut_short)
{
	struct memfd_map map = {0};
	int from = foreign(), fd = -1;

	cr_expect_eq(memfd_map(from, SIZE, &map), ERR_IPC, "never mapped");
	cr_assert_eq(memfd_copy(from, SIZE, &fd), ERR_OK);
	cr_assert_eq(memfd_map(fd, SIZE, &map), ERR_OK);
	cr_assert_eq(ftruncate(from, 0), 0);
	cr_assert_eq(map.data.len, (size_t)SIZE);
	cr_expect_eq(memcmp(map.data.data, octets, SIZE), 0);
	for (size_t i = 0; i < LIMIT_MESSAGE_PADDING; i++)
		cr_expect_eq(map.data.data[SIZE + i], 0);
	memfd_unmap(&map);
	close(fd);
	close(from);
}

Test(memfd, what_is_copied_is_as_long_as_it_was_said)
{
	static const struct {
		uint64_t size;
		enum err want;
	} cases[] = {{0, ERR_OK}, {1, ERR_OK}, {SIZE - 1, ERR_OK},
	    {SIZE, ERR_OK}, {SIZE + 1, ERR_IO}, {2 * SIZE, ERR_IO}};
	int from = foreign();

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct memfd_map map = {0};
		int fd = -1;

		cr_assert_eq(memfd_copy(from, cases[i].size, &fd),
		    cases[i].want, "case %zu", i);
		if (cases[i].want != ERR_OK) {
			cr_expect_eq(fd, -1, "case %zu", i);
			continue;
		}
		cr_assert_eq(memfd_map(fd, SIZE, &map), ERR_OK);
		cr_expect_eq(map.data.len, cases[i].size, "case %zu", i);
		memfd_unmap(&map);
		close(fd);
	}
	cr_expect_neq(memfd_copy(-1, 1, &from), ERR_OK);
	close(from);
}
