/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The body is opened once before it is sent, a stretch at a time between other
 * work. A message that may have to be converted for a next hop without 8BITMIME
 * gets a second signature, of what it is then.
 */
#include "gateway/relay/sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/stream.h"
#include "gateway/dkim.h"
#include "gateway/relay/body.h"
#include "gateway/relay/relay_private.h"
#include "mime/convert.h"
#include "mime/dkim.h"

enum {
	CHUNKS_AT_ONCE = 16,
	ANSWER_MS = 30 * 1000,
	FORMS = RELAY_FORMS, /* as it is, and converted */
	CONVERT_SLACK = 4096,
	SIGNATURE_MAX = 2048,
};

struct relay_sign {
	struct relay_job *job;
	void (*done)(struct relay_job *j, enum err e, const char *why);
	struct loop_timer *timer;
	struct relay_body *body;
	struct mime_dkim *dkim[FORMS]; /* NULL: there is no such form */
	struct mime_convert *convert;
	struct buf converted;
	struct buf field[FORMS];
	uint8_t digest[FORMS][DIGEST_SIZE];
	uint8_t key[DIGEST_SIZE]; /* what the key is filed under */
	char name[MIME_DKIM_NAME_MAX + 1];
	unsigned form; /* that keys is asked about */
	bool asked;
};

bool
relay_sign_wanted(const struct relay_job *j)
{
	return j->relay->conf->n_dkim > 0 &&
	       j->deliver.entry.route == ENTRY_OUTBOUND;
}

void
relay_sign_cancel(struct relay_sign *s)
{
	if (s == NULL)
		return;
	relay_body_free(s->body);
	mime_convert_free(s->convert);
	secret_wipe(s->converted.data, s->converted.len);
	buf_clear(&s->converted);
	for (unsigned i = 0; i < FORMS; i++) {
		mime_dkim_free(s->dkim[i]);
		buf_clear(&s->field[i]);
	}
	loop_timer_free(s->timer);
	free(s);
}

static void
end(struct relay_sign *s, enum err e, const char *why)
{
	struct relay_job *j = s->job;
	void (*done)(struct relay_job *, enum err, const char *) = s->done;

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, j->id_text, "not-signed",
		    KV_STR("key", s->name), KV_STR("why", why), KV_ERR(e));
	relay_sign_cancel(s);
	done(j, e, why);
}

/* --- the digests --- */

static enum err
put(struct relay_sign *s, struct span chunk, bool last)
{
	enum err e = mime_dkim_put(s->dkim[0], chunk);

	if (e != ERR_OK || s->convert == NULL)
		return e;
	buf_reset(&s->converted);
	e = mime_convert_put(s->convert, chunk);
	if (e == ERR_OK && last)
		e = mime_convert_finish(s->convert);
	if (e == ERR_OK)
		e = mime_dkim_put(s->dkim[1], buf_span(&s->converted));
	return e;
}

static void
ask(struct relay_sign *s)
{
	const struct proto_sign m = {.fpr = SPAN(s->key, sizeof(s->key)),
	    .alg = DKIM_SIGN_ALG,
	    .in = SPAN(s->digest[s->form], DIGEST_SIZE)};
	struct relay *r = s->job->relay;
	struct buf b;
	enum err e;

	buf_init(&b, LIMIT_IPC_INLINE);
	e = proto_sign_pack(&m, &b);
	if (e == ERR_OK)
		e = r->keys == NULL ? ERR_CLOSED
				    : ipc_post(r->keys, PROTO_SIGN, s->job->id,
					  buf_span(&b), NULL, 0);
	buf_clear(&b);
	s->asked = true;
	/* the timer tells what failed: nobody is called from within a call */
	loop_timer_start(s->timer, e == ERR_OK ? ANSWER_MS : 0, 0);
}

/* What a stranger has sent and one of ours passes on says what it likes in
   From: only who sends as that domain is signed for. Without a sender nobody
   can be asked. */
static bool
is_sent_for(const struct relay_job *j, const struct conf_dkim *c)
{
	const char *from = j->deliver.entry.from_key;
	const char *at = strrchr(from, '@');

	if (from[0] == '\0' ||
	    (at != NULL && conf_dkim_for(j->relay->conf, at + 1) == c))
		return true;
	log_event(LOG_LVL_NOTICE, j->id_text, "unsigned",
	    KV_STR("domain", c->domain), KV_STR("from", from),
	    KV_STR("why", "its sender is of another domain"));
	return false;
}

/* The fields up to their signatures. false: nobody signs for it. */
static enum err
make_fields(struct relay_sign *s, bool *signs)
{
	struct arena *a = s->job->arena;
	const struct conf_dkim *c;
	uint64_t now = clock_unix_ms() / 1000;
	enum err e = ERR_OK;

	for (unsigned i = 0; e == ERR_OK && i < FORMS && s->dkim[i]; i++)
		e = mime_dkim_finish(s->dkim[i], a);
	if (e != ERR_OK)
		return e;
	c = conf_dkim_for(s->job->relay->conf, mime_dkim_domain(s->dkim[0], a));
	*signs = c != NULL && is_sent_for(s->job, c);
	if (!*signs)
		return ERR_OK;
	dkim_name(c->selector, c->domain, s->name);
	dkim_key_id(s->name, s->key);
	for (unsigned i = 0; e == ERR_OK && i < FORMS && s->dkim[i]; i++)
		e = mime_dkim_begin(s->dkim[i], c->domain, c->selector, now,
		    &s->field[i], s->digest[i]);
	return e;
}

static void
read_whole(struct relay_sign *s)
{
	bool signs = false;
	enum err e = make_fields(s, &signs);

	relay_body_free(s->body);
	s->body = NULL;
	if (e != ERR_OK)
		end(s, e, "its header cannot be read for a DKIM signature");
	else if (!signs)
		end(s, ERR_OK, "");
	else
		ask(s);
}

static void
read_on(struct relay_sign *s)
{
	struct span chunk;
	bool last = false;
	enum err e = ERR_OK;

	for (int i = 0; e == ERR_OK && !last && i < CHUNKS_AT_ONCE; i++) {
		e = relay_body_next(s->body, &chunk, &last);
		if (e == ERR_OK)
			e = put(s, chunk, last);
	}
	if (e != ERR_OK)
		end(s, e, "the stored message cannot be opened");
	else if (last)
		read_whole(s);
	else
		loop_timer_start(s->timer, 0, 0);
}

static void
on_timer(void *arg)
{
	struct relay_sign *s = arg;

	if (s->asked)
		end(s, ERR_TIMEOUT, "its DKIM key cannot be used now");
	else
		read_on(s);
}

struct relay_sign *
relay_sign_begin(struct relay_job *j,
    void (*done)(struct relay_job *j, enum err e, const char *why))
{
	const struct entry *e = &j->deliver.entry;
	struct relay_sign *s = calloc(1, sizeof(*s));
	struct mime_sink sink;

	if (s == NULL)
		fatal("out of memory");
	s->job = j;
	s->done = done;
	s->timer = loop_timer_new(j->relay->setup.loop, on_timer, s);
	buf_init(&s->converted, 4 * STREAM_CHUNK + CONVERT_SLACK);
	for (unsigned i = 0; i < FORMS; i++)
		buf_init(&s->field[i], MIME_DKIM_FIELD_MAX);
	s->dkim[0] = mime_dkim_new();
	if (e->convert.n > 0) {
		sink = mime_sink_buf(&s->converted);
		s->convert = mime_convert_new(&e->convert, &sink);
		s->dkim[1] = mime_dkim_new();
	}
	/* what does not open is told by the first step */
	if (relay_body_open(&j->relay->pub, j->relay->priv, e, j->sealed,
		&s->body) != ERR_OK)
		s->asked = true;
	loop_timer_start(s->timer, 0, 0);
	return s;
}

/* --- the signatures --- */

void
relay_sign_answer(struct relay_sign *s, struct span payload)
{
	struct relay_job *j = s->job;
	struct proto_signed m;
	struct span field;
	enum err e;

	if (!s->asked)
		return;
	e = proto_signed_unpack(payload, &m);
	if (e == ERR_OK)
		e = m.result;
	if (e == ERR_OK)
		e = mime_dkim_end(&s->field[s->form], m.signature);
	if (e == ERR_OK) {
		field = buf_span(&s->field[s->form]);
		j->dkim[s->form] =
		    SPAN(arena_alloc(j->arena, field.len + 1), field.len);
		if (j->dkim[s->form].data == NULL)
			fatal("out of memory");
		memcpy((uint8_t *)(uintptr_t)j->dkim[s->form].data, field.data,
		    field.len);
		if (++s->form < FORMS && s->dkim[s->form] != NULL) {
			ask(s);
			return;
		}
	}
	end(s, e,
	    e == ERR_OK	      ? ""
	    : e == ERR_NO_KEY ? "there is no such DKIM key (sealgate dkim)"
			      : "its DKIM key cannot be used");
}

void
relay_sign_lost(struct relay_sign *s)
{
	if (s->asked)
		loop_timer_start(s->timer, 0, 0);
}
