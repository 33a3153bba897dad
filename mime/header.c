/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Split a header into its fields (RFC 5322 section 2.2) and find them. The
 * text of a value is header_text.c's business.
 */
#include "mime/header.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"

/* The line at pos, its line end included. */
static struct span
line_at(struct span in, size_t pos)
{
	size_t end = span_find_chr(in, pos, '\n');

	return SPAN(in.data + pos, end + (end < in.len) - pos);
}

static struct span
without_line_end(struct span s)
{
	if (s.len > 0 && s.data[s.len - 1] == '\n')
		s.len--;
	if (s.len > 0 && s.data[s.len - 1] == '\r')
		s.len--;
	return s;
}

static bool
is_blank_line(struct span line)
{
	return span_trim(line).len == 0;
}

/* Split name and colon; false if the line is no field. RFC 5322 section 3.6.8,
   with the blank before the colon of section 4.5 noted. */
static bool
split_name(struct span line, struct mime_field *f, size_t *value_at)
{
	size_t i = 0;

	while (i < line.len && line.data[i] > ' ' && line.data[i] < 0x7f &&
	       line.data[i] != ':')
		i++;
	f->name = SPAN(line.data, i);
	while (i < line.len && (line.data[i] == ' ' || line.data[i] == '\t'))
		i++;
	if (f->name.len == 0 || i == line.len || line.data[i] != ':')
		return false;
	f->blank_before_colon = i > f->name.len;
	*value_at = i + 1;
	return true;
}

/* The field at pos with its continuation lines. */
static bool
read_field(struct span in, size_t pos, struct mime_field *f, bool *blank_fold)
{
	struct span line = line_at(in, pos);
	size_t end = pos + line.len, value_at;

	if (!split_name(without_line_end(line), f, &value_at))
		return false;
	while (end < in.len && (in.data[end] == ' ' || in.data[end] == '\t')) {
		line = line_at(in, end);
		*blank_fold = *blank_fold || is_blank_line(line);
		end += line.len;
	}
	f->whole = SPAN(in.data + pos, end - pos);
	f->value = without_line_end(f->whole);
	f->value.data += value_at;
	f->value.len -= value_at;
	return true;
}

static enum err
add_field(struct mime_header *h, size_t *room, struct arena *a,
    const struct mime_field *f)
{
	struct mime_field *grown;

	if (h->n == *room) {
		*room = *room == 0 ? 32 : 2 * *room;
		grown = arena_array(a, *room, sizeof(*grown));
		if (grown == NULL)
			return ERR_NOMEM;
		if (h->n > 0)
			memcpy(grown, h->fields, h->n * sizeof(*grown));
		h->fields = grown;
	}
	h->fields[h->n++] = *f;
	return ERR_OK;
}

enum err
mime_header_parse(struct span in, struct arena *a, struct mime_header *out,
    struct err_why *why)
{
	struct mime_header h = {0};
	struct mime_field f;
	size_t pos = 0, room = 0, empty = 0;
	enum err e;

	if (in.len == 0) {
		*out = (struct mime_header){.whole = in, .body = in};
		return ERR_OK;
	}
	while (pos < in.len) {
		empty = in.data[pos] == '\n' ? 1
			: in.data[pos] == '\r' && pos + 1 < in.len &&
				in.data[pos + 1] == '\n'
			    ? 2
			    : 0;
		if (empty > 0)
			break;
		if (!read_field(in, pos, &f, &h.blank_fold)) {
			h.no_end = true;
			break;
		}
		if (h.n == LIMIT_HEADER_FIELDS)
			return err_why(why, ERR_LIMIT,
			    "more than %u header fields", LIMIT_HEADER_FIELDS);
		e = add_field(&h, &room, a, &f);
		if (e != ERR_OK)
			return e;
		pos += f.whole.len;
	}
	h.whole = SPAN(in.data, pos);
	h.body = SPAN(in.data + pos + empty, in.len - pos - empty);
	*out = h;
	return ERR_OK;
}

const struct mime_field *
mime_header_find(const struct mime_header *h, const char *name,
    const struct mime_field *after)
{
	size_t i = after == NULL ? 0 : (size_t)(after - h->fields) + 1;

	for (; i < h->n; i++)
		if (span_caseeq_str(h->fields[i].name, name))
			return &h->fields[i];
	return NULL;
}

size_t
mime_header_count(const struct mime_header *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->n; i++)
		n += span_caseeq_str(h->fields[i].name, name);
	return n;
}

enum err
mime_header_unique(const struct mime_header *h, const char *name,
    const struct mime_field **out)
{
	const struct mime_field *f = mime_header_find(h, name, NULL);

	if (f == NULL)
		return ERR_NOT_FOUND;
	if (mime_header_find(h, name, f) != NULL)
		return ERR_AMBIGUOUS;
	*out = f;
	return ERR_OK;
}
