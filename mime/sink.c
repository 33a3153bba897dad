/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sinks, and text written with the line ends of mail.
 */
#include "mime/sink.h"

#include <string.h>

static enum err
put_buf(void *ctx, struct span s)
{
	return buf_put(ctx, s);
}

struct mime_sink
mime_sink_buf(struct buf *b)
{
	return (struct mime_sink){.put = put_buf, .ctx = b};
}

enum err
mime_put(const struct mime_sink *to, struct span s)
{
	return s.len == 0 ? ERR_OK : to->put(to->ctx, s);
}

enum err
mime_puts(const struct mime_sink *to, const char *s)
{
	return mime_put(to, span_str(s));
}

/* The octets of s up to a line end; moves s behind it. */
static struct span
take_line(struct span *s)
{
	struct span line = *s;
	size_t n = 0, next;

	while (n < s->len && s->data[n] != '\r' && s->data[n] != '\n')
		n++;
	line.len = n;
	next = n + (n < s->len);
	if (next < s->len && s->data[n] == '\r' && s->data[next] == '\n')
		next++;
	s->data += next;
	s->len -= next;
	return line;
}

enum err
mime_put_crlf(const struct mime_sink *to, struct span s)
{
	uint8_t chunk[4096];
	struct span line;
	size_t n = 0;
	enum err e = ERR_OK;

	while (s.len > 0 && e == ERR_OK) {
		line = take_line(&s);
		if (n + line.len + 2 > sizeof(chunk)) {
			e = mime_put(to, SPAN(chunk, n));
			n = 0;
		}
		if (e == ERR_OK && line.len + 2 > sizeof(chunk)) {
			e = mime_put(to, line);
			line.len = 0;
		}
		if (line.len > 0)
			memcpy(chunk + n, line.data, line.len);
		n += line.len;
		chunk[n++] = '\r';
		chunk[n++] = '\n';
	}
	return e == ERR_OK ? mime_put(to, SPAN(chunk, n)) : e;
}
