/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of keys that wait, found by name and fingerprint, and what becomes of
 * them. docs/format-keystore.md.
 */
#include "keystore/pending.h"

#include "common/arena.h"
#include "common/pack.h"
#include "keystore/history.h"
#include "keystore/store_private.h"

enum { PENDING_VERSION = 1, PENDING_SIZE = KS_RECORD_MAX + 8192 };

/* name, a NUL, fingerprint */
static enum err
put_key(struct span name, struct span fpr, struct buf *out)
{
	enum err e = buf_put(out, name);

	if (e == ERR_OK)
		e = buf_putc(out, 0);
	return e != ERR_OK ? e : buf_put(out, fpr);
}

static enum err
encode(const struct ks_pending *p, struct buf *out)
{
	struct buf record;
	struct packer w;
	enum err e;

	if (p->name.len == 0 || p->name.len > KS_ADDR_MAX ||
	    p->old.len > KS_FPR_MAX || p->why.len > KS_TEXT_MAX)
		return ERR_MALFORMED;
	buf_init(&record, KS_RECORD_MAX);
	e = ks_record_encode(&p->record, &record);
	if (e == ERR_OK) {
		pack_begin(&w, out);
		pack_u8(&w, PENDING_VERSION);
		pack_span(&w, p->name);
		pack_u64(&w, (uint64_t)p->at);
		pack_bool(&w, p->refused);
		pack_span(&w, p->old);
		pack_span(&w, p->why);
		pack_span(&w, buf_span(&record));
		e = pack_end(&w);
	}
	buf_clear(&record);
	return e;
}

static enum err
decode(struct span in, struct ks_room *room, struct ks_pending *out)
{
	struct ks_pending p = {0};
	struct unpacker u;
	struct span record;
	uint8_t version;
	enum err e;

	unpack_begin(&u, in);
	version = unpack_u8(&u);
	p.name = unpack_span(&u);
	p.at = (int64_t)unpack_u64(&u);
	p.refused = unpack_bool(&u);
	p.old = unpack_span(&u);
	p.why = unpack_span(&u);
	record = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version != PENDING_VERSION ||
	    p.name.len == 0)
		return ERR_DB_BROKEN;
	e = ks_record_decode(record, room, &p.record);
	if (e == ERR_OK)
		*out = p;
	return e;
}

struct walk {
	ks_pending_visit *visit;
	void *ctx;
};

static enum err
show(void *ctx, struct span key, struct span octets)
{
	struct walk *w = ctx;
	struct ks_room room;
	struct ks_pending p;
	enum err e = decode(octets, &room, &p);

	(void)key;
	return e != ERR_OK ? e : w->visit(w->ctx, &p);
}

enum err
ks_pending_each(
    struct ks_store *s, struct span name, ks_pending_visit *visit, void *ctx)
{
	struct walk w = {.visit = visit, .ctx = ctx};
	struct buf prefix;
	enum err e = ERR_OK;

	if (name.len > KS_ADDR_MAX)
		return ERR_OK;
	buf_init(&prefix, KS_ROW_KEY_MAX);
	if (name.len > 0)
		e = put_key(name, SPAN(NULL, 0), &prefix);
	if (e == ERR_OK)
		e = s->ops->row_each(s, KS_ROW_PENDING, buf_span(&prefix),
		    SPAN(NULL, 0), show, &w);
	buf_clear(&prefix);
	return e;
}

enum err
ks_pending_copy(
    const struct ks_pending *p, struct arena *arena, struct ks_pending **out)
{
	struct ks_pending *c = arena_alloc(arena, sizeof(*c));
	struct ks_record *r = NULL;
	enum err e;

	if (c == NULL)
		return ERR_NOMEM;
	*c = *p;
	e = ks_record_copy(&p->record, true, arena, &r);
	if (e == ERR_OK)
		e = arena_span(arena, p->name, &c->name);
	if (e == ERR_OK)
		e = arena_span(arena, p->old, &c->old);
	if (e == ERR_OK)
		e = arena_span(arena, p->why, &c->why);
	if (e != ERR_OK)
		return e;
	c->record = *r;
	*out = c;
	return ERR_OK;
}

struct among {
	struct span fpr;
	size_t n;
	bool found, refused;
	int64_t at;
};

static enum err
count_others(void *ctx, const struct ks_pending *p)
{
	struct among *a = ctx;

	if (!span_eq(p->record.fpr, a->fpr)) {
		a->n++;
		return ERR_OK;
	}
	a->found = true;
	a->refused = p->refused;
	a->at = p->at;
	return ERR_OK;
}

static enum err
write(struct ks_store *s, const struct ks_pending *p)
{
	struct buf key, octets;
	enum err e;

	buf_init(&key, KS_ROW_KEY_MAX);
	buf_init(&octets, PENDING_SIZE);
	e = encode(p, &octets);
	if (e == ERR_OK)
		e = put_key(p->name, p->record.fpr, &key);
	if (e == ERR_OK)
		e = s->ops->row_put(
		    s, KS_ROW_PENDING, buf_span(&key), buf_span(&octets));
	buf_clear(&key);
	buf_clear(&octets);
	return e;
}

enum err
ks_pending_put(struct ks_store *s, const struct ks_pending *p, bool *known)
{
	struct among a = {.fpr = p->record.fpr};
	struct ks_pending full = *p;
	enum err e = ks_pending_each(s, p->name, count_others, &a);

	if (e != ERR_OK)
		return e;
	if (a.refused)
		return ERR_PERMISSION;
	if (!a.found && a.n >= KS_PENDING_MAX)
		return ERR_LIMIT;
	if (a.found)
		full.at = a.at;
	e = write(s, &full);
	if (e == ERR_OK)
		*known = a.found;
	return e;
}

enum err
ks_pending_delete(struct ks_store *s, struct span name, struct span fpr)
{
	struct buf key;
	enum err e;

	buf_init(&key, KS_ROW_KEY_MAX);
	e = put_key(name, fpr, &key);
	if (e == ERR_OK)
		e = s->ops->row_del(s, KS_ROW_PENDING, buf_span(&key));
	buf_clear(&key);
	return e;
}

/* --- the word of an administrator --- */

struct others {
	const struct ks_pending *p;
	struct arena *arena;
	struct ks_record *list[KS_PER_ADDR_MAX * 2];
	size_t n;
};

static enum err
collect(void *ctx, const struct ks_record *r)
{
	struct others *o = ctx;

	if (r->kind != o->p->record.kind || span_eq(r->fpr, o->p->record.fpr) ||
	    r->trust < KS_DISCOVERED)
		return ERR_OK;
	if (o->n == sizeof(o->list) / sizeof(o->list[0]))
		return ERR_LIMIT;
	return ks_record_copy(r, true, o->arena, &o->list[o->n++]);
}

static enum err
find_others(struct ks_store *s, struct others *o)
{
	struct span name = o->p->name;

	if (name.data[0] == '@')
		return ks_find(s, KS_BY_DOMAIN,
		    SPAN(name.data + 1, name.len - 1), collect, o);
	return ks_find(s, KS_BY_ADDR, name, collect, o);
}

static enum err
step_down(struct ks_store *s, const struct ks_pending *p,
    const struct ks_record *r, struct span who, int64_t now)
{
	struct ks_event event = {.what = KS_EVENT_TRUST,
	    .at = now,
	    .who = who,
	    .was = r->trust,
	    .addr = p->name,
	    .text = SPAN_LIT("another key was approved in its place")};
	struct ks_record now_is = *r;
	enum err e = ks_set_trust(s, r->fpr, KS_CANDIDATE);

	now_is.trust = KS_CANDIDATE;
	return e != ERR_OK ? e : ks_history_of(s, &event, &now_is);
}

static bool
has(const struct ks_record *r, struct span addr)
{
	for (size_t i = 0; i < r->n_addrs; i++)
		if (span_eq(r->addrs[i], addr))
			return true;
	return false;
}

/* Is it a whole domain whose key waits, by its own name or by convention that
   of an address? */
static bool
is_of_domain(struct span name)
{
	return name.data[0] == '@' || span_starts_caseeq(name, "_domain@");
}

/* What was asked about, and of what the record was when it was asked nothing
   else: that may have been deleted or distrusted since. */
static void
stand_for(struct ks_record *r, struct span name, struct span *addrs)
{
	r->addrs = addrs;
	r->n_addrs = 0;
	if (name.data[0] != '@')
		addrs[r->n_addrs++] = name;
	if (!is_of_domain(name))
		r->domain = SPAN(NULL, 0);
}

/* One that is in the store already gets the name. It has one level for all it
   stands for: what it was vouched for less does not rise with it. */
static enum err
join(struct ks_store *s, struct ks_record *r, struct span *addrs,
    struct arena *arena)
{
	struct ks_record *old = NULL;
	enum err e = ks_get(s, r->fpr, arena, &old);

	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	if (old->flaw == KS_FLAW_REVOKED && r->flaw != KS_FLAW_REVOKED)
		return ERR_KEY_REVOKED;
	r->sources |= old->sources;
	r->added = old->added;
	if (old->trust < r->trust)
		return ERR_OK;
	r->trust = old->trust;
	for (size_t i = 0; i < old->n_addrs && r->n_addrs < KS_ADDRS_MAX; i++)
		if (!has(r, old->addrs[i]))
			addrs[r->n_addrs++] = old->addrs[i];
	if (old->domain.len > 0)
		r->domain = old->domain;
	return ERR_OK;
}

enum err
ks_pending_approve(struct ks_store *s, const struct ks_pending *p,
    enum ks_trust level, bool beside, struct span who, int64_t now,
    struct arena *arena)
{
	struct ks_event event = {.what = KS_EVENT_APPROVED,
	    .at = now,
	    .who = who,
	    .addr = p->name,
	    .text = p->why};
	struct others o = {.p = p, .arena = arena};
	struct ks_record r = p->record;
	struct span addrs[KS_ADDRS_MAX];
	enum err e = find_others(s, &o);

	if (e == ERR_OK && ks_record_is_over(&r, now))
		e = ERR_KEY_EXPIRED;
	/* it stays good when its source has it no more */
	r.sources |= ks_source_bit(KS_SOURCE_MANUAL);
	if (level != KS_DISTRUSTED)
		r.trust = level;
	else
		for (size_t i = 0; i < o.n; i++)
			if (o.list[i]->trust > r.trust)
				r.trust = o.list[i]->trust;
	stand_for(&r, p->name, addrs);
	if (e == ERR_OK)
		e = join(s, &r, addrs, arena);
	for (size_t i = 0; i < o.n && e == ERR_OK && !beside; i++)
		e = step_down(s, p, o.list[i], who, now);
	if (e == ERR_OK)
		e = ks_put(s, &r);
	if (e == ERR_OK)
		e = ks_history_of(s, &event, &r);
	return e != ERR_OK ? e : ks_pending_delete(s, p->name, r.fpr);
}

/* What was kept by its chain alone is not used for that address any more. */
static enum err
take_back(struct ks_store *s, const struct ks_pending *p, struct arena *arena)
{
	struct span addrs[KS_ADDRS_MAX];
	struct ks_record *r;
	size_t n = 0;
	enum err e = ks_get(s, p->record.fpr, arena, &r);

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	if (r->kind != KS_SMIME || r->trust != KS_CANDIDATE)
		return ERR_OK;
	for (size_t i = 0; i < r->n_addrs; i++)
		if (!span_eq(r->addrs[i], p->name))
			addrs[n++] = r->addrs[i];
	if (n == 0)
		return ks_set_trust(s, r->fpr, KS_DISTRUSTED);
	r->addrs = addrs;
	r->n_addrs = n;
	return ks_put(s, r);
}

enum err
ks_pending_refuse(struct ks_store *s, const struct ks_pending *p,
    struct span who, int64_t now, struct arena *arena)
{
	struct ks_event event = {.what = KS_EVENT_REFUSED,
	    .at = now,
	    .who = who,
	    .addr = p->name,
	    .text = p->why};
	struct ks_pending no = *p;
	enum err e;

	no.refused = true;
	e = write(s, &no);
	if (e == ERR_OK)
		e = take_back(s, p, arena);
	return e != ERR_OK ? e : ks_history_of(s, &event, &p->record);
}
