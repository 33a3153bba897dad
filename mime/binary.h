/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Mail with parts in binary (RFC 3030 section 3), whose octets need no line
 * ends, as mail of lines: whatever is not text becomes base64. Before anything
 * else looks at it.
 */
#ifndef MIME_BINARY_H
#define MIME_BINARY_H

#include "mime/sink.h"

/* Write the message as one of lines. No octet of any content changes but by
   its encoding, and what is text already is written as it stands.
   ERR_CONVERT_SIGNED: what is not text is in something signed, ERR_CONVERT: it
   is where no encoding can be given; both with the reason. ERR_LIMIT, and what
   the sink returns. */
enum err mime_binary_write(struct span msg, const struct mime_sink *to,
    struct err_why *why) MUST_CHECK;

#endif
