/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One entry for each address, least recently asked for first. A source that is
 * being asked, or whose octets admission has, is open; when none is, all who
 * wait get their report and store gets a note.
 */
#include "gateway/discovery/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/ipc.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/text.h"
#include "gateway/proto.h"
#include "mime/addr.h"

/* The local part under which the key of a whole domain is found. */
#define DOMAIN_KEY "_domain"

enum { ARENA_MAX = 1024 * 1024, BUCKETS = 8192 };

struct wanted;

/* A source of an entry. */
struct ask {
	struct wanted *entry;
	struct discovery_answer a;
	bool open;
	bool asked; /* since the last note, and it was really asked */
	const struct discovery_source *ops;
	void *question;	      /* while the source is asked */
	unsigned n_proposals; /* that admission has */
	bool kept, failed;    /* of what admission said */
	bool source_failed;   /* a part of its answer did not come */
};

struct discovery_waiter {
	TAILQ_ENTRY(discovery_waiter) link;
	struct wanted *entry;
	struct loop_timer *timer;
	discovery_report_fn *cb;
	void *arg;
};

struct wanted {
	struct wanted *same; /* the next in its bucket */
	char *key;
	struct discovery_lookups *l;
	struct discovery_addr addr;
	char *local, *domain; /* NULL: no address that sources know */
	struct ask ask[DISCOVERY_SOURCES];
	size_t n;
	size_t n_open; /* sources, and the look-up for the domain */
	/* What the sources have for the whole domain, by place of the source.
	 */
	struct {
		bool open, known;
		struct discovery_waiter *waiter;
		enum proto_answer_status status[DISCOVERY_SOURCES];
		uint64_t until_ms; /* the earliest of them */
	} domain_key;
	TAILQ_HEAD(, discovery_waiter) waiters;
	TAILQ_ENTRY(wanted) link;
};

/* Octets that admission has. */
struct proposal {
	TAILQ_ENTRY(proposal) link;
	uint64_t id;
	struct ask *ask;
	uint64_t until_ms;
};

/* A bucket of questions. */
struct bucket {
	double tokens;
	uint64_t at_ms;
};

struct discovery_lookups {
	struct discovery_env *env;
	struct ipc *admission, *store;
	struct wanted *table[BUCKETS];
	TAILQ_HEAD(, wanted) entries;
	size_t n_entries, n_open;
	TAILQ_HEAD(, proposal) proposals;
	struct loop_timer *tick; /* for proposals without an answer */
	uint64_t last_id;
	struct arena *arena;
	struct bucket bucket[KS_SOURCE_HARVEST + 1];
};

static const struct discovery_source *const sources[] = {
    &discovery_wkd,
    &discovery_dane,
    &discovery_vks,
    &discovery_hkp,
    &discovery_ldap,
};

static void close_ask(struct ask *k);

static const struct discovery_source *
source_of(enum ks_source source)
{
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		if (sources[i]->source == source)
			return sources[i];
	return NULL;
}

/* --- entries --- */

/* FNV-1a. Whoever makes addresses meet in one bucket gains a short walk. */
static struct wanted **
bucket_of(struct discovery_lookups *l, const char *key)
{
	uint32_t h = 2166136261u;

	for (; *key != '\0'; key++)
		h = (h ^ (uint8_t)*key) * 16777619u;
	return &l->table[h % BUCKETS];
}

/* Where the pointer to it is, or would be. */
static struct wanted **
find_place(struct discovery_lookups *l, const char *key)
{
	struct wanted **at = bucket_of(l, key);

	while (*at != NULL && strcmp((*at)->key, key) != 0)
		at = &(*at)->same;
	return at;
}

static void
clear_answer(struct discovery_answer *a)
{
	enum ks_source source = a->source;

	for (size_t i = 0; i < a->n_told; i++) {
		free(a->told[i].fpr);
		free(a->told[i].what);
		free(a->told[i].why);
	}
	free(a->url);
	free(a->why);
	*a = (struct discovery_answer){.source = source};
}

static void
drop_proposals(struct ask *k)
{
	struct discovery_lookups *l = k->entry->l;
	struct proposal *p, *next;

	for (p = TAILQ_FIRST(&l->proposals); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->ask != k)
			continue;
		TAILQ_REMOVE(&l->proposals, p, link);
		free(p);
	}
	k->n_proposals = 0;
}

/* Stop asking; the answer stays unknown. */
static void
abandon(struct ask *k)
{
	if (!k->open)
		return;
	if (k->question != NULL)
		k->ops->cancel(k->question);
	k->question = NULL;
	drop_proposals(k);
	k->open = false;
	if (--k->entry->n_open == 0)
		k->entry->l->n_open--;
}

static void
free_entry(struct wanted *e)
{
	struct discovery_lookups *l = e->l;

	while (!TAILQ_EMPTY(&e->waiters))
		discovery_waiter_cancel(TAILQ_FIRST(&e->waiters));
	for (size_t i = 0; i < e->n; i++) {
		abandon(&e->ask[i]);
		clear_answer(&e->ask[i].a);
	}
	discovery_waiter_cancel(e->domain_key.waiter);
	if (e->domain_key.open && --e->n_open == 0)
		l->n_open--;
	*find_place(l, e->key) = e->same;
	TAILQ_REMOVE(&l->entries, e, link);
	l->n_entries--;
	free(e->key);
	free(e->local);
	free(e->domain);
	free(e);
}

/* Room for one more: the oldest that nobody waits for goes. */
static void
make_room(struct discovery_lookups *l)
{
	struct wanted *e = TAILQ_FIRST(&l->entries), *next;

	for (; e != NULL && l->n_entries >= LIMIT_ANSWERS_CACHED; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->n_open == 0 && TAILQ_EMPTY(&e->waiters))
			free_entry(e);
	}
}

/* Sources know addresses of domains; a literal, or what is no address, none. */
static void
split(struct wanted *e)
{
	struct mime_addr addr;

	arena_reset(e->l->arena);
	if (mime_addr_parse(span_str(e->key), MIME_ADDR_UTF8, e->l->arena,
		&addr, NULL) != ERR_OK ||
	    addr.domain[0] == '[' || addr.domain[0] == '\0' ||
	    strchr(addr.domain, '.') == NULL)
		return;
	e->local = strdup(addr.local);
	e->domain = strdup(addr.domain);
	e->addr = (struct discovery_addr){e->key, e->local, e->domain};
}

static struct wanted *
new_entry(struct discovery_lookups *l, const char *key)
{
	const struct conf_discovery *c = &l->env->conf->discovery;
	struct wanted *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	make_room(l);
	e->l = l;
	e->key = strdup(key);
	if (e->key == NULL) {
		free(e);
		return NULL;
	}
	*find_place(l, key) = e;
	TAILQ_INIT(&e->waiters);
	TAILQ_INSERT_TAIL(&l->entries, e, link);
	l->n_entries++;
	split(e);
	for (; e->n < c->n_source && e->n < DISCOVERY_SOURCES; e->n++) {
		e->ask[e->n].entry = e;
		e->ask[e->n].a.source = (enum ks_source)c->source[e->n];
	}
	return e;
}

static struct wanted *
get_entry(struct discovery_lookups *l, const char *key)
{
	struct wanted *e = *find_place(l, key);

	if (e == NULL)
		return new_entry(l, key);
	TAILQ_REMOVE(&l->entries, e, link);
	TAILQ_INSERT_TAIL(&l->entries, e, link);
	return e;
}

/* --- reports --- */

/* What the source says of the address and of its domain as a whole, in one
   word: a failure of either proves no absence. */
static enum proto_answer_status
both(const struct wanted *e, size_t i)
{
	enum proto_answer_status own = e->ask[i].a.status,
				 domain = e->domain_key.status[i];

	if (!e->domain_key.known || own == domain)
		return own;
	if (own == PROTO_ANSWER_FAILED || domain == PROTO_ANSWER_FAILED)
		return PROTO_ANSWER_FAILED;
	return PROTO_ANSWER_FOUND;
}

static void
report(struct discovery_waiter *w)
{
	struct wanted *e = w->entry;
	struct discovery_answer copy[DISCOVERY_SOURCES];
	struct discovery_report r = {
	    .key = e->key, .complete = e->n_open == 0, .answer = copy};

	for (size_t i = 0; i < e->n; i++) {
		if (e->ask[i].open || e->domain_key.open)
			continue;
		copy[r.n] = e->ask[i].a;
		copy[r.n].status = both(e, i);
		if (e->domain_key.known &&
		    copy[r.n].until_ms > e->domain_key.until_ms)
			copy[r.n].until_ms = e->domain_key.until_ms;
		r.n++;
	}
	w->cb(w->arg, &r);
}

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

	report(w);
	discovery_waiter_cancel(w);
}

static uint64_t
ttl_s(const struct discovery_lookups *l, enum proto_answer_status status)
{
	const struct conf_discovery *c = &l->env->conf->discovery;

	switch (status) {
	case PROTO_ANSWER_FOUND:
		return c->found_s;
	case PROTO_ANSWER_ABSENT:
		return c->absent_s;
	case PROTO_ANSWER_FAILED:
		break;
	}
	return c->failed_s;
}

/* Tell store what was said; what was not really asked says nothing. */
static void
note(struct wanted *e)
{
	struct discovery_lookups *l = e->l;
	struct proto_answer said[DISCOVERY_SOURCES];
	struct proto_answers m = {
	    .key = e->key, .complete = true, .answer = said};
	struct packer p;
	struct buf b;

	for (size_t i = 0; i < e->n; i++) {
		const struct discovery_answer *a = &e->ask[i].a;

		if (!e->ask[i].asked)
			continue;
		e->ask[i].asked = false;
		said[m.n++] = (struct proto_answer){(uint8_t)a->source,
		    (uint8_t)both(e, i), a->reached,
		    (uint32_t)ttl_s(l, both(e, i))};
	}
	if (m.n == 0 || l->store == NULL)
		return;
	buf_init(&b, LIMIT_IPC_INLINE);
	pack_begin(&p, &b);
	proto_answers_pack(&p, &m);
	if (pack_end(&p) != ERR_OK || ipc_post(l->store, PROTO_ANSWER_NOTE, 0,
					  buf_span(&b), NULL, 0) != ERR_OK)
		log_event(
		    LOG_LVL_WARN, NULL, "note-lost", KV_STR("addr", e->key));
	buf_clear(&b);
}

/* Nothing is open: all who wait hear it. */
static void
finish(struct wanted *e)
{
	struct discovery_waiter *w;

	note(e);
	while ((w = TAILQ_FIRST(&e->waiters)) != NULL) {
		report(w);
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
close_one(struct wanted *e)
{
	if (--e->n_open > 0)
		return;
	e->l->n_open--;
	finish(e);
}

/* The answer is settled. */
static void
close_ask(struct ask *k)
{
	struct wanted *e = k->entry;
	struct discovery_answer *a = &k->a;

	a->known = true;
	a->at = (int64_t)(clock_unix_ms() / 1000);
	a->until_ms = clock_steady_ms() + 1000 * ttl_s(e->l, a->status);
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

static void
set_text(char **to, const char *text)
{
	free(*to);
	*to = text == NULL || text[0] == '\0' ? NULL : strdup(text);
}

/* Settle it without an answer of the source. */
static void
give_up(struct ask *k, const char *why)
{
	k->a.status = PROTO_ANSWER_FAILED;
	set_text(&k->a.why, why);
	close_ask(k);
}

/* --- proposals --- */

static void
conclude(struct ask *k)
{
	/* what the source did not say in full is no answer */
	k->a.status = k->source_failed || (k->failed && !k->kept)
			  ? PROTO_ANSWER_FAILED
		      : k->kept ? PROTO_ANSWER_FOUND
				: PROTO_ANSWER_ABSENT;
	close_ask(k);
}

static void
proposal_failed(struct proposal *p)
{
	struct ask *k = p->ask;

	TAILQ_REMOVE(&k->entry->l->proposals, p, link);
	free(p);
	k->failed = true;
	set_text(&k->a.why, "what was found could not be judged");
	if (--k->n_proposals == 0)
		conclude(k);
}

static void
on_tick(void *arg)
{
	struct discovery_lookups *l = arg;
	uint64_t now = clock_steady_ms();
	struct proposal *p;

	while ((p = TAILQ_FIRST(&l->proposals)) != NULL && p->until_ms <= now)
		proposal_failed(p);
	if (p != NULL)
		loop_timer_start(l->tick, p->until_ms - now, 0);
}

/* One kind of what was found. */
static enum err
propose(struct ask *k, const struct discovery_outcome *o, bool openpgp,
    bool asserted)
{
	struct discovery_lookups *l = k->entry->l;
	struct span blob[DISCOVERY_FOUND_MAX];
	struct proto_propose m = {.source = (uint8_t)k->a.source,
	    .trust = o->plain ? KS_CANDIDATE : KS_DISCOVERED,
	    .asserted = asserted,
	    .openpgp = openpgp,
	    .key = k->entry->key,
	    .url = o->url,
	    .blob = blob};
	struct proposal *p;
	struct buf b;
	enum err e;

	for (size_t i = 0; i < o->n; i++)
		if (o->found[i].openpgp == openpgp &&
		    o->found[i].asserted == asserted)
			blob[m.n++] = o->found[i].octets;
	if (m.n == 0)
		return ERR_OK;
	if (l->admission == NULL)
		return ERR_CRASHED;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return ERR_NOMEM;
	*p = (struct proposal){.id = ++l->last_id,
	    .ask = k,
	    .until_ms = clock_steady_ms() + LIMIT_PROPOSED_MS};
	buf_init(&b, LIMIT_IPC_PAYLOAD);
	e = proto_propose_pack(&m, &b);
	if (e == ERR_OK)
		e = ipc_post(
		    l->admission, PROTO_PROPOSE, p->id, buf_span(&b), NULL, 0);
	buf_clear(&b);
	if (e != ERR_OK) {
		free(p);
		return e;
	}
	if (TAILQ_EMPTY(&l->proposals))
		loop_timer_start(l->tick, LIMIT_PROPOSED_MS, 0);
	TAILQ_INSERT_TAIL(&l->proposals, p, link);
	k->n_proposals++;
	return ERR_OK;
}

static void
on_outcome(void *arg, const struct discovery_outcome *o)
{
	struct ask *k = arg;
	enum err e;

	k->question = NULL;
	k->a.status = o->status;
	k->a.reached = o->reached;
	set_text(&k->a.url, o->url);
	set_text(&k->a.why, o->why.text);
	if (o->n == 0) {
		close_ask(k);
		return;
	}
	k->source_failed = o->status == PROTO_ANSWER_FAILED;
	e = propose(k, o, true, false);
	if (e == ERR_OK)
		e = propose(k, o, false, true);
	if (e == ERR_OK)
		e = propose(k, o, false, false);
	if (e != ERR_OK) {
		drop_proposals(k);
		give_up(k, "what was found could not be judged");
	}
}

static void
tell(struct discovery_answer *a, const struct proto_fate_of *f)
{
	struct discovery_told *t = &a->told[a->n_told];
	char hex[2 * KS_FPR_MAX + 1];

	if (a->n_told == DISCOVERY_TOLD || f->fpr.len > KS_FPR_MAX)
		return;
	text_hex(f->fpr, hex);
	*t = (struct discovery_told){.fate = (enum proto_fate)f->fate,
	    .fpr = strdup(hex),
	    .what = strdup(f->what),
	    .why = strdup(f->why)};
	if (t->fpr == NULL || t->what == NULL || t->why == NULL)
		fatal("out of memory");
	a->n_told++;
}

void
discovery_lookups_proposed(
    struct discovery_lookups *l, uint64_t id, struct span payload)
{
	struct proto_proposed m;
	struct proposal *p;
	struct ask *k;

	TAILQ_FOREACH(p, &l->proposals, link)
	if (p->id == id)
		break;
	if (p == NULL)
		return; /* too late */
	arena_reset(l->arena);
	if (proto_proposed_unpack(payload, l->arena, &m) != ERR_OK) {
		proposal_failed(p);
		return;
	}
	k = p->ask;
	TAILQ_REMOVE(&l->proposals, p, link);
	free(p);
	k->failed = k->failed || m.failed;
	if (m.why[0] != '\0')
		set_text(&k->a.why, m.why);
	for (uint32_t i = 0; i < m.n; i++) {
		uint8_t fate = m.key[i].fate;

		k->kept = k->kept || fate == PROTO_FATE_KEPT ||
			  fate == PROTO_FATE_WAITS;
		k->failed = k->failed || fate == PROTO_FATE_FAILED;
		if (fate != PROTO_FATE_KEPT && m.key[i].why[0] != '\0')
			set_text(&k->a.why, m.key[i].why);
		tell(&k->a, &m.key[i]);
	}
	if (--k->n_proposals == 0)
		conclude(k);
}

/* --- asking --- */

/* Is there a question left of this source's rate? */
static bool
take_token(struct discovery_lookups *l, enum ks_source source)
{
	const struct conf_source *c =
	    conf_source(l->env->conf, (unsigned)source);
	struct bucket *b = &l->bucket[source];
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

/* Ask one source. It may have settled when this returns. */
static void
open_ask(struct ask *k)
{
	struct wanted *e = k->entry;
	struct discovery_lookups *l = e->l;

	clear_answer(&k->a);
	k->ops = source_of(k->a.source);
	k->kept = k->failed = k->source_failed = k->asked = false;
	if (e->domain == NULL) {
		k->a.status = PROTO_ANSWER_ABSENT;
		k->a.reached = true;
		set_text(&k->a.why, "no source knows such addresses");
		close_ask(k);
		return;
	}
	if (!take_token(l, k->a.source)) {
		give_up(k, "too many questions in this minute (option rate)");
		return;
	}
	k->asked = true;
	k->question = k->ops->start(l->env, &e->addr, on_outcome, k);
	if (k->question == NULL) {
		k->asked = false;
		give_up(k, "it could not be asked");
	}
}

/* The sources have answered for the domain as a whole. */
static void
on_domain_key(void *arg, const struct discovery_report *r)
{
	struct wanted *e = arg;
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
must_ask_domain(const struct wanted *e, bool fresh)
{
	return e->l->env->conf->discovery.domain_keys && e->n > 0 &&
	       e->domain != NULL && strcmp(e->local, DOMAIN_KEY) != 0 &&
	       !e->domain_key.open &&
	       (fresh || !e->domain_key.known ||
		   clock_steady_ms() >= e->domain_key.until_ms);
}

static void
ask_domain(struct wanted *e, bool fresh)
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
must_ask(const struct ask *k, bool fresh)
{
	return !k->open &&
	       (fresh || !k->a.known || clock_steady_ms() >= k->a.until_ms);
}

/* Ask every source whose answer is not known. All count as open before the
   first is asked: one that answers at once must not end the look-up. */
static void
ask_all(struct wanted *e, bool fresh)
{
	bool due[DISCOVERY_SOURCES] = {false};
	bool was_open = e->n_open > 0, domain = must_ask_domain(e, fresh);

	e->domain_key.open = e->domain_key.open || domain;
	e->n_open += domain;
	for (size_t i = 0; i < e->n; i++) {
		due[i] = must_ask(&e->ask[i], fresh);
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
	struct wanted *e = get_entry(l, key);
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

void
discovery_lookups_admission(struct discovery_lookups *l, struct ipc *admission)
{
	struct proposal *p;

	l->admission = admission;
	while ((p = TAILQ_FIRST(&l->proposals)) != NULL)
		proposal_failed(p);
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
	struct wanted *e;

	while ((e = TAILQ_FIRST(&l->entries)) != NULL) {
		while ((w = TAILQ_FIRST(&e->waiters)) != NULL) {
			report(w);
			discovery_waiter_cancel(w);
		}
		free_entry(e);
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
	l->tick = loop_timer_new(env->loop, on_tick, l);
	l->arena = arena_new(ARENA_MAX);
	return l;
}

void
discovery_lookups_free(struct discovery_lookups *l)
{
	struct wanted *e;

	if (l == NULL)
		return;
	while ((e = TAILQ_FIRST(&l->entries)) != NULL)
		free_entry(e);
	loop_timer_free(l->tick);
	arena_free(l->arena);
	free(l);
}
