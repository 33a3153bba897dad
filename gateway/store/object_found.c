/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Objects that the portal has and store does not know: after the spool was
 * moved aside, or restored from a backup that is older than they are. They are
 * taken in by what their files say, so that they are listed, can be revoked,
 * count for the quota and expire; who has sent them the files do not say.
 */
#include <string.h>

#include "common/limits.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

bool
store_object_is_found(const struct store_object *o)
{
	return o->message_id == 0;
}

static enum err
take_in(struct db_txn *txn, const struct proto_object *m, uint64_t created_s)
{
	struct store_object o = {.size = m->size,
	    .expires_s = m->expires_s,
	    .have = true,
	    .from = "",
	    .from_key = "",
	    .rcpt = "",
	    .rcpt_key = "",
	    .factor = m->factor,
	    .door = m->door,
	    .created_s = created_s,
	    .last_client = ""};
	enum err e = store_usage_count(txn, m->name, &o, true);

	return e == ERR_OK ? store_object_put(txn, m->name, &o) : e;
}

static enum err
record(struct store *s, struct db_txn *txn, const char *name, uint32_t n)
{
	struct store_rec rec;

	if (n == 0 || !store_object_unknown(s, name, &rec))
		return ERR_OK;
	store_rec_num(&rec, "count", n);
	return store_add_record(s, txn, &rec);
}

enum err
store_apply_found(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_object known;
	struct unpacker u;
	uint32_t n, taken = 0;
	const char *first = "";
	enum err e = ERR_OK;

	unpack_begin(&u, op->payload);
	n = unpack_count(&u, OBJECT_ID_TEXT_SIZE);
	for (uint32_t i = 0; e == ERR_OK && i < n; i++) {
		struct proto_object m;
		uint8_t id[OBJECT_ID_SIZE];
		uint64_t created_s;

		proto_object_unpack(&u, s->arena, &m);
		created_s = unpack_u64(&u);
		if (u.err != ERR_OK || !object_id_parse(span_str(m.name), id))
			return ERR_IPC;
		e = store_object_get(txn, s->arena, m.name, &known);
		if (e != ERR_NOT_FOUND)
			continue;
		e = take_in(txn, &m, created_s);
		if (taken++ == 0)
			first = m.name;
	}
	if (e == ERR_OK)
		e = unpack_end(&u);
	return e == ERR_OK ? record(s, txn, first, taken) : e;
}

/* An entry with its link was found again (queue salvage): it says whose the
   object is. */
enum err
store_object_claim(struct store *s, struct db_txn *txn, const struct entry *e)
{
	struct store_object o;
	enum err err;

	if (e->wait_object[0] == '\0')
		return ERR_OK;
	err = store_object_get(txn, s->arena, e->wait_object, &o);
	if (err == ERR_NOT_FOUND)
		return ERR_OK;
	if (err != ERR_OK || !store_object_is_found(&o))
		return err;
	err = store_usage_count(txn, e->wait_object, &o, false);
	o.message_id = e->message_id;
	o.from = e->from;
	o.from_key = e->from_key;
	o.rcpt = e->rcpt[0].addr;
	o.rcpt_key = e->rcpt[0].key;
	o.notice = arena_array(s->arena, 1, sizeof(*o.notice));
	if (err == ERR_OK && o.notice == NULL)
		err = ERR_NOMEM;
	if (err != ERR_OK)
		return err;
	o.notice[0] = e->id;
	o.n_notices = 1;
	err = store_usage_count(txn, e->wait_object, &o, true);
	if (err == ERR_OK)
		err = store_unread_expect(s, txn, e->wait_object, &o);
	return err == ERR_OK ? store_object_put(txn, e->wait_object, &o) : err;
}
