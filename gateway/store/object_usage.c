/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * How much mail waits for pick-up, in all and of each sender, and whether there
 * may be more; and which objects a message has, so that nobody has to look at
 * all for that. Both are rows of the same transaction that adds or removes an
 * object, so that any number of workers at a time keep to it; at every start
 * they are made anew from the objects.
 */
#include <string.h>

#include "common/digest.h"
#include "gateway/conf.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

#define USAGE	"usage/"
#define MESSAGE "message/"

enum {
	KEY_MAX = sizeof(USAGE) - 1 + DIGEST_SIZE,
	OF_MAX = sizeof(MESSAGE) - 1 + 8, /* before the name of an object */
	ROW_MAX = OF_MAX + STORE_OBJECT_NAME,
};

/* Of one sender, or of all: an address may be longer than a key. */
static struct span
key_of(const char *sender, uint8_t out[KEY_MAX])
{
	const struct span part[] = {span_str(sender)};

	memcpy(out, USAGE, sizeof(USAGE) - 1);
	if (sender[0] == '\0')
		return SPAN(out, sizeof(USAGE) - 1);
	digest_sha256(part, 1, out + sizeof(USAGE) - 1);
	return SPAN(out, KEY_MAX);
}

enum err
store_usage_get(struct db_txn *txn, const char *sender, struct store_usage *out)
{
	struct store_usage u = {0};
	uint8_t key[KEY_MAX];
	struct unpacker in;
	struct span v;
	enum err e = db_get(txn, STORE_STATE, key_of(sender, key), &v);

	if (e == ERR_OK) {
		unpack_begin(&in, v);
		u.octets = unpack_u64(&in);
		u.objects = unpack_u64(&in);
		e = unpack_end(&in) == ERR_OK ? ERR_OK : ERR_DB_BROKEN;
	}
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	*out = u;
	return ERR_OK;
}

static enum err
put(struct db_txn *txn, const char *sender, const struct store_usage *u)
{
	uint8_t key[KEY_MAX];
	struct packer p;
	struct buf b;
	enum err e;

	if (u->objects == 0) {
		e = db_del(txn, STORE_STATE, key_of(sender, key));
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	}
	buf_init(&b, 32);
	pack_begin(&p, &b);
	pack_u64(&p, u->octets);
	pack_u64(&p, u->objects);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, STORE_STATE, key_of(sender, key), buf_span(&b));
	buf_clear(&b);
	return e;
}

static uint64_t
less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static enum err
count(struct db_txn *txn, const char *sender, uint64_t size, bool more)
{
	struct store_usage u;
	enum err e = store_usage_get(txn, sender, &u);

	if (e != ERR_OK)
		return e;
	u.octets = more ? u.octets + size : less(u.octets, size);
	u.objects = more ? u.objects + 1 : less(u.objects, 1);
	return put(txn, sender, &u);
}

/* --- of a message --- */

static struct span
row_of(uint64_t message_id, const char *name, uint8_t out[ROW_MAX])
{
	size_t len = strnlen(name, STORE_OBJECT_NAME);

	memcpy(out, MESSAGE, sizeof(MESSAGE) - 1);
	for (unsigned i = 0; i < 8; i++)
		out[sizeof(MESSAGE) - 1 + i] =
		    (uint8_t)(message_id >> (56 - 8 * i));
	memcpy(out + OF_MAX, name, len);
	return SPAN(out, OF_MAX + len);
}

static enum err
note(struct db_txn *txn, uint64_t message_id, const char *name, bool more)
{
	uint8_t row[ROW_MAX];
	struct span key = row_of(message_id, name, row);
	enum err e = more ? db_put(txn, STORE_STATE, key, SPAN_LIT("1"))
			  : db_del(txn, STORE_STATE, key);

	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
store_objects_of(struct db_txn *txn, struct arena *a, uint64_t message_id,
    const char **out, size_t max, size_t *n_out)
{
	uint8_t row[ROW_MAX];
	struct span from = row_of(message_id, "", row), key = from, val;
	struct db_cursor *c = NULL;
	size_t n = 0;
	enum err e = db_cursor_open(txn, STORE_STATE, &c);

	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &key, &val);
	while (e == ERR_OK && n < max && key.len > from.len &&
	       memcmp(key.data, from.data, from.len) == 0) {
		out[n] = arena_span_str(
		    a, SPAN(key.data + from.len, key.len - from.len));
		e = out[n++] == NULL ? ERR_NOMEM
				     : db_cursor_move(c, DB_NEXT, &key, &val);
	}
	db_cursor_close(c);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	*n_out = n;
	return ERR_OK;
}

enum err
store_usage_count(struct db_txn *txn, const char *name,
    const struct store_object *o, bool more)
{
	enum err e = count(txn, "", o->size, more);

	if (e == ERR_OK && o->from_key[0] != '\0')
		e = count(txn, o->from_key, o->size, more);
	return e == ERR_OK && !store_object_is_found(o)
		   ? note(txn, o->message_id, name, more)
		   : e;
}

static bool
has_room(const struct store_usage *u, uint64_t size, uint64_t max_octets,
    uint64_t max_objects)
{
	if (max_objects != 0 && u->objects >= max_objects)
		return false;
	return max_octets == 0 ||
	       (size <= max_octets && u->octets <= max_octets - size);
}

enum err
store_usage_permits(
    const struct store *s, struct db_txn *txn, const struct store_object *o)
{
	const struct conf_portal *c = &s->conf->portal;
	struct store_usage u;
	enum err e = store_usage_get(txn, "", &u);

	if (e == ERR_OK && !has_room(&u, o->size, c->quota, c->quota_objects))
		e = ERR_QUOTA;
	if (e == ERR_OK)
		e = store_usage_get(txn, o->from_key, &u);
	if (e == ERR_OK &&
	    !has_room(&u, o->size, c->sender_quota, c->sender_quota_objects))
		e = ERR_QUOTA;
	return e;
}

/* --- made anew --- */

enum err
store_state_drop(struct db_txn *txn, const char *prefix)
{
	struct db_cursor *c = NULL;
	struct span from = span_str(prefix), key = from, val;
	enum err e = db_cursor_open(txn, STORE_STATE, &c);

	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &key, &val);
	while (e == ERR_OK && key.len >= from.len &&
	       memcmp(key.data, from.data, from.len) == 0) {
		e = db_cursor_del(c);
		if (e == ERR_OK)
			e = db_cursor_move(c, DB_NEXT, &key, &val);
	}
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
store_apply_recount(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct db_cursor *c = NULL;
	struct store_object o;
	struct span key, val;
	const char *name;
	enum err e = store_state_drop(txn, USAGE);

	(void)op;
	if (e == ERR_OK)
		e = store_state_drop(txn, MESSAGE);
	if (e == ERR_OK)
		e = store_unread_forget_all(txn);
	if (e == ERR_OK)
		e = db_cursor_open(txn, STORE_OBJECT, &c);
	while (e == ERR_OK) {
		e = db_cursor_move(c, DB_NEXT, &key, &val);
		if (e != ERR_OK)
			break;
		arena_reset(s->arena);
		name = arena_span_str(s->arena, key);
		e = name == NULL ? ERR_NOMEM
				 : store_object_unpack(val, s->arena, &o);
		if (e == ERR_OK)
			e = store_usage_count(txn, name, &o, true);
		if (e == ERR_OK)
			e = store_unread_expect(s, txn, name, &o);
	}
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}
