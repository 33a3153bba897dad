/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The tables of rows in the embedded store: octets under a key, whose meaning
 * is that of others. Transactions are store_lmdb.c's. docs/format-keystore.md.
 */
#include "common/db.h"
#include "keystore/store_lmdb_private.h"

static unsigned
table_of(enum ks_row row)
{
	return TABLE_ROWS + (unsigned)row;
}

static bool
is_row_key(struct span key)
{
	return key.len > 0 && key.len <= KS_ROW_KEY_MAX;
}

enum err
ks_lmdb_row_put(
    struct ks_store *base, enum ks_row row, struct span key, struct span octets)
{
	struct db_txn *t;
	enum err e = is_row_key(key)
			 ? ks_lmdb_begin_change(ks_lmdb_of(base), &t)
			 : ERR_MALFORMED;

	return e != ERR_OK ? e
			   : ks_lmdb_end_change(ks_lmdb_of(base), t,
				 db_put(t, table_of(row), key, octets));
}

enum err
ks_lmdb_row_get(struct ks_store *base, enum ks_row row, struct span key,
    ks_row_visit *visit, void *ctx)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct span octets;
	struct db_txn *t;
	enum err e;

	if (!is_row_key(key))
		return ERR_NOT_FOUND;
	e = ks_lmdb_begin_search(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_get(t, table_of(row), key, &octets);
	if (e == ERR_OK)
		e = visit(ctx, key, octets);
	ks_lmdb_end_search(s, t);
	return e;
}

enum err
ks_lmdb_row_del(struct ks_store *base, enum ks_row row, struct span key)
{
	struct db_txn *t;
	enum err e = is_row_key(key)
			 ? ks_lmdb_begin_change(ks_lmdb_of(base), &t)
			 : ERR_NOT_FOUND;

	return e != ERR_OK ? e
			   : ks_lmdb_end_change(ks_lmdb_of(base), t,
				 db_del(t, table_of(row), key));
}

static enum err
walk_rows(struct db_cursor *c, struct span prefix, struct span from,
    ks_row_visit *visit, void *ctx)
{
	struct span key = from.len > 0 ? from : prefix, octets;
	enum db_move move = key.len > 0 ? DB_SEEK : DB_FIRST;
	enum err e;

	for (;;) {
		e = db_cursor_move(c, move, &key, &octets);
		if (e != ERR_OK)
			return e == ERR_NOT_FOUND ? ERR_OK : e;
		if (key.len < prefix.len ||
		    !span_eq(SPAN(key.data, prefix.len), prefix))
			return ERR_OK;
		e = visit(ctx, key, octets);
		if (e != ERR_OK)
			return e;
		move = DB_NEXT;
	}
}

enum err
ks_lmdb_row_each(struct ks_store *base, enum ks_row row, struct span prefix,
    struct span from, ks_row_visit *visit, void *ctx)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_cursor *c = NULL;
	struct db_txn *t;
	enum err e;

	if (prefix.len > KS_ROW_KEY_MAX || from.len > KS_ROW_KEY_MAX)
		return ERR_OK;
	e = ks_lmdb_begin_search(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, table_of(row), &c);
	if (e == ERR_OK)
		e = walk_rows(c, prefix, from, visit, ctx);
	db_cursor_close(c);
	ks_lmdb_end_search(s, t);
	return e;
}

enum err
ks_lmdb_row_last(
    struct ks_store *base, enum ks_row row, ks_row_visit *visit, void *ctx)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_cursor *c = NULL;
	struct span key, octets;
	struct db_txn *t;
	enum err e = ks_lmdb_begin_search(s, &t);

	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, table_of(row), &c);
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_LAST, &key, &octets);
	if (e == ERR_OK)
		e = visit(ctx, key, octets);
	db_cursor_close(c);
	ks_lmdb_end_search(s, t);
	return e;
}

static enum err
sweep(struct db_cursor *c, struct buf *from, unsigned max,
    enum err (*look)(void *ctx, struct span key, struct span value, bool *drop),
    void *ctx)
{
	enum db_move move = from->len > 0 ? DB_SEEK : DB_FIRST;
	struct span key = buf_span(from), value;
	bool drop;
	enum err e = ERR_OK;

	for (unsigned i = 0; i < max && e == ERR_OK; i++, move = DB_NEXT) {
		e = db_cursor_move(c, move, &key, &value);
		if (e == ERR_OK)
			e = look(ctx, key, value, &drop);
		if (e != ERR_OK)
			break;
		buf_reset(from);
		e = buf_put(from, key);
		if (e == ERR_OK && drop)
			e = db_cursor_del(c);
	}
	if (e != ERR_NOT_FOUND)
		return e;
	buf_reset(from);
	return ERR_OK;
}

enum err
ks_lmdb_row_sweep(struct ks_store *base, enum ks_row row, struct buf *from,
    unsigned max,
    enum err (*look)(void *ctx, struct span key, struct span value, bool *drop),
    void *ctx)
{
	struct db_cursor *c = NULL;
	struct db_txn *t;
	enum err e = ks_lmdb_begin_change(ks_lmdb_of(base), &t);

	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, table_of(row), &c);
	if (e == ERR_OK)
		e = sweep(c, from, max, look, ctx);
	db_cursor_close(c);
	return ks_lmdb_end_change(ks_lmdb_of(base), t, e);
}
