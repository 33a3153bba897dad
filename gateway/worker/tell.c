/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the sender learns, by reply or notification. What the auditor learns is
 * record.c's.
 */
#include <jansson.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"

enum { QUOTED_MAX = 128 * 1024 }; /* octets of a header */

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

struct entry *
tell_begin(struct job *j)
{
	struct entry *e = job_add_entry(j, 1);

	if (e == NULL)
		return NULL;
	e->kind = ENTRY_READY;
	e->route = j->conf->inbound.present &&
			   conf_domain_is_ours(j->conf,
			       ks_addr_domain(span_str(j->envelope.from_key)))
		       ? ENTRY_INBOUND
		       : ENTRY_OUTBOUND;
	e->require = ENTRY_REQUIRE_NOTHING;
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
	return e;
}

/* The header that the notification quotes; empty when there is none that may
   be. */
static enum err
seal_outer(struct job *j, struct span *out)
{
	struct mime_edit edit = {.subject = buf_span(&j->msg.subject)};
	struct buf outer;
	enum err err;

	/* RFC 8689 5: a notification goes by any hop */
	if (j->envelope.require == ENTRY_REQUIRE_TLS || !j->parsed)
		return ERR_OK;
	buf_init(&outer, LIMIT_HEADER_SIZE * 2);
	err = mime_write_outer_header(j->msg.raw, &edit, &outer, NULL);
	/* what cannot be quoted is not: it must not keep the rest back */
	if (err == ERR_OK && outer.len > 0 && outer.len <= QUOTED_MAX)
		err = dsn_outer_seal(&j->w->pubs.pub[SEALED_READY], j->id,
		    j->envelope.from_key, buf_span(&outer), j->arena, out);
	buf_clear(&outer);
	return err == ERR_NOMEM ? err : ERR_OK;
}

/* The sender is told: store has it done. */
static enum err
add_dsn(struct job *j, struct dsn_rcpt *rcpts, uint32_t n)
{
	struct span outer = {0};
	enum err err = n == 0 ? ERR_OK : seal_outer(j, &outer);

	if (err != ERR_OK || n == 0)
		return err;
	j->out.dsn = (struct dsn){.message_id = j->id,
	    .from = j->envelope.from,
	    .from_key = j->envelope.from_key,
	    .envid = j->envelope.envid,
	    .accepted_ms = j->envelope.accepted_ms,
	    .outer = outer,
	    .rcpt = rcpts,
	    .n_rcpt = n};
	return ERR_OK;
}

static struct dsn_rcpt
failed(const struct entry_rcpt *r, const char *status, const char *reason,
    const char *advice)
{
	return (struct dsn_rcpt){.addr = r->addr,
	    .orcpt = r->orcpt,
	    .action = MIME_DSN_FAILED,
	    .status = status,
	    .reason = reason,
	    .advice = advice,
	    .peer = "",
	    .text = ""};
}

static struct dsn_rcpt
refusal(struct job *j, const struct job_rcpt *r)
{
	return failed(r->rcpt, "5.7.1", decide_reason(&r->d, j->arena),
	    "Ask the recipient for a certificate or an OpenPGP key, or your "
	    "administrator for another rule.");
}

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
	row = record_start(j, "held");
	json_object_set_new(row, "why", json_string("no-sender"));
	json_object_set_new(row, "reason", json_string(reason));
	if (record_end(j, row) != ERR_OK)
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
	struct dsn_rcpt *d;
	uint32_t refused = count(j, is_refused), n = 0;

	/* all refused: the reply says so */
	if (refused == 0 || (refused == j->n_rcpt && j->replaces == 0))
		return ERR_OK;
	/* and of each by itself */
	if (j->lmtp)
		return ERR_OK;
	if (j->envelope.from[0] == 0)
		return hold_refused(j, refused);
	d = arena_array(j->arena, refused, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (is_refused(&j->rcpt[i]) &&
		    dsn_is_wanted(j->rcpt[i].rcpt->notify, MIME_DSN_FAILED))
			d[n++] = refusal(j, &j->rcpt[i]);
	return add_dsn(j, d, n);
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
	struct dsn_rcpt *d = arena_array(j->arena, j->n_rcpt, sizeof(*d));
	json_t *row;
	uint32_t n = 0;
	enum err e;

	if (d == NULL)
		return ERR_NOMEM;
	if (j->envelope.from[0] == 0)
		return hold_given_up(j);
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		const struct entry_rcpt *r = j->rcpt[i].rcpt;

		row = record_start(j, "given-up");
		json_object_set_new(row, "rcpt", json_string(r->addr));
		json_object_set_new(
		    row, "why", json_string(j->envelope.reason));
		e = record_end(j, row);
		if (e != ERR_OK)
			return e;
		if (dsn_is_wanted(r->notify, MIME_DSN_FAILED))
			d[n++] = failed(r, "5.4.7",
			    j->envelope.reason[0] != 0
				? j->envelope.reason
				: "it could not be protected in time",
			    "Nothing has been sent. Please send it again or "
			    "ask your administrator.");
	}
	return add_dsn(j, d, n);
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

enum err
tell_each(struct job *j, const struct proto_reply *accepted,
    struct proto_reply **out, uint32_t *n_out)
{
	uint32_t refused = j->parsed ? count(j, is_refused) : 0;
	struct proto_reply *each;

	*n_out = 0;
	if (!j->lmtp || refused == 0)
		return ERR_OK;
	each = arena_array(j->arena, j->n_rcpt, sizeof(*each));
	if (each == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		each[i] = *accepted;
		if (is_refused(&j->rcpt[i]))
			each[i] = (struct proto_reply){550, "5.7.1",
			    decide_reason(&j->rcpt[i].d, j->arena)};
	}
	*out = each;
	*n_out = j->n_rcpt;
	return ERR_OK;
}
