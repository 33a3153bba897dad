/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an administrator sees of the queue: its entries as JSON, one page or
 * those of a message, and how the store is. Nothing is changed here.
 */
#include "gateway/store/request_private.h"

#include <jansson.h>
#include <stdlib.h>

#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/filter.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

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

json_t *
store_json_number(uint64_t n)
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
	json_object_set_new(j, "size", store_json_number(e->body_size));
	json_object_set_new(j, "accepted", json_string(when));
	json_object_set_new(
	    j, "age_s", store_json_number((now - st->born_ms) / 1000));
	json_object_set_new(j, "next_s",
	    store_json_number(
		st->due_ms > now ? (st->due_ms - now) / 1000 : 0));
	json_object_set_new(j, "tries", store_json_number(st->tries));
	json_object_set_new(j, "crashes", store_json_number(st->crashes));
	json_object_set_new(j, "last", text_json(st->last));
	json_object_set_new(j, "reason", text_json(e->reason));
	json_object_set_new(j, "rule", text_json(e->rule));
	json_object_set_new(j, "rung", store_json_number(e->rung));
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

bool
store_request_id(const json_t *request, const char *name, uint64_t *out)
{
	const char *text = json_string_value(json_object_get(request, name));

	return text != NULL && text_unid(text, out) == ERR_OK;
}

/* Entries behind "after", at most "max" of them; "after" of the answer is the
   last one that was looked at. */
enum err
store_look_list(
    struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
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

	(void)!store_request_id(request, "after", &after);
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

void
store_matches_add(struct store_matches *m, uint64_t id)
{
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 64 : 2 * m->cap;
		m->list = realloc(m->list, m->cap * sizeof(*m->list));
		if (m->list == NULL)
			fatal("out of memory");
	}
	m->list[m->n++] = id;
}

void
store_match_one(void *arg, struct store_item *item)
{
	struct store_matches *m = arg;

	if (m->id == 0 || item->id == m->id || item->message_id == m->id)
		store_matches_add(m, item->id);
}

enum err
store_look_show(
    struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
{
	static const struct store_filter all;
	json_t *entries = json_array();
	struct store_matches m = {0};
	enum err e = ERR_OK;

	if (!store_request_id(request, "id", &m.id) || m.id == 0)
		e = ERR_USAGE;
	else
		store_index_each(s->index, store_match_one, &m);
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
	json_object_set_new(
	    answer, "escrow_objects", store_json_number(u.objects));
	json_object_set_new(
	    answer, "escrow_octets", store_json_number(u.octets));
	json_object_set_new(
	    answer, "escrow_quota", store_json_number(s->conf->portal.quota));
	json_object_set_new(answer, "escrow_quota_objects",
	    store_json_number(s->conf->portal.quota_objects));
}

enum err
store_look_status(
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
	json_object_set_new(answer, "ready", store_json_number(n.ready));
	json_object_set_new(answer, "pending", store_json_number(n.pending));
	json_object_set_new(answer, "held", store_json_number(n.held));
	json_object_set_new(answer, "waiting", store_json_number(n.waiting));
	json_object_set_new(answer, "under_way", store_json_number(n.flying));
	json_object_set_new(answer, "oldest_s", store_json_number(age));
	json_object_set_new(answer, "intake",
	    json_string(s->intake == ERR_OK ? "open" : err_text(s->intake)));
	if (db_disk_free(s->db, &space) == ERR_OK)
		json_object_set_new(
		    answer, "free_octets", store_json_number(space));
	json_object_set_new(
	    answer, "audit_number", store_json_number(head.seq));
	json_object_set_new(answer, "audit_hash", json_string(hex));
	json_object_set_new(
	    answer, "audit_unsigned", store_json_number(head.since));
	json_object_set_new(
	    answer, "audit_signs", json_boolean(store_audit_has_key(s->audit)));
	if (s->conf->portal_dmz.present) {
		json_object_set_new(answer, "dmz_up", json_boolean(s->dmz.up));
		json_object_set_new(
		    answer, "dmz_skew_s", store_json_number(s->dmz.skew_s));
		json_object_set_new(answer, "dmz_why", text_json(s->dmz.why));
	}
	return e;
}
