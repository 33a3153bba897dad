/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Header fields as they stand in the message, and safe ways to read a value
 * (unfolding, RFC 2047) and to write one. Addresses are addr.h's business.
 */
#ifndef MIME_HEADER_H
#define MIME_HEADER_H

#include "common/buf.h"

struct arena;

/* Spans into the message. */
struct mime_field {
	struct span name; /* without blanks */
	struct span
	    value; /* behind the colon, folded as it came, no last CRLF */
	struct span whole; /* from the name to the last CRLF */
	bool blank_before_colon;
};

struct mime_header {
	struct mime_field *fields; /* in the arena */
	size_t n;
	struct span whole; /* all fields */
	struct span body;  /* what follows the empty line */
	bool no_end; /* a line that is no field ended it: body starts there */
	bool blank_fold; /* a folded line with nothing but blanks */
};

/* Split the fields at the start of in. A line that is neither a field nor a
   continuation ends the header, as if an empty line stood before it: what
   follows it can never be taken for a field. ERR_LIMIT beyond the number of
   fields, ERR_NOMEM. */
enum err mime_header_parse(struct span in, struct arena *a,
    struct mime_header *out, struct err_why *why) MUST_CHECK;

/* The first field of that name behind after (NULL: of all), or NULL. */
const struct mime_field *mime_header_find(const struct mime_header *h,
    const char *name, const struct mime_field *after);
size_t mime_header_count(const struct mime_header *h, const char *name);
/* The only field of that name. ERR_NOT_FOUND, ERR_AMBIGUOUS if two. */
enum err mime_header_unique(const struct mime_header *h, const char *name,
    const struct mime_field **out) MUST_CHECK;

/* Open converters for the charsets of mail. Once per process, before a
   sandbox closes the file system; without it only UTF-8, US-ASCII and
   ISO-8859-1 are decoded. close is for tests. */
void mime_charsets_open(void);
void mime_charsets_close(void);

/* Append the value on one line, outer blanks removed. */
enum err mime_header_unfold(struct span value, struct buf *out) MUST_CHECK;
/* Append the value unfolded, with encoded words decoded, as valid UTF-8
   without control characters. What cannot be decoded stays as it stands;
   octets that are not UTF-8 become U+FFFD. */
enum err mime_header_decode(struct span value, struct buf *out) MUST_CHECK;

/* Append the field "name: value CRLF" for unstructured text in UTF-8: folded,
   encoded (RFC 2047) where it is not ASCII. Control characters become blanks:
   nothing in value can start another line. ERR_USAGE for a bad name. */
enum err mime_header_put(
    struct buf *out, const char *name, struct span value) MUST_CHECK;
/* Append the value only, encoded and folded as mime_header_put() does, for a
   name of that length; no CRLF behind it. */
enum err mime_header_encode(
    struct buf *out, size_t name_len, struct span value) MUST_CHECK;
/* Append "name: display <text> CRLF". text comes from struct mime_addr; the
   display name may be NULL or "". ERR_USAGE for control characters in text. */
enum err mime_header_put_mailbox(struct buf *out, const char *name,
    const char *display, const char *text) MUST_CHECK;

#endif
