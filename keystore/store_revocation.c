/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of the table of revocation: "w" and what is wanted, "q" with its time
 * and an id, so that what is due is found without reading the rest, "s" and
 * what was said, which can be large and is replaced as a whole, "i" and the
 * issuer's certificate, which many share. docs/format-keystore.md.
 */
#include "keystore/store_revocation.h"

#include <string.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/pack.h"
#include "keystore/store_private.h"

enum {
	ROW_VERSION = 1,
	ROW_WANT = 'w',
	ROW_QUEUE = 'q',
	ROW_SAID = 's',
	ROW_ISSUER = 'i',
	KEY_MAX = 1 + 8 + KS_WANT_ID,
	WANT_MAX = 8192,    /* octets of a want's row */
	SAID_ROOM = 64,	    /* octets of what was said besides entries */
	REQUEST_MAX = 1024, /* octets of an OCSP request */
	TROUBLE_MAX = 256,
	/* seconds: how long a want is at least extended by, so that not each
	   certificate writes */
	EXTEND_S = 24 * 3600,
	RETRY_S = 300, /* doubling up to */
	RETRY_MAX_S = 4 * 3600,
	/* what is good for weeks is still fetched daily */
	REFRESH_MAX_S = 24 * 3600,
	REFRESH_MIN_S = 300,
};

/* --- rows --- */

static struct span
row_key(uint8_t type, const void *id, uint8_t room[KEY_MAX])
{
	room[0] = type;
	memcpy(room + 1, id, KS_WANT_ID);
	return SPAN(room, 1 + KS_WANT_ID);
}

static struct span
queue_key(int64_t due, const void *id, uint8_t room[KEY_MAX])
{
	uint64_t t = due > 0 ? (uint64_t)due : 0;

	room[0] = ROW_QUEUE;
	for (unsigned i = 0; i < 8; i++)
		room[1 + i] = (uint8_t)(t >> (56 - 8 * i));
	memcpy(room + 9, id, KS_WANT_ID);
	return SPAN(room, KEY_MAX);
}

void
ks_want_id(enum ks_want_kind kind, struct span issuer, struct span url,
    struct span serial, uint8_t out[KS_WANT_ID])
{
	uint8_t parts[1 + DIGEST_SIZE] = {(uint8_t)kind};
	struct span all[2] = {
	    SPAN(parts, sizeof(parts)), kind == KS_WANT_LIST ? url : serial};

	digest_sha256(&issuer, 1, parts + 1);
	digest_sha256(all, 2, out);
}

/* A want as it is in its row: the issuer by its digest. */
struct row {
	struct ks_want want;
	uint8_t issuer[DIGEST_SIZE];
};

static enum err
encode(const struct row *r, struct buf *out)
{
	const struct ks_want *w = &r->want;
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, ROW_VERSION);
	pack_u8(&p, (uint8_t)w->kind);
	pack_raw(&p, r->issuer, DIGEST_SIZE);
	pack_span(&p, w->url);
	pack_span(&p, w->serial);
	pack_span(&p, w->request);
	pack_u64(&p, (uint64_t)w->until);
	pack_u64(&p, (uint64_t)w->due);
	pack_u64(&p, (uint64_t)w->good);
	pack_u64(&p, (uint64_t)w->tried);
	pack_u32(&p, w->failures);
	pack_span(&p, w->trouble);
	return pack_end(&p);
}

static bool
is_sound(const struct ks_want *w)
{
	if (w->url.len == 0 || w->url.len > LIMIT_REVOCATION_URL ||
	    w->serial.len > KS_ID_MAX || w->request.len > REQUEST_MAX ||
	    w->trouble.len > TROUBLE_MAX)
		return false;
	if (w->kind == KS_WANT_LIST)
		return w->serial.len == 0 && w->request.len == 0;
	return w->kind == KS_WANT_ANSWER && w->serial.len > 0 &&
	       w->request.len > 0;
}

static enum err
decode(struct span in, struct row *out)
{
	struct row r = {.want = {.due = 0}};
	struct unpacker u;
	uint8_t version;

	unpack_begin(&u, in);
	version = unpack_u8(&u);
	r.want.kind = (enum ks_want_kind)unpack_u8(&u);
	unpack_raw(&u, r.issuer, DIGEST_SIZE);
	r.want.url = unpack_span(&u);
	r.want.serial = unpack_span(&u);
	r.want.request = unpack_span(&u);
	r.want.until = (int64_t)unpack_u64(&u);
	r.want.due = (int64_t)unpack_u64(&u);
	r.want.good = (int64_t)unpack_u64(&u);
	r.want.tried = (int64_t)unpack_u64(&u);
	r.want.failures = unpack_u32(&u);
	r.want.trouble = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version != ROW_VERSION ||
	    !is_sound(&r.want))
		return ERR_DB_BROKEN;
	*out = r;
	return ERR_OK;
}

/* A row with octets of its own. */
struct held {
	struct buf octets;
	struct row row;
};

static enum err
hold(void *ctx, struct span key, struct span octets)
{
	struct held *h = ctx;
	enum err e;

	(void)key;
	buf_reset(&h->octets);
	e = buf_put(&h->octets, octets);
	return e != ERR_OK ? e : decode(buf_span(&h->octets), &h->row);
}

static enum err
get_row(struct ks_store *s, const void *id, struct held *h)
{
	uint8_t room[KEY_MAX];

	return s->ops->row_get(
	    s, KS_ROW_REVOCATION, row_key(ROW_WANT, id, room), hold, h);
}

static enum err
put_row(struct ks_store *s, const void *id, const struct row *r)
{
	uint8_t room[KEY_MAX];
	struct buf octets;
	enum err e;

	buf_init(&octets, WANT_MAX);
	e = encode(r, &octets);
	if (e == ERR_OK)
		e = s->ops->row_put(s, KS_ROW_REVOCATION,
		    row_key(ROW_WANT, id, room), buf_span(&octets));
	buf_clear(&octets);
	if (e == ERR_OK)
		e = s->ops->row_put(s, KS_ROW_REVOCATION,
		    queue_key(r->want.due, id, room), SPAN(NULL, 0));
	return e;
}

static enum err
del(struct ks_store *s, struct span key)
{
	enum err e = s->ops->row_del(s, KS_ROW_REVOCATION, key);

	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* Replace the row of a want, whose place in the queue was at due. */
static enum err
move_row(struct ks_store *s, const void *id, int64_t due, const struct row *r)
{
	uint8_t room[KEY_MAX];
	enum err e = del(s, queue_key(due, id, room));

	return e != ERR_OK ? e : put_row(s, id, r);
}

/* --- changes --- */

static enum err
put_issuer(struct ks_store *s, struct span der, const uint8_t *digest)
{
	uint8_t room[KEY_MAX];

	return s->ops->row_put(
	    s, KS_ROW_REVOCATION, row_key(ROW_ISSUER, digest, room), der);
}

static enum err
add_new(
    struct ks_store *s, const uint8_t *id, const struct ks_want *w, int64_t now)
{
	struct row r = {.want = *w};
	enum err e;

	digest_sha256(&w->issuer, 1, r.issuer);
	r.want.due = now;
	r.want.good = r.want.tried = 0;
	r.want.failures = 0;
	r.want.trouble = SPAN(NULL, 0);
	e = put_issuer(s, w->issuer, r.issuer);
	return e != ERR_OK ? e : put_row(s, id, &r);
}

enum err
ks_want_add(
    struct ks_store *s, const struct ks_want *w, int64_t now, bool *is_new)
{
	uint8_t id[KS_WANT_ID];
	struct held h;
	enum err e;

	if (!is_sound(w) || w->issuer.len == 0 ||
	    w->issuer.len > LIMIT_CERT_SIZE)
		return ERR_MALFORMED;
	ks_want_id(w->kind, w->issuer, w->url, w->serial, id);
	buf_init(&h.octets, WANT_MAX);
	e = get_row(s, id, &h);
	*is_new = e == ERR_NOT_FOUND;
	if (e == ERR_NOT_FOUND) {
		e = add_new(s, id, w, now);
	} else if (e == ERR_OK && w->until > h.row.want.until + EXTEND_S) {
		h.row.want.until = w->until;
		e = move_row(s, id, h.row.want.due, &h.row);
	}
	buf_clear(&h.octets);
	return e;
}

static enum err
put_said(struct ks_store *s, const uint8_t *id, const struct ks_said *said)
{
	uint8_t room[KEY_MAX];
	struct packer p;
	struct buf octets;
	enum err e;

	buf_init(&octets, SAID_ROOM + said->entries.len);
	pack_begin(&p, &octets);
	pack_u8(&p, ROW_VERSION);
	pack_u64(&p, (uint64_t)said->from);
	pack_u64(&p, (uint64_t)said->until);
	pack_u8(&p, said->state);
	pack_u8(&p, said->reason);
	pack_u64(&p, (uint64_t)said->at);
	pack_u8(&p, said->scope);
	pack_span(&p, said->entries);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = s->ops->row_put(s, KS_ROW_REVOCATION,
		    row_key(ROW_SAID, id, room), buf_span(&octets));
	buf_clear(&octets);
	return e;
}

/* With three quarters of its time gone, at the latest tomorrow. */
static int64_t
refresh_at(int64_t now, int64_t until)
{
	int64_t in = (until - now) / 4 * 3;

	if (in > REFRESH_MAX_S)
		in = REFRESH_MAX_S;
	return now + (in < REFRESH_MIN_S ? REFRESH_MIN_S : in);
}

static int64_t
retry_at(int64_t now, uint32_t failures)
{
	int64_t in = RETRY_S;

	for (uint32_t i = 1; i < failures && in < RETRY_MAX_S; i++)
		in *= 2;
	return now + (in > RETRY_MAX_S ? RETRY_MAX_S : in);
}

static enum err
take_from(void *ctx, const struct ks_said *there)
{
	*(int64_t *)ctx = there->from;
	return ERR_OK;
}

/* They come by plain HTTP: whoever is on the way has yesterday's, too, and it
   is signed as well. */
static bool
is_older(struct ks_store *s, const uint8_t id[KS_WANT_ID],
    const struct ks_said *said)
{
	int64_t from = INT64_MIN;

	return ks_said_get(s, id, take_from, &from) == ERR_OK &&
	       said->from < from;
}

enum err
ks_want_done(struct ks_store *s, const uint8_t id[KS_WANT_ID], int64_t now,
    const struct ks_said *said, struct span why)
{
	struct held h;
	int64_t was_due;
	enum err e;

	if (said != NULL && is_older(s, id, said)) {
		said = NULL;
		why = SPAN_LIT("it is older than what is known already");
	}
	buf_init(&h.octets, WANT_MAX);
	e = get_row(s, id, &h);
	if (e == ERR_OK && said != NULL)
		e = put_said(s, id, said);
	if (e != ERR_OK)
		goto out;
	was_due = h.row.want.due;
	h.row.want.tried = now;
	h.row.want.trouble =
	    SPAN(why.data, why.len > TROUBLE_MAX ? TROUBLE_MAX : why.len);
	if (said != NULL) {
		h.row.want.failures = 0;
		h.row.want.trouble = SPAN(NULL, 0);
		h.row.want.good = said->until;
		h.row.want.due = refresh_at(now, said->until);
	} else {
		if (h.row.want.failures < UINT32_MAX)
			h.row.want.failures++;
		h.row.want.due = retry_at(now, h.row.want.failures);
	}
	e = move_row(s, id, was_due, &h.row);
out:
	buf_clear(&h.octets);
	return e;
}

enum err
ks_said_import(struct ks_store *s, struct span issuer, struct span url,
    int64_t now, const struct ks_said *said)
{
	uint8_t id[KS_WANT_ID];
	enum err e;

	ks_want_id(KS_WANT_LIST, issuer, url, SPAN(NULL, 0), id);
	if (is_older(s, id, said))
		return ERR_EXISTS;
	e = ks_want_done(s, id, now, said, SPAN(NULL, 0));
	/* nobody wants it fetched */
	return e == ERR_NOT_FOUND ? put_said(s, id, said) : e;
}

enum err
ks_want_put_off(struct ks_store *s, const uint8_t id[KS_WANT_ID], int64_t due)
{
	struct held h;
	int64_t was_due;
	enum err e;

	buf_init(&h.octets, WANT_MAX);
	e = get_row(s, id, &h);
	if (e == ERR_OK) {
		was_due = h.row.want.due;
		h.row.want.due = due;
		e = move_row(s, id, was_due, &h.row);
	}
	buf_clear(&h.octets);
	return e;
}

/* --- searches --- */

struct show {
	struct ks_store *store;
	const uint8_t *id;
	struct ks_want *want;
	int64_t now;
	ks_want_visit *visit;
	void *ctx;
};

static enum err
show_with_issuer(void *ctx, struct span key, struct span der)
{
	struct show *w = ctx;

	(void)key;
	w->want->issuer = der;
	return w->visit(w->ctx, w->id, w->want);
}

static enum err
show(void *ctx, struct span key, struct span octets)
{
	struct show *w = ctx;
	uint8_t room[KEY_MAX];
	struct row r;
	enum err e = decode(octets, &r);

	(void)key;
	if (e != ERR_OK)
		return e;
	w->want = &r.want;
	e = w->store->ops->row_get(w->store, KS_ROW_REVOCATION,
	    row_key(ROW_ISSUER, r.issuer, room), show_with_issuer, w);
	return e == ERR_NOT_FOUND ? ERR_DB_BROKEN : e;
}

enum err
ks_want_get(struct ks_store *s, const uint8_t id[KS_WANT_ID],
    ks_want_visit *visit, void *ctx)
{
	struct show w = {.store = s, .id = id, .visit = visit, .ctx = ctx};
	uint8_t room[KEY_MAX];

	return s->ops->row_get(
	    s, KS_ROW_REVOCATION, row_key(ROW_WANT, id, room), show, &w);
}

static enum err
show_queued(void *ctx, struct span key, struct span octets)
{
	struct show *w = ctx;
	uint8_t last[KEY_MAX];
	enum err e;

	(void)octets;
	if (key.len != KEY_MAX)
		return ERR_DB_BROKEN;
	/* what is behind is due later */
	queue_key(w->now, key.data + 9, last);
	if (memcmp(key.data, last, 9) > 0)
		return ERR_CLOSED;
	e = ks_want_get(w->store, key.data + 9, w->visit, w->ctx);
	return e == ERR_NOT_FOUND ? ERR_DB_BROKEN : e;
}

enum err
ks_want_due(struct ks_store *s, int64_t now, ks_want_visit *visit, void *ctx)
{
	struct show w = {.store = s, .now = now, .visit = visit, .ctx = ctx};
	uint8_t prefix = ROW_QUEUE;
	enum err e = s->ops->row_each(s, KS_ROW_REVOCATION, SPAN(&prefix, 1),
	    SPAN(NULL, 0), show_queued, &w);

	return e == ERR_CLOSED ? ERR_OK : e;
}

struct said_show {
	ks_said_visit *visit;
	void *ctx;
};

static enum err
show_said(void *ctx, struct span key, struct span octets)
{
	struct said_show *w = ctx;
	struct ks_said said = {0};
	struct unpacker u;
	uint8_t version;

	(void)key;
	unpack_begin(&u, octets);
	version = unpack_u8(&u);
	said.from = (int64_t)unpack_u64(&u);
	said.until = (int64_t)unpack_u64(&u);
	said.state = unpack_u8(&u);
	said.reason = unpack_u8(&u);
	said.at = (int64_t)unpack_u64(&u);
	said.scope = unpack_u8(&u);
	said.entries = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version != ROW_VERSION)
		return ERR_DB_BROKEN;
	return w->visit(w->ctx, &said);
}

enum err
ks_said_get(struct ks_store *s, const uint8_t id[KS_WANT_ID],
    ks_said_visit *visit, void *ctx)
{
	struct said_show w = {visit, ctx};
	uint8_t room[KEY_MAX];

	return s->ops->row_get(
	    s, KS_ROW_REVOCATION, row_key(ROW_SAID, id, room), show_said, &w);
}

/* --- forgetting --- */

enum { FORGET_MAX = 64 };

struct over {
	int64_t now;
	unsigned n, max;
	uint8_t id[FORGET_MAX][KS_WANT_ID];
	int64_t due[FORGET_MAX];
};

static enum err
note_over(void *ctx, const uint8_t id[KS_WANT_ID], const struct ks_want *w)
{
	struct over *o = ctx;

	if (w->until >= o->now)
		return ERR_OK;
	if (o->n == o->max)
		return ERR_CLOSED;
	memcpy(o->id[o->n], id, KS_WANT_ID);
	o->due[o->n++] = w->due;
	return ERR_OK;
}

enum err
ks_want_forget(struct ks_store *s, int64_t now, unsigned max)
{
	struct over o = {
	    .now = now, .max = max > FORGET_MAX ? FORGET_MAX : max};
	uint8_t room[KEY_MAX];
	enum err e = ks_want_due(s, now, note_over, &o);

	for (unsigned i = 0; i < o.n && e == ERR_OK; i++) {
		e = del(s, queue_key(o.due[i], o.id[i], room));
		if (e == ERR_OK)
			e = del(s, row_key(ROW_WANT, o.id[i], room));
		if (e == ERR_OK)
			e = del(s, row_key(ROW_SAID, o.id[i], room));
	}
	return e;
}
