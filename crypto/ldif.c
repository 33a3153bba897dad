/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * LDIF line by line. RFC 2849: a line that begins with a blank goes on with the
 * one before, "#" begins a comment, "::" says base64, ":<" names another place,
 * which is never followed.
 */
#include "crypto/ldif.h"

#include <string.h>

#include "mime/base64.h"

void
ldif_init(struct ldif *l, struct span in)
{
	*l = (struct ldif){.rest = in, .line = 1};
	buf_init(&l->text, LDIF_LINE_MAX);
	buf_init(&l->octets, LDIF_LINE_MAX);
}

void
ldif_clear(struct ldif *l)
{
	buf_clear(&l->text);
	buf_clear(&l->octets);
}

/* A line without its end, which may be CRLF. */
static struct span
take_line(struct ldif *l)
{
	const uint8_t *end = memchr(l->rest.data, '\n', l->rest.len);
	size_t n = end == NULL ? l->rest.len : (size_t)(end - l->rest.data);
	struct span line = SPAN(l->rest.data, n);

	n += end != NULL;
	l->rest = SPAN(l->rest.data + n, l->rest.len - n);
	l->line++;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* A line with those that go on with it. */
static enum err
unfold(struct ldif *l)
{
	enum err e, result;

	buf_reset(&l->text);
	result = buf_put(&l->text, take_line(l));
	while (l->rest.len > 0 && l->rest.data[0] == ' ') {
		struct span more = take_line(l);

		e = buf_put(&l->text, SPAN(more.data + 1, more.len - 1));
		result = result != ERR_OK ? result : e;
	}
	return result;
}

static bool
is_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			(c >= '0' && c <= '9') || c == '-' || c == '.' ||
			(i > 0 && (c == ';' || c == '_'))))
			return false;
	}
	return s.len > 0;
}

static struct span
without_options(struct span name)
{
	const uint8_t *semi = memchr(name.data, ';', name.len);

	return semi == NULL ? name
			    : SPAN(name.data, (size_t)(semi - name.data));
}

static struct span
skip_blanks(struct span s)
{
	while (s.len > 0 && s.data[0] == ' ')
		s = SPAN(s.data + 1, s.len - 1);
	return s;
}

static enum err
read_value(struct ldif *l, struct span rest, struct span *out)
{
	enum err e;

	if (rest.len > 0 && rest.data[0] == '<')
		return ERR_PERMISSION;
	if (rest.len == 0 || rest.data[0] != ':') {
		*out = skip_blanks(rest);
		return ERR_OK;
	}
	buf_reset(&l->octets);
	e = mime_base64_decode(
	    skip_blanks(SPAN(rest.data + 1, rest.len - 1)), &l->octets);
	if (e == ERR_OK)
		*out = buf_span(&l->octets);
	return e == ERR_NOMEM ? e : e != ERR_OK ? ERR_MALFORMED : ERR_OK;
}

enum err
ldif_next(struct ldif *l, struct ldif_value *out)
{
	struct ldif_value v = {0};
	struct span line;
	const uint8_t *colon;
	enum err e;

	do {
		if (l->rest.len == 0)
			return ERR_NOT_FOUND;
		v.line = l->line;
		e = unfold(l);
		if (e == ERR_NOMEM)
			return e;
		line = buf_span(&l->text);
	} while (e == ERR_OK && (line.len == 0 || line.data[0] == '#' ||
				    (line.len == 1 && line.data[0] == '-')));
	out->line = v.line;
	if (e != ERR_OK)
		return ERR_TOO_BIG;
	colon = memchr(line.data, ':', line.len);
	if (colon == NULL)
		return ERR_MALFORMED;
	v.name = SPAN(line.data, (size_t)(colon - line.data));
	if (!is_name(v.name))
		return ERR_MALFORMED;
	v.name = without_options(v.name);
	e = read_value(l,
	    SPAN(colon + 1, line.len - (size_t)(colon + 1 - line.data)),
	    &v.octets);
	if (e == ERR_OK)
		*out = v;
	return e;
}

bool
ldif_is(struct span in)
{
	/* comments and empty lines in front are few */
	for (int i = 0; i < 1000 && in.len > 0; i++) {
		const uint8_t *end = memchr(in.data, '\n', in.len);
		size_t n = end == NULL ? in.len : (size_t)(end + 1 - in.data);

		if (span_starts_caseeq(in, "dn:") ||
		    span_starts_caseeq(in, "version:"))
			return true;
		if (in.data[0] != '#' && in.data[0] != '\n' &&
		    in.data[0] != '\r' && in.data[0] != ' ')
			return false;
		in = SPAN(in.data + n, in.len - n);
	}
	return false;
}
