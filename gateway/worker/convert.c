/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * For what leaves readable with 8-bit characters: how it would be converted
 * for a next hop that does not take them. Relay has the key of ready mail and
 * so parses none; it is told which octets to encode.
 */
#include <string.h>

#include "common/arena.h"
#include "gateway/worker/worker_private.h"
#include "mime/utf8.h"

enum { TREE_MAX = 16 * 1024 * 1024 };

/* The plan outlives the tree that it was made from. */
static enum err
keep(struct job *j, const struct mime_convert_plan *plan,
    struct mime_convert_plan *out)
{
	struct mime_convert_plan p = *plan;

	if (p.n > 0) {
		p.edit = arena_array(j->arena, p.n, sizeof(*p.edit));
		if (p.edit == NULL)
			return ERR_NOMEM;
		memcpy(p.edit, plan->edit, p.n * sizeof(*p.edit));
	}
	*out = p;
	return ERR_OK;
}

enum err
job_plan_convert(struct job *j, struct entry *e, struct span octets)
{
	struct mime_convert_plan plan;
	struct arena *tree;
	enum err err;

	if (mime_is_ascii(octets))
		return ERR_OK;
	tree = arena_new(TREE_MAX);
	if (tree == NULL)
		return ERR_NOMEM;
	err = mime_convert_plan(octets, tree, &plan);
	if (err == ERR_OK)
		err = keep(j, &plan, &e->convert);
	arena_free(tree);
	return err;
}
