/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Keyed digests as rows. docs/format-keystore.md.
 */
#include "keystore/reply.h"

#include "common/pack.h"
#include "keystore/store_private.h"

enum { REPLY_VERSION = 1, REPLY_MAX = 16 };

enum err
ks_reply_add(struct ks_store *s, const uint8_t id[KS_REPLY_ID], int64_t now_s)
{
	struct buf octets;
	struct packer p;
	enum err e;

	buf_init(&octets, REPLY_MAX);
	pack_begin(&p, &octets);
	pack_u8(&p, REPLY_VERSION);
	pack_u64(&p, (uint64_t)now_s);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = s->ops->row_put(
		    s, KS_ROW_REPLY, SPAN(id, KS_REPLY_ID), buf_span(&octets));
	buf_clear(&octets);
	return e;
}

static enum err
decode(struct span octets, int64_t *seen)
{
	struct unpacker u;
	uint8_t version;
	int64_t at;

	unpack_begin(&u, octets);
	version = unpack_u8(&u);
	at = (int64_t)unpack_u64(&u);
	if (unpack_end(&u) != ERR_OK || version != REPLY_VERSION)
		return ERR_DB_BROKEN;
	*seen = at;
	return ERR_OK;
}

static enum err
on_row(void *ctx, struct span key, struct span octets)
{
	(void)key;
	return decode(octets, ctx);
}

enum err
ks_reply_has(struct ks_store *s, const uint8_t id[KS_REPLY_ID])
{
	int64_t seen;

	return s->ops->row_get(
	    s, KS_ROW_REPLY, SPAN(id, KS_REPLY_ID), on_row, &seen);
}

static enum err
look(void *ctx, struct span key, struct span value, bool *drop)
{
	const int64_t *now = ctx;
	int64_t seen;

	(void)key;
	/* one of a version to come is not ours to drop */
	*drop = decode(value, &seen) == ERR_OK && *now - seen > KS_REPLY_KEEP_S;
	return ERR_OK;
}

enum err
ks_reply_sweep(
    struct ks_store *s, struct buf *from, unsigned max, int64_t now_s)
{
	return s->ops->row_sweep(s, KS_ROW_REPLY, from, max, look, &now_s);
}
