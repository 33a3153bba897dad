/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A buffer that becomes a memfd.
 */
#include "gateway/spill.h"

#include <unistd.h>

#include "common/limits.h"

enum { HEAP_MAX = 512 * 1024 };

void
spill_init(struct spill *s, uint64_t max)
{
	*s = (struct spill){.fd = -1, .max = max};
	buf_init(&s->buf, HEAP_MAX);
}

void
spill_clear(struct spill *s)
{
	memfd_unmap(&s->map);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	buf_clear(&s->buf);
}

static enum err
to_memfd(struct spill *s)
{
	enum err e = memfd_new(&s->fd);

	if (e != ERR_OK)
		return e;
	e = memfd_write(s->fd, buf_span(&s->buf));
	buf_reset(&s->buf);
	return e;
}

/* Collect small pieces before they are written to the memfd. */
static enum err
put(void *ctx, struct span piece)
{
	struct spill *s = ctx;
	enum err e;

	if (piece.len > s->max - s->size)
		return ERR_TOO_BIG;
	s->size += piece.len;
	if (piece.len + LIMIT_MESSAGE_PADDING <= HEAP_MAX - s->buf.len)
		return buf_put(&s->buf, piece);
	if (s->fd < 0) {
		e = to_memfd(s);
	} else {
		e = memfd_write(s->fd, buf_span(&s->buf));
		buf_reset(&s->buf);
	}
	return e == ERR_OK ? memfd_write(s->fd, piece) : e;
}

struct mime_sink
spill_sink(struct spill *s)
{
	return (struct mime_sink){.put = put, .ctx = s};
}

enum err
spill_finish(struct spill *s, struct span *out)
{
	static const uint8_t zero[LIMIT_MESSAGE_PADDING];
	enum err e;

	if (s->fd < 0) {
		e = buf_put(&s->buf, SPAN(zero, sizeof(zero)));
		if (e == ERR_OK)
			*out = SPAN(s->buf.data, s->buf.len - sizeof(zero));
		return e;
	}
	e = memfd_write(s->fd, buf_span(&s->buf));
	buf_clear(&s->buf);
	if (e == ERR_OK)
		e = memfd_seal(s->fd);
	if (e == ERR_OK)
		e = memfd_map(s->fd, (size_t)s->size, &s->map);
	if (e == ERR_OK)
		*out = s->map.data;
	return e;
}
