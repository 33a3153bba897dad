/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Objects that were here: a portal in a DMZ may tell of one after it has
 * expired or was recalled here, because it was opened there before. Written in
 * the transaction in which it goes, so that no restart forgets it; numbered
 * without gaps, so that there is an end to them.
 */
#include <string.h>

#include "common/db.h"
#include "gateway/portal/objects_private.h"

enum { NUMBER = 8 };

static uint64_t
number_of(struct span key)
{
	uint64_t n = 0;

	for (size_t i = 0; i < key.len; i++)
		n = n << 8 | key.data[i];
	return n;
}

/* The first or the last one; 0: there is none. */
static enum err
end_of(struct db_txn *txn, enum db_move end, uint64_t *out)
{
	struct db_cursor *c = NULL;
	struct span key, id;
	enum err e = db_cursor_open(txn, TABLE_GONE, &c);

	if (e == ERR_OK)
		e = db_cursor_move(c, end, &key, &id);
	if (e == ERR_OK)
		*out = number_of(key);
	else if (e == ERR_NOT_FOUND)
		*out = 0;
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static struct span
key_of(uint64_t n, uint8_t out[NUMBER])
{
	for (unsigned i = 0; i < NUMBER; i++)
		out[i] = (uint8_t)(n >> (56 - 8 * i));
	return SPAN(out, NUMBER);
}

enum err
portal_gone_note(struct db_txn *txn, const uint8_t *id)
{
	uint8_t key[NUMBER];
	uint64_t first = 0, last = 0;
	enum err e = end_of(txn, DB_FIRST, &first);

	if (e == ERR_OK)
		e = end_of(txn, DB_LAST, &last);
	if (e == ERR_OK)
		e = db_put(txn, TABLE_GONE, key_of(last + 1, key),
		    SPAN(id, OBJECT_ID_SIZE));
	if (e == ERR_OK && first != 0 && last + 1 - first >= LIMIT_DMZ_GONE)
		e = db_del(txn, TABLE_GONE, key_of(first, key));
	return e;
}

bool
portal_objects_was_here(struct portal_objects *o, const uint8_t *id)
{
	struct db_cursor *c = NULL;
	struct db_txn *txn = NULL;
	struct span key, v;
	bool was = false;
	enum err e = portal_index_read(o, &txn);

	if (e == ERR_OK)
		e = db_cursor_open(txn, TABLE_GONE, &c);
	while (e == ERR_OK && !was) {
		e = db_cursor_move(c, DB_PREV, &key, &v);
		was = e == ERR_OK && span_eq(v, SPAN(id, OBJECT_ID_SIZE));
	}
	db_cursor_close(c);
	db_end(txn);
	return was;
}
