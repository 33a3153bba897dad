/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Memory that lives and dies with one message. Never holds secrets.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <stddef.h>

#include "common/buf.h"

struct arena;

/* max is the number of octets it may ever hand out. */
struct arena *arena_new(size_t max);
void arena_free(struct arena *a);
/* Forget everything handed out; keep some of the memory. */
void arena_reset(struct arena *a);

/* Zeroed memory, aligned for any type; NULL beyond max or out of memory.
   Borrowed until the arena is reset or freed. */
void *arena_alloc(struct arena *a, size_t size);
/* n elements of size; NULL when n * size overflows, too. */
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s);
/* A copy with a NUL behind it. */
char *arena_span_str(struct arena *a, struct span s);
/* A copy; out is untouched on failure. */
enum err arena_span(
    struct arena *a, struct span s, struct span *out) MUST_CHECK;
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
