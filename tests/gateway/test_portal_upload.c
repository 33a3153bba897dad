/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers on their way in: what is kept, what is refused, and that nothing is
 * left of what was not kept.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/limits.h"
#include "common/secret.h"
#include "gateway/portal/portal_private.h"

enum { MAX = 1 << 20, SIZE = 100 };

static char dir[64];

static bool disk_is_broken, memory_is_short;

/* In place of the C library's: a directory that does not get to the disk. */
int
fsync(int fd)
{
	struct stat st;

	if (disk_is_broken && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		errno = EIO;
		return -1;
	}
	return fdatasync(fd);
}

/* The same for a directory that cannot be read. */
DIR *
fdopendir(int fd)
{
	DIR *(*real)(int) = NULL;
	void *symbol = dlsym(RTLD_NEXT, "fdopendir");

	if (memory_is_short || symbol == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	memcpy(&real, &symbol, sizeof(real));
	return real(fd);
}

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
begin_from(struct portal_answers *a, uint8_t object, uint8_t client,
    uint64_t len, struct portal_upload **out)
{
	const struct portal_client c = {
	    .text = "192.0.2.1", .net = {192, 0, 2, client}, .net_len = 4};
	uint8_t id[OBJECT_ID_SIZE];

	memset(id, object, sizeof(id));
	return portal_upload_begin(a, id, &c, len, out);
}

static enum err
begin(struct portal_answers *a, uint8_t object, uint64_t len,
    struct portal_upload **out)
{
	return begin_from(a, object, 1, len, out);
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

Test(portal_upload, a_second_one_of_an_object_waits_for_the_first)
{
	struct portal_answers *a = portal_answers_open(dir, MAX, 0);
	const uint64_t len = answer_total_size(SIZE);
	struct portal_upload *u = NULL;

	cr_assert_not_null(a);
	cr_assert_eq(begin(a, 1, len, &u), ERR_OK);
	cr_expect_eq(try_begin(a, 1, len), ERR_LIMIT);
	cr_expect_eq(try_begin(a, 2, len), ERR_OK);
	portal_upload_free(u);
	cr_expect_eq(try_begin(a, 1, len), ERR_OK);
	cr_expect_eq(count_files(false), 0u);
	portal_answers_close(a);
}

Test(portal_upload, a_client_and_all_together_have_so_many_places)
{
	struct portal_answers *a = portal_answers_open(dir, MAX, 0);
	const uint64_t len = answer_total_size(SIZE);
	struct portal_upload *u[LIMIT_ANSWER_UPLOADS], *more = NULL;
	uint8_t n = 0;

	cr_assert_not_null(a);
	for (; n < LIMIT_ANSWER_UPLOADS; n++) {
		uint8_t client = n / LIMIT_ANSWER_UPLOADS_CLIENT;

		cr_assert_eq(begin_from(a, n, client, len, &u[n]), ERR_OK);
		if (n % LIMIT_ANSWER_UPLOADS_CLIENT ==
		    LIMIT_ANSWER_UPLOADS_CLIENT - 1)
			cr_expect_eq(
			    begin_from(a, 100, client, len, &more), ERR_BUSY);
	}
	cr_expect_eq(begin_from(a, 100, 99, len, &more), ERR_BUSY);
	/* any of them, not only the last */
	portal_upload_free(u[5]);
	cr_expect_eq(begin_from(a, 100, 99, len, &u[5]), ERR_OK);
	while (n > 0)
		portal_upload_free(u[--n]);
	cr_expect_eq(count_files(false), 0u);
	portal_answers_close(a);
}

Test(portal_upload, what_is_promised_counts_as_if_it_were_there)
{
	const uint64_t half = LIMIT_ANSWERS_SIZE / 2 + 1;
	struct portal_answers *a =
	    portal_answers_open(dir, LIMIT_ANSWERS_SIZE, 0);
	struct portal_upload *u = NULL;
	enum err e;

	cr_assert_not_null(a);
	e = begin(a, 1, half, &u);
	/* on a disk that is too small for one there is nothing to see */
	if (e == ERR_OK)
		cr_expect_eq(try_begin(a, 2, half), ERR_BUSY);
	else
		cr_expect_eq(e, ERR_BUSY);
	portal_upload_free(u);
	portal_answers_close(a);
}

Test(portal_upload, it_has_moved_with_each_share)
{
	struct portal_answers *a = portal_answers_open(dir, MAX, 0);
	struct portal_upload *u = NULL;

	cr_assert_not_null(a);
	cr_assert_eq(begin(a, 1, answer_total_size(SIZE), &u), ERR_OK);
	cr_assert_eq(portal_upload_put(u, SPAN_LIT("1234")), ERR_OK);
	cr_expect(!portal_upload_has_moved(u, 5));
	cr_expect(portal_upload_has_moved(u, 4));
	cr_expect(!portal_upload_has_moved(u, 1));
	cr_assert_eq(portal_upload_put(u, SPAN_LIT("5")), ERR_OK);
	cr_expect(portal_upload_has_moved(u, 1));
	portal_upload_free(u);
	portal_answers_close(a);
}

/* One that is whole, sealed with nothing. */
static enum err
send_whole(struct portal_answers *a, uint8_t object, uint64_t *id_out)
{
	uint8_t raw[ANSWER_HEADER_SIZE] = "SGANSWER", zero[1024] = {0};
	const uint64_t len = answer_total_size(SIZE);
	struct portal_upload *u = NULL;
	enum err e = begin(a, object, len, &u);

	if (e != ERR_OK)
		return e;
	memset(raw + 8, object, OBJECT_ID_SIZE);
	raw[sizeof(raw) - 1] = SIZE;
	e = portal_upload_put(u, SPAN(raw, sizeof(raw)));
	if (e == ERR_OK)
		e = portal_upload_put(u, SPAN(zero, len - sizeof(raw)));
	if (e == ERR_OK)
		e = portal_upload_check(u);
	if (e == ERR_OK)
		e = portal_upload_end(u, id_out);
	portal_upload_free(u);
	return e;
}

Test(portal_upload, what_was_not_acknowledged_is_not_kept)
{
	struct portal_answers *a = portal_answers_open(dir, MAX, 0);
	uint64_t id = 0;

	cr_assert_not_null(a);
	disk_is_broken = true;
	cr_expect_neq(send_whole(a, 1, &id), ERR_OK);
	disk_is_broken = false;
	cr_expect_eq(id, 0u);
	cr_expect_eq(count_files(false), 0u);
	cr_expect_eq(send_whole(a, 1, &id), ERR_OK);
	cr_expect_neq(id, 0u);
	cr_expect_eq(count_files(false), 1u);
	portal_answers_taken(a, id);
	cr_expect_eq(count_files(false), 0u);
	portal_answers_close(a);
}

Test(portal_upload, what_cannot_be_counted_is_not_nothing)
{
	struct portal_answers *a = portal_answers_open(dir, MAX, 0);
	uint64_t id;

	cr_assert_not_null(a);
	for (unsigned i = 0; i < LIMIT_ANSWERS; i++)
		cr_assert_eq(send_whole(a, 1, &id), ERR_OK);
	cr_expect_eq(send_whole(a, 1, &id), ERR_LIMIT);
	memory_is_short = true;
	cr_expect_eq(send_whole(a, 1, &id), ERR_BUSY);
	memory_is_short = false;
	cr_expect_eq(count_files(false), LIMIT_ANSWERS);
	portal_answers_close(a);
}
