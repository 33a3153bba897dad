/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What befalls a store: files cut short or overwritten, no space, readers and
 * writers that die. A clear error, and nothing that was committed is lost.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/arena.h"
#include "keystore/store.h"
#include "keystore/store_private.h"
#include "tests/keystore/records.h"

enum { KEYS = 400, KEY_SIZE = 4000 };

static char dir[64];
static struct ks_store *store;

static void
open_store(void)
{
	store = records_open(dir);
}

static void
close_store(void)
{
	records_close(store, dir);
}

TestSuite(damage, .init = open_store, .fini = close_store);

static enum err
put(struct ks_store *s, uint32_t i)
{
	static uint8_t key[KEY_SIZE];
	struct sample r;
	char addr[32];

	snprintf(addr, sizeof(addr), "u%u@b.example", i);
	sample_init(&r, 'A', addr);
	memcpy(r.fpr, &i, sizeof(i));
	r.r.key = SPAN(key, sizeof(key));
	return ks_put(s, &r.r);
}

static enum err
fill(struct ks_store *s, uint32_t from, uint32_t n)
{
	enum err e = ks_begin(s);

	for (uint32_t i = 0; i < n && e == ERR_OK; i++)
		e = put(s, from + i);
	if (e == ERR_OK)
		return ks_commit(s);
	ks_rollback(s);
	return e;
}

static size_t
count(struct ks_store *s)
{
	size_t n = 0;

	cr_assert_eq(ks_count(s, &n), ERR_OK);
	return n;
}

static void
path_of(const char *name, char out[128])
{
	snprintf(out, 128, "%s/%s", dir, name);
}

static enum err
reopen(struct err_why *why)
{
	ks_close(store);
	store = NULL;
	return ks_open(dir, KS_WRITE, &store, why);
}

Test(damage, a_file_cut_short_is_told_and_not_read)
{
	struct err_why why = {""};
	char path[128];
	struct stat st;
	enum err e;

	cr_assert_eq(fill(store, 0, KEYS), ERR_OK);
	ks_close(store);
	store = NULL;
	path_of("data.mdb", path);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(truncate(path, st.st_size / 2), 0);
	e = ks_open(dir, KS_WRITE, &store, &why);
	cr_expect_eq(e, ERR_DB_BROKEN, "%s", err_name(e));
	cr_expect(
	    strstr(why.text, "data") != NULL || strstr(why.text, dir) != NULL,
	    "\"%s\"", why.text);
	e = ks_open(dir, 0, &store, &why);
	cr_expect_eq(e, ERR_DB_BROKEN, "%s", err_name(e));
}

Test(damage, a_file_of_something_else_is_no_store)
{
	struct err_why why = {""};
	char path[128];
	int fd;
	enum err e;

	ks_close(store);
	store = NULL;
	path_of("data.mdb", path);
	fd = open(path, O_WRONLY | O_TRUNC);
	cr_assert_geq(fd, 0);
	for (int i = 0; i < 2000; i++)
		cr_assert_eq(write(fd, "no database ", 12), 12);
	close(fd);
	e = ks_open(dir, KS_WRITE, &store, &why);
	cr_expect_eq(e, ERR_DB_BROKEN, "%s", err_name(e));
	cr_expect(why.text[0] != '\0');
}

/* As on a full disk: the file cannot grow. */
Test(damage, without_space_nothing_is_lost_and_it_goes_on_when_there_is)
{
	struct rlimit old, tight;
	struct err_why why = {""};
	char path[128];
	struct stat st;
	enum err e = ERR_OK;
	size_t good;

	cr_assert_eq(fill(store, 0, KEYS), ERR_OK);
	path_of("data.mdb", path);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	tight = old;
	tight.rlim_cur = (rlim_t)st.st_size + 64 * 1024;
	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &tight), 0);
	for (uint32_t i = 1; i < 20 && e == ERR_OK; i++) {
		good = count(store);
		e = fill(store, i * KEYS, KEYS);
	}
	cr_expect(e == ERR_IO || e == ERR_DISK_FULL || e == ERR_DB_FULL, "%s",
	    err_name(e));
	cr_expect_eq(count(store), good);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	cr_expect_eq(fill(store, 50 * KEYS, KEYS), ERR_OK);
	cr_expect_eq(count(store), good + KEYS);
	cr_assert_eq(reopen(&why), ERR_OK, "%s", why.text);
	cr_expect_eq(count(store), good + KEYS);
}

/* The map, not the disk, is the bound: told, nothing of that transaction stays,
   and the next one has room. */
Test(damage, a_full_map_loses_nothing_and_grows)
{
	struct err_why why = {""};
	struct ks_store *reader = NULL;
	size_t good = 0, full = 0;

	ks_close(store);
	store = NULL;
	cr_assert_eq(ks_lmdb_open(dir, KS_WRITE, 1 << 20, &store, &why), ERR_OK,
	    "%s", why.text);
	cr_assert_eq(ks_lmdb_open(dir, 0, 1 << 20, &reader, &why), ERR_OK, "%s",
	    why.text);
	for (uint32_t i = 0; i < 40; i++) {
		/* a little more than the map has room for at first */
		enum err e = fill(store, i * 50, 50);

		if (e != ERR_OK) {
			full++;
			cr_assert_eq(e, ERR_DB_FULL, "%s", err_name(e));
			cr_assert_eq(count(store), good);
			e = fill(store, i * 50, 50);
		}
		cr_assert_eq(e, ERR_OK, "%u: %s", i, err_name(e));
		good += 50;
		cr_assert_eq(count(store), good);
		/* who has it open sees the larger one */
		cr_assert_eq(count(reader), good);
	}
	cr_expect_geq(full, 2);
	ks_close(reader);
	cr_assert_eq(reopen(&why), ERR_OK, "%s", why.text);
	cr_expect_eq(count(store), good);
}

static enum err
hang(void *ctx, const struct ks_record *r)
{
	int fd = *(int *)ctx;

	(void)r;
	(void)!write(fd, "x", 1);
	while (getppid() > 1)
		pause();
	return ERR_OK;
}

/* A reader that died in the middle would keep every old page alive. */
Test(damage, a_reader_that_died_does_not_make_the_file_grow)
{
	char path[128], octet;
	struct stat before, after;
	int fds[2];
	pid_t pid;

	cr_assert_eq(fill(store, 0, KEYS / 4), ERR_OK);
	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct ks_store *mine;

		if (ks_open(dir, 0, &mine, NULL) == ERR_OK)
			(void)!ks_each(mine, SPAN(NULL, 0), hang, &fds[1]);
		_exit(1);
	}
	cr_assert_eq(read(fds[0], &octet, 1), 1);
	cr_assert_eq(kill(pid, SIGKILL), 0);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	for (uint32_t i = 0; i < 10; i++)
		cr_assert_eq(fill(store, 0, KEYS / 4), ERR_OK);
	path_of("data.mdb", path);
	cr_assert_eq(stat(path, &before), 0);
	for (uint32_t i = 0; i < 20; i++)
		cr_assert_eq(fill(store, 0, KEYS / 4), ERR_OK);
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_lt(after.st_size, 2 * before.st_size, "%jd then %jd",
	    (intmax_t)before.st_size, (intmax_t)after.st_size);
	close(fds[0]);
	close(fds[1]);
}

/* Each transaction is there as a whole or not at all. */
Test(damage, a_writer_that_was_killed_leaves_whole_transactions)
{
	struct err_why why = {""};

	ks_close(store);
	store = NULL;
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			struct ks_store *mine;

			if (ks_open(dir, KS_WRITE, &mine, NULL) == ERR_OK)
				for (uint32_t k = 0;; k++)
					(void)!fill(
					    mine, k * 100 % 100000, 100);
			_exit(1);
		}
		usleep((useconds_t)(5000 + 7000 * i));
		cr_assert_eq(kill(pid, SIGKILL), 0);
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		cr_assert_eq(ks_open(dir, KS_WRITE, &store, &why), ERR_OK, "%s",
		    why.text);
		cr_expect_eq(count(store) % 100, 0);
		cr_expect_eq(fill(store, 200000, 100), ERR_OK);
		ks_close(store);
		store = NULL;
	}
}

/* Two programs write in turn; who must not wait is told. */
Test(damage, who_must_not_wait_for_another_writer_is_told)
{
	int to[2], from[2];
	char octet;
	pid_t pid;

	cr_assert_eq(pipe(to), 0);
	cr_assert_eq(pipe(from), 0);
	pid = fork();
	if (pid == 0) {
		struct ks_store *mine;

		if (ks_open(dir, KS_WRITE | KS_NO_WAIT, &mine, NULL) != ERR_OK)
			_exit(1);
		(void)!write(from[1], "o", 1);
		(void)!read(to[0], &octet, 1);
		if (ks_begin(mine) != ERR_BUSY || put(mine, 9) != ERR_BUSY)
			_exit(2);
		(void)!write(from[1], "b", 1);
		(void)!read(to[0], &octet, 1);
		_exit(fill(mine, 9, 1) == ERR_OK ? 0 : 3);
	}
	cr_assert_eq(read(from[0], &octet, 1), 1);
	cr_assert_eq(ks_begin(store), ERR_OK);
	cr_assert_eq(write(to[1], "x", 1), 1);
	cr_assert_eq(read(from[0], &octet, 1), 1, "it waited, or failed");
	cr_assert_eq(ks_commit(store), ERR_OK);
	cr_assert_eq(write(to[1], "x", 1), 1);
	cr_assert_eq(waitpid(pid, (int[]){0}, 0), pid);
	cr_expect_eq(count(store), 1);
}
