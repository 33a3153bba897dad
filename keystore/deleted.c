/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of deleted keys, found by fingerprint. docs/format-keystore.md.
 */
#include "keystore/deleted.h"

#include "common/arena.h"
#include "common/pack.h"
#include "keystore/private.h"
#include "keystore/store_private.h"

enum {
	DELETED_VERSION = 1,
	DELETED_SIZE = KS_RECORD_MAX + KS_PRIVATE_MAX + 8192
};

/* As it is in the store. */
struct row {
	int64_t at;
	struct span who, record, private; /* private may be empty */
};

static enum err
encode(const struct row *r, struct buf *out)
{
	struct packer w;

	pack_begin(&w, out);
	pack_u8(&w, DELETED_VERSION);
	pack_u64(&w, (uint64_t)r->at);
	pack_span(&w, r->who);
	pack_span(&w, r->record);
	pack_span(&w, r->private);
	return pack_end(&w);
}

static enum err
decode(struct span in, struct row *out)
{
	struct row r = {0};
	struct unpacker u;
	uint8_t version;

	unpack_begin(&u, in);
	version = unpack_u8(&u);
	r.at = (int64_t)unpack_u64(&u);
	r.who = unpack_span(&u);
	r.record = unpack_span(&u);
	r.private = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version != DELETED_VERSION ||
	    r.who.len > KS_TEXT_MAX)
		return ERR_DB_BROKEN;
	*out = r;
	return ERR_OK;
}

struct get {
	struct arena *arena;
	struct span octets;
};

static enum err
copy(void *ctx, struct span key, struct span octets)
{
	struct get *g = ctx;

	(void)key;
	return arena_span(g->arena, octets, &g->octets);
}

/* ERR_OK with nothing in out: there is none. */
static enum err
get_row(struct ks_store *s, enum ks_row table, struct span fpr,
    struct arena *arena, struct span *out)
{
	struct get g = {.arena = arena};
	enum err e = s->ops->row_get(s, table, fpr, copy, &g);

	if (e == ERR_OK)
		*out = g.octets;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* --- deleting --- */

static enum err
put(struct ks_store *s, const struct ks_record *record, struct row *row)
{
	struct buf octets, all;
	enum err e;

	buf_init(&octets, KS_RECORD_MAX);
	buf_init(&all, DELETED_SIZE);
	e = ks_record_encode(record, &octets);
	row->record = buf_span(&octets);
	if (e == ERR_OK)
		e = encode(row, &all);
	if (e == ERR_OK)
		e = s->ops->row_put(
		    s, KS_ROW_DELETED, record->fpr, buf_span(&all));
	buf_clear(&octets);
	buf_clear(&all);
	return e;
}

enum err
ks_deleted_keep(struct ks_store *s, struct span fpr, struct span who,
    int64_t now, struct arena *arena)
{
	struct row row = {.at = now, .who = who}, before;
	struct span old = {NULL, 0};
	struct ks_record *r = NULL;
	enum err e = ks_get(s, fpr, arena, &r);

	if (e == ERR_OK)
		e = get_row(s, KS_ROW_PRIVATE, fpr, arena, &row.private);
	if (e == ERR_OK)
		e = get_row(s, KS_ROW_DELETED, fpr, arena, &old);
	if (e == ERR_OK && old.len > 0 && row.private.len == 0) {
		e = decode(old, &before);
		if (e == ERR_OK)
			row.private = before.private;
	}
	if (e == ERR_OK)
		e = put(s, r, &row);
	return e == ERR_OK ? ks_delete(s, fpr) : e;
}

/* --- and back --- */

static enum err
put_private(
    struct ks_store *s, const struct ks_record *r, const struct row *row)
{
	enum err e;

	if (row->private.len == 0)
		return ERR_OK;
	e = ks_private_has(s, r->fpr);
	if (e != ERR_NOT_FOUND)
		return e;
	return ks_private_put_octets(s, r->fpr, row->private);
}

enum err
ks_deleted_undo(struct ks_store *s, struct span fpr, struct arena *arena,
    struct ks_record **out)
{
	struct ks_room room;
	struct span octets = {NULL, 0};
	struct ks_record r, *there = NULL, *kept = NULL;
	struct row row;
	enum err e = get_row(s, KS_ROW_DELETED, fpr, arena, &octets);

	if (e == ERR_OK && octets.len == 0)
		return ERR_NOT_FOUND;
	if (e == ERR_OK)
		e = decode(octets, &row);
	if (e == ERR_OK)
		e = ks_record_decode(row.record, &room, &r);
	if (e == ERR_OK && !span_eq(r.fpr, fpr))
		e = ERR_DB_BROKEN;
	if (e == ERR_OK)
		e = ks_get(s, fpr, arena, &there);
	if (e == ERR_NOT_FOUND)
		e = ks_put(s, &r);
	else if (e == ERR_OK && there->kind != r.kind)
		e = ERR_EXISTS;
	if (e == ERR_OK)
		e = put_private(s, &r, &row);
	if (e == ERR_OK)
		e = ks_deleted_purge(s, fpr);
	if (e == ERR_OK)
		e = ks_record_copy(&r, true, arena, &kept);
	if (e == ERR_OK)
		*out = kept;
	return e;
}

enum err
ks_deleted_purge(struct ks_store *s, struct span fpr)
{
	return s->ops->row_del(s, KS_ROW_DELETED, fpr);
}

struct walk {
	ks_deleted_visit *visit;
	void *ctx;
};

static enum err
show(void *ctx, struct span key, struct span octets)
{
	struct walk *w = ctx;
	struct ks_deleted d;
	struct ks_room room;
	struct row row;
	enum err e = decode(octets, &row);

	if (e == ERR_OK)
		e = ks_record_decode(row.record, &room, &d.record);
	if (e == ERR_OK && !span_eq(d.record.fpr, key))
		e = ERR_DB_BROKEN;
	if (e != ERR_OK)
		return e;
	d.at = row.at;
	d.who = row.who;
	d.has_private = row.private.len > 0;
	return w->visit(w->ctx, &d);
}

enum err
ks_deleted_each(
    struct ks_store *s, struct span prefix, ks_deleted_visit *visit, void *ctx)
{
	struct walk w = {visit, ctx};

	if (prefix.len > KS_FPR_MAX)
		return ERR_OK;
	return s->ops->row_each(
	    s, KS_ROW_DELETED, prefix, SPAN(NULL, 0), show, &w);
}

enum err
ks_deleted_public(struct span octets, struct buf *out)
{
	struct row row;

	if (decode(octets, &row) != ERR_OK)
		return ERR_MALFORMED;
	row.private = SPAN(NULL, 0);
	return encode(&row, out);
}
