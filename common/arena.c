/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A list of blocks; the newest is filled from the front.
 */
#include "common/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16 * 1024 };

struct block {
	struct block *next;
	size_t size;
	size_t used;
	alignas(max_align_t) uint8_t data[];
};

struct arena {
	struct block *blocks;
	size_t max;
	size_t total;
};

struct arena *
arena_new(size_t max)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		fatal("out of memory");
	a->max = max;
	return a;
}

static void
free_blocks(struct block *b)
{
	struct block *next;

	for (; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	free_blocks(a->blocks);
	free(a);
}

void
arena_reset(struct arena *a)
{
	struct block *keep = a->blocks;

	a->total = 0;
	if (keep == NULL)
		return;
	free_blocks(keep->next);
	keep->next = NULL;
	if (keep->size > BLOCK_SIZE) {
		free(keep);
		keep = NULL;
	} else {
		keep->used = 0;
	}
	a->blocks = keep;
}

static struct block *
add_block(struct arena *a, size_t size)
{
	struct block *b;

	if (size < BLOCK_SIZE)
		size = BLOCK_SIZE;
	b = malloc(sizeof(*b) + size);
	if (b == NULL)
		return NULL;
	*b = (struct block){.next = a->blocks, .size = size};
	a->blocks = b;
	return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct block *b = a->blocks;
	void *p;

	if (size > a->max || a->total > a->max - size)
		return NULL;
	size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (b == NULL || size > b->size - b->used)
		b = add_block(a, size);
	if (b == NULL)
		return NULL;
	p = b->data + b->used;
	b->used += size;
	a->total += size;
	memset(p, 0, size);
	return p;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	if (size != 0 && n > SIZE_MAX / size)
		return NULL;
	return arena_alloc(a, n * size);
}

char *
arena_span_str(struct arena *a, struct span s)
{
	char *p = s.len == SIZE_MAX ? NULL : arena_alloc(a, s.len + 1);

	if (p != NULL && s.len > 0)
		memcpy(p, s.data, s.len);
	return p;
}

char *
arena_strdup(struct arena *a, const char *s)
{
	return arena_span_str(a, span_str(s));
}

enum err
arena_span(struct arena *a, struct span s, struct span *out)
{
	char *p = arena_span_str(a, s);

	if (p == NULL)
		return ERR_NOMEM;
	*out = SPAN(p, s.len);
	return ERR_OK;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	p = arena_alloc(a, (size_t)n + 1);
	if (p == NULL)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}
