/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an administrator asks by `sealgate`: JSON in, JSON out. Looking is
 * answered at once, changes go into the batch with a record of who made them.
 * Envelopes, reasons and results are told, never content.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/filter.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/tls.h"

enum {
	PAGE_MAX = 1000,  /* entries in one answer */
	LOOKS_MAX = 5000, /* that are looked at for it */
};

/* --- entries as JSON --- */

static const char *const state_name[] = {
    [STORE_HELD] = "held",
    [STORE_WAITING] = "waiting",
    [STORE_QUEUED] = "queued",
    [STORE_PARKED] = "parked",
};

static const char *const outcome_name[] = {
    [PROTO_DEFERRED] = "open",
    [PROTO_DELIVERED] = "delivered",
    [PROTO_FAILED] = "failed",
    [PROTO_DROPPED] = "dropped",
};

/* Text from outside; what is not UTF-8 is escaped first. */
static json_t *
text_json(const char *text)
{
	char plain[1024];
	json_t *j = json_string(text);

	if (j != NULL)
		return j;
	text_escape(span_str(text), plain, sizeof(plain));
	return json_string(plain);
}

static json_t *
id_json(uint64_t id)
{
	char text[TEXT_ID_SIZE];

	text_id(id, text);
	return json_string(text);
}

static json_t *
number_json(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *
rcpts_json(const struct entry *e, const struct store_status *st)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < e->n_rcpt; i++) {
		uint8_t done =
		    i < st->done.len ? st->done.data[i] : PROTO_DEFERRED;
		json_t *r = json_object();

		json_object_set_new(r, "addr", text_json(e->rcpt[i].addr));
		json_object_set_new(r, "state",
		    json_string(
			done <= PROTO_DROPPED ? outcome_name[done] : "?"));
		json_array_append_new(list, r);
	}
	return list;
}

static json_t *
entry_json(
    const struct store *s, const struct entry *e, const struct store_status *st)
{
	const struct store_item *item = store_index_find(s->index, e->id);
	uint64_t now = store_now(s);
	char when[TEXT_TIME_SIZE];
	json_t *j = json_object();

	text_time_ms(e->accepted_ms, when);
	json_object_set_new(j, "entry", id_json(e->id));
	json_object_set_new(j, "id", id_json(e->message_id));
	json_object_set_new(j, "kind", json_string(entry_kind_name(e->kind)));
	json_object_set_new(j, "state", json_string(state_name[st->state]));
	json_object_set_new(j, "why", json_string(entry_why_name(st->why)));
	json_object_set_new(j, "under_way",
	    json_boolean(item != NULL && item->flight != STORE_FLIGHT_NONE));
	json_object_set_new(j, "deleted", json_boolean(st->doomed));
	json_object_set_new(j, "route",
	    json_string(e->route == ENTRY_INBOUND ? "inbound" : "outbound"));
	json_object_set_new(j, "from", text_json(e->from));
	json_object_set_new(j, "rcpts", rcpts_json(e, st));
	json_object_set_new(j, "size", number_json(e->body_size));
	json_object_set_new(j, "accepted", json_string(when));
	json_object_set_new(
	    j, "age_s", number_json((now - st->born_ms) / 1000));
	json_object_set_new(j, "next_s",
	    number_json(st->due_ms > now ? (st->due_ms - now) / 1000 : 0));
	json_object_set_new(j, "tries", number_json(st->tries));
	json_object_set_new(j, "crashes", number_json(st->crashes));
	json_object_set_new(j, "last", text_json(st->last));
	json_object_set_new(j, "reason", text_json(e->reason));
	json_object_set_new(j, "rule", text_json(e->rule));
	json_object_set_new(j, "rung", number_json(e->rung));
	json_object_set_new(j, "object", text_json(st->object));
	return j;
}

/* --- looking --- */

/* One that the filter does not let through is not there. */
static enum err
add_entry(struct store *s, struct db_txn *txn, uint64_t id,
    const struct store_filter *f, json_t *list)
{
	struct store_status st;
	struct entry entry;
	enum err e;

	arena_reset(s->arena);
	e = store_status_get(txn, s->arena, id, &st);
	/* to whoever looks it is one message */
	if (e == ERR_OK && st.state == STORE_PARKED)
		return ERR_OK;
	if (e == ERR_OK)
		e = store_entry_get(txn, s->arena, id, &entry);
	if (e == ERR_OK &&
	    store_filter_fits(f, &entry, &st, store_index_find(s->index, id),
		store_now(s) - st.born_ms))
		json_array_append_new(list, entry_json(s, &entry, &st));
	return e;
}

static bool
read_id(const json_t *request, const char *name, uint64_t *out)
{
	const char *text = json_string_value(json_object_get(request, name));

	return text != NULL && text_unid(text, out) == ERR_OK;
}

/* Entries behind "after", at most "max" of them; "after" of the answer is the
   last one that was looked at. */
static enum err
list(struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
{
	json_int_t max = json_integer_value(json_object_get(request, "max"));
	json_t *entries = json_array();
	struct db_cursor *c = NULL;
	struct store_filter f;
	uint64_t after = 0, next;
	unsigned looks = 0;
	struct span key, val;
	enum err e = store_filter_read(request, &f)
			 ? db_cursor_open(txn, STORE_STATUS, &c)
			 : ERR_USAGE;

	(void)!read_id(request, "after", &after);
	next = after + 1;
	key = db_u64(&next);
	if (max <= 0 || max > PAGE_MAX)
		max = PAGE_MAX;
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_SEEK, &key, &val);
	while (e == ERR_OK && looks++ < LOOKS_MAX &&
	       json_array_size(entries) < (size_t)max) {
		after = db_u64_of(key);
		e = add_entry(s, txn, after, &f, entries);
		if (e == ERR_OK)
			e = db_cursor_move(c, DB_NEXT, &key, &val);
	}
	db_cursor_close(c);
	json_object_set_new(answer, "entries", entries);
	json_object_set_new(answer, "after", id_json(after));
	json_object_set_new(answer, "more", json_boolean(e == ERR_OK));
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

struct matches {
	uint64_t id; /* of an entry or a message; 0: all */
	uint64_t *list;
	size_t n;
	size_t cap;
};

static void
add_match(struct matches *m, uint64_t id)
{
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 64 : 2 * m->cap;
		m->list = realloc(m->list, m->cap * sizeof(*m->list));
		if (m->list == NULL)
			fatal("out of memory");
	}
	m->list[m->n++] = id;
}

static void
match_one(void *arg, struct store_item *item)
{
	struct matches *m = arg;

	if (m->id == 0 || item->id == m->id || item->message_id == m->id)
		add_match(m, item->id);
}

static enum err
show(struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
{
	static const struct store_filter all;
	json_t *entries = json_array();
	struct matches m = {0};
	enum err e = ERR_OK;

	if (!read_id(request, "id", &m.id) || m.id == 0)
		e = ERR_USAGE;
	else
		store_index_each(s->index, match_one, &m);
	for (size_t i = 0; e == ERR_OK && i < m.n && i < PAGE_MAX; i++)
		e = add_entry(s, txn, m.list[i], &all, entries);
	if (e == ERR_OK && m.n == 0)
		e = ERR_NOT_FOUND;
	free(m.list);
	json_object_set_new(answer, "entries", entries);
	return e;
}

/* What waits for pick-up, and how much may. */
static void
put_usage(struct store *s, struct db_txn *txn, json_t *answer)
{
	struct store_usage u;

	if (!s->conf->portal.present || store_usage_get(txn, "", &u) != ERR_OK)
		return;
	json_object_set_new(answer, "escrow_objects", number_json(u.objects));
	json_object_set_new(answer, "escrow_octets", number_json(u.octets));
	json_object_set_new(
	    answer, "escrow_quota", number_json(s->conf->portal.quota));
	json_object_set_new(answer, "escrow_quota_objects",
	    number_json(s->conf->portal.quota_objects));
}

static enum err
status(
    struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
{
	struct store_audit_head head = store_audit_durable_head(s->audit);
	char hex[2 * DIGEST_SIZE + 1];
	struct store_counts n;
	uint64_t space = 0, age = 0;
	enum err e = store_oldest(s, txn, &age);

	(void)request;
	store_index_count(s->index, &n);
	put_usage(s, txn, answer);
	text_hex(SPAN(head.hash, DIGEST_SIZE), hex);
	json_object_set_new(answer, "ready", number_json(n.ready));
	json_object_set_new(answer, "pending", number_json(n.pending));
	json_object_set_new(answer, "held", number_json(n.held));
	json_object_set_new(answer, "waiting", number_json(n.waiting));
	json_object_set_new(answer, "under_way", number_json(n.flying));
	json_object_set_new(answer, "oldest_s", number_json(age));
	json_object_set_new(answer, "intake",
	    json_string(s->intake == ERR_OK ? "open" : err_text(s->intake)));
	if (db_disk_free(s->db, &space) == ERR_OK)
		json_object_set_new(answer, "free_octets", number_json(space));
	json_object_set_new(answer, "audit_number", number_json(head.seq));
	json_object_set_new(answer, "audit_hash", json_string(hex));
	json_object_set_new(answer, "audit_unsigned", number_json(head.since));
	json_object_set_new(
	    answer, "audit_signs", json_boolean(store_audit_has_key(s->audit)));
	if (s->conf->portal_dmz.present) {
		json_object_set_new(answer, "dmz_up", json_boolean(s->dmz.up));
		json_object_set_new(
		    answer, "dmz_skew_s", number_json(s->dmz.skew_s));
		json_object_set_new(answer, "dmz_why", text_json(s->dmz.why));
	}
	return e;
}

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
    {.name = "queue-list", .look = list},
    {.name = "queue-show", .look = show},
    {.name = "store-status", .look = status},
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
    struct matches *m)
{
	const json_t *ids = json_object_get(request, "ids");
	uint64_t id;

	for (size_t i = 0; i < json_array_size(ids); i++) {
		const char *text = json_string_value(json_array_get(ids, i));

		if (text == NULL || text_unid(text, &id) != ERR_OK || id == 0)
			return ERR_USAGE;
		add_match(m, id);
	}
	if (ids != NULL)
		return json_is_array(ids) ? ERR_OK : ERR_USAGE;
	if (json_object_get(request, "id") != NULL
		? !read_id(request, "id", &m->id) || m->id == 0
		: v->record != NULL)
		return ERR_USAGE;
	store_index_each(s->index, match_one, m);
	return m->n == 0 && m->id != 0 ? ERR_NOT_FOUND : ERR_OK;
}

static enum err
change(struct store *s, struct db_txn *txn, const struct verb *v,
    const json_t *request, json_t *answer)
{
	bool by_filter = json_object_get(request, "filter") != NULL;
	struct store_filter f = {0}, *by = by_filter ? &f : NULL;
	struct matches m = {0};
	uint64_t n = 0;
	enum err e = store_filter_read(request, &f)
			 ? find_matches(s, v, request, &m)
			 : ERR_USAGE;

	for (size_t i = 0; e == ERR_OK && i < m.n; i++) {
		bool changed = false;

		e = change_one(s, txn, v, request, by, m.list[i], &changed);
		n += changed ? 1 : 0;
	}
	json_object_set_new(answer, "changed", number_json(n));
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
