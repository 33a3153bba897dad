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

#endif
