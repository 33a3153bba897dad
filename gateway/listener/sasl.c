/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Parts are told by their NULs before anything is a string: there is none left
 * in one.
 */
#include "gateway/listener/sasl.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/secret.h"
#include "mime/base64.h"
#include "mime/utf8.h"

enum { PLAIN_MAX = 3 * LIMIT_ACCOUNT_NAME + 2 };

/* Blanks, which the decoder skips, do not belong here. */
static enum err
decode(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.data[i] <= ' ')
			return ERR_MALFORMED;
	if (in.len == 1 && in.data[0] == '=')
		return ERR_OK;
	if (in.len > PLAIN_MAX / 3 * 4 + 8)
		return ERR_MALFORMED;
	return mime_base64_decode(in, out) == ERR_OK ? ERR_OK : ERR_MALFORMED;
}

/* A part that is a string of at most LIMIT_ACCOUNT_NAME octets. */
static enum err
take_part(struct span s, struct arena *a, char **out)
{
	char *copy;

	if (s.len > LIMIT_ACCOUNT_NAME || !mime_utf8_is_valid(s) ||
	    (s.len > 0 && memchr(s.data, '\0', s.len) != NULL))
		return ERR_MALFORMED;
	copy = arena_alloc(a, s.len + 1);
	if (copy == NULL)
		return ERR_NOMEM;
	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	copy[s.len] = '\0';
	*out = copy;
	return ERR_OK;
}

static enum err
split(struct span s, struct arena *a, struct listener_plain *out)
{
	size_t one = span_find_chr(s, 0, '\0');
	size_t two = one < s.len ? span_find_chr(s, one + 1, '\0') : s.len;
	struct listener_plain p;
	enum err e;

	if (two >= s.len)
		return ERR_MALFORMED;
	e = take_part(SPAN(s.data, one), a, &p.authzid);
	if (e == ERR_OK)
		e = take_part(
		    SPAN(s.data + one + 1, two - one - 1), a, &p.user);
	if (e == ERR_OK)
		e = take_part(
		    SPAN(s.data + two + 1, s.len - two - 1), a, &p.password);
	if (e != ERR_OK)
		return e;
	if (p.user[0] == '\0' || p.password[0] == '\0')
		return ERR_MALFORMED;
	*out = p;
	return ERR_OK;
}

enum err
listener_sasl_plain(struct span in, struct arena *a, struct listener_plain *out)
{
	struct buf b;
	enum err e;

	buf_init(&b, PLAIN_MAX + 8);
	e = decode(in, &b);
	if (e == ERR_OK)
		e = split(buf_span(&b), a, out);
	if (b.data != NULL)
		secret_wipe(b.data, b.cap);
	buf_clear(&b);
	return e;
}

enum err
listener_sasl_external(struct span in, struct arena *a, char **authzid)
{
	struct buf b;
	enum err e;

	buf_init(&b, PLAIN_MAX + 8);
	e = decode(in, &b);
	if (e == ERR_OK)
		e = take_part(buf_span(&b), a, authzid);
	buf_clear(&b);
	return e;
}
