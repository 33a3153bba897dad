/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail for pick-up that an administrator sends again: its original, which the
 * command line has sealed as a pending entry, goes to a worker, and what stood
 * for pick-up is taken back in the same transaction. The entry says nothing
 * but what the object does: same message, sender and recipient.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/limits.h"
#include "common/text.h"
#include "gateway/store/salvage.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

/* Is it what it is said to be? */
static bool
fits(const struct entry *e, uint64_t id, const struct store_object *o)
{
	return e->id == id && e->kind == ENTRY_PENDING &&
	       e->why == ENTRY_WHY_UNDECIDED && e->route == ENTRY_OUTBOUND &&
	       e->twin == 0 && e->n_rcpt == 1 &&
	       e->message_id == o->message_id &&
	       strcmp(e->from_key, o->from_key) == 0 &&
	       strcmp(e->rcpt[0].key, o->rcpt_key) == 0;
}

static enum err
add(struct store *s, struct db_txn *txn, const struct entry *e,
    struct span done)
{
	struct store_status st = {.message_id = e->message_id,
	    .kind = e->kind,
	    .why = e->why,
	    .state = STORE_QUEUED,
	    .born_ms = store_now(s),
	    .due_ms = store_now(s),
	    .hold_ms = store_now(s),
	    .in_file = e->file[0] != '\0',
	    .object = "",
	    .last = e->reason,
	    .done = done};
	enum err err = store_check_entry(s, e);

	if (err == ERR_OK)
		err = store_entry_add(txn, e, &st);
	if (err == ERR_OK)
		store_touch(s, e->id);
	return err;
}

static enum err
record(struct store *s, struct db_txn *txn, const struct entry *e,
    const char *name, const json_t *request)
{
	json_int_t uid = json_integer_value(json_object_get(request, "uid"));
	struct store_rec rec;
	char who[32];

	snprintf(who, sizeof(who), "uid %lld", (long long)uid);
	store_rec_begin(&rec, "resent");
	store_rec_id(&rec, "id", e->message_id);
	store_rec_id(&rec, "entry", e->id);
	store_rec_str(&rec, "object", name);
	store_rec_str(&rec, "who", who);
	return store_add_record(s, txn, &rec);
}

enum err
store_resend(struct store *s, struct db_txn *txn, const json_t *request)
{
	const char *id = json_string_value(json_object_get(request, "id"));
	const char *name =
	    json_string_value(json_object_get(request, "object"));
	struct store_object o = {0};
	struct span done;
	struct entry e;
	struct buf b;
	uint64_t number = 0;
	enum err err = ERR_USAGE;

	buf_init(&b, 2 * LIMIT_IPC_PAYLOAD);
	if (id != NULL && name != NULL && text_unid(id, &number) == ERR_OK)
		err = store_object_get(txn, s->arena, name, &o);
	if (err == ERR_OK && o.tell == STORE_OBJECT_TELL_DROP)
		err = ERR_NOT_FOUND;
	if (err == ERR_OK)
		err = store_salvage_read(s, number, &b);
	if (err == ERR_OK)
		err = store_salvage_unpack(buf_span(&b), s->arena, &e, &done);
	if (err == ERR_OK && !fits(&e, number, &o))
		err = ERR_PERMISSION;
	if (err == ERR_OK)
		err = add(s, txn, &e, done);
	if (err == ERR_OK)
		err = record(s, txn, &e, name, request);
	if (err == ERR_OK)
		err = store_object_revoke(s, txn, request);
	buf_clear(&b);
	return err;
}
