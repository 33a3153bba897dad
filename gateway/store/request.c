/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an administrator asks by `sealgate`: JSON in, JSON out. Looking
 * (request_look.c) is answered at once, changes go into the batch with a record
 * of who made them. Envelopes, reasons and results are told, never content.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/store/filter.h"
#include "gateway/store/request_private.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/tls.h"

/* --- changing --- */

static void
flush_one(struct store *s, struct store_status *st)
{
	if (st->state == STORE_QUEUED)
		st->due_ms = store_now(s);
}

static void
hold_one(struct store *s, struct store_status *st)
{
	(void)s;
	if (st->state != STORE_PARKED)
		st->state = STORE_HELD;
}

/* What was held by a rule goes back to a worker, which is told so. */
static void
release_one(struct store *s, struct store_status *st)
{
	if (st->state != STORE_HELD)
		return;
	st->state = st->object[0] != '\0' ? STORE_WAITING : STORE_QUEUED;
	st->released = true;
	st->crashes = 0;
	st->due_ms = st->hold_ms = store_now(s);
}

static void
delete_one(struct store *s, struct store_status *st)
{
	(void)s;
	/* what is parked goes with what it is parked for */
	if (st->state != STORE_PARKED)
		st->doomed = true;
}

static const struct verb {
	const char *name;
	enum err (*look)(struct store *s, struct db_txn *txn,
	    const json_t *request, json_t *answer);
	void (*change)(struct store *s, struct store_status *st);
	const char *record; /* of a change, in the audit log */
	/* in place of change, for what is not there yet */
	enum err (*add)(
	    struct store *s, struct db_txn *txn, const json_t *request);
	/* the same; its answer is given once it is committed, or never */
	enum err (*take)(struct store *s, struct db_txn *txn,
	    const json_t *request, json_t *answer);
} verbs[] = {
    {.name = "queue-list", .look = store_look_list},
    {.name = "queue-show", .look = store_look_show},
    {.name = "store-status", .look = store_look_status},
    {.name = "store-metrics", .look = store_metrics},
    {.name = "domain-list", .look = store_tls_list},
    {.name = "domain-show", .look = store_tls_show},
    {.name = "queue-flush", .change = flush_one},
    {.name = "queue-hold", .change = hold_one, .record = "admin-hold"},
    {.name = "queue-release", .change = release_one, .record = "released"},
    {.name = "queue-delete", .change = delete_one, .record = "admin-delete"},
    {.name = "queue-salvage", .add = store_salvage},
    {.name = "queue-salvage-owed", .add = store_salvage_owed},
    {.name = "escrow-list", .look = store_object_list},
    {.name = "escrow-show", .look = store_object_show},
    {.name = "escrow-revoke", .add = store_object_revoke},
    {.name = "escrow-extend", .add = store_object_extend},
    {.name = "escrow-resend", .add = store_resend},
    {.name = "escrow-recover", .take = store_recovery_ask},
};

static bool
is_verb(const json_t *request, const char *name)
{
	const char *verb = json_string_value(json_object_get(request, "verb"));

	return verb != NULL && strcmp(verb, name) == 0;
}

static const struct verb *
find_verb(const json_t *request)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (is_verb(request, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static enum err
record_change(struct store *s, struct db_txn *txn, const struct verb *v,
    const json_t *request, uint64_t id, uint64_t twin,
    const struct store_status *st)
{
	json_int_t uid = json_integer_value(json_object_get(request, "uid"));
	struct store_rec rec;

	store_rec_begin(&rec, v->record);
	store_rec_id(&rec, "id", st->message_id);
	store_rec_id(&rec, "entry", id);
	if (twin != 0)
		store_rec_id(&rec, "twin", twin);
	store_rec_num(&rec, "uid", (uint64_t)uid);
	return store_add_record(s, txn, &rec);
}

/* *changed is set when it is one that the filter, if any, lets through. */
static enum err
change_one(struct store *s, struct db_txn *txn, const struct verb *v,
    const json_t *request, const struct store_filter *f, uint64_t id,
    bool *changed)
{
	const struct store_item *item = store_index_find(s->index, id);
	struct store_status st;
	struct entry entry;
	uint64_t twin = 0;
	enum err e;

	arena_reset(s->arena);
	e = store_status_get(txn, s->arena, id, &st);
	if (e == ERR_OK && f != NULL)
		e = store_entry_get(txn, s->arena, id, &entry);
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	*changed = f == NULL || store_filter_fits(f, &entry, &st, item,
				    store_now(s) - st.born_ms);
	/* what stays where it is must not be in the log as deleted */
	*changed =
	    *changed && (v->change != delete_one || st.state != STORE_PARKED);
	if (!*changed)
		return ERR_OK;
	v->change(s, &st);
	if (v->change == delete_one)
		twin = store_parked_for(s, txn, id);
	store_touch(s, id);
	/* what relay has ends when relay says what became of it */
	if (st.doomed && (item == NULL || item->flight != STORE_FLIGHT_RELAY)) {
		e = store_remove(s, txn, id, st.in_file);
	} else {
		e = store_status_put(txn, id, &st);
	}
	if (e == ERR_OK && v->record != NULL)
		e = record_change(s, txn, v, request, id, twin, &st);
	return e;
}

/* "id" of an entry or a message, or "ids" of entries; only flushing is for all
   at once. */
static enum err
find_matches(struct store *s, const struct verb *v, const json_t *request,
    struct store_matches *m)
{
	const json_t *ids = json_object_get(request, "ids");
	uint64_t id;

	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *text = json_string_value(json_array_get(ids, i));

		if (text == NULL || text_unid(text, &id) != ERR_OK || id == 0)
			return ERR_USAGE;
		store_matches_add(m, id);
	}
	if (ids != NULL)
		return json_is_array(ids) ? ERR_OK : ERR_USAGE;
	if (json_object_get(request, "id") != NULL
		? !store_request_id(request, "id", &m->id) || m->id == 0
		: v->record != NULL)
		return ERR_USAGE;
	store_index_each(s->index, store_match_one, m);
	return m->n == 0 && m->id != 0 ? ERR_NOT_FOUND : ERR_OK;
}

static enum err
change(struct store *s, struct db_txn *txn, const struct verb *v,
    const json_t *request, json_t *answer)
{
	bool by_filter = json_object_get(request, "filter") != NULL;
	struct store_filter f = {0}, *by = by_filter ? &f : NULL;
	struct store_matches m = {0};
	uint64_t n = 0;
	enum err e = store_filter_read(request, &f)
			 ? find_matches(s, v, request, &m)
			 : ERR_USAGE;

	for (size_t i = 0; e == ERR_OK && i < m.n; i++) {
		bool changed = false;

		e = change_one(s, txn, v, request, by, m.list[i], &changed);
		n += changed ? 1 : 0;
	}
	json_object_set_new(answer, "changed", store_json_number(n));
	free(m.list);
	return e;
}

/* --- questions and answers --- */

static void
put_answer(json_t *answer, enum err e, struct buf *out)
{
	char *text;

	json_object_set_new(answer, "ok", json_boolean(e == ERR_OK));
	if (e != ERR_OK) {
		json_object_set_new(answer, "err", json_string(err_name(e)));
		json_object_set_new(answer, "text", json_string(err_text(e)));
	}
	text = json_dumps(answer, JSON_COMPACT);
	buf_reset(out);
	if (text == NULL || buf_puts(out, text) != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "answer-lost", KV_ERR(ERR_NOMEM));
	free(text);
}

static void
post_answer(struct store_peer *to, uint64_t id, const struct buf *b)
{
	if (to != NULL)
		(void)!ipc_post(to->ch, PROTO_ANSWER, id, buf_span(b), NULL, 0);
}

static json_t *
read_request(struct span payload)
{
	return json_loadb((const char *)payload.data, payload.len, 0, NULL);
}

enum err
store_apply_request(struct store *s, struct db_txn *txn, struct store_op *op)
{
	json_t *request = read_request(op->payload);
	json_t *answer = json_object();
	const struct verb *v = find_verb(request);
	enum err e = ERR_USAGE;

	if (v != NULL && v->add != NULL)
		e = v->add(s, txn, request);
	else if (v != NULL && v->take != NULL)
		e = v->take(s, txn, request, answer);
	else if (v != NULL && v->change != NULL)
		e = change(s, txn, v, request, answer);

	put_answer(answer, e, &op->answer);
	json_decref(answer);
	json_decref(request);
	return e;
}

static void
recall_one(void *arg, struct store_item *item)
{
	struct store *s = arg;

	if (item->flight == STORE_FLIGHT_RELAY &&
	    (item->doomed || item->state == STORE_HELD))
		store_recall(s, item->id);
}

void
store_after_request(struct store *s, struct store_op *op)
{
	json_t *answer;

	if (op->result == ERR_OK) {
		s->recall = true;
	} else {
		/* of the commit, too, which the answer does not know of */
		answer = json_object();
		put_answer(answer, op->result, &op->answer);
		json_decref(answer);
	}
	post_answer(op->from, op->id, &op->answer);
}

void
store_recall_changed(struct store *s)
{
	s->recall = false;
	store_index_each(s->index, recall_one, s);
}

/* Who is about to read the log wants it as it stands now. */
static void
flush_audit(struct store *s, struct store_peer *from, uint64_t id)
{
	json_t *answer = json_object();
	struct buf b;
	uint64_t behind;
	enum err e;

	store_commit(s);
	do {
		behind = store_audit_lines_behind(s->audit);
		e = store_audit_export(s->audit);
	} while (e == ERR_OK && store_audit_lines_behind(s->audit) > 0 &&
		 store_audit_lines_behind(s->audit) < behind);
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	put_answer(answer, e, &b);
	post_answer(from, id, &b);
	buf_clear(&b);
	json_decref(answer);
}

void
store_request(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	json_t *request = read_request(m->payload);
	const struct verb *v = find_verb(request);
	const char *domain =
	    json_string_value(json_object_get(request, "domain"));
	struct db_txn *txn = NULL;
	json_t *answer;
	struct buf b;
	enum err e;

	if (is_verb(request, "audit-flush")) {
		flush_audit(s, from, m->id);
		json_decref(request);
		return;
	}
	/* it takes seconds, and is answered then */
	if (is_verb(request, "domain-check") && domain != NULL) {
		store_tls_check(s, from, m->id, domain);
		json_decref(request);
		return;
	}
	if (v != NULL && v->look == NULL) {
		store_queue_msg(s, STORE_OP_REQUEST, from, m);
		json_decref(request);
		return;
	}
	answer = json_object();
	e = v == NULL ? ERR_USAGE : db_read(s->db, &txn);
	if (e == ERR_OK)
		e = v->look(s, txn, request, answer);
	db_end(txn);
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	put_answer(answer, e, &b);
	post_answer(from, m->id, &b);
	buf_clear(&b);
	json_decref(answer);
	json_decref(request);
}
