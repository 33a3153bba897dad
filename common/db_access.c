/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * LMDB behind db.h: transactions, entries and cursors. After a failed commit
 * LMDB itself would go on; here everything is refused until the environment was
 * opened afresh (db.c).
 */
#include "common/db.h"

#include <stdlib.h>
#include <string.h>

#include "common/db_private.h"

/* A file system with less free than this is the reason of EIO. */
enum { DISK_IS_FULL = 1 << 20 };

struct db_txn {
	struct db *db;
	struct db_txn *outer;
	MDB_txn *txn;
	bool write;
};

struct db_cursor {
	MDB_cursor *cursor;
	unsigned table_flags;
};

static enum err
noted(struct db *db, int rc)
{
	db->full = db->full || rc == MDB_MAP_FULL;
	return db_err(rc);
}

static MDB_val
val_of(struct span s)
{
	return (MDB_val){
	    .mv_size = s.len, .mv_data = (void *)(uintptr_t)s.data};
}

static struct span
span_of(const MDB_val *v)
{
	return SPAN(v->mv_data, v->mv_size);
}

/* Begin; another process may have made the map larger meanwhile, which can be
   taken over only while nothing is open here. */
static int
begin(struct db *db, unsigned flags, MDB_txn **out)
{
	int rc;

	if (db->full && (flags & MDB_RDONLY) == 0)
		db_map_grow(db);
	rc = mdb_txn_begin(db->env, NULL, flags, out);
	if (rc != MDB_MAP_RESIZED || db->open > 0)
		return rc;
	if (db->idle != NULL)
		mdb_txn_abort(db->idle);
	db->idle = NULL;
	rc = db_map_adopt(db);
	if (rc == 0)
		rc = mdb_txn_begin(db->env, NULL, flags, out);
	return rc;
}

static int
begin_read(struct db *db, MDB_txn **out)
{
	MDB_txn *txn = db->idle;

	db->idle = NULL;
	if (txn != NULL) {
		if (mdb_txn_renew(txn) == 0) {
			*out = txn;
			return 0;
		}
		mdb_txn_abort(txn);
	}
	return begin(db, MDB_RDONLY, out);
}

static enum err
wrap(struct db *db, struct db_txn *outer, MDB_txn *txn, bool write,
    struct db_txn **out)
{
	struct db_txn *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		mdb_txn_abort(txn);
		return ERR_NOMEM;
	}
	*t = (struct db_txn){
	    .db = db, .outer = outer, .txn = txn, .write = write};
	db->open++;
	*out = t;
	return ERR_OK;
}

static enum err
begin_outer(struct db *db, bool write, struct db_txn **out)
{
	MDB_txn *txn;
	int rc;

	if (db->broken)
		return ERR_DB_BROKEN;
	rc = write ? begin(db, 0, &txn) : begin_read(db, &txn);
	if (rc != 0)
		return db_err(rc);
	return wrap(db, NULL, txn, write, out);
}

enum err
db_read(struct db *db, struct db_txn **out)
{
	return begin_outer(db, false, out);
}

enum err
db_write(struct db *db, struct db_txn **out)
{
	if (db->opt.readonly)
		return ERR_PERMISSION;
	return begin_outer(db, true, out);
}

enum err
db_nest(struct db_txn *outer, struct db_txn **out)
{
	MDB_txn *txn;
	int rc;

	if (!outer->write)
		return ERR_PERMISSION;
	rc = mdb_txn_begin(outer->db->env, outer->txn, 0, &txn);
	if (rc != 0)
		return db_err(rc);
	return wrap(outer->db, outer, txn, true, out);
}

/* A full disk shows as EIO as often as ENOSPC: LMDB reports short writes so. */
static enum err
commit_error(struct db *db, int rc)
{
	enum err e = noted(db, rc);
	uint64_t free_space;

	if (e == ERR_IO && db_disk_free(db, &free_space) == ERR_OK &&
	    free_space < DISK_IS_FULL)
		return ERR_DISK_FULL;
	return e;
}

enum err
db_commit(struct db_txn *txn)
{
	struct db *db = txn->db;
	bool outermost = txn->outer == NULL;
	int rc;

	if (!txn->write) {
		db_end(txn);
		return ERR_OK;
	}
	rc = mdb_txn_commit(txn->txn);
	db->open--;
	free(txn);
	if (rc == 0)
		return ERR_OK;
	db->broken = db->broken || outermost;
	return commit_error(db, rc);
}

void
db_end(struct db_txn *txn)
{
	if (txn == NULL)
		return;
	if (!txn->write && txn->db->idle == NULL && !txn->db->broken) {
		mdb_txn_reset(txn->txn);
		txn->db->idle = txn->txn;
	} else {
		mdb_txn_abort(txn->txn);
	}
	txn->db->open--;
	free(txn);
}

enum err
db_get(struct db_txn *txn, unsigned table, struct span key, struct span *out)
{
	MDB_val k = val_of(key), v;
	int rc = mdb_get(txn->txn, txn->db->dbi[table], &k, &v);

	if (rc != 0)
		return db_err(rc);
	*out = span_of(&v);
	return ERR_OK;
}

static enum err
put(struct db_txn *txn, unsigned table, struct span key, struct span val,
    unsigned flags)
{
	MDB_val k = val_of(key), v = val_of(val);

	return noted(
	    txn->db, mdb_put(txn->txn, txn->db->dbi[table], &k, &v, flags));
}

static unsigned
flags_of(const struct db_txn *txn, unsigned table)
{
	return txn->db->opt.tables[table].flags;
}

enum err
db_put(struct db_txn *txn, unsigned table, struct span key, struct span val)
{
	return put(txn, table, key, val, 0);
}

enum err
db_add(struct db_txn *txn, unsigned table, struct span key, struct span val)
{
	return put(txn, table, key, val,
	    (flags_of(txn, table) & DB_DUP) ? MDB_NODUPDATA : MDB_NOOVERWRITE);
}

enum err
db_del(struct db_txn *txn, unsigned table, struct span key)
{
	MDB_val k = val_of(key);

	return noted(txn->db, mdb_del(txn->txn, txn->db->dbi[table], &k, NULL));
}

enum err
db_del_pair(
    struct db_txn *txn, unsigned table, struct span key, struct span val)
{
	MDB_val k = val_of(key), v = val_of(val);

	return noted(txn->db, mdb_del(txn->txn, txn->db->dbi[table], &k, &v));
}

enum err
db_count(struct db_txn *txn, unsigned table, size_t *out)
{
	MDB_stat st;
	int rc = mdb_stat(txn->txn, txn->db->dbi[table], &st);

	if (rc != 0)
		return db_err(rc);
	*out = st.ms_entries;
	return ERR_OK;
}

struct span
db_u64(const uint64_t *v)
{
	return SPAN(v, sizeof(*v));
}

uint64_t
db_u64_of(struct span key)
{
	uint64_t v = 0;

	if (key.len == sizeof(v))
		memcpy(&v, key.data, sizeof(v));
	return v;
}

enum err
db_cursor_open(struct db_txn *txn, unsigned table, struct db_cursor **out)
{
	struct db_cursor *c = calloc(1, sizeof(*c));
	int rc;

	if (c == NULL)
		return ERR_NOMEM;
	c->table_flags = flags_of(txn, table);
	rc = mdb_cursor_open(txn->txn, txn->db->dbi[table], &c->cursor);
	if (rc != 0) {
		free(c);
		return db_err(rc);
	}
	*out = c;
	return ERR_OK;
}

void
db_cursor_close(struct db_cursor *c)
{
	if (c == NULL)
		return;
	mdb_cursor_close(c->cursor);
	free(c);
}

static MDB_cursor_op
op_of(enum db_move move)
{
	switch (move) {
	case DB_FIRST:
		return MDB_FIRST;
	case DB_LAST:
		return MDB_LAST;
	case DB_NEXT:
		return MDB_NEXT;
	case DB_PREV:
		return MDB_PREV;
	case DB_SEEK:
		return MDB_SET_RANGE;
	case DB_EXACT:
		return MDB_SET_KEY;
	case DB_NEXT_DUP:
		return MDB_NEXT_DUP;
	}
	return MDB_LAST;
}

enum err
db_cursor_move(
    struct db_cursor *c, enum db_move move, struct span *key, struct span *val)
{
	MDB_val k = {0}, v = {0};
	int rc;

	if (move == DB_NEXT_DUP && !(c->table_flags & DB_DUP))
		return ERR_NOT_FOUND;
	if (move == DB_SEEK || move == DB_EXACT)
		k = val_of(*key);
	rc = mdb_cursor_get(c->cursor, &k, &v, op_of(move));
	if (rc != 0)
		return db_err(rc);
	*key = span_of(&k);
	*val = span_of(&v);
	return ERR_OK;
}

enum err
db_cursor_del(struct db_cursor *c)
{
	return db_err(mdb_cursor_del(c->cursor, 0));
}
