/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Lengths are believed only as far as there are octets; the end of an element
 * of indefinite length is found with a counter, not with the stack. X.690 §8.1.
 */
#include "crypto/ber.h"

#include <stdint.h>

struct head {
	unsigned tag;
	bool indefinite;
	size_t size; /* octets of the header */
	size_t len;  /* of the body, if it is definite */
};

static enum err
read_head(struct span in, struct head *out)
{
	struct head h = {0};
	size_t n;

	if (in.len < 2 || (in.data[0] & 0x1f) == 0x1f)
		return ERR_MALFORMED;
	h.tag = in.data[0];
	h.size = 2;
	if (in.data[1] == 0x80) {
		/* only what has elements can end with one */
		if ((h.tag & 0x20) == 0)
			return ERR_MALFORMED;
		h.indefinite = true;
	} else if (in.data[1] < 0x80) {
		h.len = in.data[1];
	} else {
		n = in.data[1] & 0x7f;
		if (n > sizeof(uint32_t) || in.len < 2 + n)
			return ERR_MALFORMED;
		for (size_t i = 0; i < n; i++)
			h.len = h.len << 8 | in.data[2 + i];
		h.size += n;
	}
	if (!h.indefinite && h.len > in.len - h.size)
		return ERR_MALFORMED;
	*out = h;
	return ERR_OK;
}

/* Octets up to the end-of-contents that closes what has been opened. */
static enum err
find_end(struct span in, size_t *out)
{
	size_t at = 0, depth = 1;
	struct head h;

	for (;;) {
		if (read_head(SPAN(in.data + at, in.len - at), &h) != ERR_OK)
			return ERR_MALFORMED;
		if (h.tag == 0) {
			if (h.size != 2 || h.len != 0)
				return ERR_MALFORMED;
			if (--depth == 0)
				break;
			at += 2;
		} else if (h.indefinite) {
			if (++depth > BER_DEPTH)
				return ERR_MALFORMED;
			at += h.size;
		} else {
			at += h.size + h.len;
		}
	}
	*out = at;
	return ERR_OK;
}

enum err
ber_next(struct span *in, struct ber *out)
{
	struct head h;
	size_t len, total;

	if (read_head(*in, &h) != ERR_OK || h.tag == 0)
		return ERR_MALFORMED;
	len = h.len;
	if (h.indefinite &&
	    find_end(SPAN(in->data + h.size, in->len - h.size), &len) != ERR_OK)
		return ERR_MALFORMED;
	total = h.size + len + (h.indefinite ? 2 : 0);
	out->tag = h.tag;
	out->body = SPAN(in->data + h.size, len);
	out->all = SPAN(in->data, total);
	*in = SPAN(in->data + total, in->len - total);
	return ERR_OK;
}

enum err
ber_expect(struct span *in, unsigned tag, struct ber *out)
{
	struct span rest = *in;
	struct ber b;

	if (ber_next(&rest, &b) != ERR_OK || b.tag != tag)
		return ERR_MALFORMED;
	*in = rest;
	*out = b;
	return ERR_OK;
}

enum err
ber_octets_each(const struct ber *b,
    enum err (*put)(void *ctx, struct span piece), void *ctx)
{
	struct span rest = b->body;
	struct ber piece;
	enum err e = ERR_OK;

	if ((b->tag & 0x20) == 0)
		return put(ctx, b->body);
	while (rest.len > 0 && e == ERR_OK) {
		e = ber_expect(&rest, BER_OCTETS, &piece);
		if (e == ERR_OK)
			e = put(ctx, piece.body);
	}
	return e;
}

enum err
ber_put_head(struct buf *out, unsigned tag, size_t len)
{
	const uint8_t head[] = {
	    (uint8_t)tag, 0x82, (uint8_t)(len >> 8), (uint8_t)len};
	const uint8_t middle[] = {(uint8_t)tag, 0x81, (uint8_t)len};
	const uint8_t small[] = {(uint8_t)tag, (uint8_t)len};

	if (len > 0xffff)
		return ERR_TOO_BIG;
	if (len > 0xff)
		return buf_put(out, SPAN(head, sizeof(head)));
	if (len > 0x7f)
		return buf_put(out, SPAN(middle, sizeof(middle)));
	return buf_put(out, SPAN(small, sizeof(small)));
}
