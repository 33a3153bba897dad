/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Tags such as "[secure]" in a subject: seen in the decoded text, encoded
 * words included, and taken out before the message leaves.
 */
#ifndef MIME_SUBJECT_TAG_H
#define MIME_SUBJECT_TAG_H

#include "common/buf.h"

struct mime_field;
struct mime_header;

/* Does any Subject field contain the tag? ASCII case is ignored; an empty tag
   is never found. ERR_NOMEM, ERR_TOO_BIG. */
enum err mime_subject_has_tag(
    const struct mime_header *h, const char *tag, bool *out) MUST_CHECK;

/* Append the whole field "Subject: ... CRLF" without any of the n tags and
   without the doubled blanks they leave, encoded afresh. Nothing is appended
   when no tag is there: the field then stays as it came. */
enum err mime_subject_strip(const struct mime_header *h,
    const char *const *tags, size_t n, struct buf *out) MUST_CHECK;
/* The same of one Subject field. *changed: a tag was there; untouched on
   failure. */
enum err mime_subject_strip_field(const struct mime_field *f,
    const char *const *tags, size_t n, struct buf *out,
    bool *changed) MUST_CHECK;

/* What became of tags with a value, "[WORD:VALUE]". */
enum mime_subject_value {
	MIME_SUBJECT_NO_VALUE = 0,
	MIME_SUBJECT_VALUE,
	MIME_SUBJECT_BAD_VALUE, /* not closed, empty, or more than one */
};

/* Take tags with one of the n words out of the Subject. field_out gets the
   whole field without them, and nothing when there is none; of a bad one
   everything behind it goes. value_out gets the VALUE, which the caller wipes,
   and *word_out which of the words. Case of the words is ignored. More than one
   Subject field with such a tag is a bad one. ERR_NOMEM, ERR_TOO_BIG. */
enum err mime_subject_take_value(const struct mime_header *h,
    const char *const *words, size_t n, struct buf *field_out,
    struct buf *value_out, size_t *word_out,
    enum mime_subject_value *out) MUST_CHECK;

#endif
