/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The strict reading of a Content-Type field, held against libetpan's lenient
 * one: only where both agree the structure is beyond doubt. RFC 2045 section
 * 5.1, RFC 2046 section 5.1.1.
 */
#include <string.h>

#include "mime/tree_private.h"

enum { BOUNDARY_MAX = 70 };

static bool
is_alnum(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

static bool
is_bchar(char c)
{
	return is_alnum((uint8_t)c) ||
	       (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

bool
content_type_boundary_ok(const char *boundary)
{
	size_t len = strlen(boundary);

	if (len == 0 || len > BOUNDARY_MAX || boundary[len - 1] == ' ')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!is_bchar(boundary[i]))
			return false;
	return true;
}

/* token of RFC 2045 section 5.1: no tspecials. */
static bool
is_token_char(uint8_t c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

struct reader {
	struct span in;
	size_t pos;
};

static struct span
read_token(struct reader *r)
{
	size_t start = r->pos;

	while (r->pos < r->in.len && is_token_char(r->in.data[r->pos]))
		r->pos++;
	return SPAN(r->in.data + start, r->pos - start);
}

static void
skip_blanks(struct reader *r)
{
	while (r->pos < r->in.len &&
	       (r->in.data[r->pos] == ' ' || r->in.data[r->pos] == '\t' ||
		   r->in.data[r->pos] == '\r' || r->in.data[r->pos] == '\n'))
		r->pos++;
}

static bool
accept(struct reader *r, uint8_t c)
{
	if (r->pos == r->in.len || r->in.data[r->pos] != c)
		return false;
	r->pos++;
	return true;
}

/* A value, quotes removed. False if it is neither token nor quoted string, or
   has a quoted pair or a fold inside: there parsers differ. */
static bool
read_value(struct reader *r, struct span *out)
{
	size_t start;

	if (!accept(r, '"')) {
		*out = read_token(r);
		return out->len > 0;
	}
	start = r->pos;
	for (; r->pos < r->in.len && r->in.data[r->pos] != '"'; r->pos++)
		if (r->in.data[r->pos] == '\\' || r->in.data[r->pos] == '\r')
			return false;
	*out = SPAN(r->in.data + start, r->pos - start);
	return accept(r, '"');
}

static bool
span_caseeq(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		uint8_t x = a.data[i], y = b.data[i];

		if (x != y && ((x ^ y) != 0x20 || !is_alnum(x)))
			return false;
	}
	return true;
}

/* Names read so far, to find one again. More parameters than this are odd by
   themselves. */
enum { PARAMS_MAX = 32 };

struct params {
	struct span name[PARAMS_MAX];
	size_t n;
	struct span boundary;
};

static const char *
read_params(struct reader *r, struct params *p)
{
	struct span name, value;

	for (;;) {
		skip_blanks(r);
		if (r->pos == r->in.len)
			return NULL;
		if (!accept(r, ';'))
			return "Content-Type with something that is no "
			       "parameter";
		skip_blanks(r);
		/* a last semicolon with nothing behind it is common */
		if (r->pos == r->in.len)
			return NULL;
		name = read_token(r);
		if (name.len == 0 || !accept(r, '=') || !read_value(r, &value))
			return "malformed parameter of Content-Type";
		if (p->n == PARAMS_MAX)
			return "too many parameters of Content-Type";
		for (size_t i = 0; i < p->n; i++)
			if (span_caseeq(p->name[i], name))
				return "parameter of Content-Type given twice";
		p->name[p->n++] = name;
		if (span_starts_caseeq(name, "boundary*"))
			return "boundary in pieces or encoded";
		if (span_caseeq_str(name, "boundary"))
			p->boundary = value;
	}
}

const char *
content_type_fault(struct span value, const struct mime_part *part)
{
	struct reader r = {.in = span_trim(value)};
	struct params params = {0};
	struct span type, subtype;
	const char *fault, *boundary;

	type = read_token(&r);
	if (type.len == 0 || !accept(&r, '/'))
		return "malformed Content-Type";
	subtype = read_token(&r);
	if (subtype.len == 0)
		return "malformed Content-Type";
	fault = read_params(&r, &params);
	if (fault != NULL)
		return fault;
	if (!span_caseeq_str(type, part->type) ||
	    !span_caseeq_str(subtype, part->subtype))
		return "Content-Type that can be read in two ways";
	if (!span_caseeq_str(type, "multipart"))
		return NULL;
	boundary = mime_part_param(part, "boundary");
	if (boundary == NULL || !content_type_boundary_ok(boundary) ||
	    !span_eq_str(params.boundary, boundary))
		return "multipart without a proper boundary";
	return NULL;
}
