/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Events of a portal in a DMZ. It says each until it hears that it is durable,
 * in their order, and so again when the connection or a process breaks off in
 * between: which was the last is part of the transaction that records it.
 */
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "gateway/conf.h"
#include "gateway/proto_portal.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

/* → instance, id of its last event (8) */
static const char key[] = "dmz-event";

enum { ROW = PROTO_PORTAL_INSTANCE + 8 };

/* Recorded in the transaction that says that it was heard, or taken when that
   is durable: an account has digits to be compared, and each comparison counts.
   After a crash in between the page asks again, as after any other. */
static const struct event {
	uint16_t type;
	store_apply_fn *apply;
	void (*take)(struct store *s, struct span payload);
} events[] = {
    {PROTO_OBJECT_OPENED, store_apply_opened, NULL},
    {PROTO_OBJECT_LOCKED, store_apply_locked, NULL},
    {PROTO_OBJECT_CODE, store_apply_code, NULL},
    {PROTO_ACCOUNT_SET, NULL, store_account_take},
};

static const struct event *
find(uint16_t type)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (events[i].type == type)
			return &events[i];
	return NULL;
}

/* 0 if this instance has said nothing yet. */
static enum err
last_of(struct db_txn *txn, const uint8_t *instance, uint64_t *out)
{
	struct span v;
	enum err e = db_get(txn, STORE_STATE, span_str(key), &v);

	*out = 0;
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	if (v.len != ROW)
		return ERR_DB_BROKEN;
	for (size_t i = PROTO_PORTAL_INSTANCE;
	     memcmp(v.data, instance, PROTO_PORTAL_INSTANCE) == 0 && i < ROW;
	     i++)
		*out = *out << 8 | v.data[i];
	return ERR_OK;
}

static enum err
put_last(struct db_txn *txn, const uint8_t *instance, uint64_t id)
{
	uint8_t row[ROW];

	memcpy(row, instance, PROTO_PORTAL_INSTANCE);
	for (unsigned i = 0; i < 8; i++)
		row[PROTO_PORTAL_INSTANCE + i] = (uint8_t)(id >> (56 - 8 * i));
	return db_put(txn, STORE_STATE, span_str(key), SPAN(row, sizeof(row)));
}

static enum err
unpack(const struct store_op *op, uint8_t *instance, const struct event **what,
    struct span *payload)
{
	struct unpacker u;

	unpack_begin(&u, op->payload);
	unpack_raw(&u, instance, PROTO_PORTAL_INSTANCE);
	*what = find(unpack_u16(&u));
	*payload = unpack_span(&u);
	return unpack_end(&u);
}

enum err
store_apply_dmz(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_op inner = {.from = op->from};
	uint8_t instance[PROTO_PORTAL_INSTANCE];
	const struct event *what;
	uint64_t last = 0;
	enum err e = unpack(op, instance, &what, &inner.payload);

	op->fresh = false;
	if (e == ERR_OK)
		e = last_of(txn, instance, &last);
	if (e != ERR_OK || op->id <= last)
		return e;
	if (what == NULL)
		return ERR_IPC;
	if (what->apply != NULL)
		e = what->apply(s, txn, &inner);
	if (e == ERR_OK)
		e = put_last(txn, instance, op->id);
	op->fresh = e == ERR_OK;
	return e;
}

/* What failed for good would fail again: it is not said again either. */
void
store_after_dmz(struct store *s, struct store_op *op)
{
	uint8_t instance[PROTO_PORTAL_INSTANCE];
	const struct event *what;
	struct span payload;

	if (op->result == ERR_OK && op->fresh &&
	    unpack(op, instance, &what, &payload) == ERR_OK &&
	    what->take != NULL)
		what->take(s, payload);
	if (op->result != ERR_OK)
		log_event(
		    LOG_LVL_WARN, NULL, "not-recorded", KV_ERR(op->result));
	if (op->from != NULL)
		(void)!ipc_post(op->from->ch, PROTO_OBJECT_NOTED, op->id,
		    SPAN(NULL, 0), NULL, 0);
}

void
store_dmz_link(struct store *s, struct store_peer *portal, struct ipc_msg *m)
{
	struct unpacker u;
	struct store_dmz d = {.up = false};
	const char *why;

	(void)portal;
	arena_reset(s->arena);
	unpack_begin(&u, m->payload);
	d.up = unpack_bool(&u);
	d.skew_s = unpack_u64(&u);
	why = unpack_str(&u, s->arena);
	if (unpack_end(&u) != ERR_OK)
		return;
	snprintf(d.why, sizeof(d.why), "%s", why);
	s->dmz = d;
}

bool
store_dmz_is_away(const struct store *s)
{
	return s->conf->portal_dmz.present && !s->dmz.up;
}
