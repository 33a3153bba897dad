/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The date of a header field (RFC 5322 section 3.3), written always in UTC.
 */
#ifndef MIME_DATE_H
#define MIME_DATE_H

#include "common/buf.h"

struct mime_date {
	char text[40]; /* "Sat, 21 Nov 2026 21:58:00 +0000" */
};

struct mime_date mime_date(int64_t unix_s);

/* Read the value of a Date field, obsolete zones included. ERR_MALFORMED for
   what is no date. */
enum err mime_date_parse(struct span value, int64_t *out) MUST_CHECK;

#endif
