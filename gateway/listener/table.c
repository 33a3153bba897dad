/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Chains. Ids are our own, made by counting or with random bits at the end,
 * so their low bits spread well.
 */
#include "gateway/listener/table.h"

static struct listener_node **
chain(struct listener_table *t, uint64_t id)
{
	return &t->slot[id % LISTENER_TABLE_SLOTS];
}

void
listener_table_put(
    struct listener_table *t, struct listener_node *n, uint64_t id)
{
	struct listener_node **head = chain(t, id);

	n->id = id;
	n->next = *head;
	*head = n;
}

void *
listener_table_find(const struct listener_table *t, uint64_t id)
{
	struct listener_node *n = t->slot[id % LISTENER_TABLE_SLOTS];

	while (n != NULL && n->id != id)
		n = n->next;
	return n;
}

void
listener_table_remove(struct listener_table *t, struct listener_node *n)
{
	struct listener_node **p = chain(t, n->id);

	while (*p != NULL && *p != n)
		p = &(*p)->next;
	if (*p != NULL)
		*p = n->next;
	n->next = NULL;
}
