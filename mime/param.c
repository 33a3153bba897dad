/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * File names in parameters: plain, as encoded words (wrong but common), or
 * in the extended and continued forms of RFC 2231 sections 3 and 4.
 */
#include <string.h>

#include "common/arena.h"
#include "mime/charset.h"
#include "mime/tree_private.h"
#include "mime/utf8.h"

enum {
	FILENAME_MAX_OCTETS = 4096,
	PIECES_MAX = 64, /* name*0 to name*63 */
};

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum err
put_percent(const char *s, struct buf *out)
{
	enum err e = ERR_OK;

	for (; *s != '\0' && e == ERR_OK; s++) {
		if (*s == '%' && hex_value(s[1]) >= 0 && hex_value(s[2]) >= 0) {
			e = buf_putc(out,
			    (uint8_t)(hex_value(s[1]) << 4 | hex_value(s[2])));
			s += 2;
		} else {
			e = buf_putc(out, (uint8_t)*s);
		}
	}
	return e;
}

static const char *
find(const struct mime_param *params, size_t n, const char *name)
{
	for (size_t i = 0; name != NULL && i < n; i++)
		if (strcmp(params[i].name, name) == 0)
			return params[i].value;
	return NULL;
}

/* The charset of an extended value is before its first apostrophe, the text
   behind its second. */
static struct span
cut_charset(const char **value)
{
	const char *first = strchr(*value, '\'');
	const char *second = first == NULL ? NULL : strchr(first + 1, '\'');
	struct span charset;

	if (second == NULL)
		return SPAN_LIT("utf-8");
	charset = SPAN(*value, (size_t)(first - *value));
	*value = second + 1;
	return charset;
}

/* How many parameters are pieces of it? */
static int
count_pieces(const struct mime_param *params, size_t n, const char *name)
{
	size_t len = strlen(name);
	int pieces = 0;

	for (size_t i = 0; i < n; i++)
		pieces += strncmp(params[i].name, name, len) == 0 &&
			  params[i].name[len] == '*' &&
			  params[i].name[len + 1] != '\0';
	return pieces;
}

/* name*0, name*1*, ...: the octets are joined before they are converted. Sets
 *unread if there are others that have no place in the row. */
static enum err
join_pieces(const struct mime_param *params, size_t n, const char *name,
    struct arena *a, struct span *charset, struct buf *octets, bool *unread)
{
	int i = 0;

	const char *value;
	bool extended;
	enum err e = ERR_OK;

	for (; i < PIECES_MAX && e == ERR_OK; i++) {
		value = find(params, n, arena_printf(a, "%s*%d*", name, i));
		extended = value != NULL;
		if (value == NULL)
			value =
			    find(params, n, arena_printf(a, "%s*%d", name, i));
		if (value == NULL)
			break;
		if (extended && i == 0)
			*charset = cut_charset(&value);
		e = extended ? put_percent(value, octets)
			     : buf_puts(octets, value);
	}
	if (i != count_pieces(params, n, name))
		*unread = true;
	return e;
}

const char *
param_filename(const struct mime_param *params, size_t n, const char *name,
    struct arena *a, bool *unread)
{
	struct span charset = SPAN_LIT("utf-8");
	struct buf octets, text;
	const char *value, *out = NULL;
	enum err e = ERR_OK;

	buf_init(&octets, FILENAME_MAX_OCTETS);
	buf_init(&text, 4 * FILENAME_MAX_OCTETS);
	value = find(params, n, arena_printf(a, "%s*", name));
	if (value != NULL) {
		charset = cut_charset(&value);
		e = put_percent(value, &octets);
	} else {
		e = join_pieces(params, n, name, a, &charset, &octets, unread);
	}
	if (e == ERR_OK && octets.len > 0) {
		e = mime_charset_put(charset, buf_span(&octets), &text);
		if (e == ERR_UNSUPPORTED) {
			*unread = true;
			e = mime_utf8_put_clean(&text, buf_span(&octets));
		}
	} else if (e == ERR_OK) {
		value = find(params, n, name);
		if (value != NULL)
			e = mime_header_decode(span_str(value), &text);
	}
	if (e != ERR_OK)
		*unread = true;
	if (e == ERR_OK && text.len > 0)
		out = arena_span_str(a, buf_span(&text));
	buf_clear(&octets);
	buf_clear(&text);
	return out;
}
