/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers on their way in: what is kept, what is refused, and that nothing is
 * left of what was not kept.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/limits.h"
#include "common/secret.h"
#include "gateway/portal/portal_private.h"

enum { MAX = 1 << 20, SIZE = 100 };

static char dir[64];

static void
set_up(void)
{
	secret_init();
	snprintf(dir, sizeof(dir), "/tmp/sgupload.XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

/* Files of the directory; with remove they are gone then. */
static unsigned
count_files(bool remove)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned n = 0;

	cr_assert_not_null(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			n++;
			if (remove)
				unlinkat(dirfd(d), e->d_name, 0);
		}
	closedir(d);
	return n;
}

static void
tear_down(void)
{
	count_files(true);
	rmdir(dir);
}

TestSuite(portal_upload, .init = set_up, .fini = tear_down);

static enum err
begin(struct portal_answers *a, uint8_t object, uint64_t len,
    struct portal_upload **out)
{
	uint8_t id[OBJECT_ID_SIZE];

	memset(id, object, sizeof(id));
	return portal_upload_begin(a, id, "192.0.2.1", len, out);
}

/* What it refuses needs no end. */
static enum err
try_begin(struct portal_answers *a, uint8_t object, uint64_t len)
{
	struct portal_upload *u = NULL;
	enum err e = begin(a, object, len, &u);

	portal_upload_free(u);
	return e;
}

Test(portal_upload, what_others_need_of_the_disk_is_left_to_them)
{
	struct portal_answers *a = portal_answers_open(dir, MAX, UINT64_MAX);

	cr_assert_not_null(a);
	cr_expect_eq(try_begin(a, 1, answer_total_size(SIZE)), ERR_BUSY);
	cr_expect_eq(count_files(false), 0u);
	portal_answers_close(a);
	a = portal_answers_open(dir, MAX, 0);
	cr_assert_not_null(a);
	cr_expect_eq(try_begin(a, 1, answer_total_size(SIZE)), ERR_OK);
	portal_answers_close(a);
}
