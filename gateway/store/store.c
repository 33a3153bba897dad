/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening, what comes with time, and the end.
 */
#include "gateway/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/store/notice.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/tls.h"
#include "gateway/store/wait.h"

enum { TICK_MS = 1000, EXPORT_LINES = 4096 };

/* --- opening --- */

static void
queue_record(struct store *s, struct store_rec *r)
{
	struct span rec;

	if (store_rec_end(r, &rec) == ERR_OK)
		store_queue(s, STORE_OP_RECORD, 0, NULL, rec);
	store_rec_clear(r);
}

static void
queue_alarm(struct store *s, const char *type, const char *reason)
{
	struct store_rec r;

	store_rec_begin(&r, type);
	store_rec_str(&r, "reason", reason);
	queue_record(s, &r);
}

static void
record_conf(struct store *s)
{
	struct store_rec r;

	store_rec_begin(&r, "config-loaded");
	store_rec_str(&r, "file", s->conf->file);
	store_rec_hex(
	    &r, "config", SPAN(s->conf->digest, sizeof(s->conf->digest)));
	queue_record(s, &r);
}

static void
use_conf(struct store *s)
{
	const struct conf_audit *c = &s->conf->audit;

	store_audit_set_checkpoints(
	    s->audit, c->checkpoint_records, c->checkpoint_ms);
	store_audit_set_pseudonyms(s->audit, c->pseudonyms);
}

static void
record_life(struct store *s, const char *type)
{
	struct store_rec r;

	store_rec_begin(&r, type);
	store_rec_str(&r, "version", PACKAGE_VERSION);
	store_rec_str(&r, "host", s->conf->hostname);
	queue_record(s, &r);
}

/* After a restart of the machine nobody knows how long it was off: what was
   waiting is tried soon, not all at once. */
static uint64_t
due_after_boot(const struct store *s, uint64_t due)
{
	uint64_t soon =
	    store_now(s) + random_u64() % (s->conf->retry.first_ms + 1);

	return s->clock.rebooted && due > soon ? soon : due;
}

static enum err
load_index(struct store *s, struct db_txn *txn)
{
	struct db_cursor *c = NULL;
	struct store_status st;
	struct span key, val;
	enum err e = db_cursor_open(txn, STORE_STATUS, &c);

	while (e == ERR_OK) {
		e = db_cursor_move(c, DB_NEXT, &key, &val);
		if (e != ERR_OK)
			break;
		arena_reset(s->arena);
		e = store_status_unpack(val, s->arena, &st);
		if (e != ERR_OK)
			break;
		if (st.state == STORE_QUEUED)
			st.due_ms = due_after_boot(s, st.due_ms);
		/* first it must show whether its client is still there */
		if (st.waits) {
			st.due_ms = store_now(s) + 2 * LIMIT_WAIT_CLAIM_MS;
			store_wait_seen(s, db_u64_of(key), &st);
		}
		store_index_set(
		    s->index, store_index_add(s->index, db_u64_of(key)), &st);
		if (st.doomed)
			store_queue(s, STORE_OP_DOOMED, db_u64_of(key), NULL,
			    SPAN(NULL, 0));
	}
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err
open_rest(struct store *s, const struct store_opened *o, struct err_why *why)
{
	struct err_why problem;
	struct db_txn *txn;
	enum err e;

	s->bodies_fd =
	    open(s->conf->paths.bodies, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->bodies_fd < 0)
		return err_why(why, err_from_errno(errno),
		    "cannot open the directory %s: %s", s->conf->paths.bodies,
		    strerror(errno));
	e = store_audit_open(
	    s->conf->paths.audit, s->db, &s->audit, &problem, why);
	if (e != ERR_OK)
		return e;
	use_conf(s);
	store_audit_on_checkpoint(s->audit, store_on_checkpoint, s);
	if (o->aside[0] != '\0')
		queue_alarm(s, "spool-moved-aside", o->aside);
	if (problem.text[0] != '\0') {
		log_event(LOG_LVL_CRIT, NULL, "audit-damaged",
		    KV_STR("reason", problem.text));
		queue_alarm(s, "audit-damaged", problem.text);
	}
	e = db_read(s->db, &txn);
	if (e != ERR_OK)
		return err_why(why, e, "cannot read the spool");
	e = store_clock_load(txn, &s->clock);
	if (e == ERR_OK)
		e = load_index(s, txn);
	db_end(txn);
	return e == ERR_OK ? e : err_why(why, e, "cannot read the spool");
}

enum err
store_open(const struct conf *conf, struct store **out, struct err_why *why)
{
	struct store *s = calloc(1, sizeof(*s));
	struct store_opened o = {0};
	enum err e;

	if (s == NULL)
		return ERR_NOMEM;
	s->conf = conf;
	s->bodies_fd = -1;
	store_checkpoint_open(s);
	s->last = &s->first;
	buf_init(&s->notes_swept, 64);
	s->arena = arena_new(STORE_ARENA);
	s->index = store_index_new();
	s->shares = store_shares_new();
	s->measures = store_measures_new();
	s->census = store_census_new();
	s->started_ms = s->committed_ms = clock_steady_ms();
	e = s->arena == NULL ? ERR_NOMEM : store_spool_open(conf, &o, why);
	s->db = o.db;
	if (e == ERR_OK)
		e = store_keys_open(conf, &s->keys, why);
	if (e == ERR_OK)
		e = open_rest(s, &o, why);
	if (e != ERR_OK) {
		store_close(s);
		return e;
	}
	*out = s;
	return ERR_OK;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	store_drop_peers(s);
	store_drop_ops(s);
	loop_hook_free(s->hook);
	loop_timer_free(s->due_timer);
	loop_timer_free(s->tick_timer);
	store_replies_drop(s, ERR_SHUTDOWN);
	store_accounts_free(s);
	buf_clear(&s->notes_swept);
	store_watch_free(s->watch);
	store_revocation_end(s);
	store_tls_end(s);
	store_keys_close(s->keys);
	store_lookups_free(s->lookups);
	store_audit_close(s->audit);
	store_checkpoint_close(s);
	db_close(s->db);
	if (s->bodies_fd >= 0)
		close(s->bodies_fd);
	store_waits_free(s);
	store_notices_forget(s);
	store_index_free(s->index);
	store_shares_free(s->shares);
	store_measures_free(s->measures);
	store_census_free(s->census);
	arena_free(s->arena);
	free(s);
}

void
store_set_conf(struct store *s, const struct conf *conf)
{
	s->conf = conf;
	use_conf(s);
	store_ask_keys(s);
	record_conf(s);
}

/* --- what comes with time --- */

/* Below the reserve, of space or of files, new mail is refused, so that
   deletes and the audit log find room. */
void
store_look_at_space(struct store *s)
{
	uint64_t space, inside = 0, files;
	enum err was = s->intake;

	if (s->retry_ms != 0 || db_disk_free(s->db, &space) != ERR_OK)
		return;
	/* the spool's file never shrinks: what is free in it counts, too */
	if (space < s->conf->limits.free_space &&
	    db_reusable(s->db, &inside) == ERR_OK)
		space += inside;
	if (file_inodes(s->bodies_fd, &files) != ERR_OK)
		files = UINT64_MAX;
	s->intake =
	    space < s->conf->limits.free_space || files < LIMIT_FREE_FILES
		? ERR_DISK_FULL
		: ERR_OK;
	if (s->intake == was)
		return;
	log_event(s->intake == ERR_OK ? LOG_LVL_NOTICE : LOG_LVL_CRIT, NULL,
	    s->intake == ERR_OK ? "intake-open" : "intake-closed",
	    KV_NUM("free_octets", space), KV_NUM("free_files", files));
	if (s->intake != ERR_OK)
		store_alarm_tell(s, STORE_ALARM_INTAKE);
	store_tell_intake(s);
}

static bool
is_busy(const struct store *s)
{
	static const enum role_id with[] = {
	    ROLE_LISTENER, ROLE_WORKER, ROLE_OPENER, ROLE_RELAY};

	for (const struct store_peer *p = s->peers; p != NULL; p = p->next)
		for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++)
			if (p->id == with[i])
				return true;
	return false;
}

/* The others go first: what they still bring is still committed. */
static void
end_when_idle(struct store *s)
{
	if (is_busy(s) && clock_steady_ms() < s->stop_ms)
		return;
	record_life(s, "stopped");
	/* the signature is to cover it */
	store_audit_ask_checkpoint(s->audit);
	store_commit(s);
	if (store_audit_export(s->audit) == ERR_OK)
		store_commit(s);
	store_end(s, false);
}

static void
on_tick(void *arg)
{
	struct store *s = arg;
	struct err_why problem;
	uint64_t now = clock_steady_ms();

	if (s->ended)
		return;
	store_look_at_space(s);
	store_keys_tick(s);
	store_shares_sweep(s->shares);
	store_watch_tick(s);
	store_census_tick(s->census, store_keys_db(s));
	store_waits_tick(s);
	store_unread_tick(s);
	store_seen_tick(s);
	store_notices_tick(s);
	store_tls_tick(s);
	(void)!store_audit_export(s->audit);
	store_checkpoint_tick(s);
	store_alarm_tick(s);
	if (store_audit_take_problem(s->audit, &problem))
		queue_alarm(s, "audit-damaged", problem.text);
	if (now - s->committed_ms >= STORE_CLOCK_MS)
		s->wants_commit = true;
	if (now - s->swept_ms >= STORE_SWEEP_MS)
		store_sweep(s);
	if (!s->forgiven && now - s->started_ms >= STORE_FORGIVE_MS) {
		s->forgiven = true;
		store_crash_forgive();
	}
	store_round(s);
	if (s->stopping)
		end_when_idle(s);
}

static void
on_round(void *arg)
{
	struct store *s = arg;

	store_round(s);
	if (store_audit_lines_behind(s->audit) >= EXPORT_LINES)
		(void)!store_audit_export(s->audit);
	if (s->stopping && !s->ended && !is_busy(s))
		end_when_idle(s);
}

void
store_start(struct store *s, struct loop *loop,
    void (*on_end)(void *arg, bool failed), void *arg)
{
	s->loop = loop;
	s->on_end = on_end;
	s->arg = arg;
	s->hook = loop_hook_new(loop, on_round, s);
	s->due_timer = loop_timer_new(loop, on_round, s);
	s->tick_timer = loop_timer_new(loop, on_tick, s);
	loop_timer_start(s->tick_timer, TICK_MS, TICK_MS);
	store_keys_start(s);
	s->watch = store_watch_new();
	store_lookups_start(s);
	store_revocation_start(s);
	store_tls_start(s);
	store_look_at_space(s);
	store_sweep(s);
	store_queue(s, STORE_OP_RECOUNT, 0, NULL, SPAN(NULL, 0));
	record_life(s, "started");
	record_conf(s);
	/* the first commit shows whether the spool can be written at all */
	s->wants_commit = true;
	store_round(s);
}

void
store_stop(struct store *s)
{
	s->stopping = true;
	s->stop_ms = clock_steady_ms() + s->conf->limits.stop_ms;
	loop_timer_start(s->tick_timer, 0, TICK_MS / 10);
}
