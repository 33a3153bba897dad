/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Counts of what each next hop has and of what it took in this second and the
 * last one. The rate is its own measure: nobody has to tell a fast next hop
 * from a slow one, and one that stops shrinks within two seconds.
 */
#include "gateway/store/share.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "gateway/conf.h"
#include "gateway/store/store_private.h"

enum { BUCKETS = 1024 };

struct share {
	struct share *next; /* in its bucket */
	uint32_t dest;
	unsigned n;	   /* with relay */
	unsigned took_now; /* in second */
	unsigned took_before;
	uint64_t second; /* of the steady clock */
	struct store_park park;
};

struct store_shares {
	struct share *bucket[BUCKETS];
};

struct store_shares *
store_shares_new(void)
{
	struct store_shares *all = calloc(1, sizeof(*all));

	if (all == NULL)
		fatal("out of memory");
	return all;
}

void
store_shares_free(struct store_shares *all)
{
	struct share *h;

	if (all == NULL)
		return;
	for (unsigned b = 0; b < BUCKETS; b++)
		while ((h = all->bucket[b]) != NULL) {
			all->bucket[b] = h->next;
			free(h);
		}
	free(all);
}

/* --- which --- */

static uint32_t
hash(uint32_t h, const char *text)
{
	for (; *text != '\0'; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h;
}

uint32_t
store_share_dest(const struct conf *conf, const struct entry *e)
{
	const char *at = strrchr(e->rcpt[0].key, '@');
	const char *domain = at == NULL ? "" : at + 1;
	const struct conf_relay *r = e->route == ENTRY_INBOUND
					 ? &conf->inbound
					 : conf_relay_for(conf, domain);
	uint32_t h = 2166136261u;

	h = hash(h, r->kind == CONF_VIA_MX || r->via == NULL ? domain : r->via);
	return h == 0 ? 1 : h;
}

static struct share **
place_of(struct store_shares *all, uint32_t dest)
{
	struct share **at = &all->bucket[dest % BUCKETS];

	while (*at != NULL && (*at)->dest != dest)
		at = &(*at)->next;
	return at;
}

static struct share *
find_or_make(struct store_shares *all, uint32_t dest)
{
	struct share **at = place_of(all, dest);

	if (*at != NULL)
		return *at;
	*at = calloc(1, sizeof(**at));
	if (*at == NULL)
		fatal("out of memory");
	(*at)->dest = dest;
	store_park_init(&(*at)->park);
	return *at;
}

/* --- how many --- */

static void
go_with_time(struct share *h)
{
	uint64_t second = clock_steady_ms() / 1000;

	if (second == h->second)
		return;
	h->took_before = second == h->second + 1 ? h->took_now : 0;
	h->took_now = 0;
	h->second = second;
}

static unsigned
limit_of(struct share *h)
{
	unsigned n;

	go_with_time(h);
	n = h->took_now > h->took_before ? h->took_now : h->took_before;
	n += STORE_SHARE_MIN;
	return n < STORE_SHARE_MAX ? n : STORE_SHARE_MAX;
}

bool
store_share_take(
    struct store_shares *all, struct store_index *x, struct store_item *item)
{
	struct share *h = find_or_make(all, item->dest);

	if (h->n >= limit_of(h)) {
		store_index_park(x, item, &h->park);
		return false;
	}
	h->n++;
	item->in_share = true;
	return true;
}

static void
unpark(struct share *h, struct store_index *x)
{
	unsigned room = limit_of(h) > h->n ? limit_of(h) - h->n : 0;

	while (room-- > 0 && store_index_unpark(x, &h->park))
		continue;
}

void
store_share_return(struct store_shares *all, struct store_index *x,
    struct store_item *item, bool took)
{
	struct share *h;

	if (!item->in_share)
		return;
	item->in_share = false;
	h = *place_of(all, item->dest);
	h->n--;
	go_with_time(h);
	h->took_now += took ? 1 : 0;
	unpark(h, x);
}

void
store_shares_reset(struct store_shares *all, struct store_index *x)
{
	for (unsigned b = 0; b < BUCKETS; b++)
		for (struct share *h = all->bucket[b]; h != NULL; h = h->next) {
			h->n = 0;
			while (store_index_unpark(x, &h->park))
				continue;
		}
}

void
store_shares_sweep(struct store_shares *all)
{
	struct share **at, *h;

	for (unsigned b = 0; b < BUCKETS; b++)
		for (at = &all->bucket[b]; (h = *at) != NULL;) {
			go_with_time(h);
			if (h->n > 0 || h->park.first != NULL ||
			    h->took_now > 0 || h->took_before > 0) {
				at = &h->next;
				continue;
			}
			*at = h->next;
			free(h);
		}
}
