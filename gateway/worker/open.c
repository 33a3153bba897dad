/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail from outside, decided: who of its recipients gets it opened, who gets
 * it as it came, and what is held. gateway/open.h opens and writes it.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/text.h"
#include "gateway/open_shape.h"
#include "gateway/worker/open_private.h"

struct opening {
	struct job *j;
	struct open o;
	bool released;
	struct job_rcpt **rcpt; /* room for all */
};

/* --- layers --- */

/* Say what it is; nothing comes off. */
static enum err
peel(void *arg, const struct mime_tree *t, struct crypto_verdict *v,
    struct open_layer *out, struct err_why *why)
{
	struct opening *w = arg;
	struct open_shape s;
	enum err e = open_shape_find(t, w->j->arena, &s);

	if (e != ERR_OK)
		return e;
	if (s.sealed != CRYPTO_FORM_NONE) {
		v->sealed = CRYPTO_SEALED_CLOSED;
		v->sealed_form = s.sealed;
		v->sealed_reason = CRYPTO_REASON_CLOSED;
	}
	return ERR_NOT_FOUND;
}

/* --- entries --- */

static struct entry *
begin_entry(struct job *j, struct job_rcpt *const *rcpts, uint32_t n)
{
	struct entry *e = job_add_entry(j, n);

	if (e == NULL)
		return NULL;
	e->kind = ENTRY_READY;
	e->route = ENTRY_INBOUND;
	e->rung = RUNG_CLEAR;
	e->rule = "inbound";
	e->client = "";
	e->trace = "";
	e->n_rcpt = n;
	for (uint32_t i = 0; i < n; i++)
		e->rcpt[i] = *rcpts[i]->rcpt;
	return e;
}

static bool
is_8bit(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] >= 0x80)
			return true;
	return false;
}

/* closed: NULL writes it as it was opened, else why it is not. */
static enum err
add_ready(struct opening *w, const char *closed, uint32_t n)
{
	struct job *j = w->j;
	struct spill text;
	struct mime_sink sink;
	struct span octets, trace = span_str(j->envelope.trace);
	struct entry *e;
	enum err err;

	spill_init(&text,
	    j->conf->limits.message_size * LIMIT_VARIANTS_FACTOR - j->octets);
	sink = spill_sink(&text);
	err = closed == NULL ? open_write(&w->o, trace, &sink)
			     : open_write_closed(&w->o, closed, trace, &sink);
	if (err == ERR_OK)
		err = spill_finish(&text, &octets);
	if (err == ERR_OK) {
		e = begin_entry(j, w->rcpt, n);
		err = e == NULL ? ERR_NOMEM : ERR_OK;
	}
	if (err == ERR_OK) {
		e->strength =
		    closed == NULL && open_is_opened(&w->o) ? ENTRY_OPENED : 0;
		e->body_8bit = e->body_8bit || is_8bit(octets);
		err = seal_body(j, e, &j->w->pubs.pub[SEALED_READY], octets);
		if (err != ERR_OK)
			j->out.n_entries--;
	}
	spill_clear(&text);
	return err;
}

static enum err
hold(struct opening *w, const char *reason, uint32_t n)
{
	char id[TEXT_ID_SIZE];

	text_id(w->j->id, id);
	log_event(LOG_LVL_WARN, id, "held",
	    KV_STR("rcpt", w->rcpt[0]->rcpt->addr), KV_NUM("recipients", n),
	    KV_STR("reason", reason));
	return seal_pending(w->j, ENTRY_WHY_HELD, reason, w->rcpt, n);
}

/* --- audit --- */

static enum err
audit(struct opening *w, const char *result, uint32_t n)
{
	struct job *j = w->j;
	json_t *rcpts = json_array(), *extra = json_object();
	struct buf text;
	enum err e;

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(
		    rcpts, json_string(w->rcpt[i]->rcpt->addr));
	json_object_set_new(extra, "rcpts", rcpts);
	json_object_set_new(extra, "result", json_string(result));
	buf_init(&text, 1024 * 1024);
	e = crypto_verdict_json(&w->o.verdict, &text);
	if (e == ERR_OK)
		json_object_set_new(extra, "verdict",
		    json_loadb((const char *)text.data, text.len, 0, NULL));
	buf_clear(&text);
	if (e == ERR_OK)
		return tell_opened(j, extra);
	json_decref(extra);
	return e;
}

static void
log_verdict(const struct opening *w)
{
	const struct crypto_verdict *v = &w->o.verdict;
	char id[TEXT_ID_SIZE];

	text_id(w->j->id, id);
	log_event(LOG_LVL_INFO, id, "opened",
	    KV_STR("from", w->j->envelope.from), KV_STR("author", w->o.author),
	    KV_STR("sealed", crypto_sealed_word(v->sealed)),
	    KV_STR("signature", crypto_signed_word(v->signature)),
	    KV_STR("signer", v->signer), KV_STR("key", v->opened_fpr));
}

/* --- who gets what --- */

static enum err
deliver(struct opening *w, const char *closed, uint32_t n)
{
	enum err e;

	if (n == 0)
		return ERR_OK;
	e = add_ready(w, closed, n);
	return e == ERR_OK
		   ? audit(w, closed == NULL ? "delivered" : "closed", n)
		   : e;
}

static enum err
distribute(struct opening *w)
{
	struct job *j = w->j;
	enum err e;

	for (uint32_t i = 0; i < j->n_rcpt; i++)
		w->rcpt[i] = &j->rcpt[i];
	if (w->o.verdict.sealed != CRYPTO_SEALED_CLOSED ||
	    !j->conf->opening.hold_undecryptable || w->released)
		return deliver(w, NULL, j->n_rcpt);
	e = hold(w, "it is encrypted, and no key opens it", j->n_rcpt);
	return e == ERR_OK ? audit(w, "held", j->n_rcpt) : e;
}

enum err
open_message(struct job *j, bool released, struct err_why *why)
{
	struct opening w = {.j = j, .released = released};
	const struct open_form form = {
	    .authserv_id = j->conf->opening.authserv_id,
	    .subject_tags = j->conf->opening.subject_tags};
	const struct open_engine engine = {peel, &w};
	enum err e;

	w.rcpt = arena_array(j->arena, j->n_rcpt, sizeof(struct job_rcpt *));
	if (w.rcpt == NULL)
		return ERR_NOMEM;
	e = open_read(&w.o, &form, &engine, j->map.data, j->envelope.smtputf8,
	    j->arena, why);
	if (e == ERR_OK) {
		log_verdict(&w);
		e = distribute(&w);
	}
	open_clear(&w.o);
	return e;
}
