/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What people learn: the sender by reply or notification, the auditor by one
 * row for each recipient.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"
#include "mime/dsn.h"

static bool
is_refused(const struct job_rcpt *r)
{
	return r->d.err != ERR_OK || (r->d.outcome.result == POLICY_CHOSEN &&
					 r->d.outcome.rung == RUNG_REJECT);
}

static bool
is_deferred(const struct job_rcpt *r)
{
	return r->d.err == ERR_OK && r->d.outcome.result == POLICY_DEFER;
}

static uint32_t
count(const struct job *j, bool (*is)(const struct job_rcpt *))
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < j->n_rcpt; i++)
		n += is(&j->rcpt[i]) ? 1 : 0;
	return n;
}

/* --- notifications --- */

static bool
wants_failure_dsn(const struct entry_rcpt *r)
{
	return r->notify == 0 || (r->notify & PROTO_NOTIFY_FAILURE) != 0;
}

static enum err
write_dsn(struct job *j, const struct mime_dsn_rcpt *rcpts, size_t n,
    const struct entry *e, struct buf *out)
{
	struct mime_edit edit = {.subject = buf_span(&j->msg.subject)};
	struct mime_sink sink = mime_sink_buf(out);
	struct mime_dsn d = {.host = j->conf->hostname,
	    .to = j->envelope.from,
	    .envid = j->envelope.envid[0] != 0 ? j->envelope.envid : NULL,
	    .now_s = (int64_t)(clock_unix_ms() / 1000),
	    .arrival_s = (int64_t)(j->envelope.accepted_ms / 1000),
	    .rcpts = rcpts,
	    .n = n};
	char id[TEXT_ID_SIZE];
	uint8_t seed[16];
	struct buf outer;
	enum err err;

	text_id(e->id, id);
	d.queue_id = id;
	random_octets(seed, sizeof(seed));
	d.boundary = mime_boundary_make(seed);
	buf_init(&outer, LIMIT_HEADER_SIZE * 2);
	err = mime_write_outer_header(j->msg.raw, &edit, &outer, NULL);
	if (err == ERR_OK) {
		d.outer = buf_span(&outer);
		err = mime_dsn_write(&d, &sink);
	}
	buf_clear(&outer);
	return err;
}

/* A notification to the sender as a ready entry. */
static enum err
add_dsn(struct job *j, const struct mime_dsn_rcpt *rcpts, size_t n)
{
	struct entry *e = job_add_entry(j, 1);
	struct buf text;
	enum err err;

	if (e == NULL)
		return ERR_NOMEM;
	e->kind = ENTRY_READY;
	e->route = j->conf->inbound.present &&
			   conf_domain_is_ours(j->conf,
			       ks_addr_domain(span_str(j->envelope.from_key)))
		       ? ENTRY_INBOUND
		       : ENTRY_OUTBOUND;
	e->rung = RUNG_CLEAR;
	e->from = "";
	e->from_key = "";
	e->envid = "";
	entry_forget_origin(e);
	e->rule = "notification";
	e->n_rcpt = 1;
	e->rcpt[0] = (struct entry_rcpt){.addr = j->envelope.from,
	    .key = j->envelope.from_key,
	    .orcpt = "",
	    .notify = PROTO_NOTIFY_NEVER};
	buf_init(&text, LIMIT_HEADER_SIZE * 4);
	err = write_dsn(j, rcpts, n, e, &text);
	if (err == ERR_OK)
		err = seal_body(
		    j, e, &j->w->pubs.pub[SEALED_READY], buf_span(&text));
	if (err != ERR_OK)
		j->out.n_entries--;
	buf_clear(&text);
	return err;
}

static struct mime_dsn_rcpt
refusal(struct job *j, const struct job_rcpt *r)
{
	return (struct mime_dsn_rcpt){.addr = r->rcpt->addr,
	    .orcpt = r->rcpt->orcpt[0] != 0 ? r->rcpt->orcpt : NULL,
	    .action = MIME_DSN_FAILED,
	    .status = "5.7.1",
	    .reason = decide_reason(&r->d, j->arena),
	    .advice = "Ask the recipient for a certificate or an OpenPGP key, "
		      "or your administrator for another rule."};
}

static json_t *row_start(const struct job *j, const char *type);
static enum err row_end(struct job *j, json_t *row);

/* What may not be bounced is never dropped: it is held with an alarm. */
static enum err
hold_untold(struct job *j, struct job_rcpt **group, uint32_t n, const char *why)
{
	char id[TEXT_ID_SIZE];
	const char *reason = arena_printf(j->arena,
	    "cannot be sent, and there is no sender to tell: %s", why);
	json_t *row;

	if (reason == NULL)
		return ERR_NOMEM;
	text_id(j->id, id);
	log_event(LOG_LVL_ERR, id, "held", KV_STR("rcpt", group[0]->rcpt->addr),
	    KV_NUM("recipients", n), KV_STR("reason", reason));
	row = row_start(j, "held");
	json_object_set_new(row, "why", json_string("no-sender"));
	json_object_set_new(row, "reason", json_string(reason));
	if (row_end(j, row) != ERR_OK)
		return ERR_NOMEM;
	return seal_pending(j, ENTRY_WHY_HELD, reason, group, n);
}

static enum err
hold_refused(struct job *j, uint32_t refused)
{
	struct job_rcpt **group =
	    arena_array(j->arena, refused, sizeof(*group));
	uint32_t n = 0;

	if (group == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (is_refused(&j->rcpt[i]))
			group[n++] = &j->rcpt[i];
	return hold_untold(j, group, n, decide_reason(&group[0]->d, j->arena));
}

enum err
tell_refused(struct job *j)
{
	struct mime_dsn_rcpt *d;
	uint32_t refused = count(j, is_refused);
	size_t n = 0;

	/* all refused: the reply says so */
	if (refused == 0 || (refused == j->n_rcpt && j->replaces == 0))
		return ERR_OK;
	if (j->envelope.from[0] == 0)
		return hold_refused(j, refused);
	d = arena_array(j->arena, refused, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (is_refused(&j->rcpt[i]) &&
		    wants_failure_dsn(j->rcpt[i].rcpt))
			d[n++] = refusal(j, &j->rcpt[i]);
	return n == 0 ? ERR_OK : add_dsn(j, d, n);
}

static enum err
hold_given_up(struct job *j)
{
	struct job_rcpt **all = arena_array(j->arena, j->n_rcpt, sizeof(*all));

	if (all == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		all[i] = &j->rcpt[i];
	return hold_untold(j, all, j->n_rcpt,
	    j->envelope.reason[0] != 0 ? j->envelope.reason
				       : "it could not be protected in time");
}

enum err
tell_given_up(struct job *j)
{
	struct mime_dsn_rcpt *d = arena_array(j->arena, j->n_rcpt, sizeof(*d));
	json_t *row;
	size_t n = 0;
	enum err e;

	if (d == NULL)
		return ERR_NOMEM;
	if (j->envelope.from[0] == 0)
		return hold_given_up(j);
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		const struct entry_rcpt *r = j->rcpt[i].rcpt;

		row = row_start(j, "given-up");
		json_object_set_new(row, "rcpt", json_string(r->addr));
		json_object_set_new(
		    row, "why", json_string(j->envelope.reason));
		e = row_end(j, row);
		if (e != ERR_OK)
			return e;
		if (wants_failure_dsn(r))
			d[n++] = (struct mime_dsn_rcpt){.addr = r->addr,
			    .orcpt = r->orcpt[0] != 0 ? r->orcpt : NULL,
			    .action = MIME_DSN_FAILED,
			    .status = "5.4.7",
			    .reason = j->envelope.reason[0] != 0
					  ? j->envelope.reason
					  : "it could not be protected in time",
			    .advice = "Nothing has been sent. Please send it "
				      "again or ask your administrator."};
	}
	return n == 0 ? ERR_OK : add_dsn(j, d, n);
}

/* --- the reply --- */

/* The refusal of the first recipient that is refused, or the first wait. */
static const char *
first_reason(struct job *j, bool (*is)(const struct job_rcpt *))
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (is(&j->rcpt[i]))
			return decide_reason(&j->rcpt[i].d, j->arena);
	return err_text(ERR_INTERNAL);
}

void
tell_accepted(struct job *j, struct proto_reply *out)
{
	char id[TEXT_ID_SIZE];
	const char *text;

	text_id(j->id, id);
	text = arena_printf(j->arena, "accepted as %s", id);
	*out = (struct proto_reply){
	    250, "2.0.0", text == NULL ? "accepted" : text};
}

void
tell_reply(struct job *j, struct proto_reply *out)
{
	if (j->parsed && count(j, is_refused) == j->n_rcpt) {
		*out = (struct proto_reply){
		    550, "5.7.1", first_reason(j, is_refused)};
		return;
	}
	if (j->parsed && count(j, is_deferred) == j->n_rcpt) {
		*out = (struct proto_reply){
		    451, "4.7.5", first_reason(j, is_deferred)};
		return;
	}
	tell_accepted(j, out);
}

/* --- audit rows --- */

static json_t *
row_start(const struct job *j, const char *type)
{
	char id[TEXT_ID_SIZE];
	json_t *row = json_object();

	text_id(j->id, id);
	json_object_set_new(row, "type", json_string(type));
	json_object_set_new(row, "id", json_string(id));
	json_object_set_new(row, "from", json_string(j->envelope.from));
	json_object_set_new(row, "client", json_string(j->envelope.client));
	if (j->envelope.auth_id[0] != '\0')
		json_object_set_new(
		    row, "user", json_string(j->envelope.auth_id));
	json_object_set_new(
	    row, "size", json_integer((json_int_t)j->map.data.len));
	return row;
}

static enum err
row_end(struct job *j, json_t *row)
{
	char *text = json_dumps(row, JSON_COMPACT);
	char *copy = text == NULL ? NULL : arena_strdup(j->arena, text);

	free(text);
	json_decref(row);
	if (copy == NULL || j->out.n_audit == j->max_audit)
		return ERR_NOMEM;
	j->out.audit[j->out.n_audit++] = copy;
	return ERR_OK;
}

/* The entry that the recipient's copy went into. */
static const struct entry *
entry_of(const struct job *j, const struct job_rcpt *r)
{
	for (uint32_t i = 0; i < j->out.n_entries; i++) {
		const struct entry *e = &j->out.entry[i];

		if (e->from[0] == 0 && j->envelope.from[0] != 0)
			continue; /* a notification */
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

static enum err
add_row(struct job *j, const struct job_rcpt *r)
{
	json_t *row = row_start(j, "decided");
	json_t *d = decide_json(&r->d);
	const struct entry *e = entry_of(j, r);
	const struct ks_record *key = key_used(&r->d);
	char fpr[2 * KS_FPR_MAX + 1], id[TEXT_ID_SIZE];

	if (d != NULL)
		json_object_update_new(row, d);
	if (e != NULL) {
		text_id(e->id, id);
		json_object_set_new(row, "entry", json_string(id));
		if (e->wait_object[0] != 0)
			json_object_set_new(
			    row, "object", json_string(e->wait_object));
	}
	if (key != NULL) {
		text_hex(key->fpr, fpr);
		json_object_set_new(row, "key", json_string(fpr));
	}
	if (j->facts.answers_sealed)
		json_object_set_new(row, "answers-encrypted", json_true());
	if (j->msg.ambiguous)
		json_object_set_new(row, "ambiguous",
		    json_string(j->msg.ambiguous_why == NULL
				    ? "malformed"
				    : j->msg.ambiguous_why));
	return row_end(j, row);
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

enum err
tell_audit(struct job *j)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; e == ERR_OK && i < j->n_rcpt; i++) {
		log_decision(j, &j->rcpt[i]);
		e = add_row(j, &j->rcpt[i]);
	}
	return e;
}

/* Mail from outside as it was accepted, before anybody looked into it. */
enum err
tell_received(struct job *j)
{
	json_t *row = row_start(j, "received");
	json_t *rcpts = json_array();

	for (uint32_t i = 0; i < j->n_rcpt; i++)
		json_array_append_new(
		    rcpts, json_string(j->rcpt[i].rcpt->addr));
	json_object_set_new(row, "rcpts", rcpts);
	return row_end(j, row);
}

enum err
tell_opened(struct job *j, json_t *extra)
{
	json_t *row = row_start(j, "opened");

	json_object_update(row, extra);
	return row_end(j, row);
}

void
tell_refused_at_data(struct job *j, const char *rule, const char *what)
{
	json_t *row = row_start(j, "refused");
	char *text;
	enum err e;

	json_object_set_new(row, "at", json_string("data"));
	json_object_set_new(row, "rule", json_string(rule));
	json_object_set_new(row, "must_be", json_string(what));
	text = json_dumps(row, JSON_COMPACT);
	e = text == NULL ? ERR_NOMEM : peers_record(j->w, text);
	/* nothing was taken: it is refused all the same */
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "not-recorded",
		    KV_STR("from", j->envelope.from), KV_ERR(e));
	free(text);
	json_decref(row);
}

void
tell_refused_at_rcpt(
    struct worker *w, const struct proto_rcpt_check *in, const char *why)
{
	json_t *row = json_object();
	char *text;
	enum err e;

	json_object_set_new(row, "type", json_string("refused"));
	json_object_set_new(row, "from", json_string(in->from_key));
	json_object_set_new(row, "rcpt", json_string(in->rcpt_key));
	json_object_set_new(row, "client", json_string(in->client));
	json_object_set_new(row, "at", json_string("rcpt"));
	json_object_set_new(row, "reason", json_string(why));
	text = json_dumps(row, JSON_COMPACT);
	e = text == NULL ? ERR_NOMEM : peers_record(w, text);
	/* nothing was taken: it is refused all the same */
	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "not-recorded",
		    KV_STR("rcpt", in->rcpt_key), KV_ERR(e));
	log_event(LOG_LVL_INFO, NULL, "refused", KV_STR("from", in->from_key),
	    KV_STR("rcpt", in->rcpt_key), KV_STR("client", in->client),
	    KV_STR("reason", why));
	free(text);
	json_decref(row);
}
