/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Checks of UTF-8 text from outside. RFC 3629 section 4.
 */
#include "mime/utf8.h"

#include <string.h>

static bool
is_tail(struct span s, size_t i)
{
	return i < s.len && (s.data[i] & 0xc0) == 0x80;
}

size_t
mime_utf8_next(struct span s, uint32_t *out)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t c;
	size_t n;

	if (s.len == 0)
		return 0;
	c = s.data[0];
	if (c < 0x80)
		n = 1;
	else if (c >= 0xc2 && c <= 0xdf)
		n = 2;
	else if (c >= 0xe0 && c <= 0xef)
		n = 3;
	else if (c >= 0xf0 && c <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > 1)
		c &= 0xffU >> (n + 1);
	for (size_t i = 1; i < n; i++) {
		if (!is_tail(s, i))
			return 0;
		c = c << 6 | (s.data[i] & 0x3fU);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	if (out != NULL)
		*out = c;
	return n;
}

bool
mime_utf8_is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 ||
	       c == 0x2029;
}

bool
mime_utf8_is_trick(uint32_t c)
{
	static const uint32_t ranges[][2] = {{0xad, 0xad}, {0x34f, 0x34f},
	    {0x61c, 0x61c}, {0x180b, 0x180f}, {0x200b, 0x200b},
	    {0x200e, 0x200f}, {0x202a, 0x202e}, {0x2060, 0x206f},
	    {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xfff0, 0xfffb},
	    {0xe0000, 0xe0fff}};

	if (mime_utf8_is_control(c))
		return true;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i][0] && c <= ranges[i][1])
			return true;
	return false;
}

enum err
mime_utf8_put_clean(struct buf *out, struct span s)
{
	uint32_t c = 0;
	size_t n;
	enum err e = ERR_OK;

	while (s.len > 0 && e == ERR_OK) {
		n = mime_utf8_next(s, &c);
		if (n == 0) {
			n = 1;
			e = buf_puts(out, "\xef\xbf\xbd");
		} else if (mime_utf8_is_control(c)) {
			e = buf_putc(out, ' ');
		} else {
			e = buf_put(out, SPAN(s.data, n));
		}
		s.data += n;
		s.len -= n;
	}
	return e;
}

bool
mime_utf8_is_valid(struct span s)
{
	size_t n;

	while (s.len > 0) {
		n = mime_utf8_next(s, NULL);
		if (n == 0)
			return false;
		s.data += n;
		s.len -= n;
	}
	return true;
}

bool
mime_is_ascii(struct span s)
{
	uint64_t all = 0, w;
	size_t i = 0;

	/* eight octets at a time: whole messages are looked at */
	for (; i + sizeof(w) <= s.len; i += sizeof(w)) {
		memcpy(&w, s.data + i, sizeof(w));
		all |= w;
	}
	for (; i < s.len; i++)
		all |= s.data[i];
	return (all & 0x8080808080808080ULL) == 0;
}
