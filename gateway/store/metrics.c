/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What store tells a monitoring system: counters of the audit log, and how
 * queue, disk, log and keystore are now. Text format 0.0.4 of Prometheus.
 */
#include <jansson.h>

#include "common/limits.h"
#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/histogram.h"
#include "gateway/store/audit.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"
#include "gateway/store/tally.h"
#include "keystore/store.h"

static enum err
gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	enum err e = histogram_head(name, "gauge", help, out);

	return e == ERR_OK ? buf_printf(out, "%s %llu\n", name,
				 (unsigned long long)value)
			   : e;
}

/* Seconds since the oldest entry was made: numbers of entries grow. */
enum err
store_oldest(struct store *s, struct db_txn *txn, uint64_t *out)
{
	struct db_cursor *c = NULL;
	struct store_status st = {0};
	struct span key, val;
	uint64_t now = store_now(s);
	enum err e = db_cursor_open(txn, STORE_STATUS, &c);

	*out = 0;
	if (e == ERR_OK)
		e = db_cursor_move(c, DB_FIRST, &key, &val);
	if (e == ERR_OK) {
		arena_reset(s->arena);
		e = store_status_get(txn, s->arena, db_u64_of(key), &st);
	}
	if (e == ERR_OK && st.born_ms < now)
		*out = (now - st.born_ms) / 1000;
	db_cursor_close(c);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static enum err
put_queue(struct store *s, struct db_txn *txn, struct buf *out)
{
	struct store_counts n;
	uint64_t age = 0;
	enum err e = store_oldest(s, txn, &age);

	store_index_count(s->index, &n);
	if (e == ERR_OK)
		e = buf_printf(out,
		    "# HELP sealgate_queue_entries Entries of the queue; held, "
		    "waiting and under_way are among the others.\n"
		    "# TYPE sealgate_queue_entries gauge\n"
		    "sealgate_queue_entries{state=\"ready\"} %zu\n"
		    "sealgate_queue_entries{state=\"pending\"} %zu\n"
		    "sealgate_queue_entries{state=\"held\"} %zu\n"
		    "sealgate_queue_entries{state=\"waiting\"} %zu\n"
		    "sealgate_queue_entries{state=\"under_way\"} %zu\n",
		    n.ready, n.pending, n.held, n.waiting, n.flying);
	if (e == ERR_OK)
		e = gauge(out, "sealgate_queue_oldest_seconds",
		    "Age of the oldest entry, 0 if there is none.", age);
	return e;
}

static enum err
put_usage(struct store *s, struct db_txn *txn, struct buf *out)
{
	struct store_usage u;
	enum err e = store_usage_get(txn, "", &u);

	if (e == ERR_OK)
		e = gauge(out, "sealgate_escrow_objects",
		    "Messages that wait for pick-up, one for each recipient.",
		    u.objects);
	if (e == ERR_OK)
		e = gauge(
		    out, "sealgate_escrow_bytes", "Octets of them.", u.octets);
	if (e == ERR_OK)
		e = gauge(out, "sealgate_escrow_quota_bytes",
		    "Octets that may wait for pick-up; 0: no bound.",
		    s->conf->portal.quota);
	return e == ERR_OK ? gauge(out, "sealgate_escrow_quota_objects",
				 "Messages that may; 0: no bound.",
				 s->conf->portal.quota_objects)
			   : e;
}

static enum err
put_store(struct store *s, struct buf *out)
{
	struct store_audit_head head = store_audit_durable_head(s->audit);
	uint64_t space = 0;
	enum err e = gauge(out, "sealgate_intake_open",
	    "1 while new mail is taken.", s->intake == ERR_OK ? 1 : 0);

	if (e == ERR_OK && db_disk_free(s->db, &space) == ERR_OK)
		e = gauge(out, "sealgate_disk_free_bytes",
		    "Room on the file system of the state.", space);
	if (e == ERR_OK)
		e = gauge(out, "sealgate_audit_records_unsigned",
		    "Records of the audit log since the last signature.",
		    head.since);
	if (e == ERR_OK)
		e = gauge(out, "sealgate_audit_signs",
		    "1 while there is a key to sign the audit log with.",
		    store_audit_has_key(s->audit) ? 1 : 0);
	return e;
}

static enum err
put_dmz(const struct store *s, struct buf *out)
{
	return s->conf->portal_dmz.present
		   ? gauge(out, "sealgate_dmz_up",
			 "1 while the portal in the DMZ is connected.",
			 s->dmz.up ? 1 : 0)
		   : ERR_OK;
}

static enum err
print_keystore(struct store *s, struct buf *out)
{
	struct ks_store *ks = store_keystore(s);
	size_t keys = 0;
	enum err e = ks_count(ks, &keys);

	if (e == ERR_OK)
		e = gauge(out, "sealgate_keystore_records",
		    "Certificates and keys in the keystore.", keys);
	return e == ERR_OK ? store_census_print(s->census, ks, out) : e;
}

/* One that cannot be read must not take along what is told of all else. */
static enum err
put_keystore(struct store *s, struct buf *out)
{
	struct buf part;
	bool up;
	enum err e;

	buf_init(&part, LIMIT_IPC_PAYLOAD / 4);
	up = print_keystore(s, &part) == ERR_OK;
	e = gauge(out, "sealgate_keystore_up",
	    "1 while the keystore can be read.", up ? 1 : 0);
	if (e == ERR_OK && up)
		e = buf_put(out, buf_span(&part));
	buf_clear(&part);
	return e;
}

enum err
store_metrics(
    struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
{
	struct buf out;
	enum err e;

	(void)request;
	buf_init(&out, LIMIT_IPC_PAYLOAD / 2);
	e = put_queue(s, txn, &out);
	if (e == ERR_OK)
		e = put_usage(s, txn, &out);
	if (e == ERR_OK)
		e = put_store(s, &out);
	if (e == ERR_OK)
		e = put_dmz(s, &out);
	if (e == ERR_OK)
		e = put_keystore(s, &out);
	if (e == ERR_OK)
		e = store_measures_print(s->measures, &out);
	if (e == ERR_OK)
		e = store_tally_print(store_audit_tally(s->audit), &out);
	if (e == ERR_OK)
		json_object_set_new(answer, "text",
		    json_stringn((const char *)out.data, out.len));
	buf_clear(&out);
	return e;
}
