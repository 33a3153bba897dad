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
	KEYS = 2,	     /* RSA, and Ed25519 where there is one */
	CONVERT_SLACK = 4096,
};

struct signer {
	enum mime_dkim_alg alg;
	const char *selector;
	uint8_t key[DIGEST_SIZE]; /* what it is filed under */
	char name[MIME_DKIM_NAME_MAX + 1];
};

struct relay_sign {
	struct relay_job *job;
	void (*done)(struct relay_job *j, enum err e, const char *why);
	struct loop_timer *timer;
	struct relay_body *body;
	struct mime_dkim *dkim[FORMS]; /* NULL: there is no such form */
	struct mime_convert *convert;
	struct buf converted;
	const char *domain; /* that signs */
	uint64_t now_s;
	struct signer signer[KEYS];
	unsigned n_signer;
	/* --- what keys is asked for --- */
	unsigned form, at; /* of it, by that signer */
	struct buf fields; /* of the form, the last without its signature */
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
	for (unsigned i = 0; i < FORMS; i++)
		mime_dkim_free(s->dkim[i]);
	buf_clear(&s->fields);
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
		    KV_STR("key", s->signer[s->at].name), KV_STR("why", why),
		    KV_ERR(e));
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

/* Begin a field and ask for its signature. */
static enum err
ask(struct relay_sign *s)
{
	const struct signer *k = &s->signer[s->at];
	uint8_t digest[DIGEST_SIZE];
	struct proto_sign m = {.fpr = SPAN(k->key, sizeof(k->key)),
	    .alg = k->alg == MIME_DKIM_RSA ? DKIM_SIGN_RSA : DKIM_SIGN_ED25519,
	    .in = SPAN(digest, DIGEST_SIZE)};
	struct relay *r = s->job->relay;
	struct buf b;
	enum err e = mime_dkim_begin(s->dkim[s->form], k->alg, s->domain,
	    k->selector, s->now_s, &s->fields, digest);

	if (e != ERR_OK)
		return e;
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
	return ERR_OK;
}

/* What a stranger has sent and one of ours passes on says what it likes in
   From: only who sends as that domain is signed for. What has no sender must be
   the gateway's own, or a worker has seen who may write as that domain:
   nothing that a header says makes it so. */
static bool
is_sent_for(const struct relay_sign *s, const struct conf_dkim *c)
{
	const struct relay_job *j = s->job;
	const struct entry *e = &j->deliver.entry;
	const char *from = e->from_key;
	const char *at = strrchr(from[0] == '\0' ? e->auth_from : from, '@');

	if ((from[0] == '\0' && entry_is_own(e)) ||
	    (at != NULL && conf_dkim_for(j->relay->conf, at + 1) == c))
		return true;
	log_event(LOG_LVL_NOTICE, j->id_text, "unsigned",
	    KV_STR("domain", c->domain), KV_STR("from", from),
	    KV_STR("why", from[0] == '\0'
			      ? "it has no sender, and nobody may sign it"
			      : "its sender is of another domain"));
	return false;
}

static void
add_signer(struct relay_sign *s, enum mime_dkim_alg alg, const char *selector)
{
	struct signer *k;

	if (selector == NULL)
		return;
	k = &s->signer[s->n_signer++];
	k->alg = alg;
	k->selector = selector;
	dkim_name(selector, s->domain, k->name);
	dkim_key_id(k->name, k->key);
}

/* Nobody: n_signer stays 0. */
static enum err
find_signers(struct relay_sign *s)
{
	struct arena *a = s->job->arena;
	const struct conf_dkim *c;
	enum err e = ERR_OK;

	for (unsigned i = 0; e == ERR_OK && i < FORMS && s->dkim[i]; i++)
		e = mime_dkim_finish(s->dkim[i], a);
	if (e != ERR_OK)
		return e;
	c = conf_dkim_for(s->job->relay->conf, mime_dkim_domain(s->dkim[0], a));
	if (c == NULL || !is_sent_for(s, c))
		return ERR_OK;
	s->domain = c->domain;
	s->now_s = clock_unix_ms() / 1000;
	add_signer(s, MIME_DKIM_RSA, c->selector);
	add_signer(s, MIME_DKIM_ED25519, c->ed25519);
	return ERR_OK;
}

static void
read_whole(struct relay_sign *s)
{
	enum err e = find_signers(s);

	relay_body_free(s->body);
	s->body = NULL;
	if (e == ERR_OK && s->n_signer > 0)
		e = ask(s);
	if (e != ERR_OK)
		end(s, e, "its header cannot be read for a DKIM signature");
	else if (s->n_signer == 0)
		end(s, ERR_OK, "");
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
	buf_init(&s->fields, KEYS * MIME_DKIM_FIELD_MAX);
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

/* The fields of a form are whole. */
static void
keep_fields(struct relay_sign *s)
{
	struct relay_job *j = s->job;
	struct span fields = buf_span(&s->fields);
	uint8_t *copy = arena_alloc(j->arena, fields.len + 1);

	if (copy == NULL)
		fatal("out of memory");
	memcpy(copy, fields.data, fields.len);
	j->dkim[s->form] = SPAN(copy, fields.len);
	buf_reset(&s->fields);
}

/* Is there another one to be made? */
static bool
go_on(struct relay_sign *s)
{
	if (++s->at < s->n_signer)
		return true;
	keep_fields(s);
	s->at = 0;
	return ++s->form < FORMS && s->dkim[s->form] != NULL;
}

void
relay_sign_answer(struct relay_sign *s, struct span payload)
{
	struct proto_signed m;
	bool more = false;
	enum err e;

	if (!s->asked)
		return;
	e = proto_signed_unpack(payload, &m);
	if (e == ERR_OK)
		e = m.result;
	if (e == ERR_OK)
		e = mime_dkim_end(&s->fields, m.signature);
	if (e == ERR_OK) {
		more = go_on(s);
		if (more)
			e = ask(s);
	}
	if (e == ERR_OK && more)
		return;
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
