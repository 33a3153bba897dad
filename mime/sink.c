/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sinks, and text written with the line ends of mail.
 */
#include "mime/sink.h"

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

enum err
mime_put_crlf(const struct mime_sink *to, struct span s)
{
	size_t start = 0, end;
	enum err e;

	while (start < s.len) {
		for (end = start; end < s.len; end++)
			if (s.data[end] == '\r' || s.data[end] == '\n')
				break;
		e = mime_put(to, SPAN(s.data + start, end - start));
		if (e == ERR_OK)
			e = mime_puts(to, "\r\n");
		if (e != ERR_OK)
			return e;
		if (end + 1 < s.len && s.data[end] == '\r' &&
		    s.data[end + 1] == '\n')
			end++;
		start = end + 1;
	}
	return ERR_OK;
}
