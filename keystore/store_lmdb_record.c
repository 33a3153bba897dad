/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Records in the embedded store: by fingerprint, and one table of index entries
 * that lead to fingerprints. Transactions are store_lmdb.c's.
 * docs/format-keystore.md.
 */
#include <string.h>

#include "common/db.h"
#include "keystore/store_lmdb_private.h"

enum {
	/* The first octet of an index entry's key. */
	ENTRY_ADDR = 'a',
	ENTRY_DOMAIN = 'd',
	ENTRY_KEY_ID = 'k',
	ENTRY_SKI = 's',
	ENTRY_ISSUER_SERIAL = 'i',

	ENTRY_MAX = 1 + KS_ADDR_MAX,
};

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
remove_record(struct ks_lmdb *s, struct db_txn *t, struct span fpr)
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
add_record(struct ks_lmdb *s, struct db_txn *t, const struct ks_record *r)
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

enum err
ks_lmdb_put(struct ks_store *base, const struct ks_record *r)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_txn *t;
	enum err e = ks_lmdb_begin_change(s, &t);

	if (e != ERR_OK)
		return e;
	e = remove_record(s, t, r->fpr);
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = add_record(s, t, r);
	return ks_lmdb_end_change(s, t, e);
}

/* With it goes what only the holder of its certificate needs. */
enum err
ks_lmdb_del(struct ks_store *base, struct span fpr)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_txn *t;
	enum err e = ks_lmdb_begin_change(s, &t);

	if (e != ERR_OK)
		return e;
	e = remove_record(s, t, fpr);
	if (e == ERR_OK) {
		e = db_del(t, TABLE_ROWS + KS_ROW_PRIVATE, fpr);
		e = e == ERR_NOT_FOUND ? ERR_OK : e;
	}
	return ks_lmdb_end_change(s, t, e);
}

/* Trust is in no index: only the record's own octets change. */
enum err
ks_lmdb_set_trust(struct ks_store *base, struct span fpr, enum ks_trust trust)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct ks_record r;
	struct db_txn *t;
	struct span raw;
	enum err e;

	e = ks_lmdb_begin_change(s, &t);
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
	return ks_lmdb_end_change(s, t, e);
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

enum err
ks_lmdb_get(struct ks_store *base, struct span fpr, ks_visit *visit, void *ctx)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_txn *t;
	enum err e = ks_lmdb_begin_search(s, &t);

	if (e != ERR_OK)
		return e;
	e = fpr.len == 0 ? ERR_NOT_FOUND : show(t, fpr, visit, ctx);
	ks_lmdb_end_search(s, t);
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

enum err
ks_lmdb_find(struct ks_store *base, enum ks_index index, struct span key,
    ks_visit *visit, void *ctx)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_cursor *c = NULL;
	uint8_t full[ENTRY_MAX];
	struct db_txn *t;
	enum err e;

	if (key.len == 0 || key.len > KS_ADDR_MAX)
		return ERR_OK;
	full[0] = entry_type(index);
	memcpy(full + 1, key.data, key.len);
	e = ks_lmdb_begin_search(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, TABLE_INDEX, &c);
	if (e == ERR_OK)
		e = show_all(t, c, SPAN(full, key.len + 1), visit, ctx);
	db_cursor_close(c);
	ks_lmdb_end_search(s, t);
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

enum err
ks_lmdb_each(
    struct ks_store *base, struct span prefix, ks_visit *visit, void *ctx)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_cursor *c = NULL;
	struct db_txn *t;
	enum err e;

	if (prefix.len > KS_FPR_MAX)
		return ERR_OK;
	e = ks_lmdb_begin_search(s, &t);
	if (e != ERR_OK)
		return e;
	e = db_cursor_open(t, TABLE_RECORD, &c);
	if (e == ERR_OK)
		e = walk_records(c, prefix, visit, ctx);
	db_cursor_close(c);
	ks_lmdb_end_search(s, t);
	return e;
}

enum err
ks_lmdb_count(struct ks_store *base, size_t *out)
{
	struct ks_lmdb *s = ks_lmdb_of(base);
	struct db_txn *t;
	enum err e = ks_lmdb_begin_search(s, &t);

	if (e != ERR_OK)
		return e;
	e = db_count(t, TABLE_RECORD, out);
	ks_lmdb_end_search(s, t);
	return e;
}
