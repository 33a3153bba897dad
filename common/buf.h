/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Octets: struct span borrows them, struct buf owns a growing block of them
 * with a maximum set at creation. Nothing here relies on a closing NUL.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* Borrowed octets. data may be NULL when len is 0. */
struct span {
	const uint8_t *data;
	size_t len;
};

#define SPAN(d, l) ((struct span){(const uint8_t *)(d), (l)})
/* A string literal without its NUL. */
#define SPAN_LIT(s) SPAN((s), sizeof(s) - 1)

struct span span_str(const char *s);
bool span_eq(struct span a, struct span b);
bool span_eq_str(struct span a, const char *s);
/* ASCII case is ignored; other octets must be equal. */
bool span_caseeq_str(struct span a, const char *s);
bool span_starts_caseeq(struct span a, const char *prefix);
/* Without leading and trailing blanks (space, tab, CR, LF). */
struct span span_trim(struct span a);
/* Position of c at or after from; a.len if there is none. */
size_t span_find_chr(struct span a, size_t from, uint8_t c);
/* Position of needle at or after from; a.len if there is none. */
size_t span_find(struct span a, size_t from, struct span needle);

struct buf {
	uint8_t *data; /* owned; NULL while nothing was put */
	size_t len;
	size_t cap;
	size_t max; /* octets it may ever hold */
};

/* Embedded: init, use, clear. clear wipes nothing: secrets go elsewhere. */
void buf_init(struct buf *b, size_t max);
void buf_clear(struct buf *b);
/* Forget the contents, keep the memory. */
void buf_reset(struct buf *b);
struct span buf_span(const struct buf *b);

/* Append. ERR_TOO_BIG beyond max (nothing is appended then), ERR_NOMEM. */
enum err buf_put(struct buf *b, struct span s) MUST_CHECK;
enum err buf_puts(struct buf *b, const char *s) MUST_CHECK;
enum err buf_putc(struct buf *b, uint8_t c) MUST_CHECK;
enum err buf_printf(struct buf *b, const char *fmt, ...)
    PRINTF_LIKE(2, 3) MUST_CHECK;
/* Make room for n more octets and hand out where they go; buf_grow() then
   says how many were written. The pointer lives until the next call. */
enum err buf_reserve(struct buf *b, size_t n, uint8_t **out) MUST_CHECK;
void buf_grow(struct buf *b, size_t n);
/* Drop n octets from the front. */
void buf_drop(struct buf *b, size_t n);
/* Add a NUL behind the contents (not counted in len) and return them as a
   string, or NULL if there was no room for it. Borrowed until the next call. */
const char *buf_cstr(struct buf *b);

#endif
