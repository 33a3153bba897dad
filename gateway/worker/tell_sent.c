/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * `notify`: one word to the sender on how a message went to each recipient.
 * Inside alone, to nobody who did not write it, with nothing of the message
 * but its Message-ID. What is refused is told by DSN as well (tell.c).
 */
#include <string.h>

#include "common/clock.h"
#include "common/text.h"
#include "gateway/decide_tls.h"
#include "gateway/worker/worker_private.h"
#include "keystore/record.h"
#include "mime/compose.h"

enum { BODY_MAX = 2 << 20, TEXT_MAX = 3 << 20 }; /* octets */

static bool
is_told(const struct job_rcpt *r)
{
	return r->d.err == ERR_OK && r->d.rules.extra.notify;
}

static bool
goes_somewhere(const struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		const struct decision *d = &j->rcpt[i].d;

		if (d->err == ERR_OK && d->outcome.result == POLICY_CHOSEN &&
		    d->outcome.rung != RUNG_REJECT)
			return true;
	}
	return false;
}

/* The reply to the client says all there is when nothing goes anywhere. The
   null sender, automatic mail and senders outside are told nothing. */
static bool
is_wanted(const struct job *j)
{
	bool any = false;

	for (uint32_t i = 0; i < j->n_rcpt; i++)
		any = any || is_told(&j->rcpt[i]);
	return any && goes_somewhere(j) && j->envelope.from[0] != '\0' &&
	       !j->msg.automatic && j->conf->inbound.present &&
	       conf_domain_is_ours(
		   j->conf, ks_addr_domain(span_str(j->envelope.from_key)));
}

/* What became of one, for a person who knows nothing of rungs. */
static const char *
how(struct job *j, const struct decision *d)
{
	const char *text;

	if (d->outcome.result == POLICY_DEFER) {
		text = arena_printf(
		    j->arena, "not sent yet: %s", decide_reason(d, j->arena));
		return text == NULL ? "not sent yet" : text;
	}
	if (decide_passes(d))
		return "sent encrypted, as you had encrypted it";
	switch (d->outcome.rung) {
	case RUNG_SMIME:
		return "sent encrypted for this recipient (S/MIME)";
	case RUNG_PGP:
		return "sent encrypted for this recipient (OpenPGP)";
	case RUNG_ESCROW:
		return "kept encrypted for this recipient, who gets a link to "
		       "it";
	case RUNG_TLS:
		return "sent over encrypted connections alone, to servers "
		       "that prove who they are";
	case RUNG_TLS_ENCRYPT:
		return "sent over encrypted connections alone";
	case RUNG_CLEAR:
		return "sent without encryption of the message";
	case RUNG_HOLD:
		return "not sent: held until an administrator lets it go";
	case RUNG_DROP:
		return "not sent: a rule keeps it from leaving";
	case RUNG_REJECT:
	case RUNG_COUNT:
		break;
	}
	text =
	    arena_printf(j->arena, "not sent: %s", decide_reason(d, j->arena));
	return text == NULL ? "not sent" : text;
}

static enum err
write_body(struct job *j, struct buf *out)
{
	enum err e = buf_printf(out, "Hello,\n"
				     "\n"
				     "this is how your message went:\n"
				     "\n");

	for (uint32_t i = 0; e == ERR_OK && i < j->n_rcpt; i++) {
		const struct job_rcpt *r = &j->rcpt[i];

		if (!is_told(r))
			continue;
		e = buf_printf(out, "%s\n    %s%s.\n", r->rcpt->addr,
		    how(j, &r->d),
		    r->d.sign.key != NULL &&
			    r->d.outcome.result == POLICY_CHOSEN &&
			    policy_rung_sends(r->d.outcome.rung)
			? ", and signed"
			: "");
	}
	if (e == ERR_OK)
		e = buf_printf(out,
		    "\n"
		    "This says how it was sent, not whether it has arrived.\n"
		    "\n"
		    "-- \n"
		    "Sent by the encryption gateway of %s\n",
		    j->conf->hostname);
	return e;
}

static enum err
write_note(struct job *j, const struct entry *e, struct buf *out)
{
	struct mime_compose_field extra[] = {
	    {"Auto-Submitted", "auto-generated"},
	    {"In-Reply-To", message_field(&j->msg, "Message-ID", j->arena)},
	};
	char id[TEXT_ID_SIZE];
	struct mime_compose m = {.from_name = "Encryption gateway",
	    .to = j->envelope.from,
	    .subject = "How your message was sent",
	    .date_s = (int64_t)(clock_unix_ms() / 1000),
	    .extra = extra,
	    .n_extra = extra[1].value[0] == '\0' ? 1 : 2};
	struct mime_sink sink = mime_sink_buf(out);
	struct buf body;
	enum err err;

	text_id(e->id, id);
	m.from = arena_printf(j->arena, "postmaster@%s", j->conf->hostname);
	m.message_id = arena_printf(j->arena, "%s@%s", id, j->conf->hostname);
	if (m.from == NULL || m.message_id == NULL)
		return ERR_NOMEM;
	buf_init(&body, BODY_MAX);
	err = write_body(j, &body);
	m.body = buf_span(&body);
	if (err == ERR_OK)
		err = mime_compose_write(&m, &sink);
	buf_clear(&body);
	return err;
}

enum err
tell_sent(struct job *j)
{
	struct entry *e;
	struct buf text;
	enum err err;

	if (!is_wanted(j))
		return ERR_OK;
	e = tell_begin(j);
	if (e == NULL)
		return ERR_NOMEM;
	buf_init(&text, TEXT_MAX);
	err = write_note(j, e, &text);
	if (err == ERR_OK)
		err = seal_body(
		    j, e, &j->w->pubs.pub[SEALED_READY], buf_span(&text));
	if (err != ERR_OK)
		j->out.n_entries--;
	buf_clear(&text);
	return err;
}
