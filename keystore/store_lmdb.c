/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The embedded store: records by fingerprint, and one table of index entries
 * that lead to fingerprints. A change is one transaction, nested in that of a
 * batch, so that half of it is never seen. docs/format-keystore.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/db.h"
#include "keystore/store_private.h"

enum { TABLE_RECORD, TABLE_INDEX, TABLE_ROWS };

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

enum {
	/* The first octet of an index entry's key. */
	ENTRY_ADDR = 'a',
	ENTRY_DOMAIN = 'd',
	ENTRY_KEY_ID = 'k',
	ENTRY_SKI = 's',
	ENTRY_ISSUER_SERIAL = 'i',

	ENTRY_MAX = 1 + KS_ADDR_MAX,
	LOCK_PATH = 4096,
};

struct store {
	struct ks_store base;
	struct db *db;
	struct db_txn *batch;
	int lock; /* of who writes; -1: never does */
	bool no_wait;
	bool reading; /* the batch only reads */
	struct ks_room room;
	struct buf scratch; /* a record being written */
};

static struct store *
of(struct ks_store *s)
{
	return (struct store *)(void *)s;
}

static void
lmdb_close(struct ks_store *base)
{
	struct store *s = of(base);

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
take_lock(const struct store *s)
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
release_lock(const struct store *s)
{
	if (s->lock >= 0)
		(void)flock(s->lock, LOCK_UN);
}

/* Take the lock and begin to write. */
static enum err
begin_write(struct store *s, struct db_txn **out)
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
make_usable(struct store *s)
{
	return db_is_broken(s->db) ? db_reopen(s->db, NULL) : ERR_OK;
}

static enum err
lmdb_begin(struct ks_store *base)
{
	struct store *s = of(base);
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
	struct store *s = of(base);
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
	struct store *s = of(base);
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
	struct store *s = of(base);

	if (s->batch == NULL)
		return;
	db_end(s->batch);
	s->batch = NULL;
	if (!s->reading)
		release_lock(s);
	s->reading = false;
}

static enum err
begin_change(struct store *s, struct db_txn **out)
{
	enum err e;

	if (s->reading)
		return ERR_INTERNAL;
	if (s->batch != NULL)
		return db_nest(s->batch, out);
	e = make_usable(s);
	return e != ERR_OK ? e : begin_write(s, out);
}

/* Commit the change, or give it up when e says that it failed. */
static enum err
end_change(struct store *s, struct db_txn *t, enum err e)
{
	if (e == ERR_OK)
		e = db_commit(t);
	else
		db_end(t);
	if (s->batch == NULL)
		release_lock(s);
	return e;
}

static enum err
begin_search(struct store *s, struct db_txn **out)
{
	enum err e;

	if (s->batch != NULL) {
		*out = s->batch;
		return ERR_OK;
	}
	e = make_usable(s);
	return e != ERR_OK ? e : db_read(s->db, out);
}

static void
end_search(struct store *s, struct db_txn *t)
{
	if (t != s->batch)
		db_end(t);
}

/* --- the index --- */

struct entry {
	struct db_txn *txn;
	struct span fpr;
	bool remove;
	enum err err;
};

static void
touch(struct entry *x, uint8_t type, struct span key)
{
	uint8_t full[ENTRY_MAX];
	struct span k = SPAN(full, key.len + 1);
	enum err e;

	if (key.len == 0 || key.len > KS_ADDR_MAX || x->err != ERR_OK)
		return;
	full[0] = type;
	memcpy(full + 1, key.data, key.len);
	if (!x->remove) {
		x->err = db_put(x->txn, TABLE_INDEX, k, x->fpr);
		return;
	}
	/* The same address may stand twice in a record. */
	e = db_del_pair(x->txn, TABLE_INDEX, k, x->fpr);
	if (e != ERR_NOT_FOUND)
		x->err = e;
}

/* Add or remove every entry that leads to the record. */
static enum err
touch_all(struct db_txn *txn, const struct ks_record *r, bool remove)
{
	struct entry x = {.txn = txn, .fpr = r->fpr, .remove = remove};
	struct buf key;

	for (size_t i = 0; i < r->n_addrs; i++)
		touch(&x, ENTRY_ADDR, r->addrs[i]);
	for (size_t i = 0; i < r->n_key_ids; i++)
		touch(&x, ENTRY_KEY_ID, r->key_ids[i]);
	touch(&x, ENTRY_DOMAIN, r->domain);
	touch(&x, ENTRY_SKI, r->ski);
	if (r->issuer.len == 0)
		return x.err;
	buf_init(&key, ENTRY_MAX);
	if (ks_issuer_serial(r->issuer, r->serial, &key) == ERR_OK)
		touch(&x, ENTRY_ISSUER_SERIAL, buf_span(&key));
	else
		x.err = ERR_NOMEM;
	buf_clear(&key);
	return x.err;
}

/* Take the record out with its index entries. */
static enum err
remove_record(struct store *s, struct db_txn *t, struct span fpr)
{
	struct ks_record old;
	struct span raw;
	enum err e;

	e = db_get(t, TABLE_RECORD, fpr, &raw);
	if (e != ERR_OK)
		return e;
	/* What a transaction has read moves when it writes. */
	buf_reset(&s->scratch);
	e = buf_put(&s->scratch, raw);
	if (e == ERR_OK)
		e = ks_record_decode(buf_span(&s->scratch), &s->room, &old);
	if (e == ERR_OK)
		e = touch_all(t, &old, true);
	if (e == ERR_OK)
		e = db_del(t, TABLE_RECORD, fpr);
	return e;
}

static enum err
add_record(struct store *s, struct db_txn *t, const struct ks_record *r)
{
	enum err e;

	buf_reset(&s->scratch);
	e = ks_record_encode(r, &s->scratch);
	if (e == ERR_OK)
		e = db_put(t, TABLE_RECORD, r->fpr, buf_span(&s->scratch));
	if (e == ERR_OK)
		e = touch_all(t, r, false);
	return e;
}

static enum err
lmdb_put(struct ks_store *base, const struct ks_record *r)
{
	struct store *s = of(base);
	struct db_txn *t;
	enum err e = begin_change(s, &t);

	if (e != ERR_OK)
		return e;
	e = remove_record(s, t, r->fpr);
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = add_record(s, t, r);
	return end_change(s, t, e);
}

/* With it goes what only the holder of its certificate needs. */
static enum err
lmdb_del(struct ks_store *base, struct span fpr)
{
	struct store *s = of(base);
	struct db_txn *t;
	enum err e = begin_change(s, &t);

	if (e != ERR_OK)
		return e;
	e = remove_record(s, t, fpr);
	if (e == ERR_OK) {
		e = db_del(t, TABLE_ROWS + KS_ROW_PRIVATE, fpr);
		e = e == ERR_NOT_FOUND ? ERR_OK : e;
	}
	return end_change(s, t, e);
}

/* Trust is in no index: only the record's own octets change. */
static enum err
lmdb_set_trust(struct ks_store *base, struct span fpr, enum ks_trust trust)
{
	struct store *s = of(base);
	struct ks_record r;
	struct db_txn *t;
	struct span raw;
	enum err e;

	e = begin_change(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_get(t, TABLE_RECORD, fpr, &raw);
	if (e == ERR_OK)
		e = ks_record_decode(raw, &s->room, &r);
	if (e == ERR_OK) {
		r.trust = trust;
		buf_reset(&s->scratch);
		e = ks_record_encode(&r, &s->scratch);
	}
	if (e == ERR_OK)
		e = db_put(t, TABLE_RECORD, fpr, buf_span(&s->scratch));
	return end_change(s, t, e);
}

/* --- searches --- */

/* The visitor may search itself: the room is this call's own. */
static enum err
show(struct db_txn *t, struct span fpr, ks_visit *visit, void *ctx)
{
	struct ks_room room;
	struct ks_record r;
	struct span raw;
	enum err e;

	e = db_get(t, TABLE_RECORD, fpr, &raw);
	if (e == ERR_OK)
		e = ks_record_decode(raw, &room, &r);
	return e != ERR_OK ? e : visit(ctx, &r);
}

static enum err
lmdb_get(struct ks_store *base, struct span fpr, ks_visit *visit, void *ctx)
{
	struct store *s = of(base);
	struct db_txn *t;
	enum err e = begin_search(s, &t);

	if (e != ERR_OK)
		return e;
	e = fpr.len == 0 ? ERR_NOT_FOUND : show(t, fpr, visit, ctx);
	end_search(s, t);
	return e;
}

static uint8_t
entry_type(enum ks_index index)
{
	switch (index) {
	case KS_BY_ADDR:
		return ENTRY_ADDR;
	case KS_BY_DOMAIN:
		return ENTRY_DOMAIN;
	case KS_BY_KEY_ID:
		return ENTRY_KEY_ID;
	case KS_BY_SKI:
		return ENTRY_SKI;
	case KS_BY_ISSUER_SERIAL:
		return ENTRY_ISSUER_SERIAL;
	}
	return 0;
}

/* An entry that leads nowhere is damage, not an absence. */
static enum err
show_all(struct db_txn *t, struct db_cursor *c, struct span key,
    ks_visit *visit, void *ctx)
{
	enum db_move move = DB_EXACT;
	struct span fpr;
	enum err e;

	for (;;) {
		e = db_cursor_move(c, move, &key, &fpr);
		if (e != ERR_OK)
			return e == ERR_NOT_FOUND ? ERR_OK : e;
		e = show(t, fpr, visit, ctx);
		if (e != ERR_OK)
			return e == ERR_NOT_FOUND ? ERR_DB_BROKEN : e;
		move = DB_NEXT_DUP;
	}
}

static enum err
lmdb_find(struct ks_store *base, enum ks_index index, struct span key,
    ks_visit *visit, void *ctx)
{
	struct store *s = of(base);
	struct db_cursor *c = NULL;
	uint8_t full[ENTRY_MAX];
	struct db_txn *t;
	enum err e;

	if (key.len == 0 || key.len > KS_ADDR_MAX)
		return ERR_OK;
	full[0] = entry_type(index);
	memcpy(full + 1, key.data, key.len);
	e = begin_search(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, TABLE_INDEX, &c);
	if (e == ERR_OK)
		e = show_all(t, c, SPAN(full, key.len + 1), visit, ctx);
	db_cursor_close(c);
	end_search(s, t);
	return e;
}

static enum err
walk_records(
    struct db_cursor *c, struct span prefix, ks_visit *visit, void *ctx)
{
	enum db_move move = prefix.len > 0 ? DB_SEEK : DB_FIRST;
	struct span key = prefix, raw;
	struct ks_room room;
	struct ks_record r;
	enum err e;

	for (;;) {
		e = db_cursor_move(c, move, &key, &raw);
		if (e != ERR_OK)
			return e == ERR_NOT_FOUND ? ERR_OK : e;
		if (key.len < prefix.len ||
		    !span_eq(SPAN(key.data, prefix.len), prefix))
			return ERR_OK;
		e = ks_record_decode(raw, &room, &r);
		if (e == ERR_OK)
			e = visit(ctx, &r);
		if (e != ERR_OK)
			return e;
		move = DB_NEXT;
	}
}

static enum err
lmdb_each(struct ks_store *base, struct span prefix, ks_visit *visit, void *ctx)
{
	struct store *s = of(base);
	struct db_cursor *c = NULL;
	struct db_txn *t;
	enum err e;

	if (prefix.len > KS_FPR_MAX)
		return ERR_OK;
	e = begin_search(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, TABLE_RECORD, &c);
	if (e == ERR_OK)
		e = walk_records(c, prefix, visit, ctx);
	db_cursor_close(c);
	end_search(s, t);
	return e;
}

static enum err
lmdb_count(struct ks_store *base, size_t *out)
{
	struct store *s = of(base);
	struct db_txn *t;
	enum err e = begin_search(s, &t);

	if (e != ERR_OK)
		return e;
	e = db_count(t, TABLE_RECORD, out);
	end_search(s, t);
	return e;
}

static uint64_t
lmdb_generation(struct ks_store *base)
{
	return db_generation(of(base)->db);
}

/* --- rows --- */

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

static enum err
lmdb_row_put(
    struct ks_store *base, enum ks_row row, struct span key, struct span octets)
{
	struct db_txn *t;
	enum err e =
	    is_row_key(key) ? begin_change(of(base), &t) : ERR_MALFORMED;

	return e != ERR_OK ? e
			   : end_change(of(base), t,
				 db_put(t, table_of(row), key, octets));
}

static enum err
lmdb_row_get(struct ks_store *base, enum ks_row row, struct span key,
    ks_row_visit *visit, void *ctx)
{
	struct store *s = of(base);
	struct span octets;
	struct db_txn *t;
	enum err e;

	if (!is_row_key(key))
		return ERR_NOT_FOUND;
	e = begin_search(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_get(t, table_of(row), key, &octets);
	if (e == ERR_OK)
		e = visit(ctx, key, octets);
	end_search(s, t);
	return e;
}

static enum err
lmdb_row_del(struct ks_store *base, enum ks_row row, struct span key)
{
	struct db_txn *t;
	enum err e =
	    is_row_key(key) ? begin_change(of(base), &t) : ERR_NOT_FOUND;

	return e != ERR_OK
		   ? e
		   : end_change(of(base), t, db_del(t, table_of(row), key));
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

static enum err
lmdb_row_each(struct ks_store *base, enum ks_row row, struct span prefix,
    struct span from, ks_row_visit *visit, void *ctx)
{
	struct store *s = of(base);
	struct db_cursor *c = NULL;
	struct db_txn *t;
	enum err e;

	if (prefix.len > KS_ROW_KEY_MAX || from.len > KS_ROW_KEY_MAX)
		return ERR_OK;
	e = begin_search(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, table_of(row), &c);
	if (e == ERR_OK)
		e = walk_rows(c, prefix, from, visit, ctx);
	db_cursor_close(c);
	end_search(s, t);
	return e;
}

static enum err
lmdb_row_last(
    struct ks_store *base, enum ks_row row, ks_row_visit *visit, void *ctx)
{
	struct store *s = of(base);
	struct db_cursor *c = NULL;
	struct span key, octets;
	struct db_txn *t;
	enum err e = begin_search(s, &t);

	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, table_of(row), &c);
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_LAST, &key, &octets);
	if (e == ERR_OK)
		e = visit(ctx, key, octets);
	db_cursor_close(c);
	end_search(s, t);
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

static enum err
lmdb_row_sweep(struct ks_store *base, enum ks_row row, struct buf *from,
    unsigned max,
    enum err (*look)(void *ctx, struct span key, struct span value, bool *drop),
    void *ctx)
{
	struct db_cursor *c = NULL;
	struct db_txn *t;
	enum err e = begin_change(of(base), &t);

	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, table_of(row), &c);
	if (e == ERR_OK)
		e = sweep(c, from, max, look, ctx);
	db_cursor_close(c);
	return end_change(of(base), t, e);
}

static const struct ks_store_ops lmdb_ops = {
    .close = lmdb_close,
    .begin = lmdb_begin,
    .begin_read = lmdb_begin_read,
    .commit = lmdb_commit,
    .rollback = lmdb_rollback,
    .put = lmdb_put,
    .del = lmdb_del,
    .set_trust = lmdb_set_trust,
    .get = lmdb_get,
    .find = lmdb_find,
    .each = lmdb_each,
    .count = lmdb_count,
    .generation = lmdb_generation,
    .row_put = lmdb_row_put,
    .row_get = lmdb_row_get,
    .row_del = lmdb_row_del,
    .row_each = lmdb_row_each,
    .row_last = lmdb_row_last,
    .row_sweep = lmdb_row_sweep,
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
	struct store *s = calloc(1, sizeof(*s));
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
