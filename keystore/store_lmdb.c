/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The embedded store: its tables, and a change as one transaction, nested in
 * that of a batch, so that half of it is never seen. What is in the tables is
 * read and written in store_lmdb_record.c and store_lmdb_row.c.
 * docs/format-keystore.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/db.h"
#include "keystore/store_lmdb_private.h"

static const struct db_table tables[] = {
    [TABLE_RECORD] = {"record", 0},
    [TABLE_INDEX] = {"index", DB_DUP},
    [TABLE_ROWS + KS_ROW_PRIVATE] = {"private", 0},
    [TABLE_ROWS + KS_ROW_PENDING] = {"pending", 0},
    [TABLE_ROWS + KS_ROW_HISTORY] = {"history", 0},
    [TABLE_ROWS + KS_ROW_SETTING] = {"setting", 0},
    [TABLE_ROWS + KS_ROW_ANSWER] = {"answer", 0},
    [TABLE_ROWS + KS_ROW_REVOCATION] = {"revocation", 0},
    [TABLE_ROWS + KS_ROW_OWN] = {"own", 0},
    [TABLE_ROWS + KS_ROW_REPLY] = {"reply", 0},
    [TABLE_ROWS + KS_ROW_DELETED] = {"deleted", 0},
    [TABLE_ROWS + KS_ROW_REFUSED] = {"refused", 0},
    [TABLE_ROWS + KS_ROW_ACCOUNT] = {"account", 0},
};

enum { LOCK_PATH = 4096 };

struct ks_lmdb *
ks_lmdb_of(struct ks_store *s)
{
	return (struct ks_lmdb *)(void *)s;
}

static void
lmdb_close(struct ks_store *base)
{
	struct ks_lmdb *s = ks_lmdb_of(base);

	db_end(s->batch);
	db_close(s->db);
	if (s->lock >= 0)
		close(s->lock);
	buf_clear(&s->scratch);
	free(s);
}

/* LMDB's own lock of the writer can only be waited for, and a process that
   serves others must not: this one is taken first. */
static enum err
take_lock(const struct ks_lmdb *s)
{
	int how = LOCK_EX | (s->no_wait ? LOCK_NB : 0), rc;

	if (s->lock < 0)
		return ERR_OK;
	do
		rc = flock(s->lock, how);
	while (rc != 0 && errno == EINTR);
	if (rc == 0)
		return ERR_OK;
	return errno == EWOULDBLOCK ? ERR_BUSY : err_from_errno(errno);
}

static void
release_lock(const struct ks_lmdb *s)
{
	if (s->lock >= 0)
		(void)flock(s->lock, LOCK_UN);
}

/* Take the lock and begin to write. */
static enum err
begin_write(struct ks_lmdb *s, struct db_txn **out)
{
	enum err e = take_lock(s);

	if (e != ERR_OK)
		return e;
	e = db_write(s->db, out);
	if (e != ERR_OK)
		release_lock(s);
	return e;
}

/* A commit failed earlier: what is on disk is right, the library's view of it
   may not be. */
static enum err
make_usable(struct ks_lmdb *s)
{
	return db_is_broken(s->db) ? db_reopen(s->db, NULL) : ERR_OK;
}

static enum err
lmdb_begin(struct ks_store *base)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	enum err e = make_usable(s);
	unsigned dead;

	if (e != ERR_OK)
		return e;
	/* a reader that died keeps every page alive that it could see */
	(void)!db_check_readers(s->db, &dead);
	return s->batch != NULL ? ERR_BUSY : begin_write(s, &s->batch);
}

static enum err
lmdb_begin_read(struct ks_store *base)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	enum err e = make_usable(s);

	if (e != ERR_OK)
		return e;
	if (s->batch != NULL)
		return ERR_BUSY;
	e = db_read(s->db, &s->batch);
	s->reading = e == ERR_OK;
	return e;
}

static enum err
lmdb_commit(struct ks_store *base)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_txn *t = s->batch;
	enum err e;

	if (t == NULL || s->reading)
		return ERR_INTERNAL;
	s->batch = NULL;
	e = db_commit(t);
	release_lock(s);
	return e;
}

static void
lmdb_rollback(struct ks_store *base)
{
	struct ks_lmdb *s = ks_lmdb_of(base);

	if (s->batch == NULL)
		return;
	db_end(s->batch);
	s->batch = NULL;
	if (!s->reading)
		release_lock(s);
	s->reading = false;
}

enum err
ks_lmdb_begin_change(struct ks_lmdb *s, struct db_txn **out)
{
	enum err e;

	if (s->reading)
		return ERR_INTERNAL;
	if (s->batch != NULL)
		return db_nest(s->batch, out);
	e = make_usable(s);
	return e != ERR_OK ? e : begin_write(s, out);
}

enum err
ks_lmdb_end_change(struct ks_lmdb *s, struct db_txn *t, enum err e)
{
	if (e == ERR_OK)
		e = db_commit(t);
	else
		db_end(t);
	if (s->batch == NULL)
		release_lock(s);
	return e;
}

enum err
ks_lmdb_begin_search(struct ks_lmdb *s, struct db_txn **out)
{
	enum err e;

	if (s->batch != NULL) {
		*out = s->batch;
		return ERR_OK;
	}
	e = make_usable(s);
	return e != ERR_OK ? e : db_read(s->db, out);
}

void
ks_lmdb_end_search(struct ks_lmdb *s, struct db_txn *t)
{
	if (t != s->batch)
		db_end(t);
}

static uint64_t
lmdb_generation(struct ks_store *base)
{
	return db_generation(ks_lmdb_of(base)->db);
}

static const struct ks_store_ops lmdb_ops = {
    .close = lmdb_close,
    .begin = lmdb_begin,
    .begin_read = lmdb_begin_read,
    .commit = lmdb_commit,
    .rollback = lmdb_rollback,
    .put = ks_lmdb_put,
    .del = ks_lmdb_del,
    .set_trust = ks_lmdb_set_trust,
    .get = ks_lmdb_get,
    .find = ks_lmdb_find,
    .each = ks_lmdb_each,
    .count = ks_lmdb_count,
    .generation = lmdb_generation,
    .row_put = ks_lmdb_row_put,
    .row_get = ks_lmdb_row_get,
    .row_del = ks_lmdb_row_del,
    .row_each = ks_lmdb_row_each,
    .row_last = ks_lmdb_row_last,
    .row_sweep = ks_lmdb_row_sweep,
};

static enum err
open_lock(const char *dir, int *out, struct err_why *why)
{
	char path[LOCK_PATH];
	int n = snprintf(path, sizeof(path), "%s/write.lock", dir);
	int fd;

	if (n < 0 || (size_t)n >= sizeof(path))
		return err_why(why, ERR_LIMIT,
		    "the path of the keystore is "
		    "too long");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_why(why, err_from_errno(errno), "%s: %s", path,
		    strerror(errno));
	*out = fd;
	return ERR_OK;
}

enum err
ks_lmdb_open(const char *dir, unsigned flags, size_t map, struct ks_store **out,
    struct err_why *why)
{
	struct db_options opt = {.tables = tables,
	    .n_tables = sizeof(tables) / sizeof(tables[0]),
	    .map_first = map,
	    .readonly = !(flags & KS_WRITE),
	    .group = (flags & KS_GROUP) != 0};
	struct ks_lmdb *s = calloc(1, sizeof(*s));
	enum err e;

	if (s == NULL)
		return ERR_NOMEM;
	s->base.ops = &lmdb_ops;
	s->lock = -1;
	s->no_wait = (flags & KS_NO_WAIT) != 0;
	buf_init(&s->scratch, KS_RECORD_MAX);
	e = db_open(dir, &opt, &s->db, why);
	if (e == ERR_OK && (flags & KS_WRITE))
		e = open_lock(dir, &s->lock, why);
	if (e != ERR_OK) {
		lmdb_close(&s->base);
		return e;
	}
	*out = &s->base;
	return ERR_OK;
}
