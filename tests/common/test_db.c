/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The contract of common/db.h. A reader beside the writer is a process of its
 * own; a full disk needs a file system of its own and so the rights to mount.
 */
#include "common/db.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT, NUMBERED, SETS };
static const struct db_table tables[] = {
    [TEXT] = {"text", 0},
    [NUMBERED] = {"numbered", DB_INTEGER_KEY},
    [SETS] = {"sets", DB_DUP},
};

static char dir[64];

static void
make_dir(void)
{
	snprintf(dir, sizeof(dir), "/tmp/test-db-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
}

static void
remove_dir(void)
{
	static const char *const names[] = {"data.mdb", "lock.mdb"};
	char path[96];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

TestSuite(db, .init = make_dir, .fini = remove_dir);

static struct db_options
options(size_t map_size, bool readonly)
{
	return (struct db_options){.tables = tables,
	    .n_tables = 3,
	    .map_size = map_size,
	    .readonly = readonly};
}

static struct db *
open_db(size_t map_size, bool readonly)
{
	struct db_options opt = options(map_size, readonly);
	struct err_why why = {""};
	struct db *db = NULL;
	enum err e = db_open(dir, &opt, &db, &why);

	cr_assert_eq(e, ERR_OK, "%s: %s", err_name(e), why.text);
	return db;
}

#define OK(call)                                                               \
	do {                                                                   \
		enum err e_ = (call);                                          \
		cr_assert_eq(e_, ERR_OK, "%s: %s", #call, err_name(e_));       \
	} while (0)
#define GIVES(call, want)                                                      \
	do {                                                                   \
		enum err e_ = (call);                                          \
		cr_assert_eq(e_, (want), "%s: %s", #call, err_name(e_));       \
	} while (0)

static void
put_one(struct db *db, const char *key, const char *val)
{
	struct db_txn *t;

	OK(db_write(db, &t));
	OK(db_put(t, TEXT, span_str(key), span_str(val)));
	OK(db_commit(t));
}

static bool
has(struct db *db, const char *key, const char *val)
{
	struct db_txn *t;
	struct span got;
	bool found;

	OK(db_read(db, &t));
	found = db_get(t, TEXT, span_str(key), &got) == ERR_OK &&
		span_eq_str(got, val);
	db_end(t);
	return found;
}

Test(db, what_is_committed_is_there_after_reopening)
{
	struct db *db = open_db(0, false);

	put_one(db, "a", "1");
	cr_expect(has(db, "a", "1"));
	db_close(db);
	db = open_db(0, false);
	cr_expect(has(db, "a", "1"));
	OK(db_reopen(db, NULL));
	cr_expect(has(db, "a", "1"));
	db_close(db);
}

Test(db, what_is_given_up_is_not_there)
{
	struct db *db = open_db(0, false);
	struct db_txn *t;

	OK(db_write(db, &t));
	OK(db_put(t, TEXT, SPAN_LIT("a"), SPAN_LIT("1")));
	db_end(t);
	cr_expect_not(has(db, "a", "1"));
	db_close(db);
}

Test(db, add_refuses_and_put_replaces)
{
	struct db *db = open_db(0, false);
	struct db_txn *t;
	size_t n = 0;

	OK(db_write(db, &t));
	OK(db_add(t, TEXT, SPAN_LIT("a"), SPAN_LIT("1")));
	GIVES(db_add(t, TEXT, SPAN_LIT("a"), SPAN_LIT("2")), ERR_EXISTS);
	OK(db_put(t, TEXT, SPAN_LIT("a"), SPAN_LIT("3")));
	OK(db_add(t, SETS, SPAN_LIT("a"), SPAN_LIT("1")));
	OK(db_add(t, SETS, SPAN_LIT("a"), SPAN_LIT("2")));
	GIVES(db_add(t, SETS, SPAN_LIT("a"), SPAN_LIT("2")), ERR_EXISTS);
	OK(db_count(t, SETS, &n));
	cr_expect_eq(n, 2);
	OK(db_commit(t));
	cr_expect(has(db, "a", "3"));
	db_close(db);
}

Test(db, what_is_not_there_is_not_found)
{
	struct db *db = open_db(0, false);
	struct db_txn *t;
	struct span v;

	OK(db_write(db, &t));
	GIVES(db_get(t, TEXT, SPAN_LIT("x"), &v), ERR_NOT_FOUND);
	GIVES(db_del(t, TEXT, SPAN_LIT("x")), ERR_NOT_FOUND);
	GIVES(
	    db_del_pair(t, SETS, SPAN_LIT("x"), SPAN_LIT("y")), ERR_NOT_FOUND);
	GIVES(db_put(t, TEXT, SPAN(NULL, 0), SPAN_LIT("y")), ERR_TOO_BIG);
	db_end(t);
	db_close(db);
}

Test(db, cursors_walk_numbers_in_order)
{
	struct db *db = open_db(0, false);
	struct db_cursor *c;
	struct db_txn *t;
	struct span k, v;
	uint64_t n, seek = 250;

	OK(db_write(db, &t));
	for (n = 1000; n > 0; n -= 100)
		OK(db_put(t, NUMBERED, db_u64(&n), SPAN_LIT("x")));
	OK(db_cursor_open(t, NUMBERED, &c));
	for (n = 100; n <= 1000; n += 100) {
		OK(db_cursor_move(c, DB_NEXT, &k, &v));
		cr_expect_eq(db_u64_of(k), n);
	}
	GIVES(db_cursor_move(c, DB_NEXT, &k, &v), ERR_NOT_FOUND);
	k = db_u64(&seek);
	OK(db_cursor_move(c, DB_SEEK, &k, &v));
	cr_expect_eq(db_u64_of(k), 300);
	OK(db_cursor_del(c));
	OK(db_cursor_move(c, DB_NEXT, &k, &v));
	cr_expect_eq(db_u64_of(k), 400);
	OK(db_cursor_move(c, DB_PREV, &k, &v));
	cr_expect_eq(db_u64_of(k), 200);
	OK(db_cursor_move(c, DB_LAST, &k, &v));
	cr_expect_eq(db_u64_of(k), 1000);
	db_cursor_close(c);
	OK(db_commit(t));
	db_close(db);
}

Test(db, a_key_has_a_sorted_set_of_values)
{
	static const char *const put[] = {"c", "a", "b"};
	static const char *const want[] = {"a", "b", "c"};
	struct db *db = open_db(0, false);
	struct span k = SPAN_LIT("k"), v;
	struct db_cursor *c;
	struct db_txn *t;

	OK(db_write(db, &t));
	for (size_t i = 0; i < 3; i++)
		OK(db_put(t, SETS, SPAN_LIT("k"), span_str(put[i])));
	OK(db_put(t, SETS, SPAN_LIT("l"), SPAN_LIT("z")));
	OK(db_commit(t));
	OK(db_read(db, &t));
	OK(db_cursor_open(t, SETS, &c));
	OK(db_cursor_move(c, DB_EXACT, &k, &v));
	for (size_t i = 0; i < 3; i++) {
		cr_expect(span_eq_str(v, want[i]), "value %zu", i);
		if (i < 2)
			OK(db_cursor_move(c, DB_NEXT_DUP, &k, &v));
	}
	GIVES(db_cursor_move(c, DB_NEXT_DUP, &k, &v), ERR_NOT_FOUND);
	db_cursor_close(c);
	db_end(t);
	OK(db_write(db, &t));
	OK(db_del_pair(t, SETS, SPAN_LIT("k"), SPAN_LIT("a")));
	OK(db_get(t, SETS, SPAN_LIT("k"), &v));
	cr_expect(span_eq_str(v, "b"));
	OK(db_commit(t));
	db_close(db);
}

Test(db, a_nested_failure_leaves_the_outer_one_as_it_was)
{
	static uint8_t big[256 * 1024];
	struct db *db = open_db(512 * 1024, false);
	struct db_txn *outer, *inner;
	enum err e = ERR_OK;

	OK(db_write(db, &outer));
	OK(db_nest(outer, &inner));
	OK(db_put(inner, TEXT, SPAN_LIT("first"), SPAN_LIT("1")));
	OK(db_commit(inner));
	OK(db_nest(outer, &inner));
	OK(db_put(inner, TEXT, SPAN_LIT("second"), SPAN_LIT("2")));
	for (uint64_t i = 0; i < 8 && e == ERR_OK; i++)
		e = db_put(inner, NUMBERED, db_u64(&i), SPAN(big, sizeof(big)));
	cr_expect_eq(e, ERR_DB_FULL, "%s", err_name(e));
	db_end(inner);
	OK(db_nest(outer, &inner));
	OK(db_put(inner, TEXT, SPAN_LIT("third"), SPAN_LIT("3")));
	OK(db_commit(inner));
	OK(db_commit(outer));
	cr_expect(has(db, "first", "1"));
	cr_expect_not(has(db, "second", "2"));
	cr_expect(has(db, "third", "3"));
	cr_expect_not(db_is_broken(db));
	db_close(db);
}

Test(db, a_reader_sees_one_state)
{
	struct db *db = open_db(0, false);
	struct db_txn *r;
	struct span v;

	put_one(db, "a", "1");
	OK(db_read(db, &r));
	put_one(db, "a", "2");
	OK(db_get(r, TEXT, SPAN_LIT("a"), &v));
	cr_expect(span_eq_str(v, "1"));
	db_end(r);
	cr_expect(has(db, "a", "2"));
	db_close(db);
}

/* The exit status of fn in a process of its own. */
static int
in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0)
		_exit(fn());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int
read_only_child(void)
{
	struct db_options opt = options(1 << 20, true);
	struct db_txn *t;
	struct db *db;
	struct span v;

	if (db_open(dir, &opt, &db, NULL) != ERR_OK)
		return 1;
	if (db_write(db, &t) != ERR_PERMISSION)
		return 2;
	for (unsigned i = 0; i < 100; i++) {
		if (db_read(db, &t) != ERR_OK)
			return 3;
		if (db_get(t, TEXT, SPAN_LIT("a"), &v) != ERR_OK ||
		    !span_eq_str(v, "1"))
			return 4;
		db_end(t);
	}
	db_close(db);
	return 0;
}

Test(db, another_process_reads)
{
	struct db *db;

	cr_expect_eq(in_child(read_only_child), 1, "there was nothing to open");
	db = open_db(1 << 20, false);
	put_one(db, "a", "1");
	cr_expect_eq(in_child(read_only_child), 0);
	db_close(db);
}

static int
dying_reader(void)
{
	struct db_options opt = options(1 << 20, true);
	struct db_txn *t;
	struct db *db;

	if (db_open(dir, &opt, &db, NULL) != ERR_OK ||
	    db_read(db, &t) != ERR_OK)
		return 1;
	return 0; /* with its transaction open */
}

Test(db, readers_that_died_are_forgotten)
{
	struct db *db = open_db(1 << 20, false);
	unsigned n = 99;

	cr_assert_eq(in_child(dying_reader), 0);
	OK(db_check_readers(db, &n));
	cr_expect_eq(n, 1, "%u", n);
	OK(db_check_readers(db, &n));
	cr_expect_eq(n, 0, "%u", n);
	db_close(db);
}

static int
write_a_lot(void)
{
	static uint8_t block[64 * 1024];
	struct db_options opt = options(64 << 20, false);
	struct db_txn *t;
	struct db *db;

	if (db_open(dir, &opt, &db, NULL) != ERR_OK ||
	    db_write(db, &t) != ERR_OK)
		return 1;
	for (uint64_t i = 0; i < 64; i++)
		if (db_put(t, NUMBERED, db_u64(&i),
			SPAN(block, sizeof(block))) != ERR_OK)
			return 2;
	if (db_commit(t) != ERR_OK)
		return 3;
	db_close(db);
	return 0;
}

/* The map in the file is what the last writer asked for. */
Test(db, a_map_that_another_process_enlarged_is_taken_over)
{
	struct db *db = open_db(1 << 20, false);
	struct db_txn *t;
	struct span v;
	uint64_t last = 63;

	put_one(db, "a", "1");
	cr_assert_eq(in_child(write_a_lot), 0);
	OK(db_read(db, &t));
	OK(db_get(t, NUMBERED, db_u64(&last), &v));
	cr_expect_eq(v.len, 64 * 1024);
	db_end(t);
	db_close(db);
}

Test(db, the_group_may_read)
{
	struct db_options opt = options(1 << 20, false);
	struct stat st;
	char path[96];
	struct db *db;

	opt.group = true;
	rmdir(dir);
	umask(077);
	OK(db_open(dir, &opt, &db, NULL));
	snprintf(path, sizeof(path), "%s/lock.mdb", dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0660);
	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0640);
	db_close(db);
}

Test(db, what_is_no_database_is_told_with_its_name)
{
	struct db_options opt = options(0, false);
	struct err_why why = {""};
	struct db *db = NULL;
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "%s/data.mdb", dir);
	f = fopen(path, "w");
	for (size_t i = 0; i < 5000; i++)
		fputc('x', f);
	fclose(f);
	GIVES(db_open(dir, &opt, &db, &why), ERR_DB_BROKEN);
	cr_expect(strstr(why.text, dir) != NULL, "%s", why.text);
	cr_expect_null(db);
}

/* Mount a small file system that only this process sees. */
static bool
mount_small(void)
{
	if (unshare(CLONE_NEWNS) != 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	return mount("tmpfs", dir, "tmpfs", 0, "size=256k") == 0;
}

Test(db, a_full_disk_loses_nothing_that_was_acknowledged)
{
	static uint8_t block[16 * 1024];
	struct db_txn *t;
	struct db *db;
	uint64_t acked = 0;
	struct span v;
	enum err e;

	if (!mount_small()) {
		remove_dir(); /* skipping does without .fini */
		cr_skip_test("needs the right to mount");
	}
	db = open_db(16 << 20, false);
	do {
		OK(db_write(db, &t));
		e = db_put(
		    t, NUMBERED, db_u64(&acked), SPAN(block, sizeof(block)));
		cr_assert_eq(e, ERR_OK);
		e = db_commit(t);
		acked += e == ERR_OK;
	} while (e == ERR_OK && acked < 100);
	cr_expect_eq(e, ERR_DISK_FULL, "%s", err_name(e));
	cr_expect(db_is_broken(db));
	GIVES(db_write(db, &t), ERR_DB_BROKEN);
	OK(db_reopen(db, NULL));
	cr_expect_not(db_is_broken(db));
	OK(db_read(db, &t));
	for (uint64_t i = 0; i < acked; i++)
		OK(db_get(t, NUMBERED, db_u64(&i), &v));
	db_end(t);
	OK(db_write(db, &t));
	for (uint64_t i = 0; i < acked; i++)
		OK(db_del(t, NUMBERED, db_u64(&i)));
	OK(db_commit(t));
	db_close(db);
	umount(dir);
}
