/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Who has opened an object of late, and how many answers it has had. Whoever
 * has the right proof may open it as often as they like: the audit log hears of
 * the first opening by each client at once, of some clients an hour, and of the
 * rest as a number when the hour is over. Nothing of it is only in memory.
 */
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

#define SEEN "seen/"

enum {
	FORMAT = 1,
	HOUR_MS = 3600 * 1000,
	NAME_MAX_OCTETS = STORE_OBJECT_NAME,
	KEY_MAX = sizeof(SEEN) - 1 + NAME_MAX_OCTETS,
	BATCH = 256, /* objects in one look */
	ROW_MAX = 16 * 1024,
};

static struct span
key_of(const char *name, uint8_t out[KEY_MAX])
{
	size_t len = strnlen(name, NAME_MAX_OCTETS);

	memcpy(out, SEEN, sizeof(SEEN) - 1);
	memcpy(out + sizeof(SEEN) - 1, name, len);
	return SPAN(out, sizeof(SEEN) - 1 + len);
}

/* --- its row --- */

static enum err
unpack(struct span in, struct arena *a, struct store_seen *out)
{
	struct store_seen v = {0};
	struct unpacker u;
	uint8_t format;

	unpack_begin(&u, in);
	format = unpack_u8(&u);
	v.hour_ms = unpack_u64(&u);
	v.rows = unpack_u32(&u);
	v.answers = unpack_u32(&u);
	v.n = unpack_u32(&u);
	if (format != FORMAT || v.n > STORE_VIEWS)
		return ERR_DB_BROKEN;
	for (uint32_t i = 0; i < v.n; i++) {
		struct store_view *w = &v.view[i];

		w->hour_ms = unpack_u64(&u);
		w->first_ms = unpack_u64(&u);
		w->last_ms = unpack_u64(&u);
		w->times = unpack_u32(&u);
		w->unsaid = unpack_u32(&u);
		w->client = unpack_str(&u, a);
		w->agent = unpack_str(&u, a);
	}
	if (unpack_end(&u) != ERR_OK)
		return ERR_DB_BROKEN;
	*out = v;
	return ERR_OK;
}

enum err
store_seen_get(struct db_txn *txn, struct arena *a, const char *name,
    struct store_seen *out)
{
	uint8_t key[KEY_MAX];
	struct span v;
	enum err e = db_get(txn, STORE_STATE, key_of(name, key), &v);

	if (e == ERR_NOT_FOUND) {
		*out = (struct store_seen){0};
		return ERR_OK;
	}
	return e == ERR_OK ? unpack(v, a, out) : e;
}

static enum err
put(struct db_txn *txn, const char *name, const struct store_seen *v)
{
	uint8_t key[KEY_MAX];
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, ROW_MAX);
	pack_begin(&p, &b);
	pack_u8(&p, FORMAT);
	pack_u64(&p, v->hour_ms);
	pack_u32(&p, v->rows);
	pack_u32(&p, v->answers);
	pack_u32(&p, v->n);
	for (uint32_t i = 0; i < v->n; i++) {
		const struct store_view *w = &v->view[i];

		pack_u64(&p, w->hour_ms);
		pack_u64(&p, w->first_ms);
		pack_u64(&p, w->last_ms);
		pack_u32(&p, w->times);
		pack_u32(&p, w->unsaid);
		pack_str(&p, w->client);
		pack_str(&p, w->agent);
	}
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, STORE_STATE, key_of(name, key), buf_span(&b));
	buf_clear(&b);
	return e;
}

/* --- rows of the audit log --- */

static enum err
record(struct store *s, struct db_txn *txn, const char *name,
    const struct store_view *w, uint32_t times)
{
	struct store_rec rec;

	store_rec_begin(&rec, "viewed");
	store_rec_str(&rec, "object", name);
	/* "": several that came after too many others */
	store_rec_str(&rec, "client", w->client);
	store_rec_str(&rec, "agent", w->agent);
	store_rec_num(&rec, "at_ms", w->last_ms);
	if (times > 1 || w->times > 1)
		store_rec_num(&rec, "times", times);
	return store_add_record(s, txn, &rec);
}

/* What was only counted is said. */
static enum err
say(struct store *s, struct db_txn *txn, const char *name, struct store_seen *v)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < v->n; i++) {
		if (v->view[i].unsaid > 0)
			e = record(
			    s, txn, name, &v->view[i], v->view[i].unsaid);
		v->view[i].unsaid = 0;
	}
	return e;
}

static bool
has_unsaid(const struct store_seen *v)
{
	for (uint32_t i = 0; i < v->n; i++)
		if (v->view[i].unsaid > 0)
			return true;
	return false;
}

static bool
is_over(const struct store_seen *v, uint64_t now_ms)
{
	return now_ms < v->hour_ms || now_ms - v->hour_ms >= HOUR_MS;
}

/* --- an opening --- */

/* The view of this hour by the same client; "": by the rest. */
static struct store_view *
find(struct store_seen *v, const char *client, const char *agent)
{
	for (uint32_t i = 0; i < v->n; i++)
		if (v->view[i].hour_ms == v->hour_ms &&
		    strcmp(v->view[i].client, client) == 0 &&
		    strcmp(v->view[i].agent, agent) == 0)
			return &v->view[i];
	return NULL;
}

/* One more, in the place of the oldest, which is of another hour. */
static struct store_view *
add(struct store_seen *v, const char *client, const char *agent)
{
	struct store_view *w;

	if (v->n == STORE_VIEWS) {
		memmove(v->view, v->view + 1, (v->n - 1) * sizeof(v->view[0]));
		v->n--;
	}
	w = &v->view[v->n++];
	*w = (struct store_view){
	    .hour_ms = v->hour_ms, .client = client, .agent = agent};
	return w;
}

enum err
store_seen_note(
    struct store *s, struct db_txn *txn, const struct proto_opened *m)
{
	uint64_t now_ms = store_now(s);
	/* the portal faces strangers: what it says has a bound here, too */
	const char *client = arena_printf(s->arena, "%.63s", m->client);
	const char *agent = arena_printf(s->arena, "%.255s", m->agent);
	struct store_view *w;
	struct store_seen v;
	bool at_once;
	enum err e = store_seen_get(txn, s->arena, m->name, &v);

	if (e == ERR_OK && (client == NULL || agent == NULL))
		e = ERR_NOMEM;
	if (e != ERR_OK)
		return e;
	if (is_over(&v, now_ms)) {
		e = say(s, txn, m->name, &v);
		v.hour_ms = now_ms;
		v.rows = 0;
	}
	w = find(&v, client, agent);
	at_once = w == NULL && v.rows < STORE_VIEW_ROWS;
	if (at_once)
		v.rows++;
	if (w == NULL && !at_once)
		w = find(&v, "", "");
	if (w == NULL)
		w = add(&v, at_once ? client : "", at_once ? agent : "");
	if (w->times++ == 0)
		w->first_ms = m->at_ms;
	w->last_ms = m->at_ms;
	if (!at_once)
		w->unsaid++;
	if (e == ERR_OK && at_once)
		e = record(s, txn, m->name, w, 1);
	if (!at_once && s->seen_ms > v.hour_ms + HOUR_MS)
		s->seen_ms = v.hour_ms + HOUR_MS;
	return e == ERR_OK ? put(txn, m->name, &v) : e;
}

enum err
store_seen_answered(struct store *s, struct db_txn *txn, const char *name)
{
	struct store_seen v;
	struct span object;
	enum err e = db_get(txn, STORE_OBJECT, span_str(name), &object);

	/* it is over since then, and what is counted of it would stay */
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	e = store_seen_get(txn, s->arena, name, &v);
	v.answers++;
	return e == ERR_OK ? put(txn, name, &v) : e;
}

enum err
store_seen_forget(struct store *s, struct db_txn *txn, const char *name)
{
	uint8_t key[KEY_MAX];
	struct store_seen v;
	enum err e = store_seen_get(txn, s->arena, name, &v);

	if (e == ERR_OK)
		e = say(s, txn, name, &v);
	if (e == ERR_OK)
		e = db_del(txn, STORE_STATE, key_of(name, key));
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* --- by the clock --- */

void
store_seen_tick(struct store *s)
{
	uint64_t now_ms = store_now(s);

	if (s->stopping || now_ms < s->seen_ms)
		return;
	/* the operation says when to look again */
	s->seen_ms = now_ms + HOUR_MS;
	store_queue(s, STORE_OP_SEEN, 0, NULL, SPAN(NULL, 0));
}

struct due {
	uint64_t now_ms, next_ms;
	char name[BATCH][NAME_MAX_OCTETS + 1];
	size_t n;
};

static enum err
look_at(struct store *s, struct db_txn *txn, struct span key, struct span val,
    struct due *d)
{
	struct span name =
	    SPAN(key.data + sizeof(SEEN) - 1, key.len - (sizeof(SEEN) - 1));
	struct store_seen v;
	struct span o;
	bool unsaid;
	enum err e;

	arena_reset(s->arena);
	e = unpack(val, s->arena, &v);
	if (e != ERR_OK)
		return e;
	unsaid = has_unsaid(&v);
	if (unsaid && !is_over(&v, d->now_ms)) {
		if (v.hour_ms + HOUR_MS < d->next_ms)
			d->next_ms = v.hour_ms + HOUR_MS;
		return ERR_OK;
	}
	/* what is said of an object that is not known goes after its hour */
	if (!unsaid && (!is_over(&v, d->now_ms) ||
			   db_get(txn, STORE_OBJECT, name, &o) == ERR_OK))
		return ERR_OK;
	snprintf(d->name[d->n++], sizeof(d->name[0]), "%.*s", (int)name.len,
	    (const char *)name.data);
	return ERR_OK;
}

static enum err
find_due(struct store *s, struct db_txn *txn, struct due *d)
{
	struct db_cursor *c = NULL;
	struct span key = SPAN_LIT(SEEN), val;
	enum err e = db_cursor_open(txn, STORE_STATE, &c);

	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &key, &val);
	while (e == ERR_OK && d->n < BATCH && key.len >= sizeof(SEEN) - 1 &&
	       memcmp(key.data, SEEN, sizeof(SEEN) - 1) == 0) {
		e = look_at(s, txn, key, val, d);
		if (e == ERR_OK)
			e = db_cursor_move(c, DB_NEXT, &key, &val);
	}
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
store_apply_seen(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct due d = {.now_ms = store_now(s)};
	enum err e;

	(void)op;
	d.next_ms = d.now_ms + HOUR_MS;
	e = find_due(s, txn, &d);
	for (size_t i = 0; e == ERR_OK && i < d.n; i++) {
		struct store_object o;
		struct store_seen v;

		arena_reset(s->arena);
		e = store_object_get(txn, s->arena, d.name[i], &o);
		if (e == ERR_NOT_FOUND) {
			e = store_seen_forget(s, txn, d.name[i]);
			continue;
		}
		if (e == ERR_OK)
			e = store_seen_get(txn, s->arena, d.name[i], &v);
		if (e == ERR_OK)
			e = say(s, txn, d.name[i], &v);
		if (e == ERR_OK)
			e = put(txn, d.name[i], &v);
	}
	if (e == ERR_OK)
		s->seen_ms = d.n == BATCH ? d.now_ms : d.next_ms;
	return e;
}
