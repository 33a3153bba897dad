/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Small encodings. Parsing is exact: what the writer would not have written
 * is refused.
 */
#include "common/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

void
text_hex(struct span in, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < in.len; i++) {
		out[2 * i] = digits[in.data[i] >> 4];
		out[2 * i + 1] = digits[in.data[i] & 15];
	}
	out[2 * in.len] = 0;
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

enum err
text_unhex(struct span in, uint8_t *out, size_t out_len)
{
	if (in.len != 2 * out_len)
		return ERR_MALFORMED;
	for (size_t i = 0; i < in.len; i++)
		if (hex_value(in.data[i]) < 0)
			return ERR_MALFORMED;
	for (size_t i = 0; i < out_len; i++)
		out[i] = (uint8_t)(hex_value(in.data[2 * i]) << 4 |
				   hex_value(in.data[2 * i + 1]));
	return ERR_OK;
}

static const char b64url[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
text_base64url(struct span in, char *out)
{
	uint32_t acc = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < in.len; i++) {
		acc = acc << 8 | in.data[i];
		for (bits += 8; bits >= 6; bits -= 6)
			*out++ = b64url[acc >> (bits - 6) & 63];
	}
	if (bits > 0)
		*out++ = b64url[acc << (6 - bits) & 63];
	*out = 0;
}

enum err
text_unbase64url(struct span in, uint8_t *out, size_t out_len)
{
	uint32_t acc = 0;
	unsigned bits = 0;
	size_t n = 0;
	const char *p;

	if (in.len != (4 * out_len + 2) / 3)
		return ERR_MALFORMED;
	for (size_t i = 0; i < in.len; i++) {
		p = in.data[i] == 0 ? NULL : strchr(b64url, in.data[i]);
		if (p == NULL)
			return ERR_MALFORMED;
		acc = acc << 6 | (uint32_t)(p - b64url);
		bits += 6;
		if (bits >= 8 && n < out_len) {
			bits -= 8;
			out[n++] = (uint8_t)(acc >> bits);
		}
	}
	return (acc & ((1u << bits) - 1)) == 0 ? ERR_OK : ERR_MALFORMED;
}

void
text_zbase32(struct span in, char *out)
{
	static const char digits[] = "ybndrfg8ejkmcpqxot1uwisza345h769";
	uint32_t acc = 0;
	unsigned bits = 0;

	for (size_t i = 0; i < in.len; i++) {
		acc = acc << 8 | in.data[i];
		for (bits += 8; bits >= 5; bits -= 5)
			*out++ = digits[acc >> (bits - 5) & 31];
	}
	if (bits > 0)
		*out++ = digits[acc << (5 - bits) & 31];
	*out = 0;
}

enum err
text_url_escape(struct span in, char *out, size_t out_size)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		uint8_t c = in.data[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '.' ||
			     c == '_' || c == '~';

		if (n + 4 > out_size)
			return ERR_TOO_BIG;
		if (plain)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 4, "%%%02X", c);
	}
	if (n >= out_size)
		return ERR_TOO_BIG;
	out[n] = 0;
	return ERR_OK;
}

static const char base32[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void
text_id(uint64_t id, char out[TEXT_ID_SIZE])
{
	for (int i = 12; i >= 0; i--) {
		out[i] = base32[id & 31];
		id >>= 5;
	}
	out[13] = 0;
}

enum err
text_unid(const char *text, uint64_t *out)
{
	uint64_t v = 0;
	const char *p;

	if (strlen(text) != TEXT_ID_SIZE - 1 ||
	    strchr("0123456789ABCDEF", text[0]) == NULL)
		return ERR_MALFORMED;
	for (size_t i = 0; i < TEXT_ID_SIZE - 1; i++) {
		p = strchr(base32, text[i]);
		if (p == NULL)
			return ERR_MALFORMED;
		v = v << 5 | (uint64_t)(p - base32);
	}
	*out = v;
	return ERR_OK;
}

void
text_time_ms(uint64_t unix_ms, char out[TEXT_TIME_SIZE])
{
	time_t t = (time_t)(unix_ms / 1000);
	struct tm tm;
	char day[24];

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 8099)
		memset(&tm, 0, sizeof(tm));
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, TEXT_TIME_SIZE, "%.19s.%03uZ", day,
	    (unsigned)(unix_ms % 1000));
}

void
text_escape(struct span in, char *out, size_t out_size)
{
	size_t n = 0;
	uint8_t c;
	bool plain;

	for (size_t i = 0; i < in.len; i++) {
		c = in.data[i];
		plain = c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
		if (n + (plain ? 1 : 4) + 4 > out_size) {
			if (out_size >= n + 4)
				n += (size_t)snprintf(out + n, 4, "...");
			break;
		}
		if (plain)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 5, "\\x%02x", c);
	}
	if (out_size > 0)
		out[n] = 0;
}

enum err
text_number(struct span in, uint64_t min, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	unsigned d;

	if (in.len == 0 || in.len > 20)
		return ERR_MALFORMED;
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] < '0' || in.data[i] > '9')
			return ERR_MALFORMED;
		d = in.data[i] - '0';
		if (v > (UINT64_MAX - d) / 10)
			return ERR_LIMIT;
		v = v * 10 + d;
	}
	if (v < min || v > max)
		return ERR_LIMIT;
	*out = v;
	return ERR_OK;
}
