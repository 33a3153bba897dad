/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The table of look-ups: one entry for each address, least recently asked for
 * first.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/discovery/lookup_private.h"
#include "mime/addr.h"

void
discovery_set_text(char **to, const char *text)
{
	free(*to);
	*to = text == NULL || text[0] == '\0' ? NULL : strdup(text);
}

/* FNV-1a. Whoever makes addresses meet in one bucket gains a short walk. */
static struct discovery_wanted **
bucket_of(struct discovery_lookups *l, const char *key)
{
	uint32_t h = 2166136261u;

	for (; *key != '\0'; key++)
		h = (h ^ (uint8_t)*key) * 16777619u;
	return &l->table[h % DISCOVERY_BUCKETS];
}

/* Where the pointer to it is, or would be. */
static struct discovery_wanted **
find_place(struct discovery_lookups *l, const char *key)
{
	struct discovery_wanted **at = bucket_of(l, key);

	while (*at != NULL && strcmp((*at)->key, key) != 0)
		at = &(*at)->same;
	return at;
}

void
discovery_answer_clear(struct discovery_answer *a)
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

/* Stop asking; the answer stays unknown. */
static void
abandon(struct discovery_ask *k)
{
	if (!k->open)
		return;
	if (k->question != NULL)
		k->ops->cancel(k->question);
	k->question = NULL;
	discovery_proposals_drop(k);
	k->open = false;
	if (--k->entry->n_open == 0)
		k->entry->l->n_open--;
}

void
discovery_entry_free(struct discovery_wanted *e)
{
	struct discovery_lookups *l = e->l;

	while (!TAILQ_EMPTY(&e->waiters))
		discovery_waiter_cancel(TAILQ_FIRST(&e->waiters));
	for (size_t i = 0; i < e->n; i++) {
		abandon(&e->ask[i]);
		discovery_answer_clear(&e->ask[i].a);
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
	struct discovery_wanted *e = TAILQ_FIRST(&l->entries), *next;

	for (; e != NULL && l->n_entries >= LIMIT_ANSWERS_CACHED; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->n_open == 0 && TAILQ_EMPTY(&e->waiters))
			discovery_entry_free(e);
	}
}

/* Sources know addresses of domains; a literal, or what is no address, none. */
static void
split(struct discovery_wanted *e)
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

static struct discovery_wanted *
new_entry(struct discovery_lookups *l, const char *key)
{
	const struct conf_discovery *c = &l->env->conf->discovery;
	struct discovery_wanted *e = calloc(1, sizeof(*e));

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

struct discovery_wanted *
discovery_entry_get(struct discovery_lookups *l, const char *key)
{
	struct discovery_wanted *e = *find_place(l, key);

	if (e == NULL)
		return new_entry(l, key);
	TAILQ_REMOVE(&l->entries, e, link);
	TAILQ_INSERT_TAIL(&l->entries, e, link);
	return e;
}
