/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Records of the spool as octets (docs/format-spool.md). Every record begins
 * with the number of its format.
 */
#include "gateway/store/spool.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/pack.h"

enum {
	FORMAT = 1,
	OBJECT_FORMAT = 4,
	OBJECT_FORMAT_3 = 3, /* without an address for answers */
	OBJECT_FORMAT_2 = 2, /* nor codes */
	DONE_FORMAT = 3,
	DONE_FORMAT_2 = 2, /* without a reply */
	SMALL_RECORD = 8 * 1024 + LIMIT_RECIPIENTS,
};

/* --- status --- */

enum {
	FLAG_DOOMED = 1,
	FLAG_WARNED = 2,
	FLAG_RELEASED = 4,
	FLAG_IN_FILE = 8,
	FLAG_INBOUND = 16,
	FLAG_WAITS = 32,
};

enum err
store_status_unpack(struct span in, struct arena *a, struct store_status *out)
{
	struct unpacker u;
	struct store_status s = {0};
	uint8_t format, kind, state, flags, why;

	unpack_begin(&u, in);
	format = unpack_u8(&u);
	kind = unpack_u8(&u);
	state = unpack_u8(&u);
	flags = unpack_u8(&u);
	why = unpack_u8(&u);
	s.message_id = unpack_u64(&u);
	s.born_ms = unpack_u64(&u);
	s.due_ms = unpack_u64(&u);
	s.hold_ms = unpack_u64(&u);
	s.tries = unpack_u32(&u);
	s.crashes = unpack_u32(&u);
	s.object = unpack_str(&u, a);
	s.last = unpack_str(&u, a);
	s.done = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || format != FORMAT ||
	    kind > ENTRY_READY || state > STORE_PARKED || why > ENTRY_WHY_TLS)
		return ERR_DB_BROKEN;
	s.kind = (enum entry_kind)kind;
	s.state = (enum store_state)state;
	s.why = (enum entry_why)why;
	s.doomed = (flags & FLAG_DOOMED) != 0;
	s.warned = (flags & FLAG_WARNED) != 0;
	s.released = (flags & FLAG_RELEASED) != 0;
	s.in_file = (flags & FLAG_IN_FILE) != 0;
	s.inbound = (flags & FLAG_INBOUND) != 0;
	s.waits = (flags & FLAG_WAITS) != 0;
	*out = s;
	return ERR_OK;
}

static enum err
status_pack(const struct store_status *s, struct buf *out)
{
	struct packer p;
	uint8_t flags = 0;

	flags |= s->doomed ? FLAG_DOOMED : 0;
	flags |= s->warned ? FLAG_WARNED : 0;
	flags |= s->released ? FLAG_RELEASED : 0;
	flags |= s->in_file ? FLAG_IN_FILE : 0;
	flags |= s->inbound ? FLAG_INBOUND : 0;
	flags |= s->waits ? FLAG_WAITS : 0;
	pack_begin(&p, out);
	pack_u8(&p, FORMAT);
	pack_u8(&p, (uint8_t)s->kind);
	pack_u8(&p, (uint8_t)s->state);
	pack_u8(&p, flags);
	pack_u8(&p, (uint8_t)s->why);
	pack_u64(&p, s->message_id);
	pack_u64(&p, s->born_ms);
	pack_u64(&p, s->due_ms);
	pack_u64(&p, s->hold_ms);
	pack_u32(&p, s->tries);
	pack_u32(&p, s->crashes);
	pack_str(&p, s->object);
	pack_str(&p, s->last);
	pack_span(&p, s->done);
	return pack_end(&p);
}

enum err
store_status_get(
    struct db_txn *txn, struct arena *a, uint64_t id, struct store_status *out)
{
	struct span v, copy;
	enum err e = db_get(txn, STORE_STATUS, db_u64(&id), &v);

	if (e != ERR_OK)
		return e;
	/* a later write of the transaction may move the page */
	e = arena_span(a, v, &copy);
	return e != ERR_OK ? e : store_status_unpack(copy, a, out);
}

enum err
store_status_put(struct db_txn *txn, uint64_t id, const struct store_status *s)
{
	struct buf b;
	enum err e;

	buf_init(&b, SMALL_RECORD);
	e = status_pack(s, &b);
	if (e == ERR_OK)
		e = db_put(txn, STORE_STATUS, db_u64(&id), buf_span(&b));
	buf_clear(&b);
	return e;
}

/* --- entries --- */

enum err
store_entry_get(
    struct db_txn *txn, struct arena *a, uint64_t id, struct entry *out)
{
	struct unpacker u;
	struct span v;
	struct entry entry;
	enum err e = db_get(txn, STORE_ENTRY, db_u64(&id), &v);

	if (e != ERR_OK)
		return e;
	unpack_begin(&u, v);
	entry_unpack(&u, a, &entry);
	if (unpack_end(&u) != ERR_OK)
		return u.err == ERR_NOMEM ? ERR_NOMEM : ERR_DB_BROKEN;
	*out = entry;
	return ERR_OK;
}

enum err
store_entry_add(
    struct db_txn *txn, const struct entry *entry, const struct store_status *s)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	pack_begin(&p, &b);
	entry_pack(&p, entry);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_add(txn, STORE_ENTRY, db_u64(&entry->id), buf_span(&b));
	buf_clear(&b);
	if (e == ERR_OK)
		e = store_status_put(txn, entry->id, s);
	return e;
}

enum err
store_entry_del(struct db_txn *txn, uint64_t id)
{
	enum err e = db_del(txn, STORE_ENTRY, db_u64(&id));

	if (e == ERR_OK)
		e = db_del(txn, STORE_STATUS, db_u64(&id));
	return e;
}

/* --- what became of a message's id --- */

static enum err
done_unpack(struct span in, struct arena *a, struct store_done *out)
{
	struct unpacker u;
	struct store_done d = {.status = "", .text = ""};
	uint8_t format;

	unpack_begin(&u, in);
	format = unpack_u8(&u);
	d.when_ms = unpack_u64(&u);
	d.attempt = unpack_u32(&u);
	d.committed = unpack_bool(&u);
	unpack_raw(&u, d.digest, sizeof(d.digest));
	if (format == DONE_FORMAT) {
		d.code = unpack_u16(&u);
		d.status = unpack_str(&u, a);
		d.text = unpack_str(&u, a);
	}
	if (unpack_end(&u) != ERR_OK ||
	    (format != DONE_FORMAT && format != DONE_FORMAT_2))
		return ERR_DB_BROKEN;
	*out = d;
	return ERR_OK;
}

enum err
store_done_get(
    struct db_txn *txn, struct arena *a, uint64_t id, struct store_done *out)
{
	struct span v;
	enum err e = db_get(txn, STORE_DONE, db_u64(&id), &v);

	return e != ERR_OK ? e : done_unpack(v, a, out);
}

enum err
store_done_put(struct db_txn *txn, uint64_t id, const struct store_done *d)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, SMALL_RECORD);
	pack_begin(&p, &b);
	pack_u8(&p, DONE_FORMAT);
	pack_u64(&p, d->when_ms);
	pack_u32(&p, d->attempt);
	pack_bool(&p, d->committed);
	pack_raw(&p, d->digest, sizeof(d->digest));
	pack_u16(&p, d->code);
	pack_str(&p, d->status == NULL ? "" : d->status);
	pack_str(&p, d->text == NULL ? "" : d->text);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, STORE_DONE, db_u64(&id), buf_span(&b));
	buf_clear(&b);
	return e;
}

/* The one thing that is asked of a row that may go. */
static enum err
done_when(struct span in, uint64_t *out)
{
	struct unpacker u;

	unpack_begin(&u, in);
	(void)unpack_u8(&u);
	*out = unpack_u64(&u);
	return u.err == ERR_OK ? ERR_OK : ERR_DB_BROKEN;
}

/* Ids of ours begin with the time they were made at, so the old ones come
   first. */
static enum err
prune_messages(struct db_txn *txn, uint64_t before_ms, unsigned max)
{
	struct db_cursor *c = NULL;
	uint64_t when_ms = 0;
	struct span key, val;
	enum err e = db_cursor_open(txn, STORE_DONE, &c);

	if (e != ERR_OK)
		return e;
	while (max-- > 0 && e == ERR_OK) {
		e = db_cursor_move(c, DB_FIRST, &key, &val);
		if (e == ERR_OK)
			e = done_when(val, &when_ms);
		if (e == ERR_OK && (when_ms >= before_ms ||
				       (db_u64_of(key) & ENTRY_ID_ANSWER) != 0))
			break;
		if (e == ERR_OK)
			e = db_cursor_del(c);
	}
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

/* Those of answers are in no order, and a portal that wants to may choose them:
   a part of them is looked at each time, round and round. */
static enum err
prune_answers(
    struct db_txn *txn, uint64_t before_ms, unsigned max, uint64_t *at)
{
	uint64_t next = *at | ENTRY_ID_ANSWER, when_ms = 0;
	struct db_cursor *c = NULL;
	struct span key = db_u64(&next), val;
	enum err e = db_cursor_open(txn, STORE_DONE, &c);

	if (e != ERR_OK)
		return e;
	e = db_cursor_move(c, DB_SEEK, &key, &val);
	while (e == ERR_OK) {
		*at = db_u64_of(key);
		if (max-- == 0)
			break;
		e = done_when(val, &when_ms);
		if (e == ERR_OK && when_ms < before_ms)
			e = db_cursor_del(c);
		if (e == ERR_OK)
			e = db_cursor_move(c, DB_NEXT, &key, &val);
	}
	db_cursor_close(c);
	if (e != ERR_NOT_FOUND)
		return e;
	*at = 0;
	return ERR_OK;
}

enum err
store_done_prune(
    struct db_txn *txn, uint64_t before_ms, unsigned max, uint64_t *at)
{
	enum err e = prune_messages(txn, before_ms, max);

	return e != ERR_OK ? e : prune_answers(txn, before_ms, max, at);
}

/* --- escrow objects --- */

enum err
store_object_unpack(struct span in, struct arena *a, struct store_object *out)
{
	struct unpacker u;
	struct store_object o = {0};
	struct span mac = {0};
	uint8_t format;

	unpack_begin(&u, in);
	format = unpack_u8(&u);
	o.size = unpack_u64(&u);
	o.expires_s = unpack_u64(&u);
	o.have = unpack_bool(&u);
	o.n_notices = unpack_count(&u, sizeof(uint64_t));
	o.notice = arena_array(a, o.n_notices, sizeof(*o.notice));
	if (o.notice == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < o.n_notices; i++)
		o.notice[i] = unpack_u64(&u);
	if (format < OBJECT_FORMAT_2 || format > OBJECT_FORMAT)
		return ERR_DB_BROKEN;
	o.message_id = unpack_u64(&u);
	o.from = unpack_str(&u, a);
	o.from_key = unpack_str(&u, a);
	o.rcpt = unpack_str(&u, a);
	o.rcpt_key = unpack_str(&u, a);
	o.factor = unpack_u8(&u);
	o.door = unpack_u8(&u);
	o.created_s = unpack_u64(&u);
	o.tell = unpack_u8(&u);
	o.locked = unpack_bool(&u);
	o.warned = unpack_bool(&u);
	o.views = unpack_u32(&u);
	o.first_ms = unpack_u64(&u);
	o.last_ms = unpack_u64(&u);
	o.last_client = unpack_str(&u, a);
	o.n_answer_to = unpack_count(&u, sizeof(uint32_t));
	o.answer_to = arena_array(a, o.n_answer_to, sizeof(*o.answer_to));
	if (o.answer_to == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < o.n_answer_to; i++)
		o.answer_to[i] = unpack_str(&u, a);
	if (format >= OBJECT_FORMAT_3) {
		o.codes = unpack_u32(&u);
		o.codes_ms = unpack_u64(&u);
	}
	if (format >= OBJECT_FORMAT)
		mac = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || o.factor >= OBJECT_FACTORS ||
	    o.door >= OBJECT_DOORS || o.tell >= STORE_OBJECT_TELLS)
		return ERR_DB_BROKEN;
	/* what is written meanwhile must not change it */
	if (arena_span(a, mac, &o.reply_mac) != ERR_OK)
		return ERR_NOMEM;
	*out = o;
	return ERR_OK;
}

enum err
store_object_get(struct db_txn *txn, struct arena *a, const char *name,
    struct store_object *out)
{
	struct span v;
	enum err e = db_get(txn, STORE_OBJECT, span_str(name), &v);

	return e != ERR_OK ? e : store_object_unpack(v, a, out);
}

enum err
store_object_put(
    struct db_txn *txn, const char *name, const struct store_object *o)
{
	struct packer p;
	struct buf b;
	enum err e;

	buf_init(&b, SMALL_RECORD + LIMIT_ANSWER_RCPTS * 1024);
	pack_begin(&p, &b);
	pack_u8(&p, OBJECT_FORMAT);
	pack_u64(&p, o->size);
	pack_u64(&p, o->expires_s);
	pack_bool(&p, o->have);
	pack_u32(&p, o->n_notices);
	for (uint32_t i = 0; i < o->n_notices; i++)
		pack_u64(&p, o->notice[i]);
	pack_u64(&p, o->message_id);
	pack_str(&p, o->from);
	pack_str(&p, o->from_key);
	pack_str(&p, o->rcpt);
	pack_str(&p, o->rcpt_key);
	pack_u8(&p, (uint8_t)o->factor);
	pack_u8(&p, (uint8_t)o->door);
	pack_u64(&p, o->created_s);
	pack_u8(&p, (uint8_t)o->tell);
	pack_bool(&p, o->locked);
	pack_bool(&p, o->warned);
	pack_u32(&p, o->views);
	pack_u64(&p, o->first_ms);
	pack_u64(&p, o->last_ms);
	pack_str(&p, o->last_client);
	pack_u32(&p, o->n_answer_to);
	for (uint32_t i = 0; i < o->n_answer_to; i++)
		pack_str(&p, o->answer_to[i]);
	pack_u32(&p, o->codes);
	pack_u64(&p, o->codes_ms);
	pack_span(&p, o->reply_mac);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, STORE_OBJECT, span_str(name), buf_span(&b));
	buf_clear(&b);
	return e;
}

/* --- the clock --- */

static const struct span clock_key = {(const uint8_t *)"clock", 5};

uint64_t
store_clock_now(const struct store_clock *c)
{
	return c->base_ms + (clock_steady_ms() - c->steady_ms);
}

static void
read_boot_id(char *out, size_t size)
{
	struct buf b;
	const char *id;

	out[0] = '\0';
	buf_init(&b, size - 1);
	if (file_read_path(-1, "/proc/sys/kernel/random/boot_id", &b) ==
		ERR_OK &&
	    (id = buf_cstr(&b)) != NULL)
		snprintf(out, size, "%s", id);
	buf_clear(&b);
}

enum err
store_clock_load(struct db_txn *txn, struct store_clock *out)
{
	struct store_clock c = {.steady_ms = clock_steady_ms()};
	uint64_t base, steady;
	struct unpacker u;
	struct span v, boot;
	enum err e;

	read_boot_id(c.boot, sizeof(c.boot));
	e = db_get(txn, STORE_STATE, clock_key, &v);
	if (e == ERR_NOT_FOUND) {
		*out = c;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	unpack_begin(&u, v);
	base = unpack_u64(&u);
	steady = unpack_u64(&u);
	boot = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return ERR_DB_BROKEN;
	c.base_ms = base;
	c.rebooted = c.boot[0] == '\0' || !span_eq_str(boot, c.boot) ||
		     steady > c.steady_ms;
	if (!c.rebooted)
		c.base_ms += c.steady_ms - steady;
	*out = c;
	return ERR_OK;
}

enum err
store_clock_save(struct db_txn *txn, const struct store_clock *c)
{
	struct packer p;
	struct buf b;
	uint64_t steady = clock_steady_ms();
	enum err e;

	buf_init(&b, SMALL_RECORD);
	pack_begin(&p, &b);
	pack_u64(&p, c->base_ms + (steady - c->steady_ms));
	pack_u64(&p, steady);
	pack_str(&p, c->boot);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(txn, STORE_STATE, clock_key, buf_span(&b));
	buf_clear(&b);
	return e;
}
