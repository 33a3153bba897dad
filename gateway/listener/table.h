/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is asked of another process, by the id of the question. The node is
 * the first member of what it finds.
 */
#ifndef GATEWAY_LISTENER_TABLE_H
#define GATEWAY_LISTENER_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum { LISTENER_TABLE_SLOTS = 4096 };

struct listener_node {
	uint64_t id;
	struct listener_node *next;
};

struct listener_table {
	struct listener_node *slot[LISTENER_TABLE_SLOTS];
};

/* The node stays the caller's and must be removed before it is freed. */
void listener_table_put(
    struct listener_table *t, struct listener_node *n, uint64_t id);
/* NULL if there is none. */
void *listener_table_find(const struct listener_table *t, uint64_t id);
void listener_table_remove(struct listener_table *t, struct listener_node *n);

#endif
