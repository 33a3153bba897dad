/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the charsets of mail to UTF-8, with converters that were opened before
 * the sandbox closed the file system. Internal to mime/; others call
 * mime_charsets_open() in header.h.
 */
#ifndef MIME_CHARSET_H
#define MIME_CHARSET_H

#include "common/buf.h"

/* Append s converted to clean UTF-8. ERR_UNSUPPORTED, with out as it was, for
   a charset that is unknown or was not opened. */
enum err mime_charset_put(
    struct span charset, struct span s, struct buf *out) MUST_CHECK;
/* Append UTF-8 converted to a charset. ERR_UNSUPPORTED, with out as it was, if
   the charset is not to be had or has not all of the characters. */
enum err mime_charset_from_utf8(
    struct span charset, struct span s, struct buf *out) MUST_CHECK;

#endif
