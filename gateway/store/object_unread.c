/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail for pick-up that nobody has opened and whose time is nearly over. Each
 * has a row in the order of that time, so that nobody looks at all of them: a
 * hundred thousand took store a quarter of a second. A row may be of what has
 * been opened, recalled or put off since: it is looked at when its time comes.
 */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "gateway/conf.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

#define UNREAD "unread/"

enum {
	HOUR_S = 3600,
	WARN_MAX_S = 3 * 24 * HOUR_S, /* before the expiry, at most */
	LOOK_MIN_S = 60,	      /* between looks that failed */
	AT = sizeof(UNREAD) - 1,      /* the time stands in the row */
	NAME_AT = AT + 8,
	ROW_MAX = NAME_AT + STORE_OBJECT_NAME,
	BATCH = 256, /* rows that are looked at in one transaction */
};

/* From then on its sender is told. */
static uint64_t
warn_at(const struct store_object *o)
{
	uint64_t life =
	    o->expires_s > o->created_s ? o->expires_s - o->created_s : 0;
	uint64_t before = life / 4 < WARN_MAX_S ? life / 4 : WARN_MAX_S;

	return o->expires_s - before;
}

static bool
is_unread(const struct store_object *o)
{
	return o->have && o->views == 0 && !o->warned && !o->locked &&
	       o->from[0] != '\0' && o->tell != STORE_OBJECT_TELL_DROP;
}

static uint64_t
time_of(struct span row)
{
	uint64_t at_s = 0;

	for (size_t i = AT; i < NAME_AT; i++)
		at_s = at_s << 8 | row.data[i];
	return at_s;
}

enum err
store_unread_expect(struct store *s, struct db_txn *txn, const char *name,
    const struct store_object *o)
{
	uint64_t at_s = warn_at(o);
	size_t len = strnlen(name, STORE_OBJECT_NAME);
	uint8_t row[ROW_MAX];

	if (!is_unread(o))
		return ERR_OK;
	memcpy(row, UNREAD, AT);
	for (unsigned i = 0; i < 8; i++)
		row[AT + i] = (uint8_t)(at_s >> (56 - 8 * i));
	memcpy(row + NAME_AT, name, len);
	if (at_s < s->unread_s)
		s->unread_s = at_s;
	return db_put(
	    txn, STORE_STATE, SPAN(row, NAME_AT + len), SPAN_LIT("1"));
}

void
store_unread_tick(struct store *s)
{
	uint64_t now_s = clock_unix_ms() / 1000;

	if (!s->conf->portal.present || s->stopping || now_s < s->unread_s)
		return;
	/* the operation says when to look again */
	s->unread_s = now_s + LOOK_MIN_S;
	store_queue(s, STORE_OP_UNREAD, 0, NULL, SPAN(NULL, 0));
}

struct due {
	uint64_t now_s;
	uint64_t next_s; /* of the first that is not due */
	uint8_t row[BATCH][ROW_MAX];
	size_t len[BATCH];
	size_t n;
};

static enum err
find_due(struct db_txn *txn, struct due *d)
{
	struct span key = SPAN_LIT(UNREAD), val;
	struct db_cursor *c = NULL;
	enum err e = db_cursor_open(txn, STORE_STATE, &c);

	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &key, &val);
	while (e == ERR_OK && d->n < BATCH && key.len > NAME_AT &&
	       key.len <= ROW_MAX && memcmp(key.data, UNREAD, AT) == 0) {
		if (time_of(key) > d->now_s) {
			d->next_s = time_of(key);
			break;
		}
		memcpy(d->row[d->n], key.data, key.len);
		d->len[d->n++] = key.len;
		e = db_cursor_move(c, DB_NEXT, &key, &val);
	}
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* Its sender is told, or its time has not come, or will not. */
static enum err
look_at(struct store *s, struct db_txn *txn, struct span row, uint64_t now_s)
{
	char name[STORE_OBJECT_NAME + 1];
	struct store_object o;
	enum err e = db_del(txn, STORE_STATE, row);

	snprintf(name, sizeof(name), "%.*s", (int)(row.len - NAME_AT),
	    (const char *)row.data + NAME_AT);
	arena_reset(s->arena);
	if (e == ERR_OK)
		e = store_object_get(txn, s->arena, name, &o);
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	if (!is_unread(&o))
		return ERR_OK;
	if (warn_at(&o) > now_s)
		return store_unread_expect(s, txn, name, &o);
	e = store_object_tell(s, txn, &o, STORE_OBJECT_UNREAD, "", "");
	o.warned = true;
	return e == ERR_OK ? store_object_put(txn, name, &o) : e;
}

enum err
store_apply_unread(struct store *s, struct db_txn *txn, struct store_op *op)
{
	static struct due d; /* large */
	enum err e;

	(void)op;
	d.n = 0;
	d.now_s = clock_unix_ms() / 1000;
	/* what is not committed is found then */
	d.next_s = d.now_s + HOUR_S;
	e = find_due(txn, &d);
	for (size_t i = 0; e == ERR_OK && i < d.n; i++)
		e = look_at(s, txn, SPAN(d.row[i], d.len[i]), d.now_s);
	if (e == ERR_OK && d.n == BATCH)
		s->unread_s = d.now_s;
	else if (e == ERR_OK && d.next_s < d.now_s + HOUR_S)
		s->unread_s = d.next_s;
	else if (e == ERR_OK)
		s->unread_s = d.now_s + HOUR_S;
	return e;
}

enum err
store_unread_forget_all(struct db_txn *txn)
{
	return store_state_drop(txn, UNREAD);
}
