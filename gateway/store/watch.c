/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A look at every key once in the time that the answer of its source holds,
 * and as often at those that no source brought. Keys are passed in the order of
 * their fingerprints, which are spread evenly: so are the questions to the
 * sources, and nothing has to be remembered. Keys that sources brought are
 * asked for again; an address whose last key is over, or which its sources have
 * no more, is told of once.
 */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/store/store_keys_private.h"
#include "gateway/store/store_private.h"
#include "gateway/trust.h"
#include "keystore/answers.h"
#include "keystore/history.h"
#include "keystore/lookup.h"

enum {
	BUCKETS = 65536,	/* by the first two octets */
	BUCKETS_AT_ONCE = 8192, /* of a tick */
	KEYS_AT_ONCE = 128,	/* looked at in a tick */
	PERIOD_S = 24 * 3600,	/* without sources */
	OTHERS = 0,		/* their place among the hands */
	WATCH_ARENA = 4 * 1024 * 1024,
};

struct seen {
	struct span addr;
	struct span fpr;
	const struct ks_record *record; /* without its key */
	bool ask;			/* a source brought it */
	bool over;
};

/* It goes round once in the time of one source. */
struct hand {
	bool started;
	uint32_t at; /* the bucket that was looked at last */
};

struct store_watch {
	struct arena *arena;
	struct hand hand[KS_SOURCE_HARVEST + 1];
	uint32_t all;	 /* bits of the sources that are asked */
	uint32_t source; /* that the hand is of; 0: what none of them brought */
	struct seen seen[KEYS_AT_ONCE];
	size_t n;
	int64_t now;
};

static enum err
collect(void *ctx, const struct ks_record *r)
{
	struct store_watch *w = ctx;
	struct ks_record *copy;
	struct seen *k;
	enum err e;
	bool mine = w->source == 0 ? (r->sources & w->all) == 0
				   : (r->sources & w->source) != 0;

	if (w->n == KEYS_AT_ONCE)
		return ERR_AGAIN; /* the rest of it the next time */
	if (!mine || r->n_addrs == 0 || r->trust < KS_HARVESTED ||
	    r->flaw == KS_FLAW_REVOKED)
		return ERR_OK;
	e = ks_record_copy(r, false, w->arena, &copy);
	if (e != ERR_OK)
		return e;
	k = &w->seen[w->n++];
	*k = (struct seen){.addr = copy->addrs[0],
	    .fpr = copy->fpr,
	    .record = copy,
	    .ask = w->source != 0,
	    .over = ks_record_is_over(r, w->now)};
	return ERR_OK;
}

/* What has passed since the last tick, and no more than fits one. */
static void
look(struct store *s, struct hand *h, uint32_t to)
{
	struct store_watch *w = s->watch;
	enum err e = ERR_OK;

	arena_reset(w->arena);
	w->n = 0;
	for (unsigned i = 0; i < BUCKETS_AT_ONCE && h->at != to && e == ERR_OK;
	     i++) {
		uint32_t next = (h->at + 1) % BUCKETS;
		uint8_t prefix[2] = {
		    (uint8_t)(next >> 8), (uint8_t)(next & 0xff)};

		e = ks_each(store_keys_db(s), SPAN(prefix, 2), collect, w);
		h->at = next;
	}
	if (e != ERR_OK && e != ERR_AGAIN)
		log_event(LOG_LVL_WARN, NULL, "keystore", KV_ERR(e));
}

/* --- alarms --- */

struct before {
	struct span fpr;
	enum ks_event_what last;
};

static enum err
find_last(void *ctx, const struct ks_event *e)
{
	struct before *b = ctx;

	if (span_eq(e->fpr, b->fpr))
		b->last = e->what;
	return ERR_OK;
}

/* Nothing is usable any more where something was. What sources said last is
   taken, however long ago: it is about to be asked again. */
static bool
has_lapsed(struct store *s, const struct seen *k, enum ks_event_what *what)
{
	struct ks_answer_note note[KS_ANSWERS_MAX];
	struct ks_remote remote[KS_ANSWERS_MAX];
	struct ks_result r;
	size_t n = 0;
	enum err e = ks_answer_get(store_keys_db(s), k->addr, note, &n);

	if (e != ERR_OK && e != ERR_NOT_FOUND)
		return false;
	for (size_t i = 0; i < n; i++)
		remote[i] = (struct ks_remote){note[i].source, note[i].answer};
	trust_use(s->conf, store_keys_db(s));
	ks_lookup(store_keys_db(s), k->addr, k->record->kind, s->watch->now,
	    remote, n, s->watch->arena, &r);
	*what = k->over ? KS_EVENT_EXPIRED : KS_EVENT_LOST;
	return r.state == KS_LAPSED && (k->over || r.err == ERR_KEY_LOST);
}

static enum err
write_alarm(struct store *s, const struct seen *k, enum ks_event_what what)
{
	const struct ks_event e = {.what = what,
	    .at = s->watch->now,
	    .who = SPAN_LIT("watch"),
	    .was = k->record->trust,
	    .addr = k->addr,
	    .text = what == KS_EVENT_EXPIRED
			? SPAN_LIT("the last key of the address is over")
			: SPAN_LIT("its source has it no more")};
	struct ks_store *ks = store_keys_db(s);
	enum err err = ks_begin(ks);

	if (err != ERR_OK)
		return err;
	err = ks_history_of(ks, &e, k->record);
	if (err == ERR_OK)
		return ks_commit(ks);
	ks_rollback(ks);
	return err;
}

/* While another program writes the alarm waits for the next time round. */
static void
tell(struct store *s, const struct seen *k)
{
	struct before before = {.fpr = k->fpr};
	char addr[KS_ADDR_MAX + 1] = "";
	enum ks_event_what what;

	if (!has_lapsed(s, k, &what) ||
	    ks_history_each(store_keys_db(s), k->addr, find_last, &before) !=
		ERR_OK ||
	    before.last == what || write_alarm(s, k, what) != ERR_OK)
		return;
	memcpy(addr, k->addr.data, k->addr.len);
	log_event(LOG_LVL_WARN, NULL, ks_event_name(what), KV_STR("addr", addr),
	    KV_STR("kind", ks_kind_name(k->record->kind)));
}

/* --- together --- */

static void
move(struct store *s, struct hand *h, uint32_t source, uint64_t period_s)
{
	struct store_watch *w = s->watch;
	uint64_t now_ms = clock_unix_ms(), period_ms = period_s * 1000;
	uint32_t to = (uint32_t)(now_ms % period_ms * BUCKETS / period_ms);

	w->now = (int64_t)(now_ms / 1000);
	w->source = source;
	if (!h->started)
		h->at = to;
	h->started = true;
	look(s, h, to);
	for (size_t i = 0; i < w->n; i++) {
		char addr[KS_ADDR_MAX + 1] = "";

		memcpy(addr, w->seen[i].addr.data, w->seen[i].addr.len);
		if (w->seen[i].ask)
			store_lookups_refresh(s, addr);
		tell(s, &w->seen[i]);
	}
}

void
store_watch_tick(struct store *s)
{
	const struct conf_discovery *c = &s->conf->discovery;
	struct store_watch *w = s->watch;

	if (w == NULL || s->stopping || s->ended)
		return;
	w->all = 0;
	for (size_t i = 0; i < c->n_source; i++)
		w->all |= ks_source_bit((enum ks_source)c->source[i]);
	for (size_t i = 0; i < c->n_source; i++)
		move(s, &w->hand[c->source[i]],
		    ks_source_bit((enum ks_source)c->source[i]),
		    conf_found_s(s->conf, c->source[i]));
	move(s, &w->hand[OTHERS], 0, c->n_source > 0 ? c->found_s : PERIOD_S);
}

struct store_watch *
store_watch_new(void)
{
	struct store_watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		fatal("out of memory");
	w->arena = arena_new(WATCH_ARENA);
	if (w->arena == NULL)
		fatal("out of memory");
	return w;
}

void
store_watch_free(struct store_watch *w)
{
	if (w == NULL)
		return;
	arena_free(w->arena);
	free(w);
}
