/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a message became, as a worker hands it over, and the fence behind a
 * worker that was given up. The worker parsed a stranger's message and may be
 * under that stranger's control: what it says is checked here, and a pending
 * entry becomes nothing weaker than its record allows.
 */
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/notice.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/wait.h"

static const char *
id_text(uint64_t id, char out[TEXT_ID_SIZE])
{
	text_id(id, out);
	return out;
}

/* --- entries --- */

static bool
has_sound_body(const struct store *s, const struct entry *e)
{
	char name[TEXT_ID_SIZE];
	uint64_t size = sealed_size(e->body_size);

	if (e->file[0] == '\0')
		return e->body.len == size && size <= LIMIT_BODY_INLINE;
	return e->body.len == 0 && strcmp(e->file, id_text(e->id, name)) == 0 &&
	       store_has_body(s, e->id, size);
}

enum err
store_check_entry(const struct store *s, const struct entry *e)
{
	if (e->id == 0 || e->n_rcpt == 0)
		return ERR_IPC;
	if ((e->kind == ENTRY_READY) != (e->why == ENTRY_WHY_NONE))
		return ERR_IPC;
	if (e->kind == ENTRY_PENDING && e->wait_object[0] != '\0')
		return ERR_IPC;
	return has_sound_body(s, e) ? ERR_OK : ERR_NOT_FOUND;
}

static enum err
first_state(struct store *s, struct db_txn *txn, const struct entry *e,
    enum store_state *out)
{
	struct store_object o;
	enum err err;

	*out = e->why == ENTRY_WHY_TLS ? STORE_PARKED : STORE_QUEUED;
	if (e->why == ENTRY_WHY_HELD || e->why == ENTRY_WHY_CRASHED)
		*out = STORE_HELD;
	if (e->wait_object[0] == '\0')
		return ERR_OK;
	err = store_object_get(txn, s->arena, e->wait_object, &o);
	if (err == ERR_OK && !o.have)
		*out = STORE_WAITING;
	return err;
}

enum err
store_add_entry(struct store *s, struct db_txn *txn, const struct entry *e,
    uint64_t born_ms)
{
	struct store_status st = {.message_id = e->message_id,
	    .kind = e->kind,
	    .why = e->why,
	    .born_ms = born_ms,
	    .due_ms = store_now(s),
	    .hold_ms = born_ms,
	    .object = e->wait_object,
	    .in_file = e->file[0] != '\0',
	    .inbound = e->route == ENTRY_INBOUND,
	    .last = e->reason};
	enum err err = store_check_entry(s, e);

	if (err == ERR_OK)
		err = first_state(s, txn, e, &st.state);
	if (err != ERR_OK)
		return err;
	if (e->kind == ENTRY_PENDING && e->why != ENTRY_WHY_RECEIVED)
		st.due_ms = store_next_try(s, 1);
	if (st.state == STORE_WAITING)
		st.due_ms += s->conf->retry.hold_ms;
	err = store_entry_add(txn, e, &st);
	if (err == ERR_OK)
		store_touch(s, e->id);
	return err;
}

static enum err
add_records(struct store *s, struct db_txn *txn, const struct proto_submit *m)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < m->n_audit; i++) {
		struct span rec = span_str(m->audit[i]);

		e = store_rec_is_sound(rec) ? store_add_record_text(s, txn, rec)
					    : ERR_IPC;
	}
	return e;
}

static enum err
add_all(struct store *s, struct db_txn *txn, const struct proto_submit *m,
    uint64_t id, uint64_t born_ms)
{
	enum err e = store_twins_check(m);

	for (uint32_t i = 0; e == ERR_OK && i < m->n_objects; i++)
		e = store_add_object(s, txn, &m->object[i], m);
	for (uint32_t i = 0; e == ERR_OK && i < m->n_entries; i++)
		e = store_add_entry(s, txn, &m->entry[i], born_ms);
	if (e == ERR_OK)
		e = store_notice_add(s, txn, &m->dsn);
	if (e == ERR_OK && m->order.message_id != 0)
		e = store_object_order(s, txn, &m->order, id);
	if (e == ERR_OK)
		store_measures_take(s->measures, &m->measures);
	return e == ERR_OK ? add_records(s, txn, m) : e;
}

/* --- a new message --- */

static enum err
apply_new(struct store *s, struct db_txn *txn, uint64_t id,
    struct proto_submit *m, bool *waits)
{
	struct store_done d = {0};
	enum err e = store_done_get(txn, s->arena, id, &d);

	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	/* said again: there is nothing to add; of another message it is not
	   committed, whatever gave them one id */
	if (d.committed)
		return memcmp(d.digest, m->digest, sizeof(d.digest)) == 0
			   ? ERR_OK
			   : ERR_EXISTS;
	if (e == ERR_OK && m->attempt <= d.attempt)
		return ERR_FENCED;
	if (s->intake == ERR_DISK_FULL)
		return ERR_DISK_FULL;
	m->dsn.message_id = id;
	e = add_all(s, txn, m, id, store_now(s));
	if (e == ERR_OK && store_answer_object(s, id) != NULL)
		e = store_seen_answered(s, txn, store_answer_object(s, id));
	*waits =
	    e == ERR_OK && (id & ENTRY_ID_ANSWER) == 0 && store_wait_fits(m);
	if (*waits)
		e = store_wait_begin(s, txn, m->entry[0].id);
	if (e != ERR_OK)
		return e;
	d = (struct store_done){
	    .when_ms = store_now(s), .attempt = m->attempt, .committed = true};
	memcpy(d.digest, m->digest, sizeof(d.digest));
	return store_done_put(txn, id, &d);
}

/* --- a pending entry that was decided --- */

/* The original of what was opened, for the archive of our own. */
static bool
is_for_archive(const struct store *s, const struct entry *e)
{
	const char *archive = s->conf->opening.archive_key;

	return archive != NULL && e->route == ENTRY_INBOUND && e->n_rcpt == 1 &&
	       strcmp(e->rcpt[0].key, archive) == 0;
}

/* Towards our own mail server is always allowed: nothing leaves by it. */
static enum err
check_fits(
    const struct store *s, const struct entry *e, const struct entry *pending)
{
	if (store_is_notice(e, pending))
		return ERR_OK;
	if (e->message_id != pending->message_id ||
	    (e->route != pending->route && e->route != ENTRY_INBOUND))
		return ERR_PERMISSION;
	if (e->strength < pending->strength)
		return ERR_PERMISSION;
	if (is_for_archive(s, e) || conf_is_archive_copy(s->conf, e))
		return ERR_OK;
	for (uint32_t i = 0; i < e->n_rcpt; i++)
		if (!store_is_rcpt_of(e->rcpt[i].key, pending))
			return ERR_PERMISSION;
	return ERR_OK;
}

/* What an opener has read is not told to where it came from. */
static enum err
check_dsn(struct dsn *d, const struct entry *pending)
{
	if (d->n_rcpt > 0 && pending->route != ENTRY_OUTBOUND)
		return ERR_PERMISSION;
	d->message_id = pending->message_id;
	d->from = pending->from;
	d->from_key = pending->from_key;
	d->envid = pending->envid;
	d->accepted_ms = pending->accepted_ms;
	return ERR_OK;
}

static enum err
apply_decision(struct store *s, struct db_txn *txn, struct proto_submit *m)
{
	struct store_status st;
	struct entry pending;
	enum err e = store_status_get(txn, s->arena, m->replaces, &st);

	if (e == ERR_OK)
		e = store_entry_get(txn, s->arena, m->replaces, &pending);
	if (e != ERR_OK)
		return e;
	/* held or deleted meanwhile: the administrator was first */
	if (st.kind != ENTRY_PENDING || st.state != STORE_QUEUED || st.doomed)
		return ERR_PERMISSION;
	e = store_narrow(s, &st, &pending);
	if (e == ERR_OK)
		e = check_dsn(&m->dsn, &pending);
	for (uint32_t i = 0; e == ERR_OK && i < m->n_entries; i++)
		e = check_fits(s, &m->entry[i], &pending);
	if (e == ERR_OK)
		e = store_account(s, txn, m, &pending, &st);
	if (e == ERR_OK)
		e = store_entry_del(txn, m->replaces);
	if (e != ERR_OK)
		return e;
	store_touch(s, m->replaces);
	if (st.in_file)
		store_orphan(s, m->replaces);
	e = add_all(s, txn, m, pending.message_id, st.born_ms);
	/* what its client waits for now is what was inside */
	if (e == ERR_OK && st.waits && store_wait_fits(m))
		e = store_wait_begin(s, txn, m->entry[0].id);
	return e;
}

enum err
store_apply_submit(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct proto_submit m;
	enum err e = proto_submit_unpack(op->payload, s->arena, &m);

	if (e != ERR_OK)
		return e;
	op->n_objects = m.n_objects;
	if ((m.replaces == 0 || m.order.message_id != 0) && op->of_opener)
		return ERR_PERMISSION; /* new mail is not an opener's */
	if (m.replaces == 0)
		return m.attempt == 0
			   ? ERR_IPC
			   : apply_new(s, txn, op->id, &m, &op->waits);
	if (op->from == NULL || op->from->deciding != m.replaces)
		return ERR_PERMISSION;
	return apply_decision(s, txn, &m);
}

/* --- afterwards --- */

/* Attempt and entry come first in the message, so that even a submission that
   is none can be answered. */
static void
read_head(struct span payload, uint32_t *attempt, uint64_t *replaces)
{
	struct unpacker u;

	unpack_begin(&u, payload);
	*attempt = unpack_u32(&u);
	*replaces = unpack_u64(&u);
}

static void
post_committed(struct store *s, uint64_t id, const struct proto_committed *m)
{
	struct store_peer *listener = store_find_peer(s, ROLE_LISTENER, 0);
	struct buf b;

	buf_init(&b, LIMIT_IPC_INLINE);
	/* a listener that is gone asks again with PROTO_FENCE */
	if (listener != NULL && proto_committed_pack(m, &b) == ERR_OK)
		(void)!ipc_post(
		    listener->ch, PROTO_COMMITTED, id, buf_span(&b), NULL, 0);
	buf_clear(&b);
}

static void
answer_listener(struct store *s, uint64_t id, uint32_t attempt, enum err e)
{
	const struct proto_committed m = {
	    .attempt = attempt, .result = e, .reply = {0, "", ""}};

	post_committed(s, id, &m);
}

void
store_tell_committed(
    struct store *s, uint64_t id, uint32_t attempt, enum err result, bool waits)
{
	struct proto_committed m = {.attempt = attempt,
	    .result = result,
	    .waits = waits,
	    .reply = {0, "", ""}};
	struct store_done d = {0};
	struct db_txn *txn = NULL;
	enum err e = db_read(s->db, &txn);

	arena_reset(s->arena);
	if (e == ERR_OK)
		e = store_done_get(txn, s->arena, id, &d);
	db_end(txn);
	if (e == ERR_OK && d.committed) {
		m.attempt = attempt == 0 ? d.attempt : attempt;
		m.reply = (struct proto_reply){d.code, d.status, d.text};
	}
	post_committed(s, id, &m);
}

/* Who has asked for more than there may be. */
static void
record_quota(struct store *s, const struct store_op *op)
{
	struct proto_submit m;
	struct store_rec rec;
	struct span text;

	arena_reset(s->arena);
	if (proto_submit_unpack(op->payload, s->arena, &m) != ERR_OK)
		return;
	store_rec_begin(&rec, "refused");
	store_rec_id(&rec, "id", op->id);
	if (m.n_entries > 0)
		store_rec_str(&rec, "from", m.entry[0].from);
	store_rec_str(&rec, "error", err_name(ERR_QUOTA));
	store_rec_str(&rec, "reason", err_text(ERR_QUOTA));
	if (store_rec_end(&rec, &text) == ERR_OK)
		store_queue(s, STORE_OP_RECORD, 0, NULL, text);
	store_rec_clear(&rec);
}

void
store_after_submit(struct store *s, struct store_op *op)
{
	char id[TEXT_ID_SIZE];
	uint64_t replaces;
	uint32_t attempt;

	read_head(op->payload, &attempt, &replaces);
	text_id(op->id, id);
	if (op->result != ERR_OK)
		log_event(
		    op->result == ERR_FENCED ? LOG_LVL_NOTICE : LOG_LVL_ERR, id,
		    "not-committed", KV_ERR(op->result));
	if (op->n_objects > 0 && op->result == ERR_OK)
		store_offer_submitted(s, op->payload);
	else if (op->n_objects > 0)
		store_drop_submitted(s, op->payload);
	if (op->result == ERR_QUOTA)
		record_quota(s, op);
	if (replaces == 0 && (op->id & ENTRY_ID_ANSWER) != 0)
		/* the listener knows nothing of answers */
		store_answer_submitted(s, op->id, op->result);
	else if (replaces == 0 && op->result == ERR_OK)
		store_tell_committed(s, op->id, attempt, ERR_OK,
		    store_wait_claim(s, op->id) || op->waits);
	else if (replaces == 0)
		answer_listener(s, op->id, attempt, op->result);
	else
		store_after_decision(s, op);
}

/* --- the fence --- */

enum err
store_apply_fence(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_done d = {0};
	struct unpacker u;
	uint32_t attempt;
	enum err e;

	unpack_begin(&u, op->payload);
	attempt = unpack_u32(&u);
	e = unpack_end(&u);
	if (e == ERR_OK && (op->id & ENTRY_ID_ANSWER) != 0)
		e = ERR_IPC; /* that is none of the listener's */
	if (e != ERR_OK)
		return e;
	e = store_done_get(txn, s->arena, op->id, &d);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	if (d.committed)
		return ERR_OK;
	if (d.attempt < attempt)
		d.attempt = attempt;
	d.when_ms = store_now(s);
	e = store_done_put(txn, op->id, &d);
	/* the answer; the entry must be written for it to be true */
	return e;
}

void
store_after_fence(struct store *s, struct store_op *op)
{
	struct store_done d = {0};
	struct unpacker u;
	struct db_txn *txn;
	uint32_t attempt;
	enum err e = op->result;

	unpack_begin(&u, op->payload);
	attempt = unpack_u32(&u);
	if (e == ERR_OK)
		e = db_read(s->db, &txn);
	if (e == ERR_OK) {
		e = store_done_get(txn, s->arena, op->id, &d);
		db_end(txn);
	}
	if (e == ERR_OK)
		e = d.committed ? ERR_OK : ERR_FENCED;
	if (e == ERR_OK)
		store_tell_committed(
		    s, op->id, attempt, e, store_wait_claim(s, op->id));
	else
		answer_listener(s, op->id, attempt, e);
}
