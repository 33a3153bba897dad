/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Base64 as mail wants it: lines of 76 characters that end in CRLF, made in
 * one pass (RFC 2045 section 6.8). For base64 without lines: common/text.h.
 */
#ifndef MIME_BASE64_H
#define MIME_BASE64_H

#include "mime/sink.h"

enum {
	MIME_BASE64_LINE_IN = 57,  /* octets that fill one line */
	MIME_BASE64_LINE_OUT = 78, /* 76 characters and CRLF */
	MIME_BASE64_LINES = 64,	   /* lines handed to the sink at once */
};

/* A running encoder. Embedded; nothing to free. */
struct mime_base64 {
	struct mime_sink sink;
	uint8_t rest[MIME_BASE64_LINE_IN];
	size_t rest_len;
	uint8_t out[MIME_BASE64_LINE_OUT * MIME_BASE64_LINES];
};

void mime_base64_init(struct mime_base64 *b, struct mime_sink sink);
enum err mime_base64_put(struct mime_base64 *b, struct span s) MUST_CHECK;
/* Write the last, short line. The encoder may be used again. */
enum err mime_base64_finish(struct mime_base64 *b) MUST_CHECK;
/* init, put, finish at once, appended to out. */
enum err mime_base64_encode(struct span s, struct buf *out) MUST_CHECK;

/* Append the octets that s encodes. Blanks and line ends are skipped; any
   other foreign character, data after the padding or a cut group is
   ERR_MALFORMED, with out as it was. */
enum err mime_base64_decode(struct span s, struct buf *out) MUST_CHECK;

#endif
