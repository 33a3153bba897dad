/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of the table, and how a look changes one.
 */
#include "gateway/tls_state.h"

#include <string.h>

#include "common/limits.h"
#include "gateway/entry.h"

enum { FORMAT = 1, ROW_MAX = 64 * 1024, MX_MAX = 64 };

const char *
tls_by_name(enum tls_by by)
{
	switch (by) {
	case TLS_BY_NOTHING:
	case TLS_BY_COUNT:
		break;
	case TLS_BY_NAME:
		return "name";
	case TLS_BY_STS:
		return "mta-sts";
	case TLS_BY_DANE:
		return "dane";
	}
	return "-";
}

const char *
tls_level_name(uint8_t level)
{
	switch ((enum entry_tls)level) {
	case ENTRY_TLS_OPPORTUNISTIC:
		break;
	case ENTRY_TLS_ENCRYPT:
		return "encrypted";
	case ENTRY_TLS_AUTHENTICATED:
	case ENTRY_TLS_STS:
	case ENTRY_TLS_DANE:
		return "authenticated";
	}
	return "none";
}

/* --- octets --- */

static uint8_t
unpack_below(struct unpacker *u, uint8_t n)
{
	uint8_t v = unpack_u8(u);

	if (v >= n)
		u->err = ERR_IPC;
	return v < n ? v : 0;
}

void
tls_seen_pack(struct packer *p, const struct tls_seen *s)
{
	pack_str(p, s->domain);
	pack_bool(p, s->definite);
	pack_u8(p, s->level);
	pack_u8(p, s->by);
	pack_bool(p, s->broken);
	pack_str(p, s->peer);
	pack_str(p, s->tls);
	pack_str(p, s->why);
}

void
tls_seen_unpack(struct unpacker *u, struct arena *a, struct tls_seen *out)
{
	struct tls_seen s;

	s.domain = unpack_str(u, a);
	s.definite = unpack_bool(u);
	s.level = unpack_below(u, ENTRY_TLS_AUTHENTICATED + 1);
	s.by = unpack_below(u, TLS_BY_COUNT);
	s.broken = unpack_bool(u);
	s.peer = unpack_str(u, a);
	s.tls = unpack_str(u, a);
	s.why = unpack_str(u, a);
	*out = s;
}

void
tls_policy_pack(struct packer *p, const struct tls_policy *m)
{
	pack_u8(p, m->mode);
	pack_str(p, m->id);
	pack_u32(p, m->max_age_s);
	pack_u64(p, m->fetched_ms);
	pack_u32(p, m->n_mx);
	for (uint32_t i = 0; i < m->n_mx; i++)
		pack_str(p, m->mx[i]);
}

void
tls_policy_unpack(struct unpacker *u, struct arena *a, struct tls_policy *out)
{
	struct tls_policy m;

	m.mode = unpack_below(u, 3);
	m.id = unpack_str(u, a);
	m.max_age_s = unpack_u32(u);
	m.fetched_ms = unpack_u64(u);
	m.n_mx = unpack_count(u, 4);
	if (m.n_mx > MX_MAX)
		u->err = ERR_IPC;
	m.n_mx = u->err == ERR_OK ? m.n_mx : 0;
	m.mx = arena_array(a, m.n_mx, sizeof(*m.mx));
	if (m.mx == NULL)
		u->err = ERR_NOMEM;
	for (uint32_t i = 0; m.mx != NULL && i < m.n_mx; i++)
		m.mx[i] = unpack_str(u, a);
	*out = m;
}

static enum err
row_unpack(struct span in, struct arena *a, struct tls_state *out)
{
	struct tls_state t;
	struct unpacker u;

	unpack_begin(&u, in);
	if (unpack_u8(&u) != FORMAT)
		u.err = ERR_IPC;
	tls_seen_unpack(&u, a, &t.seen);
	t.seen_s = unpack_u64(&u);
	t.failed_s = unpack_u64(&u);
	t.failed = unpack_str(&u, a);
	t.best = unpack_below(&u, ENTRY_TLS_AUTHENTICATED + 1);
	t.best_by = unpack_below(&u, TLS_BY_COUNT);
	t.best_s = unpack_u64(&u);
	t.dropped = unpack_bool(&u);
	t.used_s = unpack_u64(&u);
	tls_policy_unpack(&u, a, &t.policy);
	if (unpack_end(&u) != ERR_OK)
		return u.err == ERR_NOMEM ? ERR_NOMEM : ERR_DB_BROKEN;
	*out = t;
	return ERR_OK;
}

static enum err
row_pack(const struct tls_state *t, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, FORMAT);
	tls_seen_pack(&p, &t->seen);
	pack_u64(&p, t->seen_s);
	pack_u64(&p, t->failed_s);
	pack_str(&p, t->failed);
	pack_u8(&p, t->best);
	pack_u8(&p, t->best_by);
	pack_u64(&p, t->best_s);
	pack_bool(&p, t->dropped);
	pack_u64(&p, t->used_s);
	tls_policy_pack(&p, &t->policy);
	return pack_end(&p);
}

/* --- the table --- */

static const struct db_table tables[] = {
    [TLS_STATE_DOMAINS] = {"domain", 0}, [TLS_STATE_REPORTS] = {"report", 0}};

enum err
tls_state_open(
    const char *dir, bool write, struct db **out, struct err_why *why)
{
	const struct db_options opt = {
	    .tables = tables, .n_tables = 2, .readonly = !write, .group = true};

	return db_open(dir, &opt, out, why);
}

static bool
key_of(const char *domain, struct span *out)
{
	*out = span_str(domain);
	return out->len > 0 && out->len <= DB_KEY_MAX;
}

enum err
tls_state_get(struct db_txn *txn, struct arena *a, const char *domain,
    struct tls_state *out)
{
	struct span key, val;
	enum err e;

	if (!key_of(domain, &key))
		return ERR_NOT_FOUND;
	e = db_get(txn, 0, key, &val);
	return e != ERR_OK ? e : row_unpack(val, a, out);
}

enum err
tls_state_put(struct db_txn *txn, const struct tls_state *t)
{
	struct span key;
	struct buf b;
	enum err e;

	if (!key_of(t->seen.domain, &key))
		return ERR_MALFORMED;
	buf_init(&b, ROW_MAX);
	e = row_pack(t, &b);
	if (e == ERR_OK)
		e = db_put(txn, 0, key, buf_span(&b));
	buf_clear(&b);
	return e;
}

enum err
tls_state_del(struct db_txn *txn, const char *domain)
{
	struct span key;

	return key_of(domain, &key) ? db_del(txn, 0, key) : ERR_NOT_FOUND;
}

enum err
tls_state_next(struct db_txn *txn, struct arena *a, const char *behind,
    struct tls_state *out)
{
	struct span key = span_str(behind), val;
	struct db_cursor *c = NULL;
	enum err e = db_cursor_open(txn, 0, &c);

	if (e == ERR_OK)
		e = db_cursor_move(
		    c, behind[0] == '\0' ? DB_FIRST : DB_SEEK, &key, &val);
	if (e == ERR_OK && span_eq_str(key, behind))
		e = db_cursor_move(c, DB_NEXT, &key, &val);
	if (e == ERR_OK)
		e = row_unpack(val, a, out);
	db_cursor_close(c);
	return e;
}

/* --- meaning --- */

bool
tls_state_is_within(uint64_t then_s, uint64_t now_s, uint64_t span_s)
{
	/* a clock that was set back makes nothing young again */
	return then_s != 0 && then_s <= now_s && now_s - then_s < span_s;
}

bool
tls_state_is_stale(const struct tls_state *t, uint64_t now_s)
{
	bool good = t != NULL && t->seen_s != 0 && !t->dropped &&
		    t->seen.level == ENTRY_TLS_AUTHENTICATED;

	return t == NULL || !tls_state_is_within(t->seen_s, now_s,
				good ? TLS_STATE_FRESH_S : TLS_STATE_ABSENT_S);
}

bool
tls_state_take(struct tls_state *t, const struct tls_seen *s, uint64_t now_s)
{
	bool was = t->dropped;

	if (!s->definite) {
		t->failed_s = now_s;
		t->failed = s->why;
		return false;
	}
	t->seen = *s;
	t->seen_s = now_s;
	t->failed_s = 0;
	t->failed = "";
	if (s->level >= t->best) {
		t->best = s->level;
		t->best_by = s->by;
		t->best_s = now_s;
	}
	t->dropped = s->broken || s->level < t->best;
	return t->dropped && !was;
}
