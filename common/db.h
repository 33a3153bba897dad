/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The one wrapper of LMDB: an environment with named tables, transactions,
 * cursors; spans in and out, its error codes translated once. What the tables
 * mean is the caller's. One struct db belongs to one thread at a time and to
 * the process that opened it: never use it after fork, never open a directory
 * twice in one process (LMDB's locks do not bear it).
 */
#ifndef COMMON_DB_H
#define COMMON_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct db;
struct db_txn;
struct db_cursor;

enum {
	DB_KEY_MAX =
	    511, /* octets in a key, and in a value of a DB_DUP table */
	DB_TABLES_MAX = 16,
};

/* Properties of a table. */
enum {
	DB_INTEGER_KEY = 1, /* keys are uint64_t, see db_u64() */
	DB_DUP = 2,	    /* a key has a sorted set of values */
};

struct db_table {
	const char *name;
	unsigned flags;
};

struct db_options {
	const struct db_table *tables; /* borrowed while the db lives */
	size_t n_tables;
	size_t map_size; /* upper bound of the file; 0: far above the disk */
	/* Bound at first, doubled up to map_size (0: to any size) before the
	   next transaction once it was met (ERR_DB_FULL, nothing of that
	   transaction stays). 0: map_size, or far above the disk as it is. */
	size_t map_first;
	bool readonly;	    /* data is read only; the lock file is written */
	bool no_read_ahead; /* for a file larger than memory */
	bool group;	    /* the group may read: data 0640, lock 0660 */
};

/* Open the environment in directory dir; whoever may write makes it and its
   tables. A transaction refers to a table by its place in opt->tables. A
   reader gets ERR_NOT_FOUND while no writer has made it; ERR_PERMISSION,
   ERR_DB_BROKEN when the file is no database of ours. */
enum err db_open(const char *dir, const struct db_options *opt, struct db **out,
    struct err_why *why) MUST_CHECK;
/* Write the environment of a directory, as it is at one moment, to a file; it
   may be in use by others, but not by this process. The caller syncs and
   closes. ERR_NOT_FOUND, ERR_PERMISSION, ERR_DISK_FULL, ERR_DB_BROKEN. */
enum err db_copy(const char *dir, int fd, struct err_why *why) MUST_CHECK;
/* All transactions must have ended. NULL is nothing. */
void db_close(struct db *db);
/* Close the environment and open it again, as it must be after a commit has
   failed. All transactions must have ended. On failure it stays broken. */
enum err db_reopen(struct db *db, struct err_why *why) MUST_CHECK;
/* A commit has failed: everything is ERR_DB_BROKEN until db_reopen(). */
bool db_is_broken(const struct db *db);
/* Forget readers that died; how many they were. */
enum err db_check_readers(struct db *db, unsigned *out) MUST_CHECK;

/* Free octets of the file system the environment is on. */
enum err db_disk_free(const struct db *db, uint64_t *out) MUST_CHECK;

/* Octets of the file that were freed and are used again before it grows: the
   file itself never shrinks. Reads the list of free pages. */
enum err db_reusable(struct db *db, uint64_t *out) MUST_CHECK;

/* A number that is another one after each commit, whichever process made it:
   what was worked out of the database before may be out of date. */
uint64_t db_generation(const struct db *db);
/* A read transaction costs a microsecond: it is kept and renewed. It sees one
   state of the data; keep it short, or the file grows. db_end() ends it.
   ERR_BUSY when there are too many readers. */
enum err db_read(struct db *db, struct db_txn **out) MUST_CHECK;
/* The write transaction; waits for another process to end its own. */
enum err db_write(struct db *db, struct db_txn **out) MUST_CHECK;
/* A transaction inside a write transaction, which must not be used meanwhile.
   What fails or is given up in it leaves the outer one as it was. */
enum err db_nest(struct db_txn *outer, struct db_txn **out) MUST_CHECK;
/* Make it durable (a nested one: part of the outer). The transaction is gone,
   whatever is returned. ERR_DISK_FULL, ERR_IO, ERR_DB_FULL: nothing of an outer
   transaction is in, and the db is broken until db_reopen(). */
enum err db_commit(struct db_txn *txn) MUST_CHECK;
/* End a read transaction, give up a write transaction. NULL is nothing. */
void db_end(struct db_txn *txn);

/* The value is borrowed until the transaction ends or writes. ERR_NOT_FOUND. Of
   a DB_DUP table it is the first value. */
enum err db_get(struct db_txn *txn, unsigned table, struct span key,
    struct span *out) MUST_CHECK;
/* Add or replace; in a DB_DUP table, add to the set. ERR_DB_FULL: a nested
   transaction can be given up, an outer one must be. */
enum err db_put(struct db_txn *txn, unsigned table, struct span key,
    struct span val) MUST_CHECK;
/* As db_put(), but ERR_EXISTS if the key (DB_DUP: the pair) is there. */
enum err db_add(struct db_txn *txn, unsigned table, struct span key,
    struct span val) MUST_CHECK;
/* Delete the key with all its values. ERR_NOT_FOUND. */
enum err db_del(struct db_txn *txn, unsigned table, struct span key) MUST_CHECK;
/* Delete one value of a DB_DUP table. ERR_NOT_FOUND. */
enum err db_del_pair(struct db_txn *txn, unsigned table, struct span key,
    struct span val) MUST_CHECK;
/* How many entries (DB_DUP: pairs) the table has. */
enum err db_count(struct db_txn *txn, unsigned table, size_t *out) MUST_CHECK;

/* The key of a DB_INTEGER_KEY table; *v must live as long as the span. */
struct span db_u64(const uint64_t *v);
/* What such a key says; 0 if it is none. */
uint64_t db_u64_of(struct span key);

enum db_move {
	DB_FIRST,
	DB_LAST,
	DB_NEXT,     /* the first, when the cursor is new */
	DB_PREV,     /* the last, when the cursor is new */
	DB_SEEK,     /* the first key not before *key */
	DB_EXACT,    /* *key itself, its first value */
	DB_NEXT_DUP, /* the next value of the same key */
};

/* Close before the transaction ends. */
enum err db_cursor_open(
    struct db_txn *txn, unsigned table, struct db_cursor **out) MUST_CHECK;
void db_cursor_close(struct db_cursor *c);
/* Move and tell where it stands: key and value are borrowed until the
   transaction ends or writes. ERR_NOT_FOUND at the end. */
enum err db_cursor_move(struct db_cursor *c, enum db_move move,
    struct span *key, struct span *val) MUST_CHECK;
/* Delete the entry it stands on; DB_NEXT then gives the one behind it. */
enum err db_cursor_del(struct db_cursor *c) MUST_CHECK;

#endif
