/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a part says, for who looks for words in it: transfer encoding and
 * charset undone, HTML without its tags. Nothing made here is ever sent.
 */
#ifndef MIME_PART_TEXT_H
#define MIME_PART_TEXT_H

#include "common/buf.h"

struct mime_part;

/* Append the octets of a leaf. *whole: all of them; false when the encoding is
   unknown or broken: then what could be made of it. ERR_NOMEM, ERR_TOO_BIG. */
enum err mime_part_octets(
    const struct mime_part *p, struct buf *out, bool *whole) MUST_CHECK;
/* The same, as UTF-8 text on one line: every control character is a blank.
   *whole is false, too, when the charset is unknown or the octets are not of
   it, have a NUL, or are UTF-16 without a byte order mark. */
enum err mime_part_text(
    const struct mime_part *p, struct buf *out, bool *whole) MUST_CHECK;
/* The same line by line: each ends in LF. */
enum err mime_part_lines(
    const struct mime_part *p, struct buf *out, bool *whole) MUST_CHECK;
/* The same of HTML: without a charset beside it the one that it says itself
   counts (WHATWG HTML 13.2.3.2), where that can be made out. */
enum err mime_part_html(
    const struct mime_part *p, struct buf *out, bool *whole) MUST_CHECK;
/* Is it text, or a format whose octets are? */
bool mime_part_is_text(const struct mime_part *p);

/* Append what a reader sees of HTML in UTF-8, titles and fields too: no tags,
   comments, scripts or styles, characters for references; a tag that ends a
   line becomes a blank, others nothing. *whole is false when a comment, a tag
   or a script was not closed: what follows it is left out. */
enum err mime_html_text(
    struct span html, struct buf *out, bool *whole) MUST_CHECK;

#endif
