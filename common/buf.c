/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Growing blocks of octets and comparisons on borrowed ones.
 */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct span
span_str(const char *s)
{
	return SPAN(s, s == NULL ? 0 : strlen(s));
}

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
span_eq_str(struct span a, const char *s)
{
	return span_eq(a, span_str(s));
}

static uint8_t
lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

bool
span_starts_caseeq(struct span a, const char *prefix)
{
	size_t n = strlen(prefix);

	if (a.len < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (lower(a.data[i]) != lower((uint8_t)prefix[i]))
			return false;
	return true;
}

bool
span_caseeq_str(struct span a, const char *s)
{
	return a.len == strlen(s) && span_starts_caseeq(a, s);
}

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span
span_trim(struct span a)
{
	while (a.len > 0 && is_blank(a.data[0])) {
		a.data++;
		a.len--;
	}
	while (a.len > 0 && is_blank(a.data[a.len - 1]))
		a.len--;
	return a;
}

size_t
span_find_chr(struct span a, size_t from, uint8_t c)
{
	const uint8_t *p;

	if (from >= a.len)
		return a.len;
	p = memchr(a.data + from, c, a.len - from);
	return p == NULL ? a.len : (size_t)(p - a.data);
}

size_t
span_find(struct span a, size_t from, struct span needle)
{
	const uint8_t *p;

	if (from > a.len)
		return a.len;
	if (needle.len == 0)
		return from;
	if (from == a.len)
		return a.len;
	p = memmem(a.data + from, a.len - from, needle.data, needle.len);
	return p == NULL ? a.len : (size_t)(p - a.data);
}

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void
buf_clear(struct buf *b)
{
	if (b == NULL)
		return;
	free(b->data);
	*b = (struct buf){.max = b->max};
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
}

struct span
buf_span(const struct buf *b)
{
	return SPAN(b->data, b->len);
}

/* Room for n more octets and one NUL behind them. */
static enum err
make_room(struct buf *b, size_t n)
{
	size_t want, cap;
	uint8_t *p;

	if (n > b->max || b->len > b->max - n)
		return ERR_TOO_BIG;
	want = b->len + n + 1;
	if (want <= b->cap)
		return ERR_OK;
	cap = b->cap == 0 ? 256 : b->cap;
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	p = realloc(b->data, cap);
	if (p == NULL)
		return ERR_NOMEM;
	b->data = p;
	b->cap = cap;
	return ERR_OK;
}

enum err
buf_reserve(struct buf *b, size_t n, uint8_t **out)
{
	enum err e = make_room(b, n);

	if (e != ERR_OK)
		return e;
	*out = b->data + b->len;
	return ERR_OK;
}

void
buf_grow(struct buf *b, size_t n)
{
	if (b->cap == 0 || n > b->cap - 1 - b->len)
		fatal("buf_grow: more than was reserved");
	b->len += n;
}

enum err
buf_put(struct buf *b, struct span s)
{
	enum err e = make_room(b, s.len);

	if (e != ERR_OK)
		return e;
	if (s.len > 0)
		memcpy(b->data + b->len, s.data, s.len);
	b->len += s.len;
	return ERR_OK;
}

enum err
buf_puts(struct buf *b, const char *s)
{
	return buf_put(b, span_str(s));
}

enum err
buf_putc(struct buf *b, uint8_t c)
{
	return buf_put(b, SPAN(&c, 1));
}

enum err
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;
	enum err e;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return ERR_INTERNAL;
	e = make_room(b, (size_t)n);
	if (e != ERR_OK)
		return e;
	va_start(ap, fmt);
	vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return ERR_OK;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n > b->len)
		fatal("buf_drop: more than there is");
	b->len -= n;
	if (b->len > 0)
		memmove(b->data, b->data + n, b->len);
}

const char *
buf_cstr(struct buf *b)
{
	if (make_room(b, 0) != ERR_OK)
		return NULL;
	b->data[b->len] = 0;
	return (const char *)b->data;
}
