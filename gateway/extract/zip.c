/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The central directory says what there is, and each entry's own header must
 * say the same. Nothing may stand behind it or between it and its end, so that
 * there is one directory only.
 */
#include "gateway/extract/zip.h"

#include <string.h>

#include <zlib.h>

#include "common/limits.h"

enum {
	END_SIZE = 22,
	CENTRAL_SIZE = 46,
	LOCAL_SIZE = 30,
	END_MAGIC = 0x06054b50,
	CENTRAL_MAGIC = 0x02014b50,
	LOCAL_MAGIC = 0x04034b50,
	ENCRYPTED = 1 | 1 << 6 | 1 << 13, /* 4.4.4: also strong, and masked */
	STORED = 0,
	DEFLATED = 8,
	PIECE = 64 * 1024,
};

static uint16_t
u16(struct span s, size_t at)
{
	return (uint16_t)(s.data[at] | s.data[at + 1] << 8);
}

static uint32_t
u32(struct span s, size_t at)
{
	return u16(s, at) | (uint32_t)u16(s, at + 2) << 16;
}

/* The last one whose comment reaches to the end of the file. */
static bool
find_end(struct span s, size_t *out)
{
	size_t at, back;

	if (s.len < END_SIZE)
		return false;
	for (back = 0; back <= 0xffff && back + END_SIZE <= s.len; back++) {
		at = s.len - END_SIZE - back;
		if (u32(s, at) == END_MAGIC && u16(s, at + 20) == back) {
			*out = at;
			return true;
		}
	}
	return false;
}

enum err
extract_zip_open(struct span archive, struct extract_zip *out)
{
	struct extract_zip z = {.all = archive};
	size_t end, size;

	if (!find_end(archive, &end))
		return ERR_MALFORMED;
	z.left = u16(archive, end + 10);
	size = u32(archive, end + 12);
	z.directory = z.at = u32(archive, end + 16);
	/* number of this disk, of the directory's, entries on this one */
	if (u16(archive, end + 4) != 0 || u16(archive, end + 6) != 0 ||
	    u16(archive, end + 8) != z.left || z.at > end || size != end - z.at)
		return ERR_MALFORMED;
	if (z.left > LIMIT_EXTRACT_ENTRIES)
		return ERR_LIMIT;
	*out = z;
	return ERR_OK;
}

/* The entry's own header must be of the same file; sizes may stand behind it
   (bit 3), and are the directory's then. */
static enum err
take_local(const struct extract_zip *z, size_t at, struct extract_zip_entry *e,
    uint16_t flags, uint16_t method, size_t packed)
{
	struct span s = z->all;
	size_t name_len, data;

	if (at > z->directory || z->directory - at < LOCAL_SIZE ||
	    u32(s, at) != LOCAL_MAGIC)
		return ERR_MALFORMED;
	name_len = u16(s, at + 26);
	data = at + LOCAL_SIZE + name_len + u16(s, at + 28);
	if (data > z->directory || z->directory - data < packed ||
	    name_len != e->name.len ||
	    memcmp(s.data + at + LOCAL_SIZE, e->name.data, name_len) != 0 ||
	    u16(s, at + 6) != flags || u16(s, at + 8) != method)
		return ERR_MALFORMED;
	e->packed = SPAN(s.data + data, packed);
	return ERR_OK;
}

enum err
extract_zip_next(struct extract_zip *z, struct extract_zip_entry *out)
{
	struct extract_zip_entry e = {.size = 0};
	struct span s = z->all;
	size_t at = z->at, end = s.len, name_len, size;
	uint16_t flags, method;
	enum err err;

	if (z->left == 0)
		return ERR_NOT_FOUND;
	if (end - at < CENTRAL_SIZE || u32(s, at) != CENTRAL_MAGIC)
		return ERR_MALFORMED;
	flags = u16(s, at + 8);
	method = u16(s, at + 10);
	e.crc = u32(s, at + 16);
	e.size = u32(s, at + 24);
	e.deflated = method == DEFLATED;
	name_len = u16(s, at + 28);
	size = CENTRAL_SIZE + name_len + u16(s, at + 30) + u16(s, at + 32);
	if (end - at < size || name_len == 0 ||
	    memchr(s.data + at + CENTRAL_SIZE, 0, name_len) != NULL)
		return ERR_MALFORMED;
	e.name = SPAN(s.data + at + CENTRAL_SIZE, name_len);
	if ((flags & ENCRYPTED) != 0 ||
	    (method != STORED && method != DEFLATED) || e.size == UINT32_MAX ||
	    u32(s, at + 20) == UINT32_MAX)
		return ERR_UNSUPPORTED;
	err =
	    take_local(z, u32(s, at + 42), &e, flags, method, u32(s, at + 20));
	if (err != ERR_OK)
		return err;
	z->at = at + size;
	z->left--;
	*out = e;
	return ERR_OK;
}

/* How much may come of it: what it says, and no more than a text of that size
   can be packed to. */
static bool
is_bomb(const struct extract_zip_entry *e)
{
	return e->size > LIMIT_EXTRACT_PLAIN &&
	       e->size / LIMIT_EXTRACT_RATIO > e->packed.len;
}

static enum err
inflate_all(const struct extract_zip_entry *e, struct buf *out)
{
	uint8_t piece[PIECE];
	z_stream s = {.next_in = (Bytef *)(uintptr_t)e->packed.data,
	    .avail_in = (uInt)e->packed.len};
	size_t left = e->size, n;
	enum err err = ERR_OK;
	int rc;

	if (inflateInit2(&s, -MAX_WBITS) != Z_OK)
		return ERR_NOMEM;
	do {
		s.next_out = piece;
		s.avail_out = PIECE;
		rc = inflate(&s, Z_NO_FLUSH);
		n = PIECE - s.avail_out;
		if ((rc != Z_OK && rc != Z_STREAM_END) || n > left)
			err = ERR_MALFORMED;
		if (err == ERR_OK)
			err = buf_put(out, SPAN(piece, n));
		left -= err == ERR_OK ? n : 0;
	} while (err == ERR_OK && rc != Z_STREAM_END);
	if (err == ERR_OK && (left > 0 || s.avail_in > 0))
		err = ERR_MALFORMED;
	inflateEnd(&s);
	return err;
}

enum err
extract_zip_read(const struct extract_zip_entry *e, struct buf *out)
{
	size_t before = out->len;
	enum err err;

	if (is_bomb(e))
		return ERR_TOO_BIG;
	if (e->deflated)
		err = inflate_all(e, out);
	else
		err = e->packed.len == e->size ? buf_put(out, e->packed)
					       : ERR_MALFORMED;
	if (err != ERR_OK || out->len == before)
		return err;
	return crc32(0, out->data + before, (uInt)(out->len - before)) == e->crc
		   ? ERR_OK
		   : ERR_MALFORMED;
}
