/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What store keeps in memory of every entry: enough to know which is due
 * next. Rebuilt from the spool at start; the spool decides.
 */
#ifndef GATEWAY_STORE_INDEX_H
#define GATEWAY_STORE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/store/spool.h"

/* With whom an entry is at the moment. */
enum store_flight {
	STORE_FLIGHT_NONE = 0,
	STORE_FLIGHT_RELAY,
	STORE_FLIGHT_WORKER,
	STORE_FLIGHT_LOOKUP, /* sources are asked for its recipients */
};

/* Who takes it next. */
enum store_lane {
	STORE_LANE_WORKER,
	STORE_LANE_RELAY,
	STORE_LANE_OPENER,
	STORE_LANES
};

/* Items that are due and must wait for others of their kind, in order. Init
   before use. */
struct store_park {
	struct store_item *first, **last;
};

struct store_item {
	uint64_t id;
	uint64_t message_id;
	uint64_t due_ms; /* of the spool's clock */
	struct store_item *next;
	size_t place; /* in the heap, from 1; 0: not in it */
	/* neighbours while it is parked: park NULL when not */
	struct store_park *park;
	struct store_item *park_next, **park_at;
	enum entry_kind kind;
	enum store_lane lane;
	enum store_state state;
	enum store_flight flight;
	bool doomed;
	bool waits;	/* its client does */
	bool said_late; /* what is under way was told that it is late */
	bool looked_up; /* they were, for the next decision */
	bool in_share;	/* counted by share.c */
	uint32_t dest;	/* its next hop; 0: not known yet */
	unsigned worker;
};

struct store_index;

struct store_index *store_index_new(void);
void store_index_free(struct store_index *x);

struct store_item *store_index_find(const struct store_index *x, uint64_t id);
/* The item of this id, made if there is none. */
struct store_item *store_index_add(struct store_index *x, uint64_t id);
/* Take over what the spool says of it. */
void store_index_set(struct store_index *x, struct store_item *item,
    const struct store_status *s);
/* With whom it is: what is with nobody and not held can be due. */
void store_index_fly(
    struct store_index *x, struct store_item *item, enum store_flight f);
/* It is with nobody any more, and due then, whatever the spool says. */
void store_index_land(
    struct store_index *x, struct store_item *item, uint64_t due_ms);
void store_index_del(struct store_index *x, struct store_item *item);

void store_park_init(struct store_park *p);
/* Out of the heap and behind those that are parked there. Whatever changes of
   the item takes it out of the park again. */
void store_index_park(
    struct store_index *x, struct store_item *item, struct store_park *p);
/* The first one may be due again; false: there is none. */
bool store_index_unpark(struct store_index *x, struct store_park *p);

/* The entry of this lane that is due first, queued or waiting; NULL if there
   is none. */
struct store_item *store_index_first(
    const struct store_index *x, enum store_lane lane);
/* Call cb for each item; it must not add or delete. */
void store_index_each(const struct store_index *x,
    void (*cb)(void *arg, struct store_item *item), void *arg);

struct store_counts {
	size_t ready, pending; /* all of that kind that are not parked */
	size_t held, waiting, flying;
};

void store_index_count(const struct store_index *x, struct store_counts *out);

#endif
