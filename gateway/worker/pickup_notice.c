/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The notice: the mail with the link of an object. The link secret is in it
 * and nowhere else; it waits in the spool, sealed, until the portal has the
 * object. What the sender tells by another way is never in it.
 */
#include <string.h>

#include "common/clock.h"
#include "common/secret.h"
#include "common/text.h"
#include "crypto/escrow.h"
#include "gateway/worker/worker_private.h"
#include "mime/compose.h"

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_clear(b);
}

/* What follows "#": the secret, and the question if there is one. */
static enum err
put_fragment(const struct pickup *p, struct buf *out)
{
	char secret[CRYPTO_ESCROW_LINK_SIZE];
	char question[4 * LIMIT_FACTOR_SIZE / 3 + 4];
	enum err e;

	crypto_escrow_link_text(p->link, p->factor, secret);
	e = buf_put(out, SPAN(secret, sizeof(secret)));
	secret_wipe(secret, sizeof(secret));
	if (e != ERR_OK || p->question == NULL)
		return e;
	text_base64url(span_str(p->question), question);
	return buf_printf(out, ".%s", question);
}

static const char *
what_else(const struct pickup *p)
{
	switch (p->factor) {
	case OBJECT_FACTOR_PASSPHRASE:
	case OBJECT_FACTOR_GENERATED:
		return "You also need a passphrase, which the sender tells you "
		       "by another\nway than mail. If you do not have it, ask "
		       "the sender for it.\n";
	case OBJECT_FACTOR_ANSWER:
		return "You are asked a question of the sender's, and need its "
		       "answer.\n";
	case OBJECT_FACTOR_NONE:
	case OBJECT_FACTORS:
		break;
	}
	return p->door == OBJECT_DOOR_CODE
		   ? ""
		   : "Whoever has this link can read the message: please do "
		     "not pass this\nmail on.\n";
}

static enum err
notice_text(struct job *j, const struct pickup *p,
    const struct proto_object *obj, struct buf *out)
{
	char until[TEXT_TIME_SIZE];
	enum err e;

	text_time_ms(obj->expires_s * 1000, until);
	e = buf_printf(out,
	    "Hello,\n"
	    "\n"
	    "%s has sent you a message that is too confidential for\n"
	    "ordinary mail. It is kept encrypted for you, and this link opens "
	    "it\nin any browser:\n"
	    "\n"
	    "%s/m/%s#",
	    j->envelope.from, j->conf->portal.url, obj->name);
	if (e == ERR_OK)
		e = put_fragment(p, out);
	if (e == ERR_OK)
		e = buf_printf(out, "\n\n%s%s", what_else(p),
		    p->door == OBJECT_DOOR_CODE
			? "When you open it, a code is sent to you at this "
			  "address.\n"
			: "");
	if (e != ERR_OK)
		return e;
	return buf_printf(out,
	    "The message can be read there until %.10s. Keep this mail if you\n"
	    "want to read the message again.\n"
	    "\n"
	    "If you did not expect anything from this sender, ask them before "
	    "you\nopen the link, and not by answering this mail.\n"
	    "\n"
	    "-- \n"
	    "Sent by the encryption gateway of %s\n",
	    until, j->conf->hostname);
}

static enum err
write_notice(struct job *j, struct job_rcpt *rcpt, const struct entry *entry,
    struct span body, const struct mime_sink *to)
{
	static const struct mime_compose_field extra[] = {
	    {"Auto-Submitted", "auto-generated"},
	};
	char id[TEXT_ID_SIZE];
	struct mime_compose m = {.from = j->envelope.from,
	    .to = rcpt->rcpt->addr,
	    .date_s = (int64_t)(clock_unix_ms() / 1000),
	    .extra = extra,
	    .n_extra = 1,
	    .body = body};

	text_id(entry->id, id);
	m.message_id = arena_printf(j->arena, "%s@%s", id, j->conf->hostname);
	m.subject = arena_printf(
	    j->arena, "Encrypted message from %s", j->envelope.from);
	if (m.message_id == NULL || m.subject == NULL)
		return ERR_NOMEM;
	return mime_compose_write(&m, to);
}

enum err
pickup_notice(struct job *j, struct job_rcpt *rcpt, const struct pickup *p,
    const struct proto_object *obj)
{
	struct entry *e = job_add_entry(j, 1);
	struct buf body, msg;
	struct mime_sink sink;
	enum err err;

	if (e == NULL)
		return ERR_NOMEM;
	e->kind = ENTRY_READY;
	e->rung = RUNG_ESCROW;
	e->strength = (uint8_t)rcpt->d.outcome.strength;
	/* `notice = tls`: the link goes as the rung tls does, and waits else */
	e->tls = rcpt->d.rules.pickup.notice_tls ? ENTRY_TLS_AUTHENTICATED
						 : ENTRY_TLS_OPPORTUNISTIC;
	e->body_8bit = false;
	e->rule = rcpt->d.rules.from_rule;
	e->wait_object = obj->name;
	entry_forget_origin(e);
	e->n_rcpt = 1;
	e->rcpt[0] = *rcpt->rcpt;
	buf_init(&body, 64 * 1024);
	buf_init(&msg, 128 * 1024);
	sink = mime_sink_buf(&msg);
	err = notice_text(j, p, obj, &body);
	if (err == ERR_OK)
		err = write_notice(j, rcpt, e, buf_span(&body), &sink);
	if (err == ERR_OK)
		err = seal_body(
		    j, e, &j->w->pubs.pub[SEALED_READY], buf_span(&msg));
	if (err != ERR_OK)
		j->out.n_entries--;
	/* both hold the link */
	wipe(&body);
	wipe(&msg);
	return err;
}
