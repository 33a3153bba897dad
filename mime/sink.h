/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Where the writers of this folder put their octets: a buffer, a memfd, a
 * descriptor. The sink itself belongs to the caller.
 */
#ifndef MIME_SINK_H
#define MIME_SINK_H

#include "common/buf.h"

struct mime_sink {
	enum err (*put)(void *ctx, struct span s);
	void *ctx;
};

/* A sink that appends to b. Borrowed while the sink is used. */
struct mime_sink mime_sink_buf(struct buf *b);

enum err mime_put(const struct mime_sink *to, struct span s) MUST_CHECK;
enum err mime_puts(const struct mime_sink *to, const char *s) MUST_CHECK;
/* Text whose lines end in LF or CRLF, written with CRLF; a bare CR is written
   as a line end too, and the last line gets one if it has none. */
enum err mime_put_crlf(const struct mime_sink *to, struct span s) MUST_CHECK;

#endif
