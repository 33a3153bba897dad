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
#include "gateway/notice_words.h"
#include "gateway/worker/worker_private.h"
#include "mime/compose.h"

static void
wipe(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_clear(b);
}

/* The id of the recipient's account, and the gateway's point. */
static enum err
put_account(const struct pickup *p, struct buf *out)
{
	uint8_t raw[PICKUP_ACCOUNT_ID + PICKUP_ACCOUNT_PUBLIC];
	char text[4 * sizeof(raw) / 3 + 4];

	pickup_account_id(p->account, raw);
	memcpy(raw + PICKUP_ACCOUNT_ID, p->point, sizeof(p->point));
	text_base64url(SPAN(raw, sizeof(raw)), text);
	return buf_printf(out, ".%s", text);
}

/* What follows "#": the secret, and what the factor needs. */
static enum err
put_fragment(const struct pickup *p, struct buf *out)
{
	char secret[CRYPTO_ESCROW_LINK_SIZE];
	char question[4 * LIMIT_FACTOR_SIZE / 3 + 4];
	enum err e;

	crypto_escrow_link_text(p->link, p->factor, secret);
	e = buf_put(out, SPAN(secret, sizeof(secret)));
	secret_wipe(secret, sizeof(secret));
	if (e == ERR_OK && p->account != NULL)
		return put_account(p, out);
	if (e != ERR_OK || p->question == NULL)
		return e;
	text_base64url(span_str(p->question), question);
	return buf_printf(out, ".%s", question);
}

static const char *
what_else(const struct notice_words *w, const struct pickup *p)
{
	switch (p->factor) {
	case OBJECT_FACTOR_PASSPHRASE:
	case OBJECT_FACTOR_GENERATED:
		return w->passphrase;
	case OBJECT_FACTOR_ANSWER:
		return w->question;
	case OBJECT_FACTOR_ACCOUNT:
		return w->account;
	case OBJECT_FACTOR_NONE:
	case OBJECT_FACTORS:
		break;
	}
	return object_door_has_code(p->door) ? "" : w->alone;
}

/* All of the notice in one language. */
static enum err
put_words(const struct notice_words *w, const struct pickup *p,
    const struct notice_values *v, struct buf *out)
{
	const char *const texts[] = {w->intro, what_else(w, p),
	    object_door_has_code(p->door) ? w->code : "", w->until, w->check,
	    w->signature};
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < sizeof(texts) / sizeof(*texts);
	     i++)
		e = notice_words_put(out, texts[i], v);
	return e;
}

/* The language of a number; English where none is configured. */
static const struct notice_words *
words_at(const struct conf_portal *c, size_t i)
{
	return notice_words_find(c->n_languages == 0 ? "en" : c->languages[i]);
}

static enum err
notice_text(struct job *j, const struct pickup *p,
    const struct proto_object *obj, struct buf *out)
{
	const struct conf_portal *c = &j->conf->portal;
	size_t n = c->n_languages == 0 ? 1 : c->n_languages;
	char until[TEXT_TIME_SIZE];
	struct notice_values v = {.from = j->envelope.from,
	    .until = until,
	    .url = c->url,
	    .owner = c->brand.name != NULL ? c->brand.name : j->conf->hostname};
	struct buf link;
	enum err e;

	text_time_ms(obj->expires_s * 1000, until);
	until[10] = '\0'; /* the day */
	buf_init(&link, 4096);
	e = buf_printf(&link, "%s/m/%s#", c->url, obj->name);
	if (e == ERR_OK)
		e = put_fragment(p, &link);
	v.link = buf_span(&link);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		if (i > 0)
			e = buf_put(out, span_str("\n* * *\n\n"));
		if (e == ERR_OK)
			e = put_words(words_at(c, i), p, &v, out);
	}
	wipe(&link);
	return e;
}

/* The subject is in the first language alone. */
static const char *
notice_subject(struct job *j)
{
	struct notice_values v = {.from = j->envelope.from,
	    .link = span_str(""),
	    .until = "",
	    .url = "",
	    .owner = ""};
	const char *subject = NULL;
	struct buf b;

	buf_init(&b, 4096);
	if (notice_words_put(&b, words_at(&j->conf->portal, 0)->subject, &v) ==
	    ERR_OK)
		subject = arena_span_str(j->arena, buf_span(&b));
	buf_clear(&b);
	return subject;
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
	m.subject = notice_subject(j);
	if (m.message_id == NULL || m.subject == NULL)
		return ERR_NOMEM;
	return mime_compose_write(&m, to);
}

/* The notice as it leaves, signed where that can be. */
static enum err
make_notice(struct job *j, struct job_rcpt *rcpt, const struct pickup *p,
    const struct proto_object *obj, const struct entry *entry, struct buf *out)
{
	static const uint8_t padding[LIMIT_MESSAGE_PADDING];
	const struct mime_sink signed_to = mime_sink_buf(out);
	struct mime_sink sink;
	struct buf body, msg;
	struct span notice = SPAN(NULL, 0);
	enum err e;

	buf_init(&body, 64 * 1024);
	buf_init(&msg, 128 * 1024);
	sink = mime_sink_buf(&msg);
	e = notice_text(j, p, obj, &body);
	if (e == ERR_OK)
		e = write_notice(j, rcpt, entry, buf_span(&body), &sink);
	if (e == ERR_OK) {
		size_t len = msg.len;

		e = buf_put(&msg, SPAN(padding, sizeof(padding)));
		notice = SPAN(msg.data, len);
	}
	if (e == ERR_OK && pickup_sign(j, rcpt, notice, &signed_to) != ERR_OK) {
		buf_reset(out);
		e = buf_put(out, notice);
	}
	/* both hold the link */
	wipe(&body);
	wipe(&msg);
	return e;
}

struct entry *
pickup_entry(struct job *j, const struct job_rcpt *rcpt)
{
	struct entry *e = job_add_entry(j, 1);

	if (e == NULL)
		return NULL;
	e->kind = ENTRY_READY;
	e->rung = RUNG_ESCROW;
	e->strength = (uint8_t)rcpt->d.outcome.strength;
	/* `notice = tls`: the link goes as the rung tls does, and waits else */
	e->tls = rcpt->d.rules.pickup.notice_tls ? ENTRY_TLS_AUTHENTICATED
						 : ENTRY_TLS_OPPORTUNISTIC;
	job_raise_tls(e, &rcpt->d);
	e->body_8bit = false;
	e->rule = rcpt->d.rules.from_rule;
	entry_forget_origin(e);
	e->n_rcpt = 1;
	e->rcpt[0] = *rcpt->rcpt;
	return e;
}

enum err
pickup_notice(struct job *j, struct job_rcpt *rcpt, const struct pickup *p,
    const struct proto_object *obj)
{
	struct entry *e = pickup_entry(j, rcpt);
	struct buf msg;
	enum err err;

	if (e == NULL)
		return ERR_NOMEM;
	e->wait_object = obj->name;
	buf_init(&msg, 256 * 1024);
	err = make_notice(j, rcpt, p, obj, e, &msg);
	if (err == ERR_OK)
		err = seal_body(
		    j, e, &j->w->pubs.pub[SEALED_READY], buf_span(&msg));
	if (err != ERR_OK)
		j->out.n_entries--;
	wipe(&msg); /* it holds the link */
	return err;
}
