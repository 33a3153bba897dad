/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One question for each source of an entry. A source that is being asked, or
 * whose octets admission has, is open; when none is, all who wait get their
 * report and store gets a note.
 */
#include "gateway/discovery/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/discovery/lookup_private.h"

/* The local part under which the key of a whole domain is found. */
#define DOMAIN_KEY "_domain"

enum { ARENA_MAX = 1024 * 1024 };

/* --- those who wait --- */

void
discovery_waiter_cancel(struct discovery_waiter *w)
{
	if (w == NULL)
		return;
	TAILQ_REMOVE(&w->entry->waiters, w, link);
	loop_timer_free(w->timer);
	free(w);
}

static void
on_budget(void *arg)
{
	struct discovery_waiter *w = arg;

	discovery_tell(w);
	discovery_waiter_cancel(w);
}

/* Nothing is open: all who wait hear it. */
static void
finish(struct discovery_wanted *e)
{
	struct discovery_waiter *w;

	discovery_note(e);
	while ((w = TAILQ_FIRST(&e->waiters)) != NULL) {
		discovery_tell(w);
		discovery_waiter_cancel(w);
	}
	for (size_t i = 0; i < e->n; i++)
		e->ask[i].a.cached = true;
}

/* --- answers --- */

static const char *
status_name(enum proto_answer_status s)
{
	return s == PROTO_ANSWER_FOUND	  ? "found"
	       : s == PROTO_ANSWER_ABSENT ? "absent"
					  : "failed";
}

/* One of what is open is not any more. */
static void
close_one(struct discovery_wanted *e)
{
	if (--e->n_open > 0)
		return;
	e->l->n_open--;
	finish(e);
}

/* A key that ends is asked for again then: its owner may have renewed it. */
static uint64_t
ttl_s(const struct discovery_ask *k)
{
	uint64_t ttl = discovery_ttl_s(k->entry->l, k->a.source, k->a.status);
	int64_t left = k->ends - k->a.at;

	if (k->a.status != PROTO_ANSWER_FOUND || left <= 0)
		return ttl;
	return (uint64_t)left < ttl ? (uint64_t)left : ttl;
}

static enum discovery_result
measured_as(enum proto_answer_status s)
{
	return s == PROTO_ANSWER_FOUND	  ? DISCOVERY_FOUND
	       : s == PROTO_ANSWER_ABSENT ? DISCOVERY_ABSENT
					  : DISCOVERY_FAILED;
}

void
discovery_ask_close(struct discovery_ask *k)
{
	struct discovery_wanted *e = k->entry;
	struct discovery_answer *a = &k->a;

	if (k->asked)
		discovery_measures_asked(&e->l->measures, a->source,
		    measured_as(a->status), clock_steady_us() - k->since_us);
	a->known = true;
	a->at = (int64_t)(clock_unix_ms() / 1000);
	a->until_ms = clock_steady_ms() + 1000 * ttl_s(k);
	k->open = false;
	log_event(
	    a->status == PROTO_ANSWER_FAILED ? LOG_LVL_NOTICE : LOG_LVL_INFO,
	    NULL, "source", KV_STR("addr", e->key),
	    KV_STR("source", ks_source_name(a->source)),
	    KV_STR("answer", status_name(a->status)),
	    KV_STR("url", a->url == NULL ? "" : a->url),
	    KV_STR("why", a->why == NULL ? "" : a->why));
	close_one(e);
}

void
discovery_ask_give_up(struct discovery_ask *k, const char *why)
{
	k->a.status = PROTO_ANSWER_FAILED;
	discovery_set_text(&k->a.why, why);
	discovery_ask_close(k);
}

/* --- asking --- */

/* Is there a question left of this source's rate? */
static bool
take_token(struct discovery_lookups *l, enum ks_source source)
{
	const struct conf_source *c =
	    conf_source(l->env->conf, (unsigned)source);
	struct discovery_rate *b = &l->bucket[source];
	double burst = c->rate / 6.0 + 1;
	uint64_t now = clock_steady_ms();

	b->tokens += b->at_ms == 0
			 ? burst
			 : (double)(now - b->at_ms) * c->rate / 60000.0;
	if (b->tokens > burst)
		b->tokens = burst;
	b->at_ms = now;
	if (b->tokens < 1)
		return false;
	b->tokens -= 1;
	return true;
}

static void
on_outcome(void *arg, const struct discovery_outcome *o)
{
	struct discovery_ask *k = arg;

	k->question = NULL;
	k->a.status = o->status;
	k->a.reached = o->reached;
	discovery_set_text(&k->a.url, o->url);
	discovery_set_text(&k->a.why, o->why.text);
	if (o->n == 0) {
		discovery_ask_close(k);
		return;
	}
	k->source_failed = o->status == PROTO_ANSWER_FAILED;
	if (discovery_propose(k, o) != ERR_OK)
		discovery_ask_give_up(k, "what was found could not be judged");
}

static const struct discovery_source *
source_of(const struct discovery_env *env, enum ks_source source)
{
	for (size_t i = 0; env->sources[i] != NULL; i++)
		if (env->sources[i]->source == source)
			return env->sources[i];
	return NULL;
}

/* Ask one source. It may have settled when this returns. */
static void
open_ask(struct discovery_ask *k)
{
	struct discovery_wanted *e = k->entry;
	struct discovery_lookups *l = e->l;

	discovery_answer_clear(&k->a);
	k->kept = k->failed = k->source_failed = k->asked = false;
	k->ends = 0;
	k->ops = source_of(l->env, k->a.source);
	if (e->domain == NULL) {
		k->a.status = PROTO_ANSWER_ABSENT;
		k->a.reached = true;
		discovery_set_text(&k->a.why, "no source knows such addresses");
		discovery_ask_close(k);
		return;
	}
	if (!take_token(l, k->a.source)) {
		discovery_measures_add(
		    &l->measures, k->a.source, DISCOVERY_LIMITED);
		discovery_ask_give_up(
		    k, "too many questions in this minute (option rate)");
		return;
	}
	k->asked = true;
	k->since_us = clock_steady_us();
	k->question = k->ops == NULL
			  ? NULL
			  : k->ops->start(l->env, &e->addr, on_outcome, k);
	if (k->question == NULL) {
		k->asked = false;
		discovery_measures_add(
		    &l->measures, k->a.source, DISCOVERY_FAILED);
		discovery_ask_give_up(k, "it could not be asked");
	}
}

/* The sources have answered for the domain as a whole. */
static void
on_domain_key(void *arg, const struct discovery_report *r)
{
	struct discovery_wanted *e = arg;
	uint64_t now = clock_steady_ms();

	e->domain_key.waiter = NULL;
	e->domain_key.open = false;
	e->domain_key.known = true;
	e->domain_key.until_ms = UINT64_MAX;
	for (size_t i = 0; i < e->n; i++)
		e->domain_key.status[i] = PROTO_ANSWER_FAILED;
	for (size_t k = 0; k < r->n; k++) {
		const struct discovery_answer *a = &r->answer[k];

		for (size_t i = 0; i < e->n; i++)
			if (e->ask[i].a.source == a->source)
				e->domain_key.status[i] = a->status;
		if (a->until_ms < e->domain_key.until_ms)
			e->domain_key.until_ms = a->until_ms;
	}
	if (!r->complete)
		e->domain_key.until_ms = now;
	/* what is remembered of the address is another answer now */
	for (size_t i = 0; i < e->n; i++)
		e->ask[i].asked =
		    e->ask[i].asked ||
		    (e->ask[i].a.known &&
			e->ask[i].a.status != PROTO_ANSWER_FAILED);
	close_one(e);
}

static bool
must_ask_domain(const struct discovery_wanted *e, bool fresh)
{
	return e->l->env->conf->discovery.domain_keys && e->n > 0 &&
	       e->domain != NULL && strcmp(e->local, DOMAIN_KEY) != 0 &&
	       !e->domain_key.open &&
	       (fresh || !e->domain_key.known ||
		   clock_steady_ms() >= e->domain_key.until_ms);
}

static void
ask_domain(struct discovery_wanted *e, bool fresh)
{
	char key[KS_ADDR_MAX + 1];
	int n = snprintf(key, sizeof(key), DOMAIN_KEY "@%s", e->domain);

	if (n < 0 || (size_t)n >= sizeof(key)) {
		const struct discovery_report none = {.key = ""};

		on_domain_key(e, &none);
		return;
	}
	/* each source has a time of its own: the budget is no limit here */
	e->domain_key.waiter = discovery_lookup(
	    e->l, key, LIMIT_PROPOSED_MS, fresh, on_domain_key, e);
}

static bool
must_ask(const struct discovery_ask *k, bool fresh)
{
	return !k->open &&
	       (fresh || !k->a.known || clock_steady_ms() >= k->a.until_ms);
}

/* Ask every source whose answer is not known. All count as open before the
   first is asked: one that answers at once must not end the look-up. */
static void
ask_all(struct discovery_wanted *e, bool fresh)
{
	bool due[DISCOVERY_SOURCES] = {false};
	bool was_open = e->n_open > 0, domain = must_ask_domain(e, fresh);

	e->domain_key.open = e->domain_key.open || domain;
	e->n_open += domain;
	for (size_t i = 0; i < e->n; i++) {
		due[i] = must_ask(&e->ask[i], fresh);
		if (!due[i] && !e->ask[i].open)
			discovery_measures_add(&e->l->measures,
			    e->ask[i].a.source, DISCOVERY_REMEMBERED);
		e->ask[i].open = e->ask[i].open || due[i];
		e->n_open += due[i];
	}
	if (!was_open && e->n_open > 0)
		e->l->n_open++;
	for (size_t i = 0; i < e->n; i++)
		if (due[i])
			open_ask(&e->ask[i]);
	/* last: when it is known already, that may end the look-up */
	if (domain)
		ask_domain(e, fresh);
}

struct discovery_waiter *
discovery_lookup(struct discovery_lookups *l, const char *key,
    uint64_t budget_ms, bool fresh, discovery_report_fn *cb, void *arg)
{
	struct discovery_wanted *e = discovery_entry_get(l, key);
	struct discovery_report none = {.key = key};
	struct discovery_waiter *w;

	if (e == NULL ||
	    (e->n_open == 0 && l->n_open >= LIMIT_LOOKUPS && e->n > 0)) {
		cb(arg, &none);
		return NULL;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		fatal("out of memory");
	*w = (struct discovery_waiter){.entry = e, .cb = cb, .arg = arg};
	TAILQ_INSERT_TAIL(&e->waiters, w, link);
	ask_all(e, fresh);
	/* when all answered at once, w has been told and is gone */
	if (e->n_open == 0) {
		if (!TAILQ_EMPTY(&e->waiters))
			finish(e);
		return NULL;
	}
	w->timer = loop_timer_new(l->env->loop, on_budget, w);
	loop_timer_start(w->timer, budget_ms, 0);
	return w;
}

/* --- the others --- */

const struct discovery_measures *
discovery_lookups_measures(const struct discovery_lookups *l)
{
	return &l->measures;
}

void
discovery_lookups_store(struct discovery_lookups *l, struct ipc *store)
{
	l->store = store;
}

void
discovery_lookups_reset(struct discovery_lookups *l)
{
	struct discovery_waiter *w;
	struct discovery_wanted *e;

	while ((e = TAILQ_FIRST(&l->entries)) != NULL) {
		while ((w = TAILQ_FIRST(&e->waiters)) != NULL) {
			discovery_tell(w);
			discovery_waiter_cancel(w);
		}
		discovery_entry_free(e);
	}
}

struct discovery_lookups *
discovery_lookups_new(struct discovery_env *env)
{
	struct discovery_lookups *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->env = env;
	TAILQ_INIT(&l->entries);
	TAILQ_INIT(&l->proposals);
	l->tick = loop_timer_new(env->loop, discovery_proposals_tick, l);
	l->arena = arena_new(ARENA_MAX);
	return l;
}

void
discovery_lookups_free(struct discovery_lookups *l)
{
	struct discovery_wanted *e;

	if (l == NULL)
		return;
	while ((e = TAILQ_FIRST(&l->entries)) != NULL)
		discovery_entry_free(e);
	loop_timer_free(l->tick);
	arena_free(l->arena);
	free(l);
}
