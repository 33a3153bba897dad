/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The sent-notice: what of a message waits for pick-up, told to its sender,
 * with the passphrases that were made for it. It is the only place where
 * those can be read; who reads mail of the sender's is the sender.
 */
#include <string.h>

#include "common/clock.h"
#include "common/secret.h"
#include "common/text.h"
#include "gateway/pickup_word.h"
#include "gateway/worker/worker_private.h"
#include "mime/compose.h"

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_clear(b);
}

static bool
waits(const struct job_rcpt *r)
{
	return r->object != NULL && r->done && r->d.err == ERR_OK &&
	       r->d.outcome.result == POLICY_CHOSEN &&
	       r->d.outcome.rung == RUNG_ESCROW;
}

static bool
is_attached(const struct job_rcpt *r)
{
	return policy_pickup_is_attached(&r->d.rules.pickup);
}

/* Is there anything that can be recalled? */
static bool
has_links(const struct job *j)
{
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (waits(&j->rcpt[i]) && !is_attached(&j->rcpt[i]))
			return true;
	return false;
}

static const char *
how_it_opens(enum object_factor f)
{
	switch (f) {
	case OBJECT_FACTOR_PASSPHRASE:
		return "with the passphrase that you have chosen";
	case OBJECT_FACTOR_ANSWER:
		return "with the answer to your question";
	case OBJECT_FACTOR_ACCOUNT:
		return "with the passphrase that the recipient has chosen here";
	case OBJECT_FACTOR_GENERATED:
	case OBJECT_FACTOR_NONE:
	case OBJECT_FACTORS:
		break;
	}
	return "with the link that was sent to the recipient";
}

static enum err
put_rcpt(const struct job_rcpt *r, struct buf *out)
{
	char until[TEXT_TIME_SIZE];

	if (is_attached(r) && r->code != NULL)
		return buf_printf(out,
		    "    %s\n      with the passphrase %.*s, in the file that "
		    "was sent\n",
		    r->rcpt->addr, (int)r->code->len,
		    (const char *)r->code->data);
	text_time_ms(r->expires_s * 1000, until);
	if (r->code == NULL)
		return buf_printf(out, "    %s\n      %s, until %.10s\n",
		    r->rcpt->addr, how_it_opens(r->factor), until);
	return buf_printf(out,
	    "    %s\n      with the passphrase %.*s, until %.10s\n",
	    r->rcpt->addr, (int)r->code->len, (const char *)r->code->data,
	    until);
}

/* Those who have it in this way; nothing if there are none. */
static enum err
put_list(const struct job *j, bool attached, const char *intro, struct buf *out)
{
	enum err e = ERR_OK;
	bool any = false;

	for (uint32_t i = 0; e == ERR_OK && i < j->n_rcpt; i++) {
		const struct job_rcpt *r = &j->rcpt[i];

		if (!waits(r) || is_attached(r) != attached)
			continue;
		if (!any)
			e = buf_printf(out, "\n%s\n", intro);
		any = true;
		if (e == ERR_OK)
			e = put_rcpt(r, out);
	}
	return e;
}

/* An administrator sends it again: the link that was there is gone. */
static bool
is_resent(const struct job *j)
{
	return j->replaces != 0 &&
	       (strcmp(j->envelope.reason, ENTRY_RESENT) == 0 ||
		   strcmp(j->envelope.reason, ENTRY_RESENT_FACTOR) == 0);
}

static enum err
put_text(const struct job *j, bool codes, struct buf *out)
{
	enum err e = buf_puts(out, "Hello,\n");

	if (e == ERR_OK && is_resent(j))
		e = buf_puts(out,
		    "\nan administrator has sent a message of yours again. The "
		    "link that its recipient\nhad before does not open it any "
		    "more.\n");
	if (e == ERR_OK)
		e = put_list(j, false,
		    "your message is kept encrypted for these recipients, who "
		    "were sent a\nlink to read it:\n",
		    out);
	if (e == ERR_OK)
		e = put_list(j, true,
		    "your message was sent, encrypted, to these recipients in "
		    "a file that is\nattached to a mail. It cannot be "
		    "recalled and does not expire, and you are\nnot told when "
		    "it is opened:\n",
		    out);
	if (e == ERR_OK && codes)
		e = buf_puts(out,
		    "\n"
		    "Please tell each recipient the passphrase by another way "
		    "than mail, by\ntelephone for instance. It stands in this "
		    "mail and nowhere else: without\nit nobody can open the "
		    "message, and we cannot find it out.\n");
	if (e == ERR_OK && has_links(j))
		e = pickup_word_help(j->conf, out);
	if (e == ERR_OK)
		e = buf_printf(out,
		    "\n-- \nSent by the encryption gateway of %s\n",
		    j->conf->hostname);
	return e;
}

/* What the sender called it stays inside. */
static const char *
subject(const struct job *j, const struct entry *e)
{
	const char *was = e->route == ENTRY_INBOUND
			      ? message_field(&j->msg, "Subject", j->arena)
			      : "";

	return was[0] != 0 ? arena_printf(j->arena, "For pick-up: %s", was)
			   : "Your message waits for pick-up";
}

static enum err
write_mail(
    struct job *j, const struct entry *e, struct span body, struct buf *out)
{
	static const struct mime_compose_field extra[] = {
	    {"Auto-Submitted", "auto-generated"},
	};
	struct mime_sink sink = mime_sink_buf(out);
	char id[TEXT_ID_SIZE];
	struct mime_compose m = {.from_name = "Encryption gateway",
	    .from = arena_printf(j->arena, "postmaster@%s", j->conf->hostname),
	    .to = j->envelope.from,
	    .subject = subject(j, e),
	    .date_s = (int64_t)(clock_unix_ms() / 1000),
	    .extra = extra,
	    .n_extra = 1,
	    .body = body};
	enum err err = words_address(j, &m.reply_to);

	if (err != ERR_OK)
		return err;
	text_id(e->id, id);
	m.message_id = arena_printf(j->arena, "%s@%s", id, j->conf->hostname);
	if (m.message_id == NULL || m.from == NULL || m.subject == NULL)
		return ERR_NOMEM;
	return mime_compose_write(&m, &sink);
}

enum err
tell_escrowed(struct job *j)
{
	bool any = false, codes = false;
	struct entry *e;
	struct buf body, msg;
	enum err err = ERR_OK;

	/* answers may come to what store writes later, too */
	if (has_links(j) && j->envelope.from[0] != '\0')
		err = words_make_mac(j);
	if (err != ERR_OK)
		return err;
	for (uint32_t i = 0; i < j->n_rcpt; i++) {
		any = any || waits(&j->rcpt[i]);
		codes =
		    codes || (waits(&j->rcpt[i]) && j->rcpt[i].code != NULL);
	}
	if (!any || !(codes || j->conf->portal.sent_notice || is_resent(j)) ||
	    j->envelope.from[0] == 0)
		return ERR_OK;
	e = tell_begin(j);
	if (e == NULL)
		return ERR_NOMEM;
	/* what goes the way of the link must not be read where the link is: a
	   domain of ours without a server inside goes that way, too */
	if (codes && e->route != ENTRY_INBOUND)
		e->tls = ENTRY_TLS_AUTHENTICATED;
	buf_init(&body, LIMIT_FIELD_SIZE * (j->n_rcpt + 2));
	buf_init(&msg, 4 * LIMIT_FIELD_SIZE * (j->n_rcpt + 2));
	err = put_text(j, codes, &body);
	if (err == ERR_OK)
		err = write_mail(j, e, buf_span(&body), &msg);
	if (err == ERR_OK)
		err = seal_body(
		    j, e, &j->w->pubs.pub[SEALED_READY], buf_span(&msg));
	if (err != ERR_OK)
		j->out.n_entries--;
	wipe(&body);
	wipe(&msg);
	return err;
}
