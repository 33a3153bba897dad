/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an administrator asks of mail for pick-up, and changes of it. The portal
 * is told when the change is durable; until it has answered, store repeats it
 * whenever the portal is new to it, so that what is revoked stays revoked.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/store_entry_private.h"
#include "gateway/store/store_object_private.h"
#include "gateway/store/store_private.h"

enum { PAGE_MAX = 1000 };

static const char *const factor_name[OBJECT_FACTORS] = {
    [OBJECT_FACTOR_NONE] = "none",
    [OBJECT_FACTOR_PASSPHRASE] = "passphrase",
    [OBJECT_FACTOR_GENERATED] = "generated",
    [OBJECT_FACTOR_ANSWER] = "answer",
    [OBJECT_FACTOR_ACCOUNT] = "account",
};

/* --- looking --- */

static const char *
state_of(const struct store_object *o)
{
	if (o->tell == STORE_OBJECT_TELL_DROP)
		return "revoked";
	if (store_object_is_found(o))
		return "unknown";
	if (!o->have)
		return "waiting";
	if (o->locked)
		return "locked";
	return o->views > 0 ? "opened" : "unopened";
}

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

static void
put_time(json_t *j, const char *name, uint64_t ms)
{
	char text[TEXT_TIME_SIZE] = "";

	if (ms != 0)
		text_time_ms(ms, text);
	json_object_set_new(j, name, json_string(text));
}

static json_t *
object_json(const char *name, const struct store_object *o)
{
	char id[TEXT_ID_SIZE];
	json_t *j = json_object();

	text_id(o->message_id, id);
	json_object_set_new(j, "object", json_string(name));
	json_object_set_new(j, "id", json_string(id));
	json_object_set_new(j, "state", json_string(state_of(o)));
	json_object_set_new(j, "from", text_json(o->from));
	json_object_set_new(j, "rcpt", text_json(o->rcpt));
	json_object_set_new(j, "factor", json_string(factor_name[o->factor]));
	json_object_set_new(j, "door",
	    json_string(object_door_has_code(o->door) ? "code" : "open"));
	json_object_set_new(j, "size", json_integer((json_int_t)o->size));
	put_time(j, "created", o->created_s * 1000);
	put_time(j, "expires", o->expires_s * 1000);
	json_object_set_new(j, "views", json_integer(o->views));
	put_time(j, "first", o->first_ms);
	put_time(j, "last", o->last_ms);
	json_object_set_new(j, "client", text_json(o->last_client));
	return j;
}

/* Objects behind "after", at most a page; with "id" those of that message, or
   the one of that name. */
static enum err
list(struct store *s, struct db_txn *txn, const char *after, const char *id,
    json_t *out, bool *more)
{
	uint64_t message_id = 0;
	bool of_message = id != NULL && text_unid(id, &message_id) == ERR_OK;
	struct db_cursor *c = NULL;
	struct store_object o;
	struct span name = span_str(after), val;
	enum err e = db_cursor_open(txn, STORE_OBJECT, &c);

	if (e == ERR_OK)
		e = db_cursor_move(
		    c, after[0] != '\0' ? DB_SEEK : DB_FIRST, &name, &val);
	if (e == ERR_OK && span_eq_str(name, after))
		e = db_cursor_move(c, DB_NEXT, &name, &val);
	while (e == ERR_OK && json_array_size(out) < PAGE_MAX) {
		const char *text;

		arena_reset(s->arena);
		text = arena_span_str(s->arena, name);
		e = text == NULL ? ERR_NOMEM
				 : store_object_unpack(val, s->arena, &o);
		if (e == ERR_OK &&
		    (id == NULL || strcmp(text, id) == 0 ||
			(of_message && o.message_id == message_id)))
			json_array_append_new(out, object_json(text, &o));
		if (e == ERR_OK)
			e = db_cursor_move(c, DB_NEXT, &name, &val);
	}
	db_cursor_close(c);
	*more = e == ERR_OK;
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

static const char *
member(const json_t *request, const char *name)
{
	return json_string_value(json_object_get(request, name));
}

static enum err
put_usage(struct store *s, struct db_txn *txn, json_t *answer)
{
	const struct conf_portal *c = &s->conf->portal;
	struct store_usage u;
	enum err e = store_usage_get(txn, "", &u);

	if (e == ERR_OK)
		json_object_set_new(answer, "usage",
		    json_pack("{s:I, s:I, s:I, s:I}", "objects",
			(json_int_t)u.objects, "octets", (json_int_t)u.octets,
			"quota", (json_int_t)c->quota, "quota_objects",
			(json_int_t)c->quota_objects));
	return e;
}

enum err
store_object_list(
    struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
{
	const char *after = member(request, "after");
	json_t *all = json_array();
	bool more = false;
	enum err e = list(s, txn, after == NULL ? "" : after, NULL, all, &more);

	json_object_set_new(answer, "objects", all);
	json_object_set_new(answer, "more", json_boolean(more));
	return e == ERR_OK ? put_usage(s, txn, answer) : e;
}

enum err
store_object_show(
    struct store *s, struct db_txn *txn, const json_t *request, json_t *answer)
{
	const char *id = member(request, "id");
	json_t *all = json_array();
	bool more = false;
	enum err e = id == NULL ? ERR_USAGE : list(s, txn, "", id, all, &more);

	if (e == ERR_OK && json_array_size(all) == 0)
		e = ERR_NOT_FOUND;
	json_object_set_new(answer, "objects", all);
	json_object_set_new(
	    answer, "dmz_away", json_boolean(store_dmz_is_away(s)));
	return e;
}

/* --- changing --- */

static enum err
record(struct store *s, struct db_txn *txn, const char *type, const char *name,
    const json_t *request, uint64_t until_s)
{
	json_int_t uid = json_integer_value(json_object_get(request, "uid"));
	struct store_rec rec;
	char who[32];

	snprintf(who, sizeof(who), "uid %lld", (long long)uid);
	store_rec_begin(&rec, type);
	store_rec_str(&rec, "object", name);
	store_rec_str(&rec, "who", who);
	if (until_s != 0)
		store_rec_num(&rec, "expires", until_s);
	return store_add_record(s, txn, &rec);
}

/* A notice that is not delivered yet need not go any more. */
static enum err
forget_notice(struct store *s, struct db_txn *txn, uint64_t id)
{
	const struct store_item *item = store_index_find(s->index, id);
	struct store_status st;
	enum err e = store_status_get(txn, s->arena, id, &st);

	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	store_touch(s, id);
	if (item == NULL || item->flight != STORE_FLIGHT_RELAY)
		return store_remove(s, txn, id, st.in_file);
	st.doomed = true;
	return store_status_put(txn, id, &st);
}

static enum err
find(struct store *s, struct db_txn *txn, const json_t *request,
    const char **name, struct store_object *out)
{
	*name = member(request, "object");
	if (*name == NULL || (*name)[0] == '\0')
		return ERR_USAGE;
	return store_object_get(txn, s->arena, *name, out);
}

enum err
store_object_unsay(
    struct store *s, struct db_txn *txn, const struct store_object *o)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < o->n_notices; i++)
		e = forget_notice(s, txn, o->notice[i]);
	return e;
}

static void
note_changed(struct store *s, const char *name)
{
	if (s->n_changed < STORE_CHANGED)
		snprintf(
		    s->changed[s->n_changed], OBJECT_ID_TEXT_SIZE, "%s", name);
	if (s->n_changed <= STORE_CHANGED)
		s->n_changed++;
}

enum err
store_object_drop(struct store *s, struct db_txn *txn, const char *name,
    struct store_object *o)
{
	enum err e = store_object_unsay(s, txn, o);

	o->tell = STORE_OBJECT_TELL_DROP;
	if (e == ERR_OK)
		e = store_object_put(txn, name, o);
	note_changed(s, name);
	return e;
}

enum err
store_object_until(struct store *s, struct db_txn *txn, const char *name,
    struct store_object *o, uint64_t expires_s)
{
	enum err e;

	o->expires_s = expires_s;
	o->locked = false;
	o->warned = false;
	o->tell = STORE_OBJECT_TELL_UNTIL;
	note_changed(s, name);
	e = store_unread_expect(s, txn, name, o);
	return e == ERR_OK ? store_object_put(txn, name, o) : e;
}

enum err
store_object_revoke(struct store *s, struct db_txn *txn, const json_t *request)
{
	struct store_object o;
	const char *name;
	enum err e = find(s, txn, request, &name, &o);

	if (e != ERR_OK || o.tell == STORE_OBJECT_TELL_DROP)
		return e;
	e = store_object_drop(s, txn, name, &o);
	return e == ERR_OK ? record(s, txn, "revoked", name, request, 0) : e;
}

enum err
store_object_extend(struct store *s, struct db_txn *txn, const json_t *request)
{
	json_int_t for_s =
	    json_integer_value(json_object_get(request, "for_s"));
	uint64_t now_s = clock_unix_ms() / 1000;
	struct store_object o;
	const char *name;
	enum err e = find(s, txn, request, &name, &o);

	if (e != ERR_OK)
		return e;
	if (for_s < 0 || for_s > (json_int_t)LIMIT_OBJECT_EXTEND_S)
		return ERR_USAGE;
	if (o.tell == STORE_OBJECT_TELL_DROP)
		return ERR_NOT_FOUND;
	e = store_object_until(s, txn, name, &o,
	    for_s > 0 ? now_s + (uint64_t)for_s : o.expires_s);
	return e == ERR_OK ? record(s, txn, for_s > 0 ? "extended" : "unlocked",
				 name, request, for_s > 0 ? o.expires_s : 0)
			   : e;
}
