/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Ready entries: to relay when they are due, and what relay says became of
 * them. Whatever happens between the two, the entry stays until its result is
 * durable; then its recipients are done one by one.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/notice.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/wait.h"

/* Doubled with every try, a quarter more or less so that what failed together
   does not come back together. */
uint64_t
store_next_try(const struct store *s, uint32_t tries)
{
	uint64_t wait = s->conf->retry.first_ms, max = s->conf->retry.max_ms;

	for (uint32_t i = 1; i < tries && wait < max; i++)
		wait *= 2;
	wait = wait - wait / 4 + random_u64() % (wait / 2 + 1);
	return store_now(s) + (wait < max ? wait : max);
}

/* What was held, or waited for an object, has its whole time from then on. */
bool
store_is_too_old(const struct store *s, const struct store_status *st)
{
	return store_now(s) - st->hold_ms >= s->conf->retry.expire_ms;
}

/* --- to relay --- */

static void
fill(struct store *s, const struct store_status *st, struct proto_deliver *m)
{
	m->tries = st->tries;
	m->age_ms = store_now(s) - st->born_ms;
	m->give_up = store_is_too_old(s, st);
	m->warn =
	    !m->give_up && !st->warned && m->age_ms >= s->conf->retry.warn_ms;
}

static enum err
post(struct store_peer *relay, const struct proto_deliver *m, int body_fd)
{
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_deliver_pack(m, &b);
	if (e == ERR_OK)
		e = ipc_post(relay->ch, PROTO_DELIVER, m->entry.id,
		    buf_span(&b), &body_fd, body_fd >= 0 ? 1 : 0);
	buf_clear(&b);
	return e;
}

/* ERR_AGAIN when relay takes no more at the moment. */
static enum err
deliver_one(struct store *s, struct db_txn *txn, struct store_peer *relay,
    struct store_item *item)
{
	struct proto_deliver m = {0};
	struct store_status st;
	int fd = -1;
	enum err e;

	/* known from the last time */
	if (item->dest != 0 && !store_share_take(s->shares, s->index, item))
		return ERR_OK;
	arena_reset(s->arena);
	e = store_status_get(txn, s->arena, item->id, &st);
	if (e == ERR_OK)
		e = store_entry_get(txn, s->arena, item->id, &m.entry);
	if (e == ERR_OK && !item->in_share) {
		item->dest = store_share_dest(s->conf, &m.entry);
		if (!store_share_take(s->shares, s->index, item))
			return ERR_OK;
	}
	if (e == ERR_OK && st.in_file) {
		fd = store_open_body(s, item->id);
		e = fd < 0 ? ERR_NOT_FOUND : ERR_OK;
	}
	if (e == ERR_OK)
		e = store_open_rcpts(
		    s, &st, m.entry.n_rcpt, &m.open, &m.n_open);
	if (e == ERR_OK)
		fill(s, &st, &m);
	if (e == ERR_OK && post(relay, &m, fd) != ERR_OK)
		e = ERR_AGAIN;
	if (fd >= 0)
		close(fd);
	if (e != ERR_OK) {
		store_share_return(s->shares, s->index, item, false);
		return e;
	}
	item->said_late = m.warn;
	store_index_fly(s->index, item, STORE_FLIGHT_RELAY);
	s->with_relay++;
	return ERR_OK;
}

/* What cannot be delivered must not stand in the way of the rest. */
static void
set_aside(struct store *s, struct store_item *item, enum store_op_kind kind)
{
	store_index_fly(s->index, item, STORE_FLIGHT_RELAY);
	s->with_relay++;
	store_queue(s, kind, item->id, NULL, SPAN(NULL, 0));
}

void
store_deliver_due(struct store *s)
{
	struct store_peer *relay = store_find_peer(s, ROLE_RELAY, 0);
	struct store_item *item;
	struct db_txn *txn = NULL;
	uint64_t now = store_now(s);
	unsigned looks = 0;
	enum err e = ERR_OK;

	s->looks_on = false;
	while (relay != NULL && s->with_relay < STORE_WINDOW) {
		/* others wait for this process, too */
		s->looks_on = looks++ == STORE_LOOK_MAX;
		if (s->looks_on)
			break;
		item = store_index_first(s->index, STORE_LANE_RELAY);
		if (item == NULL || item->due_ms > now)
			break;
		if (txn == NULL)
			e = db_read(s->db, &txn);
		if (e != ERR_OK)
			break;
		if (item->state == STORE_WAITING) {
			set_aside(s, item, STORE_OP_OVERDUE);
			continue;
		}
		e = deliver_one(s, txn, relay, item);
		if (e == ERR_NOT_FOUND || e == ERR_DB_BROKEN)
			set_aside(s, item, STORE_OP_BROKEN);
		else if (e != ERR_OK)
			break;
	}
	db_end(txn);
}

void
store_recall(struct store *s, uint64_t id)
{
	struct store_peer *relay = store_find_peer(s, ROLE_RELAY, 0);

	if (relay != NULL)
		(void)!ipc_post(
		    relay->ch, PROTO_RECALL, id, SPAN(NULL, 0), NULL, 0);
}

static void
land_one(void *arg, struct store_item *item)
{
	struct store *s = arg;

	if (item->flight != STORE_FLIGHT_RELAY)
		return;
	item->in_share = false;
	store_index_land(s->index, item, store_now(s));
	if (item->doomed)
		store_queue(s, STORE_OP_DOOMED, item->id, NULL, SPAN(NULL, 0));
}

/* Relay died: what it had is due at once. Results it sent are in the batch,
   and find their entries in no flight. */
void
store_relay_gone(struct store *s)
{
	store_index_each(s->index, land_one, s);
	s->with_relay = 0;
	store_shares_reset(s->shares, s->index);
	store_notices_forget(s);
}

/* --- results --- */

static enum err
record_alarm(struct store *s, struct db_txn *txn, uint64_t id,
    const struct store_status *st, const char *type, const char *reason)
{
	struct store_rec rec;
	char text[TEXT_ID_SIZE];

	text_id(id, text);
	log_event(LOG_LVL_ERR, text, type, KV_STR("reason", reason));
	store_rec_begin(&rec, type);
	store_rec_id(&rec, "id", st->message_id);
	store_rec_id(&rec, "entry", id);
	store_rec_str(&rec, "reason", reason);
	return store_add_record(s, txn, &rec);
}

static const char *const outcome_name[] = {
    [PROTO_DEFERRED] = "deferred",
    [PROTO_DELIVERED] = "sent",
    [PROTO_FAILED] = "bounced",
    [PROTO_DROPPED] = "dropped",
};

/* What is not known of it is left out. */
static void
record_tls(struct store_rec *rec, const struct proto_hop *h)
{
	const char *const members[][2] = {
	    {"tls-demanded", h->demanded},
	    {"tls-had", h->had},
	    {"tls-protocol", h->protocol},
	    {"tls-cipher", h->cipher},
	    {"tls-cert", h->cert},
	    {"tls-name", h->name},
	    {"tlsa", h->tlsa},
	    {"sts", h->sts},
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (members[i][1][0] != '\0')
			store_rec_str(rec, members[i][0], members[i][1]);
	if (h->resumed)
		store_rec_num(rec, "tls-resumed", 1);
}

static enum err
record_result(struct store *s, struct db_txn *txn, const struct entry *entry,
    const struct proto_result *m, const struct proto_rcpt_result *r)
{
	const struct proto_hop *h = proto_result_hop(m, r);
	struct store_rec rec;

	store_rec_begin(&rec, outcome_name[r->outcome]);
	store_rec_id(&rec, "id", entry->message_id);
	store_rec_id(&rec, "entry", entry->id);
	store_rec_str(&rec, "rcpt", entry->rcpt[r->rcpt].addr);
	store_rec_str(&rec, "peer", h->peer);
	record_tls(&rec, h);
	store_rec_num(&rec, "code", r->code);
	store_rec_str(&rec, "status", r->status);
	store_rec_str(&rec, "reply", r->text);
	return store_add_record(s, txn, &rec);
}

/* Is it nothing that anybody is told by mail? Who waits for one answer waits
   for all of it, and only then it is known who is told how. */
static bool
is_untold(const struct entry *entry, const struct proto_rcpt_result *r)
{
	return r->outcome == PROTO_DELIVERED &&
	       !dsn_is_wanted(entry->rcpt[r->rcpt].notify, MIME_DSN_RELAYED);
}

static enum err
note_results(struct store *s, struct db_txn *txn, const struct entry *entry,
    const struct proto_result *m, struct store_status *st, uint8_t *done,
    bool *fresh, bool *took)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < m->n_rcpt; i++) {
		const struct proto_rcpt_result *r = &m->rcpt[i];

		if (r->rcpt >= entry->n_rcpt)
			return ERR_IPC;
		if (r->outcome == PROTO_DROPPED &&
		    entry->after != ENTRY_AFTER_DROP)
			return ERR_PERMISSION;
		*took = *took || r->outcome != PROTO_DEFERRED;
		if (done[r->rcpt] != PROTO_DEFERRED ||
		    (m->more && st->waits && !is_untold(entry, r)))
			continue;
		fresh[i] = true;
		done[r->rcpt] = r->outcome;
		if (r->outcome == PROTO_DEFERRED && r->text[0] != '\0')
			st->last = r->text;
		if (r->outcome == PROTO_DELIVERED)
			store_measures_delivered(s->measures,
			    entry->route == ENTRY_INBOUND,
			    store_now(s) - st->born_ms);
		e = record_result(s, txn, entry, m, r);
	}
	return e;
}

/* What may not be bounced is never dropped: it is held with an alarm, and
   whoever failed is tried again when an administrator releases it. all: nobody
   can be told of anything, else only of what came from outside or under a
   forged sender. */
static enum err
hold_unbounceable(struct store *s, struct db_txn *txn,
    const struct entry *entry, const struct proto_result *m,
    struct store_status *st, uint8_t *done, bool all)
{
	const char *text = NULL;

	/* one alarm is not to raise another, and nobody misses the rest */
	if (store_own_mail_may_fail(entry))
		return ERR_OK;
	for (uint32_t i = 0; i < m->n_rcpt; i++) {
		const struct proto_rcpt_result *r = &m->rcpt[i];

		if (done[r->rcpt] != PROTO_FAILED ||
		    (!all && !dsn_must_hold(entry->rcpt[r->rcpt].notify)))
			continue;
		done[r->rcpt] = PROTO_DEFERRED;
		text = arena_printf(s->arena, "failed, and %s: %s",
		    all ? "there is no sender to tell"
			: "its sender must not be told",
		    r->text);
		if (text == NULL)
			return ERR_NOMEM;
	}
	if (text == NULL)
		return ERR_OK;
	st->state = STORE_HELD;
	st->last = text;
	return record_alarm(s, txn, entry->id, st, "held", text);
}

static bool
all_done(const uint8_t *done, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (done[i] == PROTO_DEFERRED)
			return false;
	return true;
}

/* All that is left of a message is tried once more at the moment its sender is
   warned, and when it is given up: one notice tells of them. */
static void
meet(uint64_t now, uint64_t moment, uint64_t *due)
{
	if (now<moment && * due> moment)
		*due = moment;
}

static enum err
save_result(struct store *s, struct db_txn *txn, struct store_op *op,
    struct store_status *st, bool late)
{
	uint64_t now = store_now(s);

	st->tries++;
	st->due_ms = store_next_try(s, st->tries);
	st->warned = st->warned || late;
	if (!st->warned)
		meet(now, st->born_ms + s->conf->retry.warn_ms, &st->due_ms);
	meet(now, st->hold_ms + s->conf->retry.expire_ms, &st->due_ms);
	return store_status_put(txn, op->id, st);
}

/* Everything that is settled, once the whole attempt is over. */
static enum err
end_attempt(struct store *s, struct db_txn *txn, struct store_op *op,
    const struct entry *entry, const struct proto_result *m,
    struct store_status *st, uint8_t *done, bool late)
{
	bool woken = false;
	enum err e = hold_unbounceable(
	    s, txn, entry, m, st, done, entry->from[0] == '\0');

	if (e == ERR_OK)
		e = store_twin_wake(s, txn, entry, m, st, done, &woken);
	if (e != ERR_OK || woken)
		return e;
	return all_done(done, entry->n_rcpt) || st->doomed
		   ? store_remove(s, txn, op->id, st->in_file)
		   : save_result(s, txn, op, st, late);
}

static enum err
apply_known(struct store *s, struct db_txn *txn, struct store_op *op,
    const struct proto_result *m, const struct entry *entry,
    struct store_status *st)
{
	const struct store_item *item = store_index_find(s->index, op->id);
	uint8_t *done = arena_alloc(s->arena, entry->n_rcpt);
	bool *fresh = arena_array(s->arena, m->n_rcpt, sizeof(*fresh));
	bool late = !m->more && item != NULL && item->said_late, over = false;
	enum err e;

	if (done == NULL || fresh == NULL)
		return ERR_NOMEM;
	if (st->done.len == entry->n_rcpt)
		memcpy(done, st->done.data, entry->n_rcpt);
	st->done = SPAN(done, entry->n_rcpt);
	e = note_results(s, txn, entry, m, st, done, fresh, &op->took);
	if (e == ERR_OK && st->waits && !m->more)
		e = store_wait_result(s, txn, entry, m, st, &over);
	if (e != ERR_OK || over)
		return e;
	e = store_notice_results(s, txn, entry, st, m, fresh, late);
	if (e != ERR_OK)
		return e;
	return m->more ? store_status_put(txn, op->id, st)
		       : end_attempt(s, txn, op, entry, m, st, done, late);
}

enum err
store_apply_result(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_status st = {0};
	struct proto_result m;
	struct entry entry;
	enum err e = proto_result_unpack(op->payload, s->arena, &m);

	if (e == ERR_OK) {
		op->more = m.more;
		e = store_status_get(txn, s->arena, op->id, &st);
	}
	if (e == ERR_OK)
		e = store_entry_get(txn, s->arena, op->id, &entry);
	if (e == ERR_OK && st.kind != ENTRY_READY)
		e = ERR_PERMISSION;
	if (e != ERR_OK)
		return e;
	store_touch(s, op->id);
	return apply_known(s, txn, op, &m, &entry, &st);
}

void
store_after_result(struct store *s, struct store_op *op)
{
	struct store_item *item = store_index_find(s->index, op->id);
	char id[TEXT_ID_SIZE];

	if (op->result != ERR_OK) {
		text_id(op->id, id);
		log_event(
		    LOG_LVL_ERR, id, "result-refused", KV_ERR(op->result));
	}
	if (item == NULL || item->flight == STORE_FLIGHT_NONE || op->more)
		return;
	store_share_return(s->shares, s->index, item, op->took);
	if (item->flight == STORE_FLIGHT_RELAY)
		s->with_relay--;
	else if (op->kind != STORE_OP_BROKEN)
		return;
	/* a result that makes no sense is a try that failed */
	store_index_land(s->index, item, store_next_try(s, 1));
}

/* --- what cannot go on --- */

enum err
store_apply_overdue(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_status st;
	struct span o;
	enum err e = store_status_get(txn, s->arena, op->id, &st);

	if (e != ERR_OK)
		return e;
	store_touch(s, op->id);
	if (st.state != STORE_WAITING)
		return ERR_OK;
	/* expired before the portal had it: there is nothing to wait for, as
	   the audit log says, and whoever sent it was told */
	if (db_get(txn, STORE_OBJECT, span_str(st.object), &o) == ERR_NOT_FOUND)
		return store_remove(s, txn, op->id, st.in_file);
	st.due_ms = store_now(s) + s->conf->retry.hold_ms;
	e = store_status_put(txn, op->id, &st);
	return e != ERR_OK
		   ? e
		   : record_alarm(s, txn, op->id, &st, "waiting",
			 "the portal does not take the object of this notice");
}

enum err
store_apply_broken(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_status st;
	enum err e = store_status_get(txn, s->arena, op->id, &st);

	store_touch(s, op->id);
	if (e != ERR_OK)
		return e;
	st.state = STORE_HELD;
	st.last = "its sealed body is not there or cannot be read";
	e = store_status_put(txn, op->id, &st);
	return e != ERR_OK ? e
			   : record_alarm(s, txn, op->id, &st, "held", st.last);
}

enum err
store_apply_doomed(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_status st;
	enum err e = store_status_get(txn, s->arena, op->id, &st);

	store_touch(s, op->id);
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	return e != ERR_OK ? e : store_remove(s, txn, op->id, st.in_file);
}
