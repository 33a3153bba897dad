/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An entry that goes by TLS, and its sealed original that is parked beside it
 * for when TLS is not to be had: they come together, and only one of them ever
 * goes on. Submit, delivery and administrators ask here.
 */
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_private.h"

static bool
same_rcpts(const struct entry *a, const struct entry *b)
{
	if (a->n_rcpt != b->n_rcpt)
		return false;
	for (uint32_t i = 0; i < a->n_rcpt; i++)
		if (strcmp(a->rcpt[i].key, b->rcpt[i].key) != 0)
			return false;
	return true;
}

/* What one says of the other, the other says of the one. */
static bool
are_twins(const struct entry *ready, const struct entry *parked)
{
	return ready->kind == ENTRY_READY &&
	       ready->after == ENTRY_AFTER_AGAIN &&
	       parked->kind == ENTRY_PENDING && parked->why == ENTRY_WHY_TLS &&
	       ready->twin == parked->id && parked->twin == ready->id &&
	       ready->message_id == parked->message_id &&
	       ready->strength == parked->strength && same_rcpts(ready, parked);
}

static bool
has_twin(const struct entry *e, const struct proto_submit *m)
{
	for (uint32_t i = 0; i < m->n_entries; i++)
		if (are_twins(e, &m->entry[i]) || are_twins(&m->entry[i], e))
			return true;
	return false;
}

enum err
store_twins_check(const struct proto_submit *m)
{
	const struct entry *e;
	bool wants;

	for (uint32_t i = 0; i < m->n_entries; i++) {
		e = &m->entry[i];
		wants = e->twin != 0 || e->after == ENTRY_AFTER_AGAIN ||
			e->why == ENTRY_WHY_TLS;
		if (wants && !has_twin(e, m))
			return ERR_IPC;
	}
	return ERR_OK;
}

enum err
store_twins_park(struct store *s, struct db_txn *txn, const struct entry *e)
{
	uint64_t parked = e->kind == ENTRY_READY ? e->twin : e->id;
	struct store_status st;
	enum err err = store_status_get(txn, s->arena, e->twin, &st);

	if (err == ERR_OK)
		err = store_status_get(txn, s->arena, parked, &st);
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err != ERR_OK || st.kind != ENTRY_PENDING)
		return err;
	st.state = STORE_PARKED;
	store_touch(s, parked);
	return store_status_put(txn, parked, &st);
}

/* The original that is parked for it and goes with it, 0 when there is none;
   its state in *st. One that cannot be read names none. */
static enum err
find_parked(struct store *s, struct db_txn *txn, uint64_t id, uint64_t *twin,
    struct store_status *st)
{
	struct entry entry;
	enum err e = store_entry_get(txn, s->arena, id, &entry);

	*twin = 0;
	if (e != ERR_OK || entry.kind != ENTRY_READY || entry.twin == 0)
		return ERR_OK;
	e = store_status_get(txn, s->arena, entry.twin, st);
	if (e == ERR_OK && st->state == STORE_PARKED)
		*twin = entry.twin;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

uint64_t
store_parked_for(struct store *s, struct db_txn *txn, uint64_t id)
{
	struct store_status st;
	uint64_t twin;

	return find_parked(s, txn, id, &twin, &st) == ERR_OK ? twin : 0;
}

enum err
store_remove(struct store *s, struct db_txn *txn, uint64_t id, bool in_file)
{
	struct store_status st;
	uint64_t twin;
	enum err parked = find_parked(s, txn, id, &twin, &st), e;

	/* one that cannot be read must not stay for that */
	e = store_entry_del(txn, id);
	if (e == ERR_OK && in_file)
		store_orphan(s, id);
	if (e == ERR_OK)
		e = parked;
	if (e == ERR_OK && twin != 0)
		e = store_entry_del(txn, twin);
	if (e != ERR_OK || twin == 0)
		return e;
	store_touch(s, twin);
	if (st.in_file)
		store_orphan(s, twin);
	return ERR_OK;
}

/* Did all that is open fail for want of TLS, in this attempt? */
static bool
only_tls_failed(const struct proto_result *m, const uint8_t *done, uint32_t n)
{
	uint32_t open = 0, failed = 0;

	for (uint32_t i = 0; i < n; i++)
		open += done[i] == PROTO_DEFERRED;
	for (uint32_t i = 0; i < m->n_rcpt; i++)
		failed += m->rcpt[i].tls && m->rcpt[i].rcpt < n &&
			  done[m->rcpt[i].rcpt] == PROTO_DEFERRED;
	return open > 0 && failed >= open;
}

static enum err
record(struct store *s, struct db_txn *txn, const struct entry *e,
    const struct store_status *st)
{
	struct store_rec rec;

	store_rec_begin(&rec, "tls-spent");
	store_rec_id(&rec, "id", e->message_id);
	store_rec_id(&rec, "entry", e->id);
	store_rec_id(&rec, "again", e->twin);
	store_rec_str(&rec, "reason", st->last);
	return store_add_record(s, txn, &rec);
}

/* Without its original nothing but this try is left: an administrator must
   see it. */
static enum err
hold_alone(struct store *s, struct db_txn *txn, const struct entry *e,
    struct store_status *st)
{
	struct store_rec rec;
	char text[TEXT_ID_SIZE];

	text_id(e->id, text);
	st->state = STORE_HELD;
	log_event(LOG_LVL_ERR, text, "held", KV_STR("reason", st->last));
	store_rec_begin(&rec, "held");
	store_rec_id(&rec, "id", e->message_id);
	store_rec_id(&rec, "entry", e->id);
	store_rec_str(&rec, "reason", st->last);
	return store_add_record(s, txn, &rec);
}

enum err
store_twin_wake(struct store *s, struct db_txn *txn, const struct entry *entry,
    const struct proto_result *m, struct store_status *st, const uint8_t *done,
    bool *woken)
{
	struct store_status twin;
	enum err e;

	*woken = false;
	if (entry->after != ENTRY_AFTER_AGAIN || st->state == STORE_HELD ||
	    st->doomed || !only_tls_failed(m, done, entry->n_rcpt) ||
	    store_now(s) - st->hold_ms < s->conf->retry.tls_ms)
		return ERR_OK;
	e = store_status_get(txn, s->arena, entry->twin, &twin);
	if (e == ERR_NOT_FOUND || (e == ERR_OK && twin.state != STORE_PARKED))
		return hold_alone(s, txn, entry, st);
	if (e != ERR_OK)
		return e;
	twin.state = STORE_QUEUED;
	twin.last = st->last;
	twin.warned = st->warned;
	twin.released = st->released;
	twin.hold_ms = st->hold_ms;
	twin.done = SPAN(done, entry->n_rcpt);
	/* one that was decided so before is not decided all the time */
	twin.due_ms = st->tries > 0 ? store_now(s) : store_next_try(s, 1);
	e = store_status_put(txn, entry->twin, &twin);
	if (e == ERR_OK)
		e = record(s, txn, entry, st);
	if (e == ERR_OK)
		e = store_entry_del(txn, entry->id);
	if (e != ERR_OK)
		return e;
	if (st->in_file)
		store_orphan(s, entry->id);
	store_touch(s, entry->twin);
	*woken = true;
	return ERR_OK;
}

enum err
store_open_rcpts(struct store *s, const struct store_status *st, uint32_t n,
    uint32_t **open_out, uint32_t *n_out)
{
	uint32_t *open = arena_array(s->arena, n, sizeof(*open));

	if (open == NULL)
		return ERR_NOMEM;
	*n_out = 0;
	for (uint32_t i = 0; i < n; i++)
		if (i >= st->done.len || st->done.data[i] == PROTO_DEFERRED)
			open[(*n_out)++] = i;
	*open_out = open;
	return ERR_OK;
}

enum err
store_narrow(struct store *s, const struct store_status *st, struct entry *e)
{
	struct entry_rcpt *left;
	uint32_t *open, n;
	enum err err = store_open_rcpts(s, st, e->n_rcpt, &open, &n);

	if (err != ERR_OK)
		return err;
	left = arena_array(s->arena, n, sizeof(*left));
	if (left == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < n; i++)
		left[i] = e->rcpt[open[i]];
	e->rcpt = left;
	e->n_rcpt = n;
	return ERR_OK;
}
