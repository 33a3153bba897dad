/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows: the place of the address (u16), 1 for what came with mail else 0, a
 * digest of what it is. docs/format-keystore.md.
 */
#include "keystore/refused.h"

#include <string.h>

#include "common/digest.h"
#include "common/pack.h"
#include "keystore/store_private.h"

enum {
	REFUSED_VERSION = 1,
	CLASS_SIZE = 3, /* place and class */
	ID_SIZE = 16,
	KEY_SIZE = CLASS_SIZE + ID_SIZE,
	ROW_MAX = 4096,
};

static struct span
cut(struct span s)
{
	return SPAN(s.data, s.len > KS_REFUSED_TEXT ? KS_REFUSED_TEXT : s.len);
}

/* --- octets --- */

static void
put_place(struct span addr, uint8_t out[2])
{
	uint8_t digest[DIGEST_SIZE];
	unsigned place;

	digest_sha256(&addr, 1, digest);
	place = ((unsigned)digest[0] << 8 | digest[1]) % KS_REFUSED_PLACES;
	out[0] = (uint8_t)(place >> 8);
	out[1] = (uint8_t)place;
}

static void
make_key(const struct ks_refusal *r, uint8_t out[KEY_SIZE])
{
	uint8_t digest[DIGEST_SIZE], source = (uint8_t)r->source;
	struct span zero = SPAN("", 1);
	struct span parts[] = {r->addr, zero, SPAN(&source, 1),
	    r->fpr.len > 0 ? r->fpr : cut(r->why)};

	put_place(r->addr, out);
	out[2] = r->source == KS_SOURCE_HARVEST;
	digest_sha256(parts, sizeof(parts) / sizeof(parts[0]), digest);
	memcpy(out + CLASS_SIZE, digest, ID_SIZE);
}

static enum err
encode(const struct ks_refusal *r, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, REFUSED_VERSION);
	pack_u64(&p, (uint64_t)r->at);
	pack_u8(&p, (uint8_t)r->source);
	pack_span(&p, r->addr);
	pack_span(&p, r->fpr);
	pack_span(&p, cut(r->what));
	pack_span(&p, cut(r->url));
	pack_span(&p, cut(r->why));
	return pack_end(&p);
}

static enum err
decode(struct span in, struct ks_refusal *out)
{
	struct ks_refusal r = {0};
	struct unpacker u;
	uint8_t version, source;

	unpack_begin(&u, in);
	version = unpack_u8(&u);
	r.at = (int64_t)unpack_u64(&u);
	source = unpack_u8(&u);
	r.source = (enum ks_source)source;
	r.addr = unpack_span(&u);
	r.fpr = unpack_span(&u);
	r.what = unpack_span(&u);
	r.url = unpack_span(&u);
	r.why = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version != REFUSED_VERSION ||
	    source < KS_SOURCE_MANUAL || source > KS_SOURCE_HARVEST ||
	    r.addr.len == 0 || r.addr.len > KS_ADDR_MAX ||
	    r.fpr.len > KS_FPR_MAX || r.what.len > KS_REFUSED_TEXT ||
	    r.url.len > KS_REFUSED_TEXT || r.why.len > KS_REFUSED_TEXT)
		return ERR_DB_BROKEN;
	*out = r;
	return ERR_OK;
}

/* --- keeping --- */

/* The rows of one place and class. */
struct full {
	struct span key; /* of the row that is to be put */
	size_t n;
	bool known;
	uint8_t oldest[KEY_SIZE];
	int64_t at; /* of the oldest */
};

static enum err
count(void *ctx, struct span key, struct span octets)
{
	struct full *f = ctx;
	struct ks_refusal r;
	int64_t at = decode(octets, &r) == ERR_OK ? r.at : INT64_MIN;

	if (key.len != KEY_SIZE)
		return ERR_DB_BROKEN;
	f->known = f->known || span_eq(key, f->key);
	if (f->n++ == 0 || at < f->at) {
		f->at = at;
		memcpy(f->oldest, key.data, KEY_SIZE);
	}
	return ERR_OK;
}

enum err
ks_refused_put(struct ks_store *s, const struct ks_refusal *r)
{
	uint8_t key[KEY_SIZE];
	struct full f = {.key = SPAN(key, KEY_SIZE)};
	size_t max = r->source == KS_SOURCE_HARVEST ? KS_REFUSED_ROWS_MAIL
						    : KS_REFUSED_ROWS;
	struct buf octets;
	enum err e;

	if (r->addr.len == 0 || r->addr.len > KS_ADDR_MAX ||
	    r->fpr.len > KS_FPR_MAX || r->source < KS_SOURCE_MANUAL ||
	    r->source > KS_SOURCE_HARVEST)
		return ERR_MALFORMED;
	make_key(r, key);
	e = s->ops->row_each(
	    s, KS_ROW_REFUSED, SPAN(key, CLASS_SIZE), SPAN(NULL, 0), count, &f);
	if (e == ERR_OK && !f.known && f.n >= max)
		e = s->ops->row_del(
		    s, KS_ROW_REFUSED, SPAN(f.oldest, KEY_SIZE));
	buf_init(&octets, ROW_MAX);
	if (e == ERR_OK)
		e = encode(r, &octets);
	if (e == ERR_OK)
		e = s->ops->row_put(
		    s, KS_ROW_REFUSED, f.key, buf_span(&octets));
	buf_clear(&octets);
	return e;
}

enum err
ks_refused_drop(struct ks_store *s, struct span addr, enum ks_source source,
    struct span fpr)
{
	struct ks_refusal r = {.source = source, .addr = addr, .fpr = fpr};
	uint8_t key[KEY_SIZE];
	enum err e;

	make_key(&r, key);
	e = s->ops->row_del(s, KS_ROW_REFUSED, SPAN(key, KEY_SIZE));
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* --- telling --- */

struct walk {
	struct span addr;
	int64_t now;
	ks_refused_visit *visit;
	void *ctx;
};

static enum err
show(void *ctx, struct span key, struct span octets)
{
	struct walk *w = ctx;
	struct ks_refusal r;
	enum err e = decode(octets, &r);

	(void)key;
	if (e != ERR_OK)
		return e;
	if ((w->addr.len > 0 && !span_eq(w->addr, r.addr)) ||
	    w->now - r.at > KS_REFUSED_KEEP_S)
		return ERR_OK;
	return w->visit(w->ctx, &r);
}

enum err
ks_refused_each(struct ks_store *s, struct span addr, int64_t now,
    ks_refused_visit *visit, void *ctx)
{
	struct walk w = {addr, now, visit, ctx};
	uint8_t place[2];

	put_place(addr, place);
	return s->ops->row_each(s, KS_ROW_REFUSED,
	    SPAN(place, addr.len > 0 ? sizeof(place) : 0), SPAN(NULL, 0), show,
	    &w);
}

static enum err
look(void *ctx, struct span key, struct span value, bool *drop)
{
	const int64_t *now = ctx;
	struct ks_refusal r;

	(void)key;
	/* one of a version to come is not ours to drop */
	*drop = decode(value, &r) == ERR_OK && *now - r.at > KS_REFUSED_KEEP_S;
	return ERR_OK;
}

enum err
ks_refused_sweep(
    struct ks_store *s, struct buf *from, unsigned max, int64_t now)
{
	return s->ops->row_sweep(s, KS_ROW_REFUSED, from, max, look, &now);
}
