/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the auditor learns of a message: that it was accepted, what was decided
 * for each recipient, what was sealed for whom. Records go to store with what
 * they are about and are rows of the same transaction. docs/format-audit.md.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"
#include "mime/header.h"

enum {
	RCPTS_A_RECORD = 128, /* more of a message are in the next record */
	FIELD_MAX = 998,      /* octets of a field of the message */
};

/* --- a record --- */

/* Text from outside, no longer than a line. */
static json_t *
outside_text(const char *text)
{
	size_t n = strlen(text);
	char ascii[FIELD_MAX + 1];
	json_t *j;

	if (n > FIELD_MAX)
		for (n = FIELD_MAX; n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80;)
			n--;
	j = json_stringn(text, n);
	if (j != NULL)
		return j;
	for (size_t i = 0; i < n; i++)
		ascii[i] = (uint8_t)text[i] < 0x80 ? text[i] : '?';
	return json_stringn(ascii, n);
}

static void
put_text(json_t *row, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_object_set_new(row, name, outside_text(text));
}

static json_t *
begin(const struct job *j, const char *type)
{
	char id[TEXT_ID_SIZE];
	json_t *row = json_object();

	text_id(j->id, id);
	json_object_set_new(row, "type", json_string(type));
	json_object_set_new(row, "id", json_string(id));
	return row;
}

json_t *
record_start(const struct job *j, const char *type)
{
	json_t *row = begin(j, type);

	json_object_set_new(row, "from", outside_text(j->envelope.from));
	json_object_set_new(row, "client", outside_text(j->envelope.origin));
	put_text(row, "user", j->envelope.auth_id);
	json_object_set_new(
	    row, "size", json_integer((json_int_t)j->map.data.len));
	return row;
}

/* A record of any length is written: what explains goes before what
   happened. */
static char *
dump(json_t *row)
{
	static const char *const droppable[] = {
	    "verdict", "keys", "rules", "steps", "rcpts"};
	char *text = json_dumps(row, JSON_COMPACT);

	for (size_t i = 0; text != NULL && strlen(text) > LIMIT_AUDIT_RECORD &&
			   i < sizeof(droppable) / sizeof(droppable[0]);
	     i++) {
		free(text);
		json_object_del(row, droppable[i]);
		json_object_set_new(row, "cut", json_true());
		text = json_dumps(row, JSON_COMPACT);
	}
	return text;
}

enum err
record_end(struct job *j, json_t *row)
{
	char *text = dump(row);
	char *copy = text == NULL ? NULL : arena_strdup(j->arena, text);

	free(text);
	json_decref(row);
	if (copy == NULL || j->out.n_audit == j->max_audit)
		return ERR_NOMEM;
	j->out.audit[j->out.n_audit++] = copy;
	return ERR_OK;
}

/* The record once for so many of the n recipients at a time; takes row. */
static enum err
end_for_rcpts(struct job *j, json_t *row, const char *const *addr, uint32_t n)
{
	enum err e = addr == NULL ? ERR_NOMEM : ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < n; i += RCPTS_A_RECORD) {
		json_t *list = json_array();

		for (uint32_t k = i; k < n && k - i < RCPTS_A_RECORD; k++)
			json_array_append_new(list, outside_text(addr[k]));
		json_object_set_new(row, "rcpts", list);
		e = record_end(j, json_incref(row));
	}
	json_decref(row);
	return e;
}

/* --- the message --- */

/* Of its header; "" when there is none to be found. */
static const char *
raw_field(struct job *j, const char *name)
{
	const struct mime_field *f;
	struct mime_header h;
	struct buf text;
	const char *out = NULL;

	if (mime_header_parse(j->map.data, j->arena, &h, NULL) != ERR_OK)
		return "";
	f = mime_header_find(&h, name, NULL);
	if (f == NULL)
		return "";
	buf_init(&text, LIMIT_FIELD_SIZE * 4);
	if (mime_header_decode(f->value, &text) == ERR_OK)
		out = arena_span_str(j->arena, buf_span(&text));
	buf_clear(&text);
	return out == NULL ? "" : out;
}

static json_t *
accepted(struct job *j, bool look)
{
	json_t *row = record_start(j, "accepted");

	json_object_set_new(row, "direction",
	    json_string(
		j->envelope.route == ENTRY_INBOUND ? "inbound" : "outbound"));
	if (j->came != NULL) {
		put_text(row, "helo", j->came->helo);
		put_text(row, "tls", j->came->tls);
	}
	if (look)
		put_text(row, "message-id", raw_field(j, "Message-ID"));
	/* without the tags: one of them may hold a passphrase */
	if (look && j->conf->audit.subjects)
		put_text(row, "subject",
		    j->parsed ? message_field(&j->msg, "Subject", j->arena)
			      : raw_field(j, "Subject"));
	return row;
}

static enum err
add_accepted(struct job *j, bool look)
{
	const char **addr = arena_array(j->arena, j->n_rcpt, sizeof(*addr));

	for (uint32_t i = 0; addr != NULL && i < j->n_rcpt; i++)
		addr[i] = j->rcpt[i].rcpt->addr;
	measure_accepted(j);
	return end_for_rcpts(j, accepted(j, look), addr, j->n_rcpt);
}

/* --- what was decided --- */

/* The entry that the recipient's copy went into. */
static const struct entry *
entry_of(const struct job *j, const struct job_rcpt *r)
{
	for (uint32_t i = 0; i < j->out.n_entries; i++) {
		const struct entry *e = &j->out.entry[i];

		if ((e->from[0] == 0 && j->envelope.from[0] != 0) ||
		    conf_is_archive_copy(j->conf, e))
			continue; /* a notification, or for an archive */
		for (uint32_t k = 0; k < e->n_rcpt; k++)
			if (strcmp(e->rcpt[k].key, r->rcpt->key) == 0)
				return e;
	}
	return NULL;
}

static const struct ks_record *
key_used(const struct decision *d)
{
	if (d->err != ERR_OK || d->outcome.result != POLICY_CHOSEN)
		return NULL;
	return decide_key(d, d->outcome.rung);
}

static void
put_ref(json_t *row, const struct entry *e)
{
	char id[TEXT_ID_SIZE];

	text_id(e->id, id);
	json_object_set_new(row, "entry", json_string(id));
	if (e->wait_object[0] != 0)
		json_object_set_new(row, "object", json_string(e->wait_object));
}

static void
put_hex(json_t *row, const char *name, struct span octets)
{
	char hex[2 * KS_FPR_MAX + 1];

	text_hex(octets, hex);
	json_object_set_new(row, name, json_string(hex));
}

static enum err
add_decided(struct job *j, const struct job_rcpt *r)
{
	json_t *row = record_start(j, "decided");
	json_t *d = decide_json(&r->d);
	const struct entry *e = entry_of(j, r);
	const struct ks_record *key = key_used(&r->d);

	if (d != NULL)
		json_object_update_new(row, d);
	if (e != NULL)
		put_ref(row, e);
	if (key != NULL)
		put_hex(row, "key", key->fpr);
	put_hex(row, "config", SPAN(j->conf->digest, sizeof(j->conf->digest)));
	if (j->facts.answers_sealed)
		json_object_set_new(row, "answers-encrypted", json_true());
	if (r->d.err == ERR_OK && (r->d.outcome.result != POLICY_CHOSEN ||
				      !policy_rung_sends(r->d.outcome.rung)))
		put_text(row, "reason", decide_reason(&r->d, j->arena));
	return record_end(j, row);
}

static void
log_decision(const struct job *j, const struct job_rcpt *r)
{
	char id[TEXT_ID_SIZE];

	text_id(j->id, id);
	log_event(LOG_LVL_INFO, id, "decided", KV_STR("from", j->envelope.from),
	    KV_STR("rcpt", r->rcpt->addr),
	    KV_STR("rule", r->d.err == ERR_OK ? r->d.rules.from_rule : NULL),
	    KV_STR("result", decide_result_name(&r->d)),
	    KV_STR("rung",
		r->d.err == ERR_OK && r->d.outcome.result == POLICY_CHOSEN
		    ? policy_rung_name(r->d.outcome.rung)
		    : NULL));
}

/* --- what was made of it --- */

static const struct proto_object *
object_of(const struct job *j, const struct entry *e)
{
	for (uint32_t i = 0; i < j->out.n_objects; i++)
		if (strcmp(j->out.object[i].name, e->wait_object) == 0)
			return &j->out.object[i];
	return NULL;
}

static const char *
factor_name(enum object_factor f)
{
	static const char *const names[OBJECT_FACTORS] = {
	    [OBJECT_FACTOR_NONE] = "none",
	    [OBJECT_FACTOR_PASSPHRASE] = "passphrase",
	    [OBJECT_FACTOR_GENERATED] = "generated",
	    [OBJECT_FACTOR_ANSWER] = "answer",
	    [OBJECT_FACTOR_ACCOUNT] = "account",
	};

	return (unsigned)f < OBJECT_FACTORS ? names[f] : "?";
}

/* The object is in the entry: nobody else has it, and it is never over. */
static void
put_attached(const struct job *j, json_t *row, const struct entry *e)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (strcmp(j->rcpt[i].rcpt->key, e->rcpt[0].key) == 0 &&
		    j->rcpt[i].object != NULL) {
			put_text(row, "object", j->rcpt[i].object);
			put_text(row, "factor", factor_name(j->rcpt[i].factor));
		}
	json_object_set_new(row, "attached", json_true());
}

/* One record for each entry that leaves protected. */
static enum err
add_made(struct job *j, const struct entry *e)
{
	bool escrowed = e->rung == RUNG_ESCROW;
	const struct proto_object *o = object_of(j, e);
	const char **addr = arena_array(j->arena, e->n_rcpt, sizeof(*addr));
	json_t *row;

	if (e->kind != ENTRY_READY ||
	    (!escrowed && e->rung != RUNG_SMIME && e->rung != RUNG_PGP))
		return ERR_OK;
	row = begin(j, escrowed ? "escrowed" : "sealed");
	put_ref(row, e);
	if (o != NULL) {
		json_object_set_new(
		    row, "expires", json_integer((json_int_t)o->expires_s));
		put_text(row, "factor", factor_name(o->factor));
		if (object_door_has_code(o->door))
			put_text(row, "door", "code");
	} else if (escrowed) {
		put_attached(j, row, e);
	}
	if (!escrowed) {
		json_object_set_new(row, "rung",
		    json_string(policy_rung_name((enum rung)e->rung)));
		json_object_set_new(
		    row, "size", json_integer((json_int_t)e->body_size));
		put_hex(row, "sha256", SPAN(e->body_hash, DIGEST_SIZE));
	}
	for (uint32_t i = 0; addr != NULL && i < e->n_rcpt; i++)
		addr[i] = e->rcpt[i].addr;
	return end_for_rcpts(j, row, addr, e->n_rcpt);
}

/* The decision of the copy for an archive that the entry is, or NULL. */
static const struct decision *
copy_in(const struct job *j, const struct entry *e)
{
	if (!conf_is_archive_copy(j->conf, e))
		return NULL;
	for (size_t i = 0; i < POLICY_ARCHIVES_MAX; i++)
		if (j->copies.looked[i] &&
		    strcmp(j->copies.d[i].to_key, e->rcpt[0].key) == 0)
			return &j->copies.d[i];
	return NULL;
}

static enum err
add_copied(struct job *j, const struct decision *d, const struct entry *e)
{
	json_t *row = record_start(j, "decided"), *trace = decide_json(d);

	if (trace != NULL)
		json_object_update_new(row, trace);
	json_object_set_new(row, "copy", json_true());
	put_ref(row, e);
	put_hex(row, "key", decide_key(d, d->outcome.rung)->fpr);
	put_hex(row, "config", SPAN(j->conf->digest, sizeof(j->conf->digest)));
	return record_end(j, row);
}

/* Was anything of it taken? */
static bool
is_taken(const struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (j->rcpt[i].d.err == ERR_OK &&
		    (j->rcpt[i].d.outcome.result == POLICY_DEFER ||
			j->rcpt[i].d.outcome.rung != RUNG_REJECT))
			return true;
	return false;
}

enum err
record_decided(struct job *j)
{
	enum err e = ERR_OK;

	if (j->replaces == 0 && is_taken(j))
		e = add_accepted(j, true);
	for (uint32_t i = 0; e == ERR_OK && i < j->n_rcpt; i++) {
		log_decision(j, &j->rcpt[i]);
		e = add_decided(j, &j->rcpt[i]);
	}
	for (uint32_t i = 0; e == ERR_OK && i < j->out.n_entries; i++) {
		const struct decision *copy = copy_in(j, &j->out.entry[i]);

		if (copy != NULL)
			e = add_copied(j, copy, &j->out.entry[i]);
		if (e == ERR_OK)
			e = add_made(j, &j->out.entry[i]);
	}
	return e;
}

/* --- mail from outside --- */

enum err
record_received(struct job *j, bool look)
{
	return add_accepted(j, look);
}

enum err
record_opened(
    struct job *j, json_t *extra, struct job_rcpt *const *rcpts, uint32_t n)
{
	const char **addr = arena_array(j->arena, n, sizeof(*addr));
	json_t *row = record_start(j, "opened");

	json_object_update(row, extra);
	json_decref(extra);
	for (uint32_t i = 0; addr != NULL && i < n; i++)
		addr[i] = rcpts[i]->rcpt->addr;
	return end_for_rcpts(j, row, addr, n);
}

/* --- what was refused --- */

static enum err
add_refused(struct job *j, const struct proto_reply *reply, enum err e)
{
	const char **addr = arena_array(j->arena, j->n_rcpt, sizeof(*addr));
	json_t *row = record_start(j, "refused");

	json_object_set_new(row, "at", json_string("data"));
	json_object_set_new(row, "code", json_integer(reply->code));
	json_object_set_new(row, "status", outside_text(reply->status));
	if (e != ERR_OK)
		json_object_set_new(row, "error", json_string(err_name(e)));
	put_text(row, "reason", reply->text);
	put_text(row, "rule", j->refused_by);
	put_text(row, "must_be", j->must_be);
	for (uint32_t i = 0; addr != NULL && i < j->n_rcpt; i++)
		addr[i] = j->rcpt[i].rcpt->addr;
	return end_for_rcpts(j, row, addr, j->n_rcpt);
}

enum err
record_refused(struct job *j, const struct proto_reply *reply)
{
	return add_refused(j, reply, ERR_OK);
}

static void
not_recorded(const char *from, enum err e)
{
	log_event(
	    LOG_LVL_ERR, NULL, "not-recorded", KV_STR("from", from), KV_ERR(e));
}

/* It is refused whether this can be written or not. */
void
record_not_taken(struct job *j, const struct proto_reply *reply, enum err why)
{
	enum err e;

	j->out.n_audit = 0;
	measure_not_accepted(j);
	e = add_refused(j, reply, why);
	/* why nobody could be decided, for each */
	for (uint32_t i = 0; why == ERR_OK && e == ERR_OK && i < j->n_rcpt; i++)
		e = add_decided(j, &j->rcpt[i]);
	if (e == ERR_OK)
		e = peers_records(
		    j->w, j->out.audit, j->out.n_audit, &j->out.measures);
	if (e != ERR_OK)
		not_recorded(j->envelope.from, e);
}

/* The same of what is no message yet. */
static void
send_alone(struct worker *w, json_t *row, const char *from)
{
	char *text = dump(row);
	const char *record = text;
	const struct proto_measures none = {NULL, 0};
	enum err e =
	    text == NULL ? ERR_NOMEM : peers_records(w, &record, 1, &none);

	if (e != ERR_OK)
		not_recorded(from, e);
	free(text);
	json_decref(row);
}

void
record_refused_at_rcpt(
    struct worker *w, const struct proto_rcpt_check *in, const char *why)
{
	json_t *row = json_object();

	json_object_set_new(row, "type", json_string("refused"));
	json_object_set_new(row, "from", outside_text(in->from_key));
	json_object_set_new(row, "rcpt", outside_text(in->rcpt_key));
	json_object_set_new(row, "client", outside_text(in->client));
	json_object_set_new(row, "at", json_string("rcpt"));
	json_object_set_new(row, "reason", outside_text(why));
	send_alone(w, row, in->from_key);
	log_event(LOG_LVL_INFO, NULL, "refused", KV_STR("from", in->from_key),
	    KV_STR("rcpt", in->rcpt_key), KV_STR("client", in->client),
	    KV_STR("reason", why));
}
