/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One look at a domain at a time, whoever waits for it. Nobody waits longer
 * than LOOK_MS, and what nobody could find out stays as it was.
 */
#include "gateway/store/tls.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/tls_private.h"
#include "gateway/store/tls_report.h"

enum {
	LOOK_MS = 20000,
	LOOKS_MAX = 256,
	DAILY_MAX = 2,	     /* looks of our own at a time */
	ROWS_MAX = 1 << 17,  /* domains that are remembered */
	ARENA_MAX = 1 << 20, /* one row has far less */
};

uint64_t
store_tls_now_s(void)
{
	return clock_unix_ms() / 1000;
}

/* --- rows --- */

static bool
is_full(struct db_txn *txn)
{
	size_t n = 0;

	return db_count(txn, 0, &n) != ERR_OK || n >= ROWS_MAX;
}

bool
store_tls_row(struct store_tls *t, const char *domain, struct tls_state *out)
{
	struct db_txn *txn = NULL;
	enum err e = t->db == NULL ? ERR_DB : db_read(t->db, &txn);

	if (e == ERR_OK)
		e = tls_state_get(txn, t->arena, domain, out);
	db_end(txn);
	if (e == ERR_OK)
		return true;
	*out = (struct tls_state){
	    .seen = {.domain = domain, .peer = "", .tls = "", .why = ""},
	    .failed = "",
	    .policy = {.id = ""}};
	return false;
}

void
store_tls_keep(struct store_tls *t, const struct tls_state *row)
{
	struct db_txn *txn = NULL;
	struct tls_state old;
	struct err_why why = {""};
	enum err e = t->db == NULL ? ERR_OK : db_write(t->db, &txn);

	if (t->db == NULL)
		return;
	if (e == ERR_OK &&
	    tls_state_get(txn, t->arena, row->seen.domain, &old) != ERR_OK &&
	    is_full(txn))
		e = ERR_LIMIT;
	if (e == ERR_OK)
		e = tls_state_put(txn, row);
	if (e == ERR_OK)
		e = db_commit(txn);
	else
		db_end(txn);
	if (e == ERR_OK)
		return;
	log_event(LOG_LVL_ERR, NULL, "tls-state-not-kept",
	    KV_STR("domain", row->seen.domain), KV_ERR(e));
	if (db_is_broken(t->db) && db_reopen(t->db, &why) != ERR_OK)
		log_event(
		    LOG_LVL_ERR, NULL, "tls-state", KV_STR("why", why.text));
}

/* --- what is under way --- */

struct store_tls_task *
store_tls_take(struct store_tls_task **list, unsigned *n, uint64_t id)
{
	struct store_tls_task *task;

	for (; (task = *list) != NULL; list = &task->next)
		if (task->id == id) {
			*list = task->next;
			(*n)--;
			return task;
		}
	return NULL;
}

struct store_tls_task *
store_tls_find(struct store_tls_task *list, const char *domain)
{
	while (list != NULL && strcmp(list->domain, domain) != 0)
		list = list->next;
	return list;
}

void
store_tls_wait(
    struct store_tls_task *task, enum store_tls_asker who, uint64_t id)
{
	struct store_tls_waiter *w;

	if (who == STORE_TLS_NOBODY)
		return;
	w = malloc(sizeof(*w));
	if (w == NULL)
		fatal("out of memory");
	*w = (struct store_tls_waiter){task->waiters, who, id};
	task->waiters = w;
}

void
store_tls_free_task(struct store_tls_task *task)
{
	struct store_tls_waiter *w;

	while ((w = task->waiters) != NULL) {
		task->waiters = w->next;
		free(w);
	}
	free(task);
}

/* --- telling --- */

static void
tell_control(struct store *s, uint64_t id, const struct tls_seen *seen)
{
	struct store_peer *control = store_find_peer(s, ROLE_CONTROL, 0);
	json_t *j = json_pack("{s:b, s:s, s:b, s:s, s:s, s:b, s:s, s:s, s:s}",
	    "ok", 1, "domain", seen->domain, "definite", seen->definite,
	    "level", tls_level_name(seen->level), "by",
	    tls_by_name((enum tls_by)seen->by), "broken", seen->broken, "peer",
	    seen->peer, "tls", seen->tls, "why", seen->why);
	char *text = j == NULL ? NULL : json_dumps(j, JSON_COMPACT);

	/* what a server said may be no UTF-8 */
	if (control != NULL)
		(void)!ipc_post(control->ch, PROTO_ANSWER, id,
		    text != NULL ? span_str(text)
				 : SPAN_LIT("{\"ok\":false,\"err\":\"ERR_"
					    "INTERNAL\",\"text\":\"the answer "
					    "cannot be shown\"}"),
		    NULL, 0);
	free(text);
	json_decref(j);
}

static void
tell(struct store *s, const struct store_tls_waiter *w,
    const struct tls_seen *seen)
{
	struct store_peer *listener;

	switch (w->who) {
	case STORE_TLS_NOBODY:
	case STORE_TLS_RELAY:
		break;
	case STORE_TLS_LISTENER:
		listener = store_find_peer(s, ROLE_LISTENER, 0);
		if (listener != NULL)
			(void)!ipc_post(listener->ch, PROTO_TLS_KNOWN, w->id,
			    SPAN(NULL, 0), NULL, 0);
		break;
	case STORE_TLS_LOOKUPS:
		store_lookups_known(s, w->id);
		break;
	case STORE_TLS_CONTROL:
		tell_control(s, w->id, seen);
		break;
	}
}

static void
finish(
    struct store *s, struct store_tls_task *task, const struct tls_seen *seen)
{
	for (const struct store_tls_waiter *w = task->waiters; w != NULL;
	     w = w->next)
		tell(s, w, seen);
	store_tls_free_task(task);
}

/* --- looks --- */

static bool
post_look(struct store *s, const struct store_tls_task *task)
{
	struct store_peer *relay = store_find_peer(s, ROLE_RELAY, 0);
	struct buf b;
	bool sent;

	if (relay == NULL)
		return false;
	buf_init(&b, LIMIT_IPC_INLINE);
	sent = proto_domain_pack(task->domain, &b) == ERR_OK &&
	       ipc_post(relay->ch, PROTO_TLS_PROBE, task->id, buf_span(&b),
		   NULL, 0) == ERR_OK;
	buf_clear(&b);
	return sent;
}

/* Begin a look, or join the one that is under way. */
static bool
look(struct store *s, const char *domain, enum store_tls_asker who, uint64_t id)
{
	struct store_tls *t = s->tls;
	struct store_tls_task *task = store_tls_find(t->looks, domain);

	if (task == NULL) {
		if (t->n_looks >= LOOKS_MAX ||
		    strlen(domain) >= sizeof(task->domain))
			return false;
		task = calloc(1, sizeof(*task));
		if (task == NULL)
			return false;
		task->id = ++t->last_id;
		task->until_ms = clock_steady_ms() + LOOK_MS;
		snprintf(task->domain, sizeof(task->domain), "%s", domain);
		if (!post_look(s, task)) {
			free(task);
			return false;
		}
		task->next = t->looks;
		t->looks = task;
		t->n_looks++;
	}
	store_tls_wait(task, who, id);
	return true;
}

/* Look if what is known is old. False: nothing is to be waited for. */
static bool
look_if_old(
    struct store *s, const char *domain, enum store_tls_asker who, uint64_t id)
{
	uint64_t now = store_tls_now_s();
	struct tls_state row;
	bool there = store_tls_row(s->tls, domain, &row);

	if (there && now - row.used_s > TLS_STATE_FRESH_S) {
		row.used_s = now;
		store_tls_keep(s->tls, &row);
	}
	return tls_state_is_stale(there ? &row : NULL, now) &&
	       look(s, domain, who, id);
}

bool
store_tls_look(struct store *s, const char *domain, uint64_t id)
{
	bool waits;

	if (s->tls == NULL || domain[0] == '\0' || !conf_uses_tls(s->conf))
		return false;
	waits = look_if_old(s, domain, STORE_TLS_LOOKUPS, id);
	arena_reset(s->tls->arena);
	return waits;
}

void
store_tls_ask(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	const char *domain;

	if (proto_domain_unpack(m->payload, s->tls->arena, &domain) != ERR_OK ||
	    !look_if_old(s, domain, STORE_TLS_LISTENER, m->id))
		(void)!ipc_post(
		    from->ch, PROTO_TLS_KNOWN, m->id, SPAN(NULL, 0), NULL, 0);
	arena_reset(s->tls->arena);
}

void
store_tls_check(
    struct store *s, struct store_peer *from, uint64_t id, const char *domain)
{
	const struct tls_seen none = {.domain = domain,
	    .peer = "",
	    .tls = "",
	    .why = "relay is not there"};

	(void)from;
	if (!look(s, domain, STORE_TLS_CONTROL, id))
		tell_control(s, id, &none);
}

/* --- what was seen --- */

static void
alarm_dropped(struct store *s, const struct tls_state *row)
{
	struct store_rec r;
	struct span rec;

	log_event(LOG_LVL_ERR, NULL, "tls-dropped",
	    KV_STR("domain", row->seen.domain),
	    KV_STR("had", tls_level_name(row->best)),
	    KV_STR("has", tls_level_name(row->seen.level)),
	    KV_STR("why", row->seen.why));
	store_rec_begin(&r, "tls-dropped");
	store_rec_str(&r, "domain", row->seen.domain);
	store_rec_str(&r, "had", tls_level_name(row->best));
	store_rec_str(&r, "had-by", tls_by_name((enum tls_by)row->best_by));
	store_rec_str(&r, "has", tls_level_name(row->seen.level));
	store_rec_str(&r, "peer", row->seen.peer);
	store_rec_str(&r, "reason", row->seen.why);
	if (store_rec_end(&r, &rec) == ERR_OK)
		store_queue(s, STORE_OP_RECORD, 0, NULL, rec);
	store_rec_clear(&r);
}

static void
take(struct store *s, const struct tls_seen *seen, bool asked)
{
	uint64_t now = store_tls_now_s();
	struct tls_state row;
	bool there = store_tls_row(s->tls, seen->domain, &row);

	if (!asked) {
		/* a delivery saw one server: what is better counts, what is
		   worse is for a look at all of them to say */
		if (there && seen->definite && seen->level < row.seen.level)
			(void)!look(s, seen->domain, STORE_TLS_NOBODY, 0);
		if (!seen->definite || seen->level < row.seen.level ||
		    (there && seen->level == row.seen.level && !row.dropped &&
			!tls_state_is_stale(&row, now)))
			return;
	}
	if (!there || !asked)
		row.used_s = now;
	if (tls_state_take(&row, seen, now))
		alarm_dropped(s, &row);
	store_tls_keep(s->tls, &row);
}

void
store_tls_seen(struct store *s, struct store_peer *from, struct ipc_msg *m)
{
	struct store_tls *t = s->tls;
	struct store_tls_task *task;
	struct tls_seen seen;

	(void)from;
	if (proto_tls_seen_unpack(m->payload, t->arena, &seen) != ERR_OK) {
		log_event(LOG_LVL_ERR, NULL, "tls-seen", KV_ERR(ERR_IPC));
	} else {
		task = store_tls_take(&t->looks, &t->n_looks, m->id);
		take(s, &seen, task != NULL);
		if (task != NULL)
			finish(s, task, &seen);
	}
	arena_reset(t->arena);
}

/* --- in time --- */

static void
give_up_looks(struct store *s)
{
	struct store_tls *t = s->tls;
	uint64_t now = clock_steady_ms();
	bool alone = store_find_peer(s, ROLE_RELAY, 0) == NULL;
	struct store_tls_task *task = t->looks, *next;
	struct tls_seen none = {
	    .peer = "", .tls = "", .why = "nobody answered in time"};

	for (; task != NULL; task = next) {
		next = task->next;
		if (!alone && now < task->until_ms)
			continue;
		(void)store_tls_take(&t->looks, &t->n_looks, task->id);
		none.domain = task->domain;
		take(s, &none, true);
		finish(s, task, &none);
	}
}

/* One row: look at it again, or forget it. */
static void
go_on_daily(struct store *s, const struct tls_state *row)
{
	uint64_t now = store_tls_now_s();
	struct db_txn *txn = NULL;

	snprintf(s->tls->daily, sizeof(s->tls->daily), "%s", row->seen.domain);
	if (row->used_s <= now && now - row->used_s > TLS_STATE_FORGET_S) {
		if (db_write(s->tls->db, &txn) != ERR_OK)
			return;
		if (tls_state_del(txn, row->seen.domain) != ERR_OK ||
		    db_commit(txn) != ERR_OK)
			log_event(LOG_LVL_ERR, NULL, "tls-state-not-kept",
			    KV_STR("domain", row->seen.domain));
		return;
	}
	if (!tls_state_is_within(row->seen_s, now, TLS_STATE_FRESH_S) &&
	    !tls_state_is_within(row->failed_s, now, TLS_STATE_ABSENT_S))
		(void)!look(s, row->seen.domain, STORE_TLS_NOBODY, 0);
}

static void
daily(struct store *s)
{
	struct store_tls *t = s->tls;
	struct db_txn *txn = NULL;
	struct tls_state row;
	enum err e;

	if (t->db == NULL || t->n_looks >= DAILY_MAX || s->stopping ||
	    db_read(t->db, &txn) != ERR_OK)
		return;
	e = tls_state_next(txn, t->arena, t->daily, &row);
	db_end(txn);
	if (e == ERR_OK)
		go_on_daily(s, &row);
	else
		t->daily[0] = '\0';
}

void
store_tls_tick(struct store *s)
{
	unsigned readers;

	if (s->tls == NULL)
		return;
	give_up_looks(s);
	store_sts_tick(s);
	daily(s);
	store_reports_tick(s);
	/* a worker that was killed leaves its place behind */
	if (s->tls->db != NULL)
		(void)!db_check_readers(s->tls->db, &readers);
	arena_reset(s->tls->arena);
}

void
store_tls_start(struct store *s)
{
	struct store_tls *t = calloc(1, sizeof(*t));
	struct err_why why = {""};
	enum err e;

	if (t == NULL)
		fatal("out of memory");
	t->arena = arena_new(ARENA_MAX);
	if (t->arena == NULL)
		fatal("out of memory");
	e = tls_state_open(s->conf->paths.tls, true, &t->db, &why);
	if (e != ERR_OK) {
		t->db = NULL;
		log_event(LOG_LVL_CRIT, NULL, "tls-state",
		    KV_STR("why", why.text), KV_ERR(e));
	}
	s->tls = t;
	store_reports_start(s);
}

void
store_tls_end(struct store *s)
{
	struct store_tls *t = s->tls;
	struct store_tls_task *task;

	if (t == NULL)
		return;
	while ((task = t->looks) != NULL) {
		t->looks = task->next;
		store_tls_free_task(task);
	}
	store_sts_end(s);
	store_reports_end(s);
	db_close(t->db);
	arena_free(t->arena);
	free(t);
	s->tls = NULL;
}
