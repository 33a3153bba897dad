/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Tags are looked for in the decoded subject, because that is what the sender
 * typed, however the mail program encoded it.
 */
#include "mime/subject_tag.h"

#include <string.h>

#include "common/limits.h"
#include "common/secret.h"
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

/* --- tags with a value --- */

struct valued {
	size_t at;   /* of the "[" */
	size_t from; /* of the value */
	size_t end;  /* of the "]"; text.len: it is not closed */
	size_t word;
};

/* The first "[WORD:" of any of the words. */
static bool
find_valued(
    struct span s, const char *const *words, size_t n, struct valued *out)
{
	struct valued v = {.at = s.len};

	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(words[i]);

		for (size_t at = 0; len > 0 && at + len + 2 <= s.len; at++) {
			struct span rest = SPAN(s.data + at + 1, len);

			if (s.data[at] != '[' || s.data[at + 1 + len] != ':' ||
			    !span_caseeq_str(rest, words[i]) || at >= v.at)
				continue;
			v.at = at;
			v.from = at + len + 2;
			v.word = i;
		}
	}
	if (v.at == s.len)
		return false;
	v.end = span_find_chr(s, v.from, ']');
	*out = v;
	return true;
}

/* Take out all of them; what is left over of the text is harmless. */
static enum err
take_all(struct buf *text, const char *const *words, size_t n,
    struct buf *value_out, size_t *word_out, enum mime_subject_value *out)
{
	struct valued v;
	enum err e = ERR_OK;

	while (e == ERR_OK && find_valued(buf_span(text), words, n, &v)) {
		struct span value =
		    span_trim(SPAN(text->data + v.from, v.end - v.from));
		bool good = v.end < text->len && value.len > 0 &&
			    *out == MIME_SUBJECT_NO_VALUE;

		*out = good ? MIME_SUBJECT_VALUE : MIME_SUBJECT_BAD_VALUE;
		if (good) {
			*word_out = v.word;
			e = buf_put(value_out, value);
		}
		if (v.end == text->len)
			text->len = v.at;
		else
			cut(text, v.at, v.end + 1 - v.at);
	}
	return e;
}

static enum err
take_from_field(const struct mime_field *f, const char *const *words, size_t n,
    struct buf *field_out, struct buf *value_out, size_t *word_out,
    enum mime_subject_value *out)
{
	enum mime_subject_value before = *out;
	struct buf text;
	enum err e;

	buf_init(&text, 4 * LIMIT_HEADER_SIZE);
	e = mime_header_decode(f->value, &text);
	if (e == ERR_OK) {
		size_t len = text.len;

		*out = MIME_SUBJECT_NO_VALUE;
		e = take_all(&text, words, n, value_out, word_out, out);
		if (e == ERR_OK && text.len != len && field_out != NULL)
			e = mime_header_put(
			    field_out, "Subject", buf_span(&text));
		if (before != MIME_SUBJECT_NO_VALUE)
			*out = *out == MIME_SUBJECT_NO_VALUE
				   ? before
				   : MIME_SUBJECT_BAD_VALUE;
	}
	if (text.data != NULL)
		secret_wipe(text.data, text.cap);
	buf_clear(&text);
	return e;
}

enum err
mime_subject_take_value(const struct mime_header *h, const char *const *words,
    size_t n, struct buf *field_out, struct buf *value_out, size_t *word_out,
    enum mime_subject_value *out)
{
	enum mime_subject_value found = MIME_SUBJECT_NO_VALUE;
	const struct mime_field *f = NULL;
	bool first = true;
	enum err e = ERR_OK;

	while (e == ERR_OK && n > 0 &&
	       (f = mime_header_find(h, "Subject", f)) != NULL) {
		e = take_from_field(f, words, n, first ? field_out : NULL,
		    value_out, word_out, &found);
		/* a further field goes with the edit of the first one */
		if (!first && found != MIME_SUBJECT_NO_VALUE)
			found = MIME_SUBJECT_BAD_VALUE;
		first = false;
	}
	/* so that those behind the first go, too */
	f = mime_header_find(h, "Subject", NULL);
	if (e == ERR_OK && found != MIME_SUBJECT_NO_VALUE &&
	    field_out->len == 0 && f != NULL)
		e = buf_put(field_out, f->whole);
	if (e == ERR_OK)
		*out = found;
	return e;
}
