/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A text of our own as a MIME entity: 7bit where that is enough, else
 * quoted-printable (RFC 2045 section 6.7). Internal to mime/.
 */
#ifndef MIME_TEXT_PART_H
#define MIME_TEXT_PART_H

#include "common/buf.h"

/* Can the text go out as it is, with CRLF line ends? */
bool text_is_7bit(struct span text);
/* Append the text in quoted-printable. Its lines end in LF or CRLF. */
enum err text_put_qp(struct buf *out, struct span text) MUST_CHECK;
/* Append the text with CRLF line ends, encoded if it has to be. */
enum err text_put_body(struct buf *out, struct span text) MUST_CHECK;
/* Append Content-Type text/plain, the encoding, the empty line, the text. */
enum err text_put_part(struct buf *out, struct span text) MUST_CHECK;

#endif
