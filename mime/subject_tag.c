/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Tags are looked for in the decoded subject, because that is what the sender
 * typed, however the mail program encoded it.
 */
#include "mime/subject_tag.h"

#include <string.h>

#include "common/limits.h"
#include "mime/header.h"

/* Position of the tag at or behind from, in any case; s.len if none. */
static size_t
find_tag(struct span s, size_t from, const char *tag)
{
	size_t len = strlen(tag);

	for (; len > 0 && from + len <= s.len; from++)
		if (span_starts_caseeq(SPAN(s.data + from, s.len - from), tag))
			return from;
	return s.len;
}

enum err
mime_subject_has_tag(const struct mime_header *h, const char *tag, bool *out)
{
	const struct mime_field *f = NULL;
	struct buf text;
	bool found = false;
	enum err e = ERR_OK;

	/* decoding may make four octets of one */
	buf_init(&text, 4 * LIMIT_HEADER_SIZE);
	while (!found && e == ERR_OK &&
	       (f = mime_header_find(h, "Subject", f)) != NULL) {
		buf_reset(&text);
		e = mime_header_decode(f->value, &text);
		found =
		    e == ERR_OK && find_tag(buf_span(&text), 0, tag) < text.len;
	}
	buf_clear(&text);
	if (e == ERR_OK)
		*out = found;
	return e;
}

/* Cut len octets at at, and one of two blanks that then meet. */
static void
cut(struct buf *text, size_t at, size_t len)
{
	uint8_t *p = text->data;

	if ((at == 0 || p[at - 1] == ' ') && at + len < text->len &&
	    p[at + len] == ' ')
		len++;
	memmove(p + at, p + at + len, text->len - at - len);
	text->len -= len;
}

/* Until none is left: taking one out may put another together. */
static bool
cut_tags(struct buf *text, const char *const *tags, size_t n)
{
	bool again = true, any = false;
	size_t at;

	while (again) {
		again = false;
		for (size_t i = 0; i < n; i++) {
			at = find_tag(buf_span(text), 0, tags[i]);
			if (at == text->len)
				continue;
			cut(text, at, strlen(tags[i]));
			again = any = true;
		}
	}
	return any;
}

enum err
mime_subject_strip_field(const struct mime_field *f, const char *const *tags,
    size_t n, struct buf *out, bool *changed)
{
	struct buf text;
	bool any = false;
	enum err e;

	buf_init(&text, 4 * LIMIT_HEADER_SIZE);
	e = mime_header_decode(f->value, &text);
	if (e == ERR_OK) {
		any = cut_tags(&text, tags, n);
		if (any)
			e = mime_header_put(out, "Subject", buf_span(&text));
	}
	buf_clear(&text);
	if (e == ERR_OK)
		*changed = any;
	return e;
}

enum err
mime_subject_strip(const struct mime_header *h, const char *const *tags,
    size_t n, struct buf *out)
{
	const struct mime_field *f = mime_header_find(h, "Subject", NULL);
	bool changed;

	return f == NULL ? ERR_OK
			 : mime_subject_strip_field(f, tags, n, out, &changed);
}
