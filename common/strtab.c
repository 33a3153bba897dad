/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Open addressing, at most half full.
 */
#include "common/strtab.h"

#include <stdlib.h>

struct slot {
	struct span text;
	uint64_t hash;
	unsigned kind;
	bool used;
	size_t number;
};

struct strtab {
	struct slot *slot;
	size_t n, cap; /* cap is a power of two */
};

enum { FIRST_CAP = 64 };

struct strtab *
strtab_new(void)
{
	struct strtab *t = calloc(1, sizeof(*t));

	if (t != NULL)
		t->slot = calloc(FIRST_CAP, sizeof(*t->slot));
	if (t == NULL || t->slot == NULL)
		fatal("out of memory");
	t->cap = FIRST_CAP;
	return t;
}

void
strtab_free(struct strtab *t)
{
	if (t == NULL)
		return;
	free(t->slot);
	free(t);
}

/* FNV-1a */
static uint64_t
hash_of(unsigned kind, struct span text)
{
	uint64_t h = (0xcbf29ce484222325u ^ kind) * 0x100000001b3u;

	for (size_t i = 0; i < text.len; i++)
		h = (h ^ text.data[i]) * 0x100000001b3u;
	return h ^ h >> 32;
}

/* Where it is, or would be. */
static struct slot *
slot_of(struct slot *slot, size_t cap, uint64_t hash, unsigned kind,
    struct span text)
{
	size_t i = hash & (cap - 1);

	while (slot[i].used && (slot[i].hash != hash || slot[i].kind != kind ||
				   !span_eq(slot[i].text, text)))
		i = (i + 1) & (cap - 1);
	return &slot[i];
}

bool
strtab_find(
    const struct strtab *t, unsigned kind, struct span text, size_t *out)
{
	const struct slot *s =
	    slot_of(t->slot, t->cap, hash_of(kind, text), kind, text);

	if (!s->used)
		return false;
	*out = s->number;
	return true;
}

static enum err
grow(struct strtab *t)
{
	size_t cap = 2 * t->cap;
	struct slot *more = calloc(cap, sizeof(*more));

	if (more == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < t->cap; i++) {
		const struct slot *s = &t->slot[i];

		if (s->used)
			*slot_of(more, cap, s->hash, s->kind, s->text) = *s;
	}
	free(t->slot);
	t->slot = more;
	t->cap = cap;
	return ERR_OK;
}

enum err
strtab_put(struct strtab *t, unsigned kind, struct span text, size_t number)
{
	uint64_t hash = hash_of(kind, text);
	struct slot *s;
	enum err e = 2 * t->n >= t->cap ? grow(t) : ERR_OK;

	if (e != ERR_OK)
		return e;
	s = slot_of(t->slot, t->cap, hash, kind, text);
	t->n += s->used ? 0 : 1;
	*s = (struct slot){.text = text,
	    .hash = hash,
	    .kind = kind,
	    .used = true,
	    .number = number};
	return ERR_OK;
}
