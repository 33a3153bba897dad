/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Group commit: what has arrived in one round of the loop, or while the last
 * commit was being synced, is one transaction with one nested transaction for
 * each operation. Nothing is acknowledged before it; after a commit that
 * failed nothing is, the environment is opened afresh, and what is not a
 * stranger's to repeat (results, decisions) is tried again.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/store/notice.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/tls_report.h"
#include "gateway/store/wait.h"

enum {
	GATHER_OPS = 4, /* so many in the last commit are load */
	GATHER_MS = 2,
	/* what nobody waits for shares the next commit, if one comes soon:
	   else a single sender would wait for the syncs of the results of its
	   last message */
	PATIENCE_MS = 4,
};

/* A sender may be told to try again later: its operation ends with the
   error. Everything else happened and is kept until it can be written. */
static const struct {
	store_apply_fn *apply;
	void (*after)(struct store *s, struct store_op *op);
	bool keep;
	bool patient; /* nobody waits for it */
} kinds[STORE_OP_KINDS] = {
    [STORE_OP_SUBMIT] = {store_apply_submit, store_after_submit, false, false},
    [STORE_OP_FENCE] = {store_apply_fence, store_after_fence, true, false},
    [STORE_OP_RESULT] = {store_apply_result, store_after_result, true, true},
    [STORE_OP_UNDECIDED] = {store_apply_undecided, store_after_decision, true,
	false},
    [STORE_OP_CRASHED] = {store_apply_crashed, store_after_decision, true,
	false},
    [STORE_OP_OVERDUE] = {store_apply_overdue, store_after_result, true, true},
    [STORE_OP_BROKEN] = {store_apply_broken, store_after_result, true, true},
    [STORE_OP_DOOMED] = {store_apply_doomed, store_after_result, true, true},
    [STORE_OP_HAVE] = {store_apply_have, NULL, true, false},
    [STORE_OP_OPENED] = {store_apply_opened, NULL, true, true},
    [STORE_OP_EXPIRED] = {store_apply_expired, NULL, true, true},
    [STORE_OP_DROPPED] = {store_apply_dropped, NULL, true, true},
    [STORE_OP_CODE] = {store_apply_code, NULL, true, false},
    [STORE_OP_DMZ] = {store_apply_dmz, store_after_dmz, true, false},
    [STORE_OP_LOCKED] = {store_apply_locked, NULL, true, true},
    [STORE_OP_UNREAD] = {store_apply_unread, NULL, false, true},
    [STORE_OP_REQUEST] = {store_apply_request, store_after_request, false,
	false},
    [STORE_OP_RECORD] = {NULL, NULL, true, true},
    [STORE_OP_MAIL] = {store_apply_mail, NULL, true, true},
    [STORE_OP_ALARM] = {store_apply_alarm, NULL, true, true},
    [STORE_OP_VERIFIED] = {store_apply_verified, NULL, false, true},
    [STORE_OP_UNWAIT] = {store_apply_unwait, NULL, true, false},
    [STORE_OP_ABANDON] = {store_apply_abandon, NULL, true, true},
    [STORE_OP_REPORT] = {store_apply_report, store_after_report, true, true},
    [STORE_OP_NOTIFIED] = {store_apply_notified, store_after_notified, true,
	true},
    [STORE_OP_FOUND] = {store_apply_found, NULL, false, true},
    [STORE_OP_SEEN] = {store_apply_seen, NULL, false, true},
    [STORE_OP_RECOUNT] = {store_apply_recount, NULL, true, true},
    [STORE_OP_EVENTS] = {store_apply_events, store_after_events, true, true},
};

uint64_t
store_now(const struct store *s)
{
	return store_clock_now(&s->clock);
}

void
store_end(struct store *s, bool failed)
{
	s->failed = s->failed || failed;
	if (s->ended)
		return;
	s->ended = true;
	if (s->on_end != NULL)
		s->on_end(s->arg, s->failed);
}

/* --- the queue of operations --- */

static struct store_op *
new_op(struct store *s, enum store_op_kind kind, uint64_t id,
    struct store_peer *from)
{
	struct store_op *op = calloc(1, sizeof(*op));

	if (op == NULL)
		fatal("out of memory");
	op->kind = kind;
	op->id = id;
	op->from = from;
	op->of_opener = from != NULL && from->id == ROLE_OPENER;
	buf_init(&op->answer, LIMIT_IPC_PAYLOAD);
	if (s->first == NULL) {
		s->urgent = false;
		s->queued_ms = clock_steady_ms();
	}
	s->urgent = s->urgent || !kinds[kind].patient;
	*s->last = op;
	s->last = &op->next;
	return op;
}

static void
copy_payload(struct store_op *op, struct span payload)
{
	if (payload.len == 0)
		return;
	op->copy = malloc(payload.len);
	if (op->copy == NULL)
		fatal("out of memory");
	memcpy(op->copy, payload.data, payload.len);
	op->payload = SPAN(op->copy, payload.len);
}

void
store_queue(struct store *s, enum store_op_kind kind, uint64_t id,
    struct store_peer *from, struct span payload)
{
	copy_payload(new_op(s, kind, id, from), payload);
}

void
store_queue_msg(struct store *s, enum store_op_kind kind,
    struct store_peer *from, struct ipc_msg *m)
{
	struct store_op *op = new_op(s, kind, m->id, from);

	if (m->map.base == NULL) {
		copy_payload(op, m->payload);
		return;
	}
	/* what came in a memfd stays there */
	op->map = m->map;
	op->payload = m->payload;
	memset(&m->map, 0, sizeof(m->map));
}

static void
free_op(struct store_op *op)
{
	memfd_unmap(&op->map);
	free(op->copy);
	buf_clear(&op->answer);
	free(op);
}

void
store_drop_ops(struct store *s)
{
	while (s->first != NULL) {
		struct store_op *op = s->first;

		s->first = op->next;
		free_op(op);
	}
	s->last = &s->first;
	free(s->touched);
	free(s->orphan);
	s->touched = s->orphan = NULL;
	s->n_touched = s->cap_touched = s->n_orphans = s->cap_orphans = 0;
}

static void
push(uint64_t **list, size_t *n, size_t *cap, uint64_t id)
{
	if (*n == *cap) {
		*cap = *cap == 0 ? 256 : 2 * *cap;
		*list = realloc(*list, *cap * sizeof(**list));
		if (*list == NULL)
			fatal("out of memory");
	}
	(*list)[(*n)++] = id;
}

void
store_touch(struct store *s, uint64_t id)
{
	push(&s->touched, &s->n_touched, &s->cap_touched, id);
}

void
store_orphan(struct store *s, uint64_t id)
{
	push(&s->orphan, &s->n_orphans, &s->cap_orphans, id);
}

enum err
store_add_record_text(struct store *s, struct db_txn *txn, struct span rec)
{
	enum err e = store_audit_add(s->audit, txn, rec);

	if (e == ERR_OK)
		store_alarm_look(s, rec);
	return e;
}

enum err
store_add_record(struct store *s, struct db_txn *txn, struct store_rec *r)
{
	struct span rec;
	enum err e = store_rec_end(r, &rec);

	if (e == ERR_OK)
		e = store_add_record_text(s, txn, rec);
	store_rec_clear(r);
	return e;
}

/* --- applying --- */

static enum err
apply(struct store *s, struct db_txn *txn, struct store_op *op)
{
	if (op->kind == STORE_OP_RECORD)
		return store_add_record_text(s, txn, op->payload);
	return kinds[op->kind].apply(s, txn, op);
}

/* Returns an error only when the outer transaction is lost with it. */
static enum err
apply_nested(struct store *s, struct db_txn *outer, struct store_op *op)
{
	struct store_audit_head mark = store_audit_mark(s->audit);
	struct store_alarms alarms = s->alarms;
	size_t orphans = s->n_orphans;
	size_t measures = store_measures_mark(s->measures);
	struct db_txn *txn = NULL;
	enum err e = db_nest(outer, &txn);

	if (e != ERR_OK)
		return e;
	arena_reset(s->arena);
	buf_reset(&op->answer);
	op->result = apply(s, txn, op);
	if (op->result != ERR_OK) {
		db_end(txn);
	} else {
		e = db_commit(txn);
		op->result = e;
	}
	if (op->result != ERR_OK) {
		store_audit_rewind(s->audit, &mark);
		s->alarms = alarms;
		s->n_orphans = orphans;
		store_measures_rewind(s->measures, measures);
	}
	return e == ERR_DB_FULL ? ERR_OK : e;
}

static enum err
write_all(struct store *s)
{
	struct db_txn *txn = NULL;
	uint64_t now = store_now(s);
	enum err e = db_write(s->db, &txn);
	unsigned n = 0;

	s->n_batch = 0;
	if (e != ERR_OK)
		return e;
	for (struct store_op *op = s->first; e == ERR_OK && op != NULL;
	     op = op->next, n++)
		e = apply_nested(s, txn, op);
	s->n_batch = n;
	if (e == ERR_OK && now > STORE_DONE_MS)
		e = store_done_prune(
		    txn, now - STORE_DONE_MS, 2 * n + 64, &s->pruned);
	if (e == ERR_OK)
		e = store_clock_save(txn, &s->clock);
	if (e == ERR_OK)
		e = store_audit_finish(s->audit, txn);
	if (e != ERR_OK) {
		db_end(txn);
		return e;
	}
	return db_commit(txn);
}

/* --- settling --- */

/* Bring the index up to what was committed. */
static enum err
refresh(struct store *s)
{
	struct store_status st;
	struct store_item *item;
	struct db_txn *txn = NULL;
	enum err e = ERR_OK;

	if (s->n_touched > 0)
		e = db_read(s->db, &txn);
	for (size_t i = 0; e == ERR_OK && i < s->n_touched; i++) {
		uint64_t id = s->touched[i];

		arena_reset(s->arena);
		e = store_status_get(txn, s->arena, id, &st);
		if (e == ERR_OK) {
			item = store_index_add(s->index, id);
			store_index_set(s->index, item, &st);
			if (st.waits)
				store_wait_seen(s, id, &st);
		} else if (e == ERR_NOT_FOUND) {
			item = store_index_find(s->index, id);
			if (item != NULL)
				store_index_del(s->index, item);
			e = ERR_OK;
		}
	}
	db_end(txn);
	s->n_touched = 0;
	return e;
}

static bool
is_passing(enum err e)
{
	return e == ERR_NOMEM || e == ERR_DISK_FULL || e == ERR_DB_FULL ||
	       e == ERR_IO || e == ERR_BUSY;
}

/* Take the batch off; what has to be written yet goes back to it. */
static void
settle(struct store *s, enum err committed)
{
	struct store_op *op = s->first, *next;

	s->first = NULL;
	s->last = &s->first;
	for (; op != NULL; op = next) {
		next = op->next;
		op->next = NULL;
		if (committed != ERR_OK)
			op->result = committed;
		if (kinds[op->kind].keep &&
		    (committed != ERR_OK || is_passing(op->result))) {
			*s->last = op;
			s->last = &op->next;
			if (s->retry_ms == 0)
				s->retry_ms =
				    clock_steady_ms() + STORE_RETRY_MS;
			continue;
		}
		if (kinds[op->kind].after != NULL)
			kinds[op->kind].after(s, op);
		else if (op->result != ERR_OK)
			log_event(LOG_LVL_WARN, NULL, "not-recorded",
			    KV_ERR(op->result));
		free_op(op);
	}
}

static void
set_intake(struct store *s, enum err e)
{
	if (s->intake == e)
		return;
	s->intake = e;
	if (e == ERR_OK)
		log_event(LOG_LVL_NOTICE, NULL, "intake-open",
		    KV_STR("reason", "new mail is taken again"));
	else
		log_event(LOG_LVL_CRIT, NULL, "intake-closed", KV_ERR(e));
	if (e != ERR_OK)
		store_alarm_tell(s, STORE_ALARM_INTAKE);
	store_tell_intake(s);
}

/* After an error the environment is opened afresh. When it was the disk that
   failed and not its space, the pages in memory cannot be trusted any more
   (they may be marked clean): only a new process reads what is really there. */
static void
recover(struct store *s, enum err e)
{
	struct err_why why = {""};
	uint64_t space = 0;

	(void)!db_disk_free(s->db, &space);
	log_event(LOG_LVL_CRIT, NULL, "commit-failed", KV_ERR(e),
	    KV_NUM("free_octets", space));
	s->retry_ms = clock_steady_ms() + STORE_RETRY_MS;
	set_intake(s, e);
	if (e == ERR_IO) {
		store_end(s, true);
		return;
	}
	e = db_reopen(s->db, &why);
	if (e != ERR_OK) {
		log_event(LOG_LVL_CRIT, NULL, "reopen-failed", KV_ERR(e),
		    KV_STR("reason", why.text));
		store_end(s, true);
	}
}

static void
after_commit(struct store *s)
{
	enum err e;

	s->committed_ms = clock_steady_ms();
	s->retry_ms = 0;
	s->wants_commit = false;
	for (size_t i = 0; i < s->n_orphans; i++)
		store_unlink_body(s, s->orphan[i]);
	s->n_orphans = 0;
	store_measures_count(s->measures);
	/* the operations say who has what, then the spool what is due */
	settle(s, ERR_OK);
	e = refresh(s);
	store_waits_settle(s);
	if (s->recall)
		store_recall_changed(s);
	store_offer_changed(s);
	if (e != ERR_OK) {
		log_event(LOG_LVL_CRIT, NULL, "spool-unreadable", KV_ERR(e));
		store_end(s, true);
	}
}

void
store_commit(struct store *s)
{
	struct store_alarms alarms;
	enum err e;

	if (s->first == NULL && !s->wants_commit &&
	    !store_audit_is_due(s->audit))
		return;
	if (s->retry_ms != 0 && clock_steady_ms() < s->retry_ms) {
		/* a sender must not wait for a disk that is full */
		settle(s, s->intake == ERR_OK ? ERR_DB_BROKEN : s->intake);
		return;
	}
	store_look_at_space(s);
	alarms = s->alarms;
	e = write_all(s);
	store_audit_committed(s->audit, e == ERR_OK);
	if (e == ERR_OK) {
		after_commit(s);
		return;
	}
	s->n_orphans = s->n_touched = 0;
	store_measures_rewind(s->measures, 0);
	s->alarms = alarms;
	settle(s, e);
	recover(s, e);
}

/* --- a round --- */

/* Milliseconds that what is queued may wait for company yet. */
static uint64_t
patience_ms(const struct store *s)
{
	uint64_t waited = clock_steady_ms() - s->queued_ms;

	if (s->first == NULL || s->urgent || s->stopping || s->wants_commit ||
	    s->retry_ms != 0 || waited >= PATIENCE_MS)
		return 0;
	return PATIENCE_MS - waited;
}

/* Under load a commit waits a moment for company: most of its cost is per
   commit, not per operation. Who comes alone does not wait. */
static bool
is_gathering(const struct store *s)
{
	return s->n_batch >= GATHER_OPS && !s->stopping &&
	       clock_steady_ms() - s->committed_ms < GATHER_MS;
}

static void
arm_timer(struct store *s)
{
	const struct store_item *first;
	uint64_t now = store_now(s), due = UINT64_MAX;

	for (int lane = 0; lane < STORE_LANES; lane++) {
		first = store_index_first(s->index, (enum store_lane)lane);
		if (first != NULL && first->due_ms < due)
			due = first->due_ms;
	}
	/* what is due already waits for room, not for time; what was queued
	   on the way wants a round of its own */
	if (s->looks_on || (s->first != NULL && s->retry_ms == 0))
		loop_timer_start(s->due_timer,
		    s->looks_on	      ? 0
		    : is_gathering(s) ? 1
				      : patience_ms(s),
		    0);
	else if (due > now && due != UINT64_MAX)
		loop_timer_start(s->due_timer, due - now, 0);
	else
		loop_timer_stop(s->due_timer);
}

void
store_round(struct store *s)
{
	if (s->ended)
		return;
	store_keys_round(s);
	store_lookups_round(s);
	if (!is_gathering(s) && patience_ms(s) == 0)
		store_commit(s);
	if (s->ended || s->stopping)
		return;
	store_deliver_due(s);
	store_decide_due(s);
	arm_timer(s);
}
