/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Pending entries: back to a worker (inbound: to an opener) when they are due,
 * one at a time for each. What stays undecided for too long, and what kills
 * workers, is held with an alarm until an administrator decides; nothing is
 * ever let go on.
 */
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_private.h"

/* milliseconds after which another worker gets what one died of */
enum { CRASH_WAIT_MS = 1000 };

static enum err
post(struct store_peer *worker, const struct proto_decide *m, int body_fd)
{
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_decide_pack(m, &b);
	if (e == ERR_OK)
		e = ipc_post(worker->ch, PROTO_DECIDE, m->entry.id,
		    buf_span(&b), &body_fd, body_fd >= 0 ? 1 : 0);
	buf_clear(&b);
	return e;
}

/* Whose private keys the entry needs: of the sender, if its client is listed
   for that; of the recipients, where it comes from outside. False: nobody's,
   or no memory. */
static bool
whose_keys(struct store *s, const struct entry *e, struct proto_register *out)
{
	out->open = e->route == ENTRY_INBOUND;
	if (!out->open)
		return e->from_key[0] != '\0' &&
		       conf_may_sign(s->conf, e->client, e->auth_id) &&
		       proto_register_sender(
			   e->from_key, e->auth_from, s->arena, out) == ERR_OK;
	out->addr = arena_array(s->arena, e->n_rcpt, sizeof(*out->addr));
	if (out->addr == NULL)
		return false;
	out->n_addr = e->n_rcpt;
	for (uint32_t i = 0; i < e->n_rcpt; i++)
		out->addr[i] = e->rcpt[i].key;
	return e->n_rcpt > 0;
}

/* Let private keys be used while the worker decides. */
static void
register_keys(struct store *s, uint64_t id, const struct entry *e)
{
	struct store_peer *keys = store_find_peer(s, ROLE_KEYS, 0);
	struct proto_register reg;
	struct buf b;

	if (keys == NULL || !whose_keys(s, e, &reg))
		return;
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	if (proto_register_pack(&reg, &b) == ERR_OK)
		(void)!ipc_post(
		    keys->ch, PROTO_REGISTER, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static void
unregister(struct store *s, uint64_t id)
{
	struct store_peer *keys = store_find_peer(s, ROLE_KEYS, 0);

	if (keys != NULL && id != 0)
		(void)!ipc_post(
		    keys->ch, PROTO_UNREGISTER, id, SPAN(NULL, 0), NULL, 0);
}

void
store_register_all(struct store *s, struct store_peer *keys)
{
	struct db_txn *txn = NULL;
	struct entry entry;
	struct buf b;
	struct proto_register none = {0};

	buf_init(&b, LIMIT_IPC_INLINE);
	if (proto_register_pack(&none, &b) == ERR_OK)
		(void)!ipc_post(
		    keys->ch, PROTO_REGISTER, 0, buf_span(&b), NULL, 0);
	buf_clear(&b);
	if (db_read(s->db, &txn) != ERR_OK)
		return;
	for (struct store_peer *p = s->peers; p != NULL; p = p->next) {
		if ((p->id != ROLE_WORKER && p->id != ROLE_OPENER) ||
		    p->deciding == 0)
			continue;
		arena_reset(s->arena);
		if (store_entry_get(txn, s->arena, p->deciding, &entry) ==
		    ERR_OK)
			register_keys(s, p->deciding, &entry);
	}
	db_end(txn);
}

static enum err
decide_one(struct store *s, struct db_txn *txn, struct store_peer *worker,
    struct store_item *item)
{
	struct proto_decide m = {0};
	struct store_status st;
	int fd = -1;
	enum err e;

	arena_reset(s->arena);
	e = store_status_get(txn, s->arena, item->id, &st);
	if (e == ERR_OK)
		e = store_entry_get(txn, s->arena, item->id, &m.entry);
	if (e == ERR_OK && !store_is_too_old(s, &st) &&
	    store_lookups_ask(s, &m.entry, item))
		return ERR_OK;
	if (e == ERR_OK)
		e = store_open_rcpts(
		    s, &st, m.entry.n_rcpt, &m.open, &m.n_open);
	if (e == ERR_OK && st.in_file) {
		fd = store_open_body(s, item->id);
		e = fd < 0 ? ERR_NOT_FOUND : ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	m.age_ms = store_now(s) - st.born_ms;
	m.give_up = store_is_too_old(s, &st);
	m.released = st.released;
	register_keys(s, item->id, &m.entry);
	e = post(worker, &m, fd);
	if (fd >= 0)
		close(fd);
	if (e != ERR_OK) {
		unregister(s, item->id);
		return ERR_AGAIN;
	}
	item->looked_up = false;
	worker->deciding = item->id;
	item->worker = worker->index;
	store_index_fly(s->index, item, STORE_FLIGHT_WORKER);
	return ERR_OK;
}

/* To those of this role whatever of their lane is due. */
static void
decide_lane(struct store *s, enum role_id role, enum store_lane lane)
{
	struct store_peer *worker;
	struct store_item *item;
	struct db_txn *txn = NULL;
	uint64_t now = store_now(s);
	enum err e = ERR_OK;

	while (e == ERR_OK && (worker = store_idle_worker(s, role)) != NULL) {
		item = store_index_first(s->index, lane);
		if (item == NULL || item->due_ms > now)
			break;
		if (txn == NULL)
			e = db_read(s->db, &txn);
		if (e == ERR_OK)
			e = decide_one(s, txn, worker, item);
		if (e != ERR_NOT_FOUND && e != ERR_DB_BROKEN)
			continue;
		/* out of the way until that is written */
		store_index_fly(s->index, item, STORE_FLIGHT_WORKER);
		store_queue(s, STORE_OP_BROKEN, item->id, NULL, SPAN(NULL, 0));
		e = ERR_OK;
	}
	db_end(txn);
}

void
store_decide_due(struct store *s)
{
	decide_lane(s, ROLE_WORKER, STORE_LANE_WORKER);
	decide_lane(s, ROLE_OPENER, STORE_LANE_OPENER);
}

void
store_worker_gone(struct store *s, struct store_peer *worker)
{
	struct store_item *item = store_index_find(s->index, worker->deciding);

	unregister(s, worker->deciding);
	if (worker->deciding == 0 || item == NULL)
		return;
	if (s->stopping)
		store_index_land(s->index, item, item->due_ms);
	else
		store_queue(
		    s, STORE_OP_CRASHED, worker->deciding, NULL, SPAN(NULL, 0));
	worker->deciding = 0;
}

/* --- what came of it --- */

static enum err
hold(struct store *s, struct db_txn *txn, uint64_t id, struct store_status *st)
{
	struct store_rec rec;
	char text[TEXT_ID_SIZE];

	st->state = STORE_HELD;
	text_id(id, text);
	log_event(LOG_LVL_ERR, text, "held", KV_STR("reason", st->last));
	store_rec_begin(&rec, "held");
	store_rec_id(&rec, "id", st->message_id);
	store_rec_id(&rec, "entry", id);
	store_rec_str(&rec, "why", entry_why_name(st->why));
	store_rec_str(&rec, "reason", st->last);
	return store_add_record(s, txn, &rec);
}

enum err
store_apply_undecided(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_status st;
	enum err result, e;

	e = proto_failure_unpack(op->payload, s->arena, &result, &st.last);
	if (e == ERR_OK) {
		const char *said = st.last;

		e = store_status_get(txn, s->arena, op->id, &st);
		st.last = said[0] != '\0' ? said : err_text(result);
	}
	store_touch(s, op->id);
	if (e == ERR_OK && st.kind != ENTRY_PENDING)
		e = ERR_PERMISSION;
	if (e != ERR_OK)
		return e;
	st.tries++;
	st.due_ms = store_next_try(s, st.tries);
	if (st.state == STORE_QUEUED &&
	    store_now(s) - st.hold_ms >= s->conf->retry.hold_ms)
		e = hold(s, txn, op->id, &st);
	return e == ERR_OK ? store_status_put(txn, op->id, &st) : e;
}

enum err
store_apply_crashed(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_status st;
	enum err e = store_status_get(txn, s->arena, op->id, &st);

	store_touch(s, op->id);
	if (e != ERR_OK)
		return e;
	st.crashes++;
	st.due_ms = store_now(s) + CRASH_WAIT_MS;
	st.last = err_text(ERR_CRASHED);
	if (st.state == STORE_QUEUED && st.crashes >= LIMIT_CRASHES) {
		st.why = ENTRY_WHY_CRASHED;
		e = hold(s, txn, op->id, &st);
	}
	return e == ERR_OK ? store_status_put(txn, op->id, &st) : e;
}

void
store_after_decision(struct store *s, struct store_op *op)
{
	struct store_item *item;
	char id[TEXT_ID_SIZE];
	uint64_t entry = op->id;

	/* the entry that its worker had, whatever the worker says */
	if (op->kind != STORE_OP_CRASHED) {
		if (op->from == NULL)
			return;
		entry = op->from->deciding;
		op->from->deciding = 0;
		unregister(s, entry);
	}
	text_id(entry, id);
	if (op->result != ERR_OK && op->kind != STORE_OP_SUBMIT)
		log_event(
		    LOG_LVL_ERR, id, "decision-refused", KV_ERR(op->result));
	item = store_index_find(s->index, entry);
	if (item != NULL && item->flight == STORE_FLIGHT_WORKER)
		store_index_land(s->index, item,
		    op->result == ERR_OK ? item->due_ms : store_next_try(s, 1));
}
