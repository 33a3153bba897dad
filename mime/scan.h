/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One linear pass over a message before any parser sees it: line ends, NUL,
 * the size of the header, hops, and what bounds the cost of parsing it.
 */
#ifndef MIME_SCAN_H
#define MIME_SCAN_H

#include "common/buf.h"

struct mime_scan {
	size_t header_len; /* up to the empty line, which is not in it */
	size_t body_at;	   /* behind the empty line; msg.len if there is none */
	size_t longest_line; /* without its CRLF */
	unsigned fields;
	unsigned received; /* Received fields */
	bool header_8bit;
	bool body_8bit;
	bool ends_in_crlf;
	const char *complex; /* why no parser may be given this message, or
				NULL; it then counts as ambiguous */
};

/* ERR_LINE_END for bare CR, bare LF and NUL, ERR_LIMIT for a header or a line
   over its limit, ERR_LOOP for too many Received fields. out is filled on
   success only. */
enum err mime_scan(
    struct span msg, struct mime_scan *out, struct err_why *why) MUST_CHECK;

#endif
