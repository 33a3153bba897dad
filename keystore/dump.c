/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Items of a store. docs/format-backup.md.
 */
#include "keystore/dump.h"

#include "common/pack.h"
#include "keystore/deleted.h"
#include "keystore/store_private.h"

enum { ITEM_MAX = KS_RECORD_MAX + 64 * 1024 };

enum err
ks_begin_read(struct ks_store *s)
{
	return s->ops->begin_read(s);
}

void
ks_end_read(struct ks_store *s)
{
	s->ops->rollback(s);
}

struct walk {
	ks_item_visit *visit;
	void *ctx;
	enum ks_row row;
	struct buf item;
	struct buf row_public;
};

static enum err
show_record(void *ctx, const struct ks_record *r)
{
	struct walk *w = ctx;
	enum err e;

	buf_reset(&w->item);
	e = ks_record_encode(r, &w->item);
	return e != ERR_OK
		   ? e
		   : w->visit(w->ctx, KS_ITEM_RECORD, buf_span(&w->item));
}

static enum err
show_row(void *ctx, struct span key, struct span octets)
{
	struct walk *w = ctx;
	struct packer p;
	enum err e = ERR_OK;

	buf_reset(&w->item);
	buf_reset(&w->row_public);
	/* sealed to this machine, it is of no use on another */
	if (w->row == KS_ROW_DELETED) {
		e = ks_deleted_public(octets, &w->row_public);
		octets = buf_span(&w->row_public);
	}
	pack_begin(&p, &w->item);
	pack_u8(&p, (uint8_t)w->row);
	pack_span(&p, key);
	pack_span(&p, octets);
	if (e == ERR_OK)
		e = pack_end(&p);
	return e != ERR_OK ? e
			   : w->visit(w->ctx, KS_ITEM_ROW, buf_span(&w->item));
}

enum err
ks_dump(struct ks_store *s, ks_item_visit *visit, void *ctx)
{
	struct walk w = {.visit = visit, .ctx = ctx};
	enum err e;

	buf_init(&w.item, ITEM_MAX);
	buf_init(&w.row_public, ITEM_MAX);
	e = ks_each(s, SPAN(NULL, 0), show_record, &w);
	for (unsigned i = 0; i < KS_ROW_COUNT && e == ERR_OK; i++) {
		w.row = (enum ks_row)i;
		if (w.row != KS_ROW_PRIVATE)
			e = s->ops->row_each(s, w.row, SPAN(NULL, 0),
			    SPAN(NULL, 0), show_row, &w);
	}
	buf_clear(&w.item);
	buf_clear(&w.row_public);
	return e;
}

static enum err
show_key(void *ctx, struct span key, struct span octets)
{
	struct walk *w = ctx;

	(void)octets;
	return w->visit(w->ctx, KS_ITEM_ROW, key);
}

enum err
ks_dump_private(struct ks_store *s, ks_item_visit *visit, void *ctx)
{
	struct walk w = {.visit = visit, .ctx = ctx};

	return s->ops->row_each(
	    s, KS_ROW_PRIVATE, SPAN(NULL, 0), SPAN(NULL, 0), show_key, &w);
}

static enum err
put_row(struct ks_store *s, struct span octets)
{
	struct span key, value;
	struct unpacker u;
	uint8_t row;

	unpack_begin(&u, octets);
	row = unpack_u8(&u);
	key = unpack_span(&u);
	value = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || row >= KS_ROW_COUNT ||
	    row == KS_ROW_PRIVATE)
		return ERR_MALFORMED;
	return s->ops->row_put(s, (enum ks_row)row, key, value);
}

enum err
ks_undump(struct ks_store *s, enum ks_item item, struct span octets)
{
	struct ks_room room;
	struct ks_record r;

	switch (item) {
	case KS_ITEM_RECORD:
		return ks_record_decode(octets, &room, &r) == ERR_OK
			   ? ks_put(s, &r)
			   : ERR_MALFORMED;
	case KS_ITEM_ROW:
		return put_row(s, octets);
	}
	return ERR_MALFORMED;
}
