/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A row for what is common, one for the sealed header, one for each fact, all
 * under the id of the message. They are due as soon as nothing of the message
 * is under way any more, or after a while even so. Nothing of it is in memory
 * but what relay was asked for: the rows decide.
 */
#include "gateway/store/notice.h"
#include "gateway/store/store_entry_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"

enum {
	FORMAT = 1,
	KEY_SIZE = 12,
	/* numbers of rows */
	HEAD = 0,
	OUTER = 1,
	FACTS = 2,
	/* milliseconds that what was noted waits for company: at least, and
	   however long others of its message are under way */
	SPAN_MIN_MS = 1000,
	SPAN_MAX_MS = 30 * 1000,
	ASKED_MAX = 256,	/* of relay at a time */
	ASKED_MS = 60 * 1000,	/* then it is asked once more */
	ROW_MAX = 64 * 1024,	/* octets of a fact */
	OUTER_MAX = 512 * 1024, /* and of a header */
};

/* What is common to the facts of a message. */
struct head {
	uint64_t since_ms; /* of the spool's clock: the first of them */
	uint32_t first;	   /* number of the first fact */
	uint32_t next;	   /* behind the last */
	struct dsn dsn;	   /* without facts and header */
};

struct key {
	uint8_t octets[KEY_SIZE];
};

/* Big-endian: rows of a message stand together, its head first. */
static struct span
make_key(uint64_t id, uint32_t number, struct key *k)
{
	for (unsigned i = 0; i < 8; i++)
		k->octets[i] = (uint8_t)(id >> (56 - 8 * i));
	for (unsigned i = 0; i < 4; i++)
		k->octets[8 + i] = (uint8_t)(number >> (24 - 8 * i));
	return SPAN(k->octets, KEY_SIZE);
}

static uint64_t
id_of(struct span key)
{
	uint64_t id = 0;

	for (unsigned i = 0; key.len == KEY_SIZE && i < 8; i++)
		id = id << 8 | key.data[i];
	return id;
}

/* --- rows --- */

static enum err
get_head(struct db_txn *txn, struct arena *a, uint64_t id, struct head *out)
{
	struct unpacker u;
	struct head h = {0};
	struct span v;
	struct key k;
	enum err e = db_get(txn, STORE_NOTICE, make_key(id, HEAD, &k), &v);
	uint8_t format;

	if (e != ERR_OK)
		return e;
	unpack_begin(&u, v);
	format = unpack_u8(&u);
	h.since_ms = unpack_u64(&u);
	h.first = unpack_u32(&u);
	h.next = unpack_u32(&u);
	dsn_unpack(&u, a, &h.dsn);
	if (unpack_end(&u) != ERR_OK || format != FORMAT ||
	    h.dsn.message_id != id || h.first < FACTS || h.next < h.first)
		return u.err == ERR_NOMEM ? ERR_NOMEM : ERR_DB_BROKEN;
	*out = h;
	return ERR_OK;
}

static enum err
put_head(struct db_txn *txn, uint64_t id, const struct head *h)
{
	struct packer p;
	struct buf b;
	struct key k;
	enum err e;

	buf_init(&b, ROW_MAX);
	pack_begin(&p, &b);
	pack_u8(&p, FORMAT);
	pack_u64(&p, h->since_ms);
	pack_u32(&p, h->first);
	pack_u32(&p, h->next);
	dsn_pack(&p, &h->dsn);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_put(
		    txn, STORE_NOTICE, make_key(id, HEAD, &k), buf_span(&b));
	buf_clear(&b);
	return e;
}

static enum err
put_fact(
    struct db_txn *txn, uint64_t id, uint32_t number, const struct dsn_rcpt *r)
{
	struct packer p;
	struct buf b;
	struct key k;
	enum err e;

	buf_init(&b, ROW_MAX);
	pack_begin(&p, &b);
	pack_u8(&p, FORMAT);
	dsn_rcpt_pack(&p, r);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = db_add(
		    txn, STORE_NOTICE, make_key(id, number, &k), buf_span(&b));
	buf_clear(&b);
	return e;
}

static enum err
get_fact(struct db_txn *txn, struct arena *a, uint64_t id, uint32_t number,
    struct dsn_rcpt *out)
{
	struct unpacker u;
	struct span v;
	struct key k;
	enum err e = db_get(txn, STORE_NOTICE, make_key(id, number, &k), &v);
	uint8_t format;

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_DB_BROKEN : e;
	unpack_begin(&u, v);
	format = unpack_u8(&u);
	dsn_rcpt_unpack(&u, a, out);
	if (unpack_end(&u) != ERR_OK || format != FORMAT)
		return u.err == ERR_NOMEM ? ERR_NOMEM : ERR_DB_BROKEN;
	return ERR_OK;
}

static enum err
put_outer(struct db_txn *txn, uint64_t id, struct span outer)
{
	struct key k;
	enum err e;

	if (outer.len == 0 || outer.len > OUTER_MAX)
		return ERR_OK;
	e = db_add(txn, STORE_NOTICE, make_key(id, OUTER, &k), outer);
	return e == ERR_EXISTS ? ERR_OK : e;
}

enum err
store_notice_add(struct store *s, struct db_txn *txn, const struct dsn *d)
{
	uint64_t id = d->message_id;
	struct head h;
	enum err e;

	if (d->n_rcpt == 0)
		return ERR_OK;
	if (d->from[0] == '\0' || d->from_key[0] == '\0')
		return ERR_PERMISSION;
	e = get_head(txn, s->arena, id, &h);
	if (e == ERR_NOT_FOUND) {
		h = (struct head){.since_ms = store_now(s),
		    .first = FACTS,
		    .next = FACTS,
		    .dsn = *d};
		h.dsn.outer = SPAN(NULL, 0);
		h.dsn.rcpt = NULL;
		h.dsn.n_rcpt = 0;
		e = ERR_OK;
	}
	if (e == ERR_OK)
		e = put_outer(txn, id, d->outer);
	for (uint32_t i = 0; e == ERR_OK && i < d->n_rcpt; i++)
		e = put_fact(txn, id, h.next++, &d->rcpt[i]);
	return e == ERR_OK ? put_head(txn, id, &h) : e;
}

/* --- what becomes of an entry --- */

static bool
action_of(
    const struct proto_rcpt_result *r, bool late, enum mime_dsn_action *out)
{
	switch ((enum proto_outcome)r->outcome) {
	case PROTO_DEFERRED:
		*out = MIME_DSN_DELAYED;
		return late;
	case PROTO_DELIVERED:
		*out = r->final ? MIME_DSN_DELIVERED : MIME_DSN_RELAYED;
		return !r->quiet;
	case PROTO_FAILED:
		*out = MIME_DSN_FAILED;
		return true;
	case PROTO_DROPPED:
		break;
	}
	return false;
}

static uint64_t
until_ms(const struct store *s, const struct store_status *st)
{
	uint64_t age = store_now(s) - st->hold_ms;
	uint64_t expire = s->conf->retry.expire_ms;

	return age < expire ? clock_unix_ms() + expire - age : 0;
}

enum err
store_notice_results(struct store *s, struct db_txn *txn,
    const struct entry *entry, const struct store_status *st,
    const struct proto_result *m, const bool *fresh, bool late)
{
	struct dsn d = {.message_id = entry->message_id,
	    .from = entry->from,
	    .from_key = entry->from_key,
	    .envid = entry->envid,
	    .accepted_ms = entry->accepted_ms,
	    .outer = m->outer,
	    .rcpt = arena_array(s->arena, m->n_rcpt, sizeof(*d.rcpt))};
	enum mime_dsn_action action;

	if (entry->from[0] == '\0')
		return ERR_OK;
	if (d.rcpt == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		const struct proto_rcpt_result *r = &m->rcpt[i];
		const struct entry_rcpt *to = &entry->rcpt[r->rcpt];

		if (!fresh[i] || !action_of(r, late, &action) ||
		    !dsn_is_wanted(to->notify, action))
			continue;
		d.rcpt[d.n_rcpt++] = (struct dsn_rcpt){.addr = to->addr,
		    .orcpt = to->orcpt,
		    .action = (uint8_t)action,
		    .status = r->status,
		    .reason = "",
		    .advice = "",
		    .peer = proto_result_hop(m, r)->peer,
		    .code = r->code,
		    .text = r->text,
		    .at_ms = clock_unix_ms(),
		    .until_ms =
			action == MIME_DSN_DELAYED ? until_ms(s, st) : 0};
	}
	return store_notice_add(s, txn, &d);
}

/* --- to relay --- */

static struct store_asked *
find_asked(const struct store *s, uint64_t id)
{
	for (size_t i = 0; i < s->n_asked; i++)
		if (s->asked[i].message_id == id)
			return &s->asked[i];
	return NULL;
}

static void
forget_asked(struct store *s, uint64_t id)
{
	struct store_asked *a = find_asked(s, id);

	if (a != NULL)
		*a = s->asked[--s->n_asked];
}

static void
note_asked(struct store *s, uint64_t id)
{
	if (s->asked == NULL)
		s->asked = calloc(ASKED_MAX, sizeof(*s->asked));
	if (s->asked == NULL)
		fatal("out of memory");
	s->asked[s->n_asked++] =
	    (struct store_asked){.message_id = id, .ms = clock_steady_ms()};
}

void
store_notices_forget(struct store *s)
{
	free(s->asked);
	s->asked = NULL;
	s->n_asked = 0;
}

static enum err
ask(struct store *s, struct db_txn *txn, struct store_peer *relay, uint64_t id,
    const struct head *h)
{
	struct proto_notify m = {.first = h->first, .dsn = h->dsn};
	uint32_t n = h->next - h->first;
	struct key k;
	struct buf b;
	enum err e =
	    db_get(txn, STORE_NOTICE, make_key(id, OUTER, &k), &m.dsn.outer);

	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	m.dsn.rcpt = arena_array(s->arena, n, sizeof(*m.dsn.rcpt));
	e = m.dsn.rcpt == NULL ? ERR_NOMEM : ERR_OK;
	for (; e == ERR_OK && m.dsn.n_rcpt < n; m.dsn.n_rcpt++)
		e = get_fact(txn, s->arena, id, h->first + m.dsn.n_rcpt,
		    &m.dsn.rcpt[m.dsn.n_rcpt]);
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (e == ERR_OK)
		e = proto_notify_pack(&m, &b);
	if (e == ERR_OK)
		e = ipc_post(
		    relay->ch, PROTO_NOTIFY, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
	if (e == ERR_OK)
		note_asked(s, id);
	return e;
}

/* Ids of messages of which something is under way, sorted. */
struct busy {
	const struct store *store;
	uint64_t now_ms;
	uint64_t *id;
	size_t n, room;
};

static void
add_busy(void *arg, struct store_item *item)
{
	struct busy *b = arg;

	if (item->flight == STORE_FLIGHT_NONE &&
	    (item->state != STORE_QUEUED || item->due_ms > b->now_ms))
		return;
	if (b->n == b->room) {
		b->room = b->room == 0 ? 256 : 2 * b->room;
		b->id = realloc(b->id, b->room * sizeof(*b->id));
		if (b->id == NULL)
			fatal("out of memory");
	}
	b->id[b->n++] = item->message_id;
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static bool
is_due(const struct busy *b, uint64_t id, const struct head *h)
{
	uint64_t age = b->now_ms - h->since_ms;

	if (age < SPAN_MIN_MS)
		return false;
	return age >= SPAN_MAX_MS || b->n == 0 ||
	       bsearch(&id, b->id, b->n, sizeof(id), by_number) == NULL;
}

/* One that cannot be read is told once and left: an alarm, not a reason to stop
   the others. */
static void
look_at(struct store *s, struct db_txn *txn, struct store_peer *relay,
    const struct busy *b, uint64_t id)
{
	const struct store_asked *asked = find_asked(s, id);
	char text[TEXT_ID_SIZE];
	struct head h;
	enum err e;

	if (asked != NULL && clock_steady_ms() - asked->ms < ASKED_MS)
		return;
	if (asked != NULL)
		forget_asked(s, id);
	arena_reset(s->arena);
	e = get_head(txn, s->arena, id, &h);
	if (e == ERR_OK && is_due(b, id, &h))
		e = ask(s, txn, relay, id, &h);
	if (e == ERR_OK || e == ERR_CLOSED || e == ERR_AGAIN)
		return;
	note_asked(s, id);
	text_id(id, text);
	log_event(LOG_LVL_CRIT, text, "notice-unreadable", KV_ERR(e));
}

static void
look_at_all(struct store *s, struct db_txn *txn, struct store_peer *relay,
    const struct busy *b)
{
	struct db_cursor *c = NULL;
	struct span key, val;
	uint64_t id = 0;
	struct key k;
	enum err e = db_cursor_open(txn, STORE_NOTICE, &c);

	while (e == ERR_OK && s->n_asked < ASKED_MAX) {
		key = make_key(id, HEAD, &k);
		e = db_cursor_move(c, DB_SEEK, &key, &val);
		if (e != ERR_OK)
			break;
		id = id_of(key);
		look_at(s, txn, relay, b, id);
		id++;
	}
	db_cursor_close(c);
}

void
store_notices_tick(struct store *s)
{
	struct store_peer *relay = store_find_peer(s, ROLE_RELAY, 0);
	struct busy b = {.store = s, .now_ms = store_now(s)};
	struct db_txn *txn = NULL;
	size_t n = 0;

	if (relay == NULL || db_read(s->db, &txn) != ERR_OK)
		return;
	if (db_count(txn, STORE_NOTICE, &n) == ERR_OK && n > 0) {
		store_index_each(s->index, add_busy, &b);
		if (b.n > 0)
			qsort(b.id, b.n, sizeof(*b.id), by_number);
		look_at_all(s, txn, relay, &b);
	}
	free(b.id);
	db_end(txn);
}

/* --- from relay --- */

/* Is it what was asked for, to that sender and nobody else? Relay talks to
   strangers. */
static bool
is_notification(const struct entry *e, const struct head *h)
{
	return e->kind == ENTRY_READY && e->from[0] == '\0' &&
	       e->message_id == h->dsn.message_id && e->n_rcpt == 1 &&
	       strcmp(e->rcpt[0].key, h->dsn.from_key) == 0 &&
	       e->rcpt[0].notify == PROTO_NOTIFY_NEVER &&
	       e->after == ENTRY_AFTER_BOUNCE && e->twin == 0 &&
	       e->wait_object[0] == '\0';
}

static enum err
del_row(struct db_txn *txn, uint64_t id, uint32_t number)
{
	struct key k;

	return db_del(txn, STORE_NOTICE, make_key(id, number, &k));
}

/* So that the log tells whoever looks for it who has not been told of. */
static enum err
record_notified(struct store *s, struct db_txn *txn, uint64_t id,
    const struct head *h, const struct proto_notified *m)
{
	struct dsn_rcpt r;
	struct store_rec rec;
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < m->n; i++) {
		e = get_fact(txn, s->arena, id, h->first + i, &r);
		if (e != ERR_OK || r.action != MIME_DSN_FAILED)
			continue;
		store_rec_begin(&rec, "notified");
		store_rec_id(&rec, "id", id);
		store_rec_id(&rec, "entry", m->entry.id);
		store_rec_str(&rec, "rcpt", r.addr);
		e = store_add_record(s, txn, &rec);
	}
	return e;
}

/* They are told: what is left has come since, or did not fit. */
static enum err
del_facts(struct db_txn *txn, uint64_t id, struct head *h, uint32_t n)
{
	enum err e = ERR_OK;

	for (; e == ERR_OK && n > 0; n--)
		e = del_row(txn, id, h->first++);
	if (e != ERR_OK || h->first < h->next)
		return e == ERR_OK ? put_head(txn, id, h) : e;
	e = del_row(txn, id, OUTER);
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = del_row(txn, id, HEAD);
	return e;
}

enum err
store_apply_notified(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct proto_notified m;
	struct head h;
	enum err e = proto_notified_unpack(op->payload, s->arena, &m);

	op->told = false;
	if (e != ERR_OK || m.n == 0)
		return e;
	e = get_head(txn, s->arena, op->id, &h);
	/* said again */
	if (e == ERR_NOT_FOUND || (e == ERR_OK && m.first != h.first))
		return ERR_OK;
	if (e == ERR_OK &&
	    (m.n > h.next - h.first || !is_notification(&m.entry, &h)))
		e = ERR_PERMISSION;
	if (e == ERR_OK)
		e = store_add_entry(s, txn, &m.entry, store_now(s));
	if (e == ERR_OK)
		e = record_notified(s, txn, op->id, &h, &m);
	op->told = e == ERR_OK;
	return e == ERR_OK ? del_facts(txn, op->id, &h, m.n) : e;
}

void
store_after_notified(struct store *s, struct store_op *op)
{
	char id[TEXT_ID_SIZE], entry[TEXT_ID_SIZE];
	struct proto_notified m;

	forget_asked(s, op->id);
	text_id(op->id, id);
	if (op->result != ERR_OK) {
		log_event(
		    LOG_LVL_ERR, id, "notice-refused", KV_ERR(op->result));
	} else if (op->told) {
		arena_reset(s->arena);
		if (proto_notified_unpack(op->payload, s->arena, &m) != ERR_OK)
			return;
		text_id(m.entry.id, entry);
		log_event(LOG_LVL_INFO, id, "notify",
		    KV_STR("to", m.entry.rcpt[0].addr),
		    KV_NUM("recipients", m.n), KV_STR("entry", entry));
	}
}
