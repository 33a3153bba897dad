/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A hash table of the entries and, for each lane, a binary heap of those that
 * can be due, by time and then by id: mail that came first goes first.
 */
#include "gateway/store/index.h"

#include <stdlib.h>

#include "common/err.h"

enum { BUCKETS_MIN = 1024 };

struct heap {
	struct store_item **item; /* from 1 */
	size_t n, cap;
};

struct store_index {
	struct store_item **bucket;
	size_t n_buckets; /* a power of two */
	size_t n;
	struct heap heap[STORE_LANES];
};

static void *
must(void *p)
{
	if (p == NULL)
		fatal("out of memory");
	return p;
}

struct store_index *
store_index_new(void)
{
	struct store_index *x = must(calloc(1, sizeof(*x)));

	x->n_buckets = BUCKETS_MIN;
	x->bucket = must(calloc(x->n_buckets, sizeof(struct store_item *)));
	return x;
}

void
store_index_free(struct store_index *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < x->n_buckets; i++) {
		while (x->bucket[i] != NULL) {
			struct store_item *item = x->bucket[i];

			x->bucket[i] = item->next;
			free(item);
		}
	}
	for (int k = 0; k < STORE_LANES; k++)
		free(x->heap[k].item);
	free(x->bucket);
	free(x);
}

/* --- the heaps --- */

static bool
is_before(const struct store_item *a, const struct store_item *b)
{
	return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->id < b->id;
}

static void
heap_put(struct heap *h, size_t place, struct store_item *item)
{
	h->item[place] = item;
	item->place = place;
}

static void
heap_up(struct heap *h, struct store_item *item)
{
	size_t i = item->place;

	for (; i > 1 && is_before(item, h->item[i / 2]); i /= 2)
		heap_put(h, i, h->item[i / 2]);
	heap_put(h, i, item);
}

static void
heap_down(struct heap *h, struct store_item *item)
{
	size_t i = item->place;

	for (size_t c; (c = 2 * i) <= h->n; i = c) {
		if (c < h->n && is_before(h->item[c + 1], h->item[c]))
			c++;
		if (!is_before(h->item[c], item))
			break;
		heap_put(h, i, h->item[c]);
	}
	heap_put(h, i, item);
}

static void
heap_remove(struct heap *h, struct store_item *item)
{
	struct store_item *last;
	size_t hole = item->place;

	if (hole == 0)
		return;
	item->place = 0;
	last = h->item[h->n--];
	if (last == item)
		return;
	heap_put(h, hole, last);
	heap_up(h, last);
	heap_down(h, last);
}

static void
heap_add(struct heap *h, struct store_item *item)
{
	if (h->n + 1 >= h->cap) {
		h->cap = h->cap == 0 ? BUCKETS_MIN : 2 * h->cap;
		h->item = must(
		    realloc(h->item, h->cap * sizeof(struct store_item *)));
	}
	heap_put(h, ++h->n, item);
	heap_up(h, item);
}

/* --- the parks --- */

void
store_park_init(struct store_park *p)
{
	p->first = NULL;
	p->last = &p->first;
}

/* Out of heap and park. */
static void
leave(struct store_index *x, struct store_item *item)
{
	heap_remove(&x->heap[item->lane], item);
	if (item->park == NULL)
		return;
	*item->park_at = item->park_next;
	if (item->park_next != NULL)
		item->park_next->park_at = item->park_at;
	else
		item->park->last = item->park_at;
	item->park = NULL;
}

void
store_index_park(
    struct store_index *x, struct store_item *item, struct store_park *p)
{
	leave(x, item);
	item->park = p;
	item->park_next = NULL;
	item->park_at = p->last;
	*p->last = item;
	p->last = &item->park_next;
}

/* --- the table --- */

static size_t
bucket_of(const struct store_index *x, uint64_t id)
{
	id *= 0x9e3779b97f4a7c15u;
	return (size_t)(id >> 32) & (x->n_buckets - 1);
}

struct store_item *
store_index_find(const struct store_index *x, uint64_t id)
{
	struct store_item *item = x->bucket[bucket_of(x, id)];

	while (item != NULL && item->id != id)
		item = item->next;
	return item;
}

static void
grow(struct store_index *x)
{
	struct store_item **old = x->bucket;
	size_t n_old = x->n_buckets;

	x->n_buckets *= 2;
	x->bucket = must(calloc(x->n_buckets, sizeof(struct store_item *)));
	for (size_t i = 0; i < n_old; i++) {
		while (old[i] != NULL) {
			struct store_item *item = old[i];
			size_t b = bucket_of(x, item->id);

			old[i] = item->next;
			item->next = x->bucket[b];
			x->bucket[b] = item;
		}
	}
	free(old);
}

struct store_item *
store_index_add(struct store_index *x, uint64_t id)
{
	struct store_item *item = store_index_find(x, id);
	size_t b;

	if (item != NULL)
		return item;
	if (x->n >= x->n_buckets)
		grow(x);
	b = bucket_of(x, id);
	item = must(calloc(1, sizeof(*item)));
	item->id = id;
	item->next = x->bucket[b];
	x->bucket[b] = item;
	x->n++;
	return item;
}

static void
place(struct store_index *x, struct store_item *item)
{
	if (item->state != STORE_HELD && item->state != STORE_PARKED &&
	    item->flight == STORE_FLIGHT_NONE && !item->doomed)
		heap_add(&x->heap[item->lane], item);
}

void
store_index_set(struct store_index *x, struct store_item *item,
    const struct store_status *s)
{
	leave(x, item);
	item->message_id = s->message_id;
	item->kind = s->kind;
	item->lane = s->kind == ENTRY_READY ? STORE_LANE_RELAY
		     : s->inbound	    ? STORE_LANE_OPENER
					    : STORE_LANE_WORKER;
	item->state = s->state;
	item->due_ms = s->due_ms;
	item->doomed = s->doomed;
	item->waits = s->waits;
	place(x, item);
}

void
store_index_fly(
    struct store_index *x, struct store_item *item, enum store_flight f)
{
	leave(x, item);
	item->flight = f;
	place(x, item);
}

void
store_index_land(
    struct store_index *x, struct store_item *item, uint64_t due_ms)
{
	leave(x, item);
	item->flight = STORE_FLIGHT_NONE;
	item->due_ms = due_ms;
	place(x, item);
}

void
store_index_del(struct store_index *x, struct store_item *item)
{
	struct store_item **p = &x->bucket[bucket_of(x, item->id)];

	leave(x, item);
	while (*p != item)
		p = &(*p)->next;
	*p = item->next;
	x->n--;
	free(item);
}

bool
store_index_unpark(struct store_index *x, struct store_park *p)
{
	struct store_item *item = p->first;

	if (item == NULL)
		return false;
	leave(x, item);
	place(x, item);
	return true;
}

struct store_item *
store_index_first(const struct store_index *x, enum store_lane lane)
{
	const struct heap *h = &x->heap[lane];

	return h->n == 0 ? NULL : h->item[1];
}

void
store_index_each(const struct store_index *x,
    void (*cb)(void *arg, struct store_item *item), void *arg)
{
	for (size_t i = 0; i < x->n_buckets; i++)
		for (struct store_item *p = x->bucket[i]; p != NULL;) {
			struct store_item *next = p->next;

			cb(arg, p);
			p = next;
		}
}

static void
count_one(void *arg, struct store_item *item)
{
	struct store_counts *c = arg;

	if (item->kind == ENTRY_READY)
		c->ready++;
	else if (item->state != STORE_PARKED)
		c->pending++;
	c->held += item->state == STORE_HELD;
	c->waiting += item->state == STORE_WAITING;
	c->flying += item->flight != STORE_FLIGHT_NONE;
}

void
store_index_count(const struct store_index *x, struct store_counts *out)
{
	struct store_counts c = {0};

	store_index_each(x, count_one, &c);
	*out = c;
}
