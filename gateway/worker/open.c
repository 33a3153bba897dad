/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail from outside, decided: who of its recipients gets it opened, who gets
 * it as it came, and what is held. gateway/open.h opens and writes it.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/worker/open_private.h"
#include "mime/utf8.h"

enum { ONE_MEMORY = 256 * 1024 * 1024 }; /* of opening it once more */

/* What a recipient gets. The zero value is the one that shows nothing. */
enum share {
	SHARE_CLOSED = 0, /* as it came: no key of the recipient opens it */
	SHARE_HELD_CLOSED,
	SHARE_HELD_REPLAY, /* by the domain's key, and it is not named */
	SHARE_HELD_UNSIGNED,
	SHARE_OPENED,
	SHARE_UNWRITABLE, /* as it came: what is inside makes no message */
	SHARE_ARCHIVED,	  /* as it came, for the archive alone */
	SHARES
};

static const struct {
	const char *result; /* in the audit log */
	const char *reason; /* of what is held or closed */
} share_words[SHARES] = {
    [SHARE_CLOSED] = {"closed", "no key of this recipient opens it"},
    [SHARE_HELD_CLOSED] = {"held", "it is encrypted, and no key opens it"},
    [SHARE_HELD_REPLAY] = {"held",
	"it opens with the key of the domain, and its protected header does "
	"not name this recipient: somebody may have sent it again to another "
	"mailbox"},
    [SHARE_HELD_UNSIGNED] = {"held",
	"a rule wants it signed, and what was encrypted is not"},
    [SHARE_OPENED] = {"delivered", ""},
    [SHARE_UNWRITABLE] = {"closed", CRYPTO_REASON_CLOSED},
    [SHARE_ARCHIVED] = {"archived", ""},
};

/* What the keys of a domain alone make of the message. */
struct by_domain {
	const char *domain;
	bool opens; /* to the same text */
	bool whole; /* and nobody can have changed that */
};

struct opening {
	struct job *j;
	struct open o;
	struct open_engine_both tools;
	bool released;
	enum share *share;	/* of each recipient of the job */
	struct job_rcpt **rcpt; /* room for all */
	struct by_domain *seen; /* room for as many */
	uint32_t n_seen;
};

static bool
is_open(const struct crypto_verdict *v)
{
	return v->sealed == CRYPTO_SEALED_OPENED ||
	       v->sealed == CRYPTO_SEALED_UNAUTHENTICATED;
}

/* --- who may have it --- */

/* Signed by a gateway that an administrator knows: it says whom it seals for,
   Bcc included. */
static bool
is_from_known_gateway(const struct opening *w)
{
	const struct conf_opening *c = &w->j->conf->opening;

	for (size_t i = 0; i < w->o.verdict.n_sigs; i++) {
		const struct crypto_signature *s = &w->o.verdict.sigs[i];

		if (s->partial || (s->status != CRYPTO_SIGNED_GOOD &&
				      s->status != CRYPTO_SIGNED_OTHER))
			continue;
		for (size_t k = 0; k < c->n_known_gateways; k++)
			if (strcasecmp(s->fpr, c->known_gateways[k]) == 0)
				return true;
	}
	return false;
}

static bool
is_whole(const struct crypto_verdict *v)
{
	return v->sealed == CRYPTO_SEALED_OPENED ||
	       v->signature == CRYPTO_SIGNED_GOOD;
}

/* The domain's key opens what was meant for any of its mailboxes: only what
   nobody can have changed says for which. */
static enum share
share_by_domain(const struct opening *w, bool whole, const char *key)
{
	if (w->released || (whole && open_shows(&w->o, key)) ||
	    is_from_known_gateway(w))
		return SHARE_OPENED;
	return SHARE_HELD_REPLAY;
}

/* What opening it with the keys that speak for one recipient comes to. */
struct once {
	bool opens; /* to the same text */
	bool domain_key;
	bool whole;
};

static enum err
open_once(struct opening *w, const char *key, enum open_engine_keys which,
    struct once *out, struct err_why *why)
{
	struct job *j = w->j;
	struct open_engine_both tools = w->tools; /* borrows its keys */
	struct open_engine engine = open_engine_both(&tools);
	/* its own: there may be hundreds of recipients */
	struct arena *arena = arena_new(ONE_MEMORY);
	struct open o;
	enum err e;

	if (arena == NULL)
		return ERR_NOMEM;
	tools.only = key;
	tools.which = which;
	tools.smime.arena = arena;
	tools.smime.from = NULL;
	tools.smime.n_limited = 0;
	tools.autocrypt = SPAN(NULL, 0);
	e = open_read(&o, &w->o.form, &engine, j->map.data,
	    j->envelope.smtputf8, arena, why);
	*out = (struct once){0};
	if (e == ERR_OK && is_open(&o.verdict) &&
	    span_eq(o.entity, w->o.entity))
		*out = (struct once){
		    true, o.verdict.domain_key, is_whole(&o.verdict)};
	open_clear(&o);
	arena_free(arena);
	return e;
}

static const char *
domain_of(const char *key)
{
	const char *at = strrchr(key, '@');

	return at == NULL ? "" : at + 1;
}

static struct by_domain *
find_seen(struct opening *w, const char *domain)
{
	for (uint32_t i = 0; i < w->n_seen; i++)
		if (strcmp(w->seen[i].domain, domain) == 0)
			return &w->seen[i];
	return NULL;
}

static bool
has_own_key(const struct opening *w, const char *key)
{
	const struct open_engine_both *t = &w->tools;

	for (size_t i = 0; i < t->smime.n_keys; i++)
		if (!t->smime.keys[i].domain &&
		    strcmp(t->smime.keys[i].addr, key) == 0)
			return true;
	for (size_t i = 0; i < t->n_pgp_keys; i++)
		if (!t->pgp_keys[i].domain &&
		    strcmp(t->pgp_keys[i].addr, key) == 0)
			return true;
	return false;
}

/* What the keys of a domain make of the message is the same for all of its
   mailboxes: once will do for hundreds of them. */
static enum err
share_in_domain(
    struct opening *w, const char *key, enum share *out, struct err_why *why)
{
	const char *domain = domain_of(key);
	const struct by_domain *seen = find_seen(w, domain);
	struct once once;
	enum err e;

	if (seen == NULL) {
		e = open_once(w, key, OPEN_KEYS_DOMAIN, &once, why);
		if (e != ERR_OK)
			return e;
		seen = &w->seen[w->n_seen];
		w->seen[w->n_seen++] =
		    (struct by_domain){domain, once.opens, once.whole};
	}
	*out =
	    seen->opens ? share_by_domain(w, seen->whole, key) : SHARE_CLOSED;
	return ERR_OK;
}

/* Does a key of this recipient open it, too? The names of recipients in a
   message prove nothing, anybody can add one: it is opened again, with the keys
   of the address first, for what they open is his whoever is named. Of several
   pieces each may be for another of them. */
static enum err
share_by_own_key(
    struct opening *w, const char *key, enum share *out, struct err_why *why)
{
	bool pieces = w->o.verdict.several_keys;
	struct once once = {0};
	enum err e = ERR_OK;

	if (has_own_key(w, key))
		e = open_once(w, key, OPEN_KEYS_OWN, &once, why);
	if (e == ERR_OK && !once.opens && pieces)
		e = open_once(w, key, OPEN_KEYS_ALL, &once, why);
	if (e == ERR_OK && !once.opens && !pieces)
		return share_in_domain(w, key, out, why);
	if (e == ERR_OK)
		*out = !once.opens	 ? SHARE_CLOSED
		       : once.domain_key ? share_by_domain(w, once.whole, key)
					 : SHARE_OPENED;
	return e;
}

/* The first opening may have told already what a domain's keys make of it. */
static void
note_seen(struct opening *w)
{
	const struct crypto_verdict *v = &w->o.verdict;

	if (is_open(v) && v->domain_key && !v->several_keys)
		w->seen[w->n_seen++] =
		    (struct by_domain){v->opened_for, true, is_whole(v)};
}

static enum err
share_of(
    struct opening *w, const char *key, enum share *out, struct err_why *why)
{
	const struct crypto_verdict *v = &w->o.verdict;

	if (v->sealed == CRYPTO_SEALED_CLOSED) {
		*out = w->j->conf->opening.hold_undecryptable && !w->released
			   ? SHARE_HELD_CLOSED
			   : SHARE_OPENED; /* as it came, with its verdict */
		return ERR_OK;
	}
	if (!is_open(v)) {
		*out = SHARE_OPENED;
		return ERR_OK;
	}
	/* with several keys only opening it with his alone tells */
	if (!v->domain_key && !v->several_keys &&
	    strcmp(v->opened_for, key) == 0) {
		*out = SHARE_OPENED;
		return ERR_OK;
	}
	return share_by_own_key(w, key, out, why);
}

/* Does a rule want a signature that only opening could show? */
static bool
lacks_signature(const struct opening *w, const char *key)
{
	const struct open *o = &w->o;
	const struct span from[2] = {span_str(w->j->envelope.from_key),
	    span_str(o->author == NULL ? "" : o->author)};
	const struct policy_inbound_facts f = {.from = from,
	    .n_from = 2,
	    .unsure = o->author == NULL,
	    .to = span_str(key)};
	struct policy_inbound d;

	if (!is_open(&o->verdict) || w->released)
		return false;
	policy_inbound(w->j->conf->policy, &f, &d);
	return d.is_signed && o->verdict.signature != CRYPTO_SIGNED_GOOD;
}

static enum err
share_all(struct opening *w, struct err_why *why)
{
	struct job *j = w->j;
	enum err e = ERR_OK;

	note_seen(w);
	for (uint32_t i = 0; e == ERR_OK && i < j->n_rcpt; i++) {
		const char *key = j->rcpt[i].rcpt->key;

		e = share_of(w, key, &w->share[i], why);
		if (e == ERR_OK && w->share[i] == SHARE_OPENED &&
		    lacks_signature(w, key))
			w->share[i] = SHARE_HELD_UNSIGNED;
	}
	return e;
}

/* --- entries --- */

/* Is nobody told of what becomes of it? Whether mail that is encrypted, as
   everybody can see, was opened, held or delivered closed is what a private key
   said: a notification of one of these and not of another would tell a stranger
   which. And nobody is told of what he did not send. Failed, it is held. */
static bool
is_silent(const struct opening *w)
{
	return w->o.verdict.sealed != CRYPTO_SEALED_NONE ||
	       open_is_forged(w->j, &w->o.outer);
}

/* For the first n of w->rcpt; NULL: there is no memory. */
static struct entry *
begin_entry(struct opening *w, uint32_t n)
{
	struct entry *e = job_add_entry(w->j, n);
	bool silent = is_silent(w);

	if (e == NULL)
		return NULL;
	e->kind = ENTRY_READY;
	e->route = ENTRY_INBOUND;
	e->rung = RUNG_CLEAR;
	e->rule = "inbound";
	e->trace = ""; /* the client is told to our server */
	e->n_rcpt = n;
	e->ret_hdrs = true; /* whoever returns it must not return a text */
	for (uint32_t i = 0; i < n; i++) {
		e->rcpt[i] = *w->rcpt[i]->rcpt;
		if (silent)
			e->rcpt[i].notify =
			    PROTO_NOTIFY_NEVER | PROTO_NOTIFY_HOLD;
		e->rcpt[i].notify |= PROTO_NOTIFY_OUTSIDE;
	}
	return e;
}

static enum err
write_share(struct opening *w, enum share share, const struct mime_sink *to)
{
	struct span trace = span_str(w->j->envelope.trace);

	if (share == SHARE_ARCHIVED)
		return open_write_original(&w->o, trace, to);
	return share == SHARE_OPENED
		   ? open_write(&w->o, trace, to)
		   : open_write_closed(
			 &w->o, share_words[share].reason, trace, to);
}

static enum err
add_ready(struct opening *w, enum share share, uint32_t n)
{
	struct job *j = w->j;
	struct spill text;
	struct mime_sink sink;
	struct span octets;
	struct entry *e;
	enum err err;

	spill_init(&text,
	    j->conf->limits.message_size * LIMIT_VARIANTS_FACTOR - j->octets);
	sink = spill_sink(&text);
	err = write_share(w, share, &sink);
	if (err == ERR_OK)
		err = spill_finish(&text, &octets);
	if (err == ERR_OK) {
		e = begin_entry(w, n);
		err = e == NULL ? ERR_NOMEM : ERR_OK;
	}
	if (err == ERR_OK) {
		e->body_8bit = e->body_8bit || !mime_is_ascii(octets);
		err = job_plan_convert(j, e, octets);
		if (err == ERR_OK)
			err = seal_body(
			    j, e, &j->w->pubs.pub[SEALED_READY], octets);
		if (err != ERR_OK)
			j->out.n_entries--;
	}
	spill_clear(&text);
	return err;
}

static enum err
add_held(struct opening *w, enum share share, uint32_t n)
{
	const char *reason = share_words[share].reason;
	char id[TEXT_ID_SIZE];

	text_id(w->j->id, id);
	log_event(LOG_LVL_WARN, id, "held",
	    KV_STR("rcpt", w->rcpt[0]->rcpt->addr), KV_NUM("recipients", n),
	    KV_STR("reason", reason));
	return seal_pending(w->j, ENTRY_WHY_HELD, reason, w->rcpt, n);
}

/* --- audit --- */

static enum err
audit(struct opening *w, enum share share, uint32_t n)
{
	json_t *extra = json_object();
	struct buf text;
	enum err e;

	json_object_set_new(
	    extra, "result", json_string(share_words[share].result));
	if (share_words[share].reason[0] != '\0')
		json_object_set_new(
		    extra, "reason", json_string(share_words[share].reason));
	buf_init(&text, 1024 * 1024);
	e = crypto_verdict_json(&w->o.verdict, &text);
	if (e == ERR_OK)
		json_object_set_new(extra, "verdict",
		    json_loadb((const char *)text.data, text.len, 0, NULL));
	buf_clear(&text);
	if (e == ERR_OK)
		return record_opened(w->j, extra, w->rcpt, n);
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

/* --- all together --- */

/* Will it never be written, however often it is tried? */
static bool
is_unwritable(enum err e)
{
	return err_class(e) == ERR_CLASS_MALFORMED || e == ERR_LIMIT ||
	       e == ERR_TOO_BIG;
}

/* One entry for all that get the same. What cannot be written as opened is
   delivered as it came: held, nothing would ever become of it. */
static enum err
distribute(struct opening *w, enum share share)
{
	struct job *j = w->j;
	uint32_t n = 0;
	enum err e;

	for (uint32_t i = 0; i < j->n_rcpt; i++)
		if (w->share[i] == share)
			w->rcpt[n++] = &j->rcpt[i];
	if (n == 0)
		return ERR_OK;
	if (share == SHARE_OPENED) {
		e = add_ready(w, share, n);
		if (is_unwritable(e)) {
			share = SHARE_UNWRITABLE;
			e = add_ready(w, share, n);
		}
	} else {
		e = share == SHARE_CLOSED ? add_ready(w, share, n)
					  : add_held(w, share, n);
	}
	return e == ERR_OK ? audit(w, share, n) : e;
}

/* Whoever gets it opened would otherwise have all there is of it: the original
   goes to the archive, sealed as its sender did it. */
static enum err
archive(struct opening *w)
{
	const struct conf_opening *c = &w->j->conf->opening;
	const struct entry_rcpt rcpt = {
	    .addr = c->archive_to, .key = c->archive_key, .orcpt = ""};
	struct job_rcpt to = {.rcpt = &rcpt};
	bool opened = false;
	enum err e;

	if (c->archive_key == NULL || !open_is_opened(&w->o))
		return ERR_OK;
	for (uint32_t i = 0; i < w->j->n_rcpt; i++) {
		opened = opened || w->share[i] == SHARE_OPENED;
		if (strcmp(w->j->rcpt[i].rcpt->key, c->archive_key) == 0)
			return ERR_OK; /* it was sent there */
	}
	if (!opened)
		return ERR_OK;
	w->rcpt[0] = &to;
	e = add_ready(w, SHARE_ARCHIVED, 1);
	return e == ERR_OK ? audit(w, SHARE_ARCHIVED, 1) : e;
}

static enum err
open_it(struct opening *w, struct err_why *why)
{
	struct job *j = w->j;
	const struct open_form form = {
	    .authserv_id = j->conf->opening.authserv_id,
	    .subject_tags = j->conf->opening.subject_tags,
	    .attach_original = j->conf->opening.attach_original,
	    .by_portal = strcmp(j->envelope.client, ENTRY_CLIENT_PORTAL) == 0};
	const char **addrs = arena_array(j->arena, j->n_rcpt, sizeof(*addrs));
	struct open_engine engine = open_engine_both(&w->tools);
	uint64_t since_us = clock_steady_us();
	enum err e;

	if (addrs == NULL)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < j->n_rcpt; i++)
		addrs[i] = j->rcpt[i].rcpt->key;
	e = open_tools_init(&w->tools, j, addrs, j->n_rcpt);
	if (e == ERR_OK)
		e = open_read(&w->o, &form, &engine, j->map.data,
		    j->envelope.smtputf8, j->arena, why);
	measure_opening(j, &w->o.verdict, since_us, e);
	return e == ERR_OK ? share_all(w, why) : e;
}

enum err
open_message(struct job *j, bool released, struct err_why *why)
{
	struct opening w = {.j = j, .released = released};
	enum err e;

	w.rcpt = arena_array(j->arena, j->n_rcpt, sizeof(struct job_rcpt *));
	w.share = arena_array(j->arena, j->n_rcpt, sizeof(*w.share));
	/* each recipient adds one at most, and the first opening another */
	w.seen = arena_array(j->arena, j->n_rcpt + 1, sizeof(*w.seen));
	if (w.rcpt == NULL || w.share == NULL || w.seen == NULL)
		return ERR_NOMEM;
	e = open_it(&w, why);
	if (e == ERR_OK && is_open(&w.o.verdict))
		e = job_note_opened(
		    j, &w.o.outer, w.o.has_fields ? &w.o.inner : NULL);
	if (e == ERR_OK) {
		log_verdict(&w);
		open_harvest(j, &w.o);
	}
	for (int s = 0; e == ERR_OK && s < SHARES; s++)
		e = distribute(&w, (enum share)s);
	if (e == ERR_OK)
		e = archive(&w);
	open_clear(&w.o);
	open_engine_clear(&w.tools);
	return e;
}
