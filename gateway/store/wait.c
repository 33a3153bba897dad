/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What waits is in memory by the id of its message, rebuilt from the spool;
 * the spool's flag decides whose the entry is. A crash anywhere leaves either
 * the flag (nothing was said: the client sends it again, and the entry goes)
 * or the answer beside the message's id (a listener that still has the client
 * asks for it).
 */
#include "gateway/store/wait.h"
#include "gateway/store/store_entry_private.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"

struct store_wait {
	struct store_wait *next;
	uint64_t message_id;
	uint64_t entry;
	bool claimed;	/* a listener has its client */
	bool abandoned; /* nobody has */
};

static struct store_wait *
find(const struct store *s, uint64_t message_id)
{
	struct store_wait *w = s->waits;

	while (w != NULL && w->message_id != message_id)
		w = w->next;
	return w;
}

static bool
has_listener(const struct store *s)
{
	return store_find_peer(s, ROLE_LISTENER, 0) != NULL;
}

/* --- applying --- */

/* What is kept beside an entry, comes of several, or is told by a notice, has
   no single reply. */
bool
store_wait_fits(const struct proto_submit *m)
{
	const struct entry *e = m->entry;

	return m->waits && m->n_entries == 1 && m->n_objects == 0 &&
	       m->dsn.n_rcpt == 0 && e->twin == 0 &&
	       e->after == ENTRY_AFTER_BOUNCE && e->wait_object[0] == '\0' &&
	       (e->kind == ENTRY_READY || e->why == ENTRY_WHY_RECEIVED);
}

enum err
store_wait_begin(struct store *s, struct db_txn *txn, uint64_t id)
{
	struct store_status st;
	enum err e = store_status_get(txn, s->arena, id, &st);

	if (e != ERR_OK)
		return e;
	st.waits = true;
	return store_status_put(txn, id, &st);
}

/* Is this a next hop's reply that a client can be given, and of what kind? */
static bool
is_reply(const struct proto_rcpt_result *r)
{
	switch ((enum proto_outcome)r->outcome) {
	case PROTO_DELIVERED:
		return r->code / 100 == 2;
	case PROTO_FAILED:
		return r->code / 100 == 5;
	case PROTO_DEFERRED:
		return r->code / 100 == 4;
	case PROTO_DROPPED:
		break;
	}
	return false;
}

/* Were all recipients treated alike, by who said so? */
static bool
are_alike(const struct entry *entry, const struct proto_result *m)
{
	if (m->n_rcpt != entry->n_rcpt || m->n_rcpt == 0)
		return false;
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		if (!is_reply(&m->rcpt[i]) ||
		    m->rcpt[i].outcome != m->rcpt[0].outcome)
			return false;
	return true;
}

static enum err
record(struct store *s, struct db_txn *txn, uint64_t id, uint64_t message_id,
    const char *type, const struct proto_rcpt_result *r)
{
	struct store_rec rec;

	store_rec_begin(&rec, type);
	store_rec_id(&rec, "id", message_id);
	store_rec_id(&rec, "entry", id);
	if (r != NULL) {
		store_rec_num(&rec, "code", r->code);
		store_rec_str(&rec, "status", r->status);
		store_rec_str(&rec, "reply", r->text);
	}
	return store_add_record(s, txn, &rec);
}

/* For as long as its client may ask. 421 would be of the connection. */
static enum err
keep_reply(struct store *s, struct db_txn *txn, uint64_t message_id,
    const struct proto_rcpt_result *r, bool *kept)
{
	struct store_done d;
	enum err e = store_done_get(txn, s->arena, message_id, &d);

	*kept = e == ERR_OK;
	if (e != ERR_OK) /* nobody can ask for it any more */
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	d.code = r->code == 421 ? 451 : r->code;
	d.status = r->status;
	d.text = r->text;
	d.when_ms = store_now(s);
	return store_done_put(txn, message_id, &d);
}

enum err
store_wait_result(struct store *s, struct db_txn *txn,
    const struct entry *entry, const struct proto_result *m,
    struct store_status *st, bool *gone)
{
	const struct store_wait *w = find(s, st->message_id);
	bool alike = are_alike(entry, m);
	enum err e = ERR_OK;

	st->waits = false;
	*gone = false;
	if (alike)
		e = keep_reply(s, txn, st->message_id, &m->rcpt[0], &alike);
	if (e == ERR_OK && alike) {
		e = record(
		    s, txn, entry->id, st->message_id, "answered", &m->rcpt[0]);
		*gone = m->rcpt[0].outcome != PROTO_DELIVERED;
	} else if (e == ERR_OK && w != NULL && w->abandoned) {
		/* nothing was promised to who is gone */
		e = record(
		    s, txn, entry->id, st->message_id, "abandoned", NULL);
		*gone = true;
	}
	if (e == ERR_OK && *gone)
		e = store_remove(s, txn, entry->id, st->in_file);
	return e;
}

/* The id of both is the message's. */
enum err
store_apply_unwait(struct store *s, struct db_txn *txn, struct store_op *op)
{
	const struct store_wait *w = find(s, op->id);
	struct store_status st;
	enum err e;

	if (w == NULL)
		return ERR_OK; /* the answer is on its way */
	e = store_status_get(txn, s->arena, w->entry, &st);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && !st.waits))
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	st.waits = false;
	store_touch(s, w->entry);
	return store_status_put(txn, w->entry, &st);
}

/* One that is under way goes with what comes of that. */
enum err
store_apply_abandon(struct store *s, struct db_txn *txn, struct store_op *op)
{
	const struct store_wait *w = find(s, op->id);
	const struct store_item *item;
	struct store_status st;
	enum err e;

	if (w == NULL || w->claimed)
		return ERR_OK;
	item = store_index_find(s->index, w->entry);
	if (item == NULL || item->flight != STORE_FLIGHT_NONE)
		return ERR_OK;
	e = store_status_get(txn, s->arena, w->entry, &st);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && !st.waits))
		return ERR_OK;
	if (e == ERR_OK)
		e = record(s, txn, w->entry, op->id, "abandoned", NULL);
	if (e != ERR_OK)
		return e;
	store_touch(s, w->entry);
	return store_remove(s, txn, w->entry, st.in_file);
}

/* --- who waits --- */

void
store_wait_end(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct store_wait *w = find(s, m->id);
	struct unpacker u;
	bool keep;

	unpack_begin(&u, m->payload);
	keep = unpack_bool(&u);
	if (unpack_end(&u) != ERR_OK) {
		log_event(LOG_LVL_ERR, NULL, "wait-end", KV_ERR(ERR_IPC));
		return;
	}
	if (!keep && w != NULL) {
		w->claimed = false;
		w->abandoned = true;
	}
	store_queue(s, keep ? STORE_OP_UNWAIT : STORE_OP_ABANDON, m->id, from,
	    SPAN(NULL, 0));
}

void
store_wait_seen(struct store *s, uint64_t id, const struct store_status *st)
{
	struct store_wait *w = find(s, st->message_id);

	if (w == NULL) {
		w = calloc(1, sizeof(*w));
		if (w == NULL)
			fatal("out of memory");
		w->message_id = st->message_id;
		w->claimed = has_listener(s);
		w->next = s->waits;
		s->waits = w;
	}
	w->entry = id;
}

bool
store_wait_claim(struct store *s, uint64_t message_id)
{
	struct store_wait *w = find(s, message_id);
	struct store_item *item;

	if (w == NULL)
		return false;
	item = store_index_find(s->index, w->entry);
	/* after a restart it was put off until somebody asked */
	if (!w->claimed && item != NULL && item->flight == STORE_FLIGHT_NONE)
		store_index_land(s->index, item, store_now(s));
	w->claimed = true;
	w->abandoned = false;
	return true;
}

void
store_waits_settle(struct store *s)
{
	struct store_wait **at = &s->waits, *w;
	const struct store_item *item;

	while ((w = *at) != NULL) {
		item = store_index_find(s->index, w->entry);
		if (item != NULL && item->waits) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		store_tell_committed(s, w->message_id, 0, ERR_OK, false);
		free(w);
	}
}

void
store_waits_listener(struct store *s, bool there)
{
	s->listener_ms = there ? clock_steady_ms() : 0;
	for (struct store_wait *w = s->waits; !there && w != NULL; w = w->next)
		w->claimed = false;
}

void
store_waits_tick(struct store *s)
{
	bool late = s->listener_ms != 0 &&
		    clock_steady_ms() - s->listener_ms >= LIMIT_WAIT_CLAIM_MS;

	for (struct store_wait *w = s->waits; w != NULL; w = w->next) {
		if (late && !w->claimed)
			w->abandoned = true;
		if (w->abandoned)
			store_queue(s, STORE_OP_ABANDON, w->message_id, NULL,
			    SPAN(NULL, 0));
	}
}

void
store_waits_free(struct store *s)
{
	struct store_wait *w;

	while ((w = s->waits) != NULL) {
		s->waits = w->next;
		free(w);
	}
}
