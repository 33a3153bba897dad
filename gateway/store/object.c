/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Escrow objects: the portal is told of each until it says that it has it;
 * only then do the notices go that carry its link. What the portal reports of
 * pick-ups becomes part of the audit log.
 */
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/object_header.h"
#include "gateway/pickup_word.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

enum err
store_add_object(struct store *s, struct db_txn *txn,
    const struct proto_object *o, const struct proto_submit *m)
{
	const struct entry *e = m->entry;
	struct store_object old, new = {.size = o->size,
				     .expires_s = o->expires_s,
				     .from = "",
				     .from_key = "",
				     .rcpt = "",
				     .rcpt_key = "",
				     .factor = o->factor,
				     .door = o->door,
				     .answer_to = o->answer_to,
				     .n_answer_to = o->n_answer_to,
				     .last_client = "",
				     .reply_mac = m->reply_mac};
	enum err err;

	if (o->name[0] == '\0' || o->name[0] == '.' ||
	    strchr(o->name, '/') != NULL ||
	    strlen(o->name) > STORE_OBJECT_NAME ||
	    (m->reply_mac.len != 0 && m->reply_mac.len != PICKUP_WORD_MAC))
		return ERR_IPC;
	err = store_object_get(txn, s->arena, o->name, &old);
	/* a portal that has just started may have seen its file first */
	if (err == ERR_OK && store_object_is_found(&old))
		err = store_object_forget(s, txn, o->name, &old);
	else if (err == ERR_OK)
		err = ERR_EXISTS;
	if (err != ERR_OK && err != ERR_NOT_FOUND)
		return err;
	new.notice = arena_array(s->arena, m->n_entries, sizeof(*new.notice));
	if (new.notice == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < m->n_entries; i++) {
		if (strcmp(e[i].wait_object, o->name) != 0)
			continue;
		if (e[i].n_rcpt == 0)
			return ERR_IPC;
		new.notice[new.n_notices++] = e[i].id;
		new.message_id = e[i].message_id;
		new.from = e[i].from;
		new.from_key = e[i].from_key;
		new.rcpt = e[i].rcpt[0].addr;
		new.rcpt_key = e[i].rcpt[0].key;
		new.created_s = e[i].accepted_ms / 1000;
	}
	err = store_usage_permits(s, txn, &new);
	if (err == ERR_OK)
		err = store_usage_count(txn, o->name, &new, true);
	if (err == ERR_OK)
		err = store_object_put(txn, o->name, &new);
	return err == ERR_OK && o->recovery.len > 0
		   ? db_put(txn, STORE_RECOVERY, span_str(o->name), o->recovery)
		   : err;
}

enum err
store_object_forget(struct store *s, struct db_txn *txn, const char *name,
    const struct store_object *o)
{
	enum err e = store_usage_count(txn, name, o, false);

	if (e == ERR_OK)
		e = store_seen_forget(s, txn, name);
	if (e == ERR_OK)
		e = db_del(txn, STORE_RECOVERY, span_str(name));
	return e == ERR_OK || e == ERR_NOT_FOUND
		   ? db_del(txn, STORE_OBJECT, span_str(name))
		   : e;
}

/* --- to the portal --- */

static uint64_t
id_of(const char *name)
{
	uint8_t id[OBJECT_ID_SIZE];
	uint64_t v = 0;

	if (strlen(name) < OBJECT_ID_TEXT_SIZE - 1 ||
	    !object_id_parse(SPAN(name, OBJECT_ID_TEXT_SIZE - 1), id))
		return 0;
	for (int i = 0; i < 8; i++)
		v = v << 8 | id[i];
	return v;
}

static enum err
offer(struct store_peer *portal, uint16_t type, const struct proto_object *m)
{
	struct proto_object outside = *m;
	struct packer p;
	struct buf b;
	enum err e;

	outside.recovery = SPAN(NULL, 0); /* that stays inside */
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	proto_object_pack(&p, &outside);
	e = pack_end(&p);
	if (e == ERR_OK)
		e = ipc_post(
		    portal->ch, type, id_of(m->name), buf_span(&b), NULL, 0);
	buf_clear(&b);
	return e;
}

void
store_offer_submitted(struct store *s, struct span submission)
{
	struct store_peer *portal = store_find_peer(s, ROLE_PORTAL, 0);
	struct proto_submit m;

	arena_reset(s->arena);
	if (portal == NULL ||
	    proto_submit_unpack(submission, s->arena, &m) != ERR_OK)
		return;
	/* a portal that is gone is told of all when it is back */
	for (uint32_t i = 0; i < m.n_objects; i++)
		if (offer(portal, PROTO_OBJECT_ADD, &m.object[i]) != ERR_OK)
			return;
}

/* What is not committed in another way either. */
static bool
is_nobodys(const struct store *s, const char *name)
{
	struct db_txn *txn = NULL;
	struct span v;
	enum err e = db_read(s->db, &txn);

	if (e == ERR_OK)
		e = db_get(txn, STORE_OBJECT, span_str(name), &v);
	db_end(txn);
	return e == ERR_NOT_FOUND;
}

void
store_drop_submitted(struct store *s, struct span submission)
{
	struct store_peer *portal = store_find_peer(s, ROLE_PORTAL, 0);
	struct proto_submit m;

	arena_reset(s->arena);
	if (portal == NULL ||
	    proto_submit_unpack(submission, s->arena, &m) != ERR_OK)
		return;
	for (uint32_t i = 0; i < m.n_objects; i++)
		if (is_nobodys(s, m.object[i].name) &&
		    offer(portal, PROTO_OBJECT_DROP, &m.object[i]) != ERR_OK)
			return;
}

static enum err
offer_stored(struct store *s, struct store_peer *portal, struct span name,
    struct span stored)
{
	struct store_object o;
	struct proto_object m;
	enum err e;

	arena_reset(s->arena);
	e = store_object_unpack(stored, s->arena, &o);
	if (e != ERR_OK || (o.have && o.tell == STORE_OBJECT_TOLD && !o.locked))
		return e;
	m = (struct proto_object){.name = arena_span_str(s->arena, name),
	    .size = o.size,
	    .expires_s = o.expires_s,
	    .factor = o.factor,
	    .door = o.door};
	if (m.name == NULL)
		return ERR_NOMEM;
	if (o.tell == STORE_OBJECT_TELL_DROP)
		return offer(portal, PROTO_OBJECT_DROP, &m);
	e = o.have ? ERR_OK : offer(portal, PROTO_OBJECT_ADD, &m);
	if (e == ERR_OK && o.tell == STORE_OBJECT_TELL_UNTIL)
		e = offer(portal, PROTO_OBJECT_UNTIL, &m);
	/* its index may have been made anew, without what it had counted */
	if (e == ERR_OK && o.locked)
		e = offer(portal, PROTO_OBJECT_LOCK, &m);
	return e;
}

void
store_offer_objects(struct store *s)
{
	struct store_peer *portal = store_find_peer(s, ROLE_PORTAL, 0);
	struct db_cursor *c = NULL;
	struct db_txn *txn = NULL;
	struct span name, stored;
	enum err e;

	if (portal == NULL)
		return;
	e = db_read(s->db, &txn);
	if (e == ERR_OK)
		e = db_cursor_open(txn, STORE_OBJECT, &c);
	while (e == ERR_OK) {
		e = db_cursor_move(c, DB_NEXT, &name, &stored);
		if (e == ERR_OK)
			e = offer_stored(s, portal, name, stored);
	}
	if (e != ERR_NOT_FOUND && e != ERR_CLOSED)
		log_event(LOG_LVL_ERR, NULL, "objects", KV_ERR(e));
	db_cursor_close(c);
	db_end(txn);
}

/* With ten thousand that wait for a portal which is away, one that is recalled
   is not to be behind all of them. */
void
store_offer_changed(struct store *s)
{
	struct store_peer *portal = store_find_peer(s, ROLE_PORTAL, 0);
	struct db_txn *txn = NULL;
	size_t n = s->n_changed;
	enum err e = ERR_OK;

	s->n_changed = 0;
	if (n == 0 || portal == NULL)
		return;
	if (n > STORE_CHANGED) {
		store_offer_objects(s);
		return;
	}
	e = db_read(s->db, &txn);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		struct span stored;

		e = db_get(txn, STORE_OBJECT, span_str(s->changed[i]), &stored);
		/* it is over already */
		if (e == ERR_NOT_FOUND)
			e = ERR_OK;
		else if (e == ERR_OK)
			e = offer_stored(
			    s, portal, span_str(s->changed[i]), stored);
	}
	if (e != ERR_OK && e != ERR_CLOSED)
		log_event(LOG_LVL_ERR, NULL, "objects", KV_ERR(e));
	db_end(txn);
}

/* --- from the portal --- */

static enum err
read_name(struct store *s, struct span payload, const char **out)
{
	struct unpacker u;

	unpack_begin(&u, payload);
	*out = unpack_str(&u, s->arena);
	return unpack_end(&u);
}

static enum err
record(struct store *s, struct db_txn *txn, const char *type, const char *name)
{
	struct store_rec rec;

	store_rec_begin(&rec, type);
	store_rec_str(&rec, "object", name);
	return store_add_record(s, txn, &rec);
}

static enum err
release(struct store *s, struct db_txn *txn, uint64_t id)
{
	struct store_status st;
	enum err e = store_status_get(txn, s->arena, id, &st);

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	store_touch(s, id);
	if (st.state == STORE_WAITING)
		st.state = STORE_QUEUED;
	st.due_ms = st.hold_ms = store_now(s);
	st.object = "";
	return store_status_put(txn, id, &st);
}

enum err
store_apply_have(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_object o = {0};
	const char *name;
	bool had;
	enum err e = read_name(s, op->payload, &name);

	if (e == ERR_OK)
		e = store_object_get(txn, s->arena, name, &o);
	if (e == ERR_NOT_FOUND)
		return ERR_OK; /* it is revoked and gone */
	if (e != ERR_OK || (o.have && o.tell != STORE_OBJECT_TELL_UNTIL))
		return e;
	for (uint32_t i = 0; e == ERR_OK && !o.have && i < o.n_notices; i++)
		e = release(s, txn, o.notice[i]);
	had = o.have;
	if (had)
		o.tell = STORE_OBJECT_TOLD;
	o.have = true;
	if (e == ERR_OK)
		e = store_unread_expect(s, txn, name, &o);
	if (e == ERR_OK)
		e = store_object_put(txn, name, &o);
	return e == ERR_OK && !had ? record(s, txn, "object-ready", name) : e;
}

enum err
store_apply_opened(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_object o = {0};
	struct proto_opened m;
	enum err e = proto_opened_unpack(op->payload, s->arena, &m);

	if (e == ERR_OK)
		e = store_object_get(txn, s->arena, m.name, &o);
	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return e;
	if (e == ERR_OK && o.views++ == 0) {
		o.first_ms = m.at_ms;
		e = store_object_tell(
		    s, txn, &o, STORE_OBJECT_OPENED, m.client, m.agent);
	}
	if (e == ERR_OK) {
		o.last_ms = m.at_ms;
		o.last_client = m.client;
		e = store_object_put(txn, m.name, &o);
	}
	return e == ERR_OK || e == ERR_NOT_FOUND ? store_seen_note(s, txn, &m)
						 : e;
}

enum err
store_apply_locked(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_object o = {0};
	struct proto_opened m;
	struct store_rec rec;
	enum err e = proto_opened_unpack(op->payload, s->arena, &m);

	if (e == ERR_OK)
		e = store_object_get(txn, s->arena, m.name, &o);
	/* what the portal says before it has heard of the unlocking is over */
	if (e != ERR_OK || o.locked || o.tell == STORE_OBJECT_TELL_UNTIL)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	o.locked = true;
	e = store_object_put(txn, m.name, &o);
	if (e == ERR_OK)
		e = store_object_tell(
		    s, txn, &o, STORE_OBJECT_LOCKED, m.client, "");
	if (e != ERR_OK)
		return e;
	store_rec_begin(&rec, "locked");
	store_rec_str(&rec, "object", m.name);
	store_rec_str(&rec, "client", m.client);
	return store_add_record(s, txn, &rec);
}

enum err
store_apply_expired(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_object o = {0};
	const char *name;
	enum err e = read_name(s, op->payload, &name);

	if (e == ERR_OK)
		e = store_object_get(txn, s->arena, name, &o);
	if (e == ERR_OK && o.views == 0 && o.tell != STORE_OBJECT_TELL_DROP)
		e = store_object_tell(s, txn, &o, STORE_OBJECT_EXPIRED, "", "");
	/* they wait for what does not come any more */
	if (e == ERR_OK && !o.have)
		e = store_object_unsay(s, txn, &o);
	if (e == ERR_OK)
		e = store_object_forget(s, txn, name, &o);
	if (e == ERR_OK || e == ERR_NOT_FOUND)
		e = record(s, txn, "expired", name);
	return e;
}

/* That it was revoked is in the log since somebody said so. */
enum err
store_apply_dropped(struct store *s, struct db_txn *txn, struct store_op *op)
{
	struct store_object o = {0};
	const char *name;
	enum err e = read_name(s, op->payload, &name);

	if (e == ERR_OK)
		e = store_object_get(txn, s->arena, name, &o);
	if (e == ERR_OK && o.tell == STORE_OBJECT_TELL_DROP)
		e = store_object_forget(s, txn, name, &o);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}
