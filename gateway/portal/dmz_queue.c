/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Changes that wait to be brought to a DMZ: first in, first out, each once.
 * After an outage there can be as many as there are objects, so that whether
 * one is there already is looked up in a table: chains of places, by the id,
 * which is random.
 */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/portal/dmz_inside_private.h"

/* A place in the ring and, at the same index, the head of a chain. */
struct dmz_place {
	struct dmz_change change;
	size_t next; /* in its chain; places count from 1, 0: none */
	size_t head;
};

static size_t *
head_of(struct dmz_queue *q, const uint8_t *id)
{
	uint64_t v;

	memcpy(&v, id, sizeof(v));
	return &q->place[v & (q->room - 1)].head;
}

static void
put(struct dmz_queue *q, const struct dmz_change *c)
{
	size_t at = (q->first + q->n++) & (q->room - 1);
	size_t *head = head_of(q, c->id);

	q->place[at].change = *c;
	q->place[at].next = *head;
	*head = at + 1;
}

static void
grow(struct dmz_queue *q)
{
	struct dmz_queue old = *q;

	q->room = old.room == 0 ? 64 : 2 * old.room;
	q->place = calloc(q->room, sizeof(*q->place));
	if (q->place == NULL)
		fatal("portal: out of memory");
	q->first = q->n = 0;
	for (size_t i = 0; i < old.n; i++)
		put(q, &old.place[(old.first + i) & (old.room - 1)].change);
	free(old.place);
}

static struct dmz_change *
find(struct dmz_queue *q, uint16_t type, const uint8_t *id)
{
	size_t at = q->n > 0 ? *head_of(q, id) : 0;

	for (; at != 0; at = q->place[at - 1].next) {
		struct dmz_change *c = &q->place[at - 1].change;

		if (c->type == type && memcmp(c->id, id, sizeof(c->id)) == 0)
			return c;
	}
	return NULL;
}

bool
portal_queue_has(struct dmz_queue *q, uint16_t type, const uint8_t *id)
{
	return find(q, type, id) != NULL;
}

void
portal_queue_put(struct dmz_queue *q, const struct dmz_change *c)
{
	struct dmz_change *same = find(q, c->type, c->id);

	if (same != NULL) {
		same->asked |= c->asked;
		return;
	}
	if (q->n == q->room)
		grow(q);
	put(q, c);
}

bool
portal_queue_take(struct dmz_queue *q, struct dmz_change *out)
{
	size_t *link;

	if (q->n == 0)
		return false;
	*out = q->place[q->first].change;
	for (link = head_of(q, out->id); *link != q->first + 1;
	     link = &q->place[*link - 1].next)
		;
	*link = q->place[q->first].next;
	q->first = (q->first + 1) & (q->room - 1);
	q->n--;
	return true;
}

void
portal_queue_clear(struct dmz_queue *q)
{
	free(q->place);
	*q = (struct dmz_queue){.room = 0};
}
