/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Files in memory that engines write to, for the tests.
 */
#include "tests/crypto/out.h"

#include <criterion/criterion.h>
#include <unistd.h>

#include "common/file.h"
#include "common/memfd.h"

int
out_new(const char *begin)
{
	int fd = -1;

	cr_assert_eq(memfd_new(&fd), ERR_OK);
	cr_assert_eq(memfd_write(fd, span_str(begin)), ERR_OK);
	return fd;
}

struct buf
out_read(int fd)
{
	struct buf b;

	buf_init(&b, 256u * 1024 * 1024);
	cr_assert_eq(lseek(fd, 0, SEEK_SET), 0);
	cr_assert_eq(file_read_all(fd, &b), ERR_OK);
	return b;
}
