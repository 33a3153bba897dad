/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Events as rows: by number, and for each address a row that names the number.
 * docs/format-keystore.md.
 */
#include "keystore/history.h"

#include <string.h>

#include "common/pack.h"
#include "keystore/store_private.h"

enum {
	EVENT_VERSION = 1,
	/* The first octet of a row's key. Numbers come behind addresses, so
	   that the last row is the last event. */
	ROW_ADDR = 'a',
	ROW_NUMBER = 'n',
	NUMBER_SIZE = 8,
	EVENT_MAX = 8192,
};

static const char *const names[] = {
    [KS_EVENT_ADDED] = "added",
    [KS_EVENT_UPDATED] = "updated",
    [KS_EVENT_RENEWED] = "renewed",
    [KS_EVENT_WAITS] = "waits",
    [KS_EVENT_APPROVED] = "approved",
    [KS_EVENT_REFUSED] = "refused",
    [KS_EVENT_TRUST] = "trust",
    [KS_EVENT_DELETED] = "deleted",
    [KS_EVENT_IMPORTED] = "imported",
    [KS_EVENT_EXPIRED] = "expired",
    [KS_EVENT_LOST] = "lost",
    [KS_EVENT_SETTING] = "setting",
    [KS_EVENT_RESTORED] = "restored",
    [KS_EVENT_ACCOUNT_SET] = "account-set",
    [KS_EVENT_ACCOUNT_RESET] = "account-reset",
    [KS_EVENT_ACCOUNT_REMOVED] = "account-removed",
};

const char *
ks_event_name(enum ks_event_what w)
{
	if ((unsigned)w >= sizeof(names) / sizeof(names[0]) || names[w] == NULL)
		return "?";
	return names[w];
}

static void
put_number(uint64_t n, uint8_t out[NUMBER_SIZE])
{
	for (size_t i = 0; i < NUMBER_SIZE; i++)
		out[i] = (uint8_t)(n >> (8 * (NUMBER_SIZE - 1 - i)));
}

static uint64_t
get_number(const uint8_t *in)
{
	uint64_t n = 0;

	for (size_t i = 0; i < NUMBER_SIZE; i++)
		n = n << 8 | in[i];
	return n;
}

static bool
is_sound(const struct ks_event *e)
{
	return ks_event_name(e->what)[0] != '?' && e->who.len <= KS_TEXT_MAX &&
	       e->text.len <= KS_TEXT_MAX && e->fpr.len <= KS_FPR_MAX &&
	       e->addr.len <= KS_ADDR_MAX &&
	       (unsigned)e->trust < KS_TRUST_COUNT &&
	       (unsigned)e->was < KS_TRUST_COUNT &&
	       (unsigned)e->kind <= KS_OPENPGP &&
	       (unsigned)e->source <= KS_SOURCE_HARVEST;
}

static enum err
encode(const struct ks_event *e, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, EVENT_VERSION);
	pack_u8(&p, (uint8_t)e->what);
	pack_u64(&p, (uint64_t)e->at);
	pack_span(&p, e->who);
	pack_u8(&p, (uint8_t)e->kind);
	pack_u8(&p, (uint8_t)e->source);
	pack_u8(&p, (uint8_t)e->trust);
	pack_u8(&p, (uint8_t)e->was);
	pack_span(&p, e->fpr);
	pack_span(&p, e->addr);
	pack_u64(&p, (uint64_t)e->not_before);
	pack_u64(&p, (uint64_t)e->not_after);
	pack_u32(&p, e->count);
	pack_span(&p, e->text);
	return pack_end(&p);
}

static enum err
decode(struct span in, struct ks_event *out)
{
	struct ks_event e = {0};
	struct unpacker u;
	uint8_t version;

	unpack_begin(&u, in);
	version = unpack_u8(&u);
	e.what = (enum ks_event_what)unpack_u8(&u);
	e.at = (int64_t)unpack_u64(&u);
	e.who = unpack_span(&u);
	e.kind = (enum ks_kind)unpack_u8(&u);
	e.source = (enum ks_source)unpack_u8(&u);
	e.trust = (enum ks_trust)unpack_u8(&u);
	e.was = (enum ks_trust)unpack_u8(&u);
	e.fpr = unpack_span(&u);
	e.addr = unpack_span(&u);
	e.not_before = (int64_t)unpack_u64(&u);
	e.not_after = (int64_t)unpack_u64(&u);
	e.count = unpack_u32(&u);
	e.text = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version != EVENT_VERSION ||
	    !is_sound(&e))
		return ERR_DB_BROKEN;
	*out = e;
	return ERR_OK;
}

/* --- writing --- */

/* An address as the prefix of its rows' keys. */
static enum err
addr_key(struct span addr, struct buf *out)
{
	static const uint8_t row = ROW_ADDR;
	enum err e = buf_put(out, SPAN(&row, 1));

	if (e == ERR_OK)
		e = buf_put(out, addr);
	return e != ERR_OK ? e : buf_putc(out, 0);
}

static enum err
put_index(struct ks_store *s, struct span addr, const uint8_t *number)
{
	struct buf key;
	enum err e = ERR_OK;

	if (addr.len == 0 || addr.len > KS_ADDR_MAX)
		return ERR_OK;
	buf_init(&key, KS_ROW_KEY_MAX);
	e = addr_key(addr, &key);
	if (e == ERR_OK)
		e = buf_put(&key, SPAN(number, NUMBER_SIZE));
	if (e == ERR_OK)
		e = s->ops->row_put(s, KS_ROW_HISTORY, buf_span(&key),
		    SPAN(number, NUMBER_SIZE));
	buf_clear(&key);
	return e;
}

enum err
ks_history_add(struct ks_store *s, const struct ks_event *e,
    const struct span *addrs, size_t n)
{
	uint8_t key[1 + NUMBER_SIZE] = {ROW_NUMBER};
	struct buf octets;
	uint64_t last;
	enum err err;

	if (!is_sound(e))
		return ERR_MALFORMED;
	err = ks_history_last(s, &last);
	if (err != ERR_OK)
		return err;
	put_number(last + 1, key + 1);
	buf_init(&octets, EVENT_MAX);
	err = encode(e, &octets);
	if (err == ERR_OK)
		err = s->ops->row_put(s, KS_ROW_HISTORY, SPAN(key, sizeof(key)),
		    buf_span(&octets));
	for (size_t i = 0; i < n && err == ERR_OK; i++)
		err = put_index(s, addrs[i], key + 1);
	buf_clear(&octets);
	return err;
}

/* A domain stands in the index as "@domain", which no address is. */
enum err
ks_history_of(
    struct ks_store *s, const struct ks_event *e, const struct ks_record *r)
{
	struct ks_event full = *e;
	uint8_t domain[1 + KS_ADDR_MAX] = {'@'};
	struct span at;

	full.kind = r->kind;
	full.source = r->source;
	full.trust = r->trust;
	full.fpr = r->fpr;
	full.not_before = r->not_before;
	full.not_after = r->not_after;
	if (full.text.len > KS_TEXT_MAX)
		full.text.len = KS_TEXT_MAX;
	if (r->n_addrs > 0) {
		if (full.addr.len == 0)
			full.addr = r->addrs[0];
		return ks_history_add(s, &full, r->addrs, r->n_addrs);
	}
	if (r->domain.len == 0 || r->domain.len > KS_ADDR_MAX - 1)
		return ks_history_add(s, &full, NULL, 0);
	memcpy(domain + 1, r->domain.data, r->domain.len);
	at = SPAN(domain, r->domain.len + 1);
	full.addr = at;
	return ks_history_add(s, &full, &at, 1);
}

/* --- reading --- */

struct last {
	uint64_t number;
};

static enum err
keep_number(void *ctx, struct span key, struct span octets)
{
	struct last *l = ctx;

	(void)octets;
	if (key.len == 1 + NUMBER_SIZE && key.data[0] == ROW_NUMBER)
		l->number = get_number(key.data + 1);
	return ERR_OK;
}

enum err
ks_history_last(struct ks_store *s, uint64_t *out)
{
	struct last l = {0};
	enum err e = s->ops->row_last(s, KS_ROW_HISTORY, keep_number, &l);

	if (e == ERR_OK || e == ERR_NOT_FOUND) {
		*out = l.number;
		return ERR_OK;
	}
	return e;
}

struct walk {
	struct ks_store *store;
	ks_event_visit *visit;
	void *ctx;
	unsigned left;
};

static enum err
show(void *ctx, struct span key, struct span octets)
{
	struct walk *w = ctx;
	struct ks_event e;
	enum err err;

	if (w->left == 0)
		return ERR_LIMIT; /* ends the walk, not the caller's error */
	w->left--;
	if (key.len != 1 + NUMBER_SIZE)
		return ERR_DB_BROKEN;
	err = decode(octets, &e);
	if (err != ERR_OK)
		return err;
	e.number = get_number(key.data + 1);
	return w->visit(w->ctx, &e);
}

enum err
ks_history_from(struct ks_store *s, uint64_t after, unsigned max,
    ks_event_visit *visit, void *ctx)
{
	static const uint8_t prefix = ROW_NUMBER;
	uint8_t from[1 + NUMBER_SIZE] = {ROW_NUMBER};
	struct walk w = {.visit = visit, .ctx = ctx, .left = max};
	enum err e;

	if (after == UINT64_MAX)
		return ERR_OK;
	put_number(after + 1, from + 1);
	e = s->ops->row_each(s, KS_ROW_HISTORY, SPAN(&prefix, 1),
	    SPAN(from, sizeof(from)), show, &w);
	return e == ERR_LIMIT && w.left == 0 ? ERR_OK : e;
}

static enum err
follow(void *ctx, struct span key, struct span octets)
{
	uint8_t row[1 + NUMBER_SIZE] = {ROW_NUMBER};
	struct walk *w = ctx;
	enum err e;

	(void)key;
	if (octets.len != NUMBER_SIZE)
		return ERR_DB_BROKEN;
	memcpy(row + 1, octets.data, NUMBER_SIZE);
	w->left = 1;
	e = w->store->ops->row_get(
	    w->store, KS_ROW_HISTORY, SPAN(row, sizeof(row)), show, w);
	return e == ERR_NOT_FOUND ? ERR_DB_BROKEN : e;
}

enum err
ks_history_each(
    struct ks_store *s, struct span addr, ks_event_visit *visit, void *ctx)
{
	struct walk w = {.store = s, .visit = visit, .ctx = ctx};
	struct buf prefix;
	enum err e;

	if (addr.len == 0 || addr.len > KS_ADDR_MAX)
		return ERR_OK;
	buf_init(&prefix, KS_ROW_KEY_MAX);
	e = addr_key(addr, &prefix);
	if (e == ERR_OK)
		e = s->ops->row_each(s, KS_ROW_HISTORY, buf_span(&prefix),
		    SPAN(NULL, 0), follow, &w);
	buf_clear(&prefix);
	return e;
}
