/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Fixed order, big-endian, length-prefixed.
 */
#include "common/pack.h"

#include <string.h>

void
pack_begin(struct packer *p, struct buf *buf)
{
	*p = (struct packer){.buf = buf};
}

void
pack_raw(struct packer *p, const void *data, size_t len)
{
	if (p->err == ERR_OK)
		p->err = buf_put(p->buf, SPAN(data, len));
}

static void
pack_be(struct packer *p, uint64_t v, size_t n)
{
	uint8_t octets[8];

	for (size_t i = 0; i < n; i++)
		octets[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
	pack_raw(p, octets, n);
}

void
pack_u8(struct packer *p, uint8_t v)
{
	pack_be(p, v, 1);
}

void
pack_u16(struct packer *p, uint16_t v)
{
	pack_be(p, v, 2);
}

void
pack_u32(struct packer *p, uint32_t v)
{
	pack_be(p, v, 4);
}

void
pack_u64(struct packer *p, uint64_t v)
{
	pack_be(p, v, 8);
}

void
pack_bool(struct packer *p, bool v)
{
	pack_u8(p, v ? 1 : 0);
}

void
pack_span(struct packer *p, struct span s)
{
	if (s.len > UINT32_MAX) {
		p->err = ERR_TOO_BIG;
		return;
	}
	pack_u32(p, (uint32_t)s.len);
	pack_raw(p, s.data, s.len);
}

void
pack_str(struct packer *p, const char *s)
{
	pack_span(p, span_str(s));
}

enum err
pack_end(struct packer *p)
{
	return p->err;
}

void
unpack_begin(struct unpacker *u, struct span s)
{
	*u = (struct unpacker){.rest = s};
}

static const uint8_t *
take(struct unpacker *u, size_t n)
{
	const uint8_t *p = u->rest.data;

	if (u->err != ERR_OK || u->rest.len < n) {
		u->err = ERR_IPC;
		u->rest.len = 0;
		return NULL;
	}
	u->rest.data = n == 0 ? p : p + n;
	u->rest.len -= n;
	return p;
}

static uint64_t
unpack_be(struct unpacker *u, size_t n)
{
	const uint8_t *p = take(u, n);
	uint64_t v = 0;

	for (size_t i = 0; p != NULL && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

uint8_t
unpack_u8(struct unpacker *u)
{
	return (uint8_t)unpack_be(u, 1);
}

uint16_t
unpack_u16(struct unpacker *u)
{
	return (uint16_t)unpack_be(u, 2);
}

uint32_t
unpack_u32(struct unpacker *u)
{
	return (uint32_t)unpack_be(u, 4);
}

uint64_t
unpack_u64(struct unpacker *u)
{
	return unpack_be(u, 8);
}

bool
unpack_bool(struct unpacker *u)
{
	uint8_t v = unpack_u8(u);

	if (v > 1)
		u->err = ERR_IPC;
	return v == 1;
}

struct span
unpack_span(struct unpacker *u)
{
	size_t n = unpack_u32(u);
	const uint8_t *p = take(u, n);

	return u->err == ERR_OK ? SPAN(p, n) : SPAN(NULL, 0);
}

const char *
unpack_str(struct unpacker *u, struct arena *a)
{
	struct span s = unpack_span(u);
	char *copy;

	if (s.len > 0 && memchr(s.data, 0, s.len) != NULL)
		u->err = ERR_IPC;
	if (u->err != ERR_OK || s.len == 0)
		return "";
	copy = arena_span_str(a, s);
	if (copy == NULL) {
		u->err = ERR_NOMEM;
		return "";
	}
	return copy;
}

void
unpack_raw(struct unpacker *u, void *out, size_t len)
{
	const uint8_t *p = take(u, len);

	if (p == NULL)
		memset(out, 0, len);
	else
		memcpy(out, p, len);
}

uint32_t
unpack_count(struct unpacker *u, size_t min_size)
{
	uint32_t n = unpack_u32(u);

	if (u->err == ERR_OK && (uint64_t)n * min_size > u->rest.len)
		u->err = ERR_IPC;
	return u->err == ERR_OK ? n : 0;
}

enum err
unpack_end(struct unpacker *u)
{
	if (u->err == ERR_OK && u->rest.len != 0)
		u->err = ERR_IPC;
	return u->err;
}
