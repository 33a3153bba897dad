/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of the table of own keys: "c" and a CA, "i" and an issued certificate,
 * "p" and a published key (docs/format-keystore.md).
 */
#include "keystore/own.h"

#include <string.h>

#include "common/arena.h"
#include "common/pack.h"
#include "keystore/store_private.h"

enum {
	OWN_VERSION = 1,
	ROW_CA = 'c',
	ROW_ISSUED = 'i',
	ROW_PUBLISHED = 'p',
	CA_FPR = 32,	    /* octets */
	KEY_MAX = 256,	    /* octets of a row's key */
	VALUE_SMALL = 1024, /* octets of a row without a list */
	VALUE_ROOM = 64,    /* octets of a CA's row besides its list */
};

/* The key of a row: its type, then one or two names. */
static enum err
row_key(uint8_t type, struct span a, struct span b, struct buf *out)
{
	enum err e = buf_putc(out, type);

	if (e == ERR_OK)
		e = buf_put(out, a);
	return e == ERR_OK ? buf_put(out, b) : e;
}

static enum err
put(struct ks_store *s, uint8_t type, struct span a, struct span b,
    struct packer *value)
{
	struct buf key;
	enum err e = pack_end(value);

	buf_init(&key, KEY_MAX);
	if (e == ERR_OK)
		e = row_key(type, a, b, &key);
	if (e == ERR_OK)
		e = s->ops->row_put(
		    s, KS_ROW_OWN, buf_span(&key), buf_span(value->buf));
	buf_clear(&key);
	return e;
}

static enum err
get(struct ks_store *s, uint8_t type, struct span name, ks_row_visit *visit,
    void *ctx)
{
	struct buf key;
	enum err e;

	buf_init(&key, KEY_MAX);
	e = row_key(type, name, SPAN(NULL, 0), &key);
	if (e == ERR_OK)
		e = s->ops->row_get(s, KS_ROW_OWN, buf_span(&key), visit, ctx);
	buf_clear(&key);
	return e;
}

static enum err
each(struct ks_store *s, uint8_t type, struct span name, ks_row_visit *visit,
    void *ctx)
{
	struct buf key;
	enum err e;

	buf_init(&key, KEY_MAX);
	e = row_key(type, name, SPAN(NULL, 0), &key);
	if (e == ERR_OK)
		e = s->ops->row_each(
		    s, KS_ROW_OWN, buf_span(&key), SPAN(NULL, 0), visit, ctx);
	buf_clear(&key);
	return e;
}

/* --- CAs --- */

enum err
ks_ca_put(struct ks_store *s, const struct ks_ca *ca)
{
	struct packer p;
	struct buf value;
	enum err e;

	if (ca->fpr.len != CA_FPR || ca->crl.len > KS_CRL_MAX ||
	    (ca->crl.len == 0) != (ca->crl_number == 0))
		return ERR_MALFORMED;
	buf_init(&value, KS_CRL_MAX + VALUE_ROOM);
	pack_begin(&p, &value);
	pack_u8(&p, OWN_VERSION);
	pack_u64(&p, (uint64_t)ca->added);
	pack_u64(&p, ca->crl_number);
	pack_u64(&p, (uint64_t)ca->this_update);
	pack_u64(&p, (uint64_t)ca->next_update);
	pack_span(&p, ca->crl);
	e = put(s, ROW_CA, ca->fpr, SPAN(NULL, 0), &p);
	buf_clear(&value);
	return e;
}

static enum err
read_ca(struct span fpr, struct span value, struct ks_ca *out)
{
	struct ks_ca ca = {.fpr = fpr};
	struct unpacker u;
	uint8_t version;

	unpack_begin(&u, value);
	version = unpack_u8(&u);
	ca.added = (int64_t)unpack_u64(&u);
	ca.crl_number = unpack_u64(&u);
	ca.this_update = (int64_t)unpack_u64(&u);
	ca.next_update = (int64_t)unpack_u64(&u);
	ca.crl = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version != OWN_VERSION ||
	    fpr.len != CA_FPR || (ca.crl.len == 0) != (ca.crl_number == 0))
		return ERR_DB_BROKEN;
	*out = ca;
	return ERR_OK;
}

struct ca_get {
	struct arena *arena;
	struct ks_ca *ca;
};

static enum err
keep_ca(void *ctx, struct span key, struct span value)
{
	struct ca_get *g = ctx;
	enum err e = read_ca(SPAN(key.data + 1, key.len - 1), value, g->ca);

	if (e == ERR_OK)
		e = arena_span(g->arena, g->ca->fpr, &g->ca->fpr);
	if (e == ERR_OK)
		e = arena_span(g->arena, g->ca->crl, &g->ca->crl);
	return e;
}

enum err
ks_ca_get(struct ks_store *s, struct span fpr, struct arena *arena,
    struct ks_ca **out)
{
	struct ca_get g = {arena, arena_alloc(arena, sizeof(struct ks_ca))};
	enum err e;

	if (g.ca == NULL)
		return ERR_NOMEM;
	if (fpr.len != CA_FPR)
		return ERR_NOT_FOUND;
	e = get(s, ROW_CA, fpr, keep_ca, &g);
	if (e == ERR_OK)
		*out = g.ca;
	return e;
}

struct visits {
	ks_ca_visit *ca;
	ks_issued_visit *issued;
	ks_published_visit *published;
	void *ctx;
};

static enum err
visit_ca(void *ctx, struct span key, struct span value)
{
	const struct visits *v = ctx;
	struct ks_ca ca;
	enum err e = read_ca(SPAN(key.data + 1, key.len - 1), value, &ca);

	return e == ERR_OK ? v->ca(v->ctx, &ca) : e;
}

enum err
ks_ca_each(struct ks_store *s, ks_ca_visit *visit, void *ctx)
{
	struct visits v = {.ca = visit, .ctx = ctx};

	return each(s, ROW_CA, SPAN(NULL, 0), visit_ca, &v);
}

/* --- issued certificates --- */

enum err
ks_issued_put(struct ks_store *s, const struct ks_issued *i)
{
	struct packer p;
	struct buf value;
	enum err e;

	if (i->ca.len != CA_FPR || i->fpr.len != CA_FPR || i->serial.len == 0 ||
	    i->serial.len > KS_ID_MAX || i->reason > KS_REASON_MAX)
		return ERR_MALFORMED;
	buf_init(&value, VALUE_SMALL);
	pack_begin(&p, &value);
	pack_u8(&p, OWN_VERSION);
	pack_span(&p, i->fpr);
	pack_u64(&p, (uint64_t)i->not_after);
	pack_u64(&p, (uint64_t)i->revoked_at);
	pack_u8(&p, i->reason);
	pack_bool(&p, i->automatic);
	e = put(s, ROW_ISSUED, i->ca, i->serial, &p);
	buf_clear(&value);
	return e;
}

static enum err
read_issued(struct span key, struct span value, struct ks_issued *out)
{
	struct ks_issued i = {.ca = SPAN(key.data + 1, CA_FPR)};
	struct unpacker u;
	uint8_t version;

	if (key.len <= 1 + CA_FPR)
		return ERR_DB_BROKEN;
	i.serial = SPAN(key.data + 1 + CA_FPR, key.len - 1 - CA_FPR);
	unpack_begin(&u, value);
	version = unpack_u8(&u);
	i.fpr = unpack_span(&u);
	i.not_after = (int64_t)unpack_u64(&u);
	i.revoked_at = (int64_t)unpack_u64(&u);
	i.reason = unpack_u8(&u);
	i.automatic = unpack_bool(&u);
	if (unpack_end(&u) != ERR_OK || version != OWN_VERSION ||
	    i.fpr.len != CA_FPR || i.reason > KS_REASON_MAX)
		return ERR_DB_BROKEN;
	*out = i;
	return ERR_OK;
}

static enum err
visit_issued(void *ctx, struct span key, struct span value)
{
	const struct visits *v = ctx;
	struct ks_issued i;
	enum err e = read_issued(key, value, &i);

	return e == ERR_OK ? v->issued(v->ctx, &i) : e;
}

struct state {
	struct ks_store *store;
	struct span serial;
	bool found;
	struct ks_issued row; /* what it borrows is gone */
};

static enum err
keep_state(void *ctx, struct span key, struct span value)
{
	struct state *s = ctx;
	enum err e = read_issued(key, value, &s->row);

	s->found = e == ERR_OK;
	return e;
}

static enum err
state_at(void *ctx, const struct ks_ca *ca)
{
	struct state *s = ctx;
	struct buf key;
	enum err e;

	if (s->found)
		return ERR_OK;
	buf_init(&key, KEY_MAX);
	e = row_key(ROW_ISSUED, ca->fpr, s->serial, &key);
	if (e == ERR_OK)
		e = s->store->ops->row_get(
		    s->store, KS_ROW_OWN, buf_span(&key), keep_state, s);
	buf_clear(&key);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
ks_issued_state(struct ks_store *s, struct span serial, int64_t *revoked_at,
    uint8_t *reason)
{
	struct state x = {.store = s, .serial = serial};
	enum err e;

	if (serial.len == 0 || serial.len > KS_ID_MAX)
		return ERR_NOT_FOUND;
	e = ks_ca_each(s, state_at, &x);
	if (e == ERR_OK && !x.found)
		e = ERR_NOT_FOUND;
	if (e != ERR_OK)
		return e;
	*revoked_at = x.row.revoked_at;
	*reason = x.row.reason;
	return ERR_OK;
}

enum err
ks_issued_each(
    struct ks_store *s, struct span ca, ks_issued_visit *visit, void *ctx)
{
	struct visits v = {.issued = visit, .ctx = ctx};

	return each(s, ROW_ISSUED, ca, visit_issued, &v);
}

/* --- published keys --- */

static bool
is_fpr(struct span fpr)
{
	return fpr.len >= KS_FPR_MIN && fpr.len <= KS_FPR_MAX;
}

enum err
ks_published_put(struct ks_store *s, struct span fpr)
{
	struct packer p;
	struct buf value;
	enum err e;

	if (!is_fpr(fpr))
		return ERR_MALFORMED;
	buf_init(&value, VALUE_SMALL);
	pack_begin(&p, &value);
	pack_u8(&p, OWN_VERSION);
	e = put(s, ROW_PUBLISHED, fpr, SPAN(NULL, 0), &p);
	buf_clear(&value);
	return e;
}

enum err
ks_published_delete(struct ks_store *s, struct span fpr)
{
	struct buf key;
	enum err e;

	if (!is_fpr(fpr))
		return ERR_NOT_FOUND;
	buf_init(&key, KEY_MAX);
	e = row_key(ROW_PUBLISHED, fpr, SPAN(NULL, 0), &key);
	if (e == ERR_OK)
		e = s->ops->row_del(s, KS_ROW_OWN, buf_span(&key));
	buf_clear(&key);
	return e;
}

static enum err
is_version(void *ctx, struct span key, struct span value)
{
	(void)ctx;
	(void)key;
	return value.len == 1 && value.data[0] == OWN_VERSION ? ERR_OK
							      : ERR_DB_BROKEN;
}

enum err
ks_published_has(struct ks_store *s, struct span fpr)
{
	return is_fpr(fpr) ? get(s, ROW_PUBLISHED, fpr, is_version, NULL)
			   : ERR_NOT_FOUND;
}

static enum err
visit_published(void *ctx, struct span key, struct span value)
{
	const struct visits *v = ctx;
	struct span fpr = SPAN(key.data + 1, key.len - 1);

	if (is_version(NULL, key, value) != ERR_OK || !is_fpr(fpr))
		return ERR_DB_BROKEN;
	return v->published(v->ctx, fpr);
}

enum err
ks_published_each(struct ks_store *s, ks_published_visit *visit, void *ctx)
{
	struct visits v = {.published = visit, .ctx = ctx};

	return each(s, ROW_PUBLISHED, SPAN(NULL, 0), visit_published, &v);
}
