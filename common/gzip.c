/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One call of deflate into room that is known to suffice.
 */
#include "common/gzip.h"

#include <limits.h>

#include <zlib.h>

enum { WINDOW = 15 + 16, MEMORY = 8 }; /* 16: with the header of gzip */

enum err
gzip_write(struct span in, struct buf *out)
{
	z_stream z = {0};
	uint8_t *at;
	uLong room;
	enum err e;

	if (in.len > INT_MAX / 2)
		return ERR_TOO_BIG;
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, MEMORY,
		Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NOMEM;
	room = deflateBound(&z, (uLong)in.len);
	e = buf_reserve(out, room, &at);
	if (e == ERR_OK) {
		z.next_in = (Bytef *)(uintptr_t)in.data;
		z.avail_in = (uInt)in.len;
		z.next_out = at;
		z.avail_out = (uInt)room;
		e = deflate(&z, Z_FINISH) == Z_STREAM_END ? ERR_OK : ERR_NOMEM;
	}
	if (e == ERR_OK)
		buf_grow(out, z.total_out);
	(void)deflateEnd(&z);
	return e;
}
