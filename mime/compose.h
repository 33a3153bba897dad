/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A small message of our own: notices, alarms. One text part in UTF-8.
 */
#ifndef MIME_COMPOSE_H
#define MIME_COMPOSE_H

#include "mime/sink.h"

struct mime_boundary;

struct mime_compose_field {
	const char *name;
	const char *value; /* UTF-8 text, encoded and folded here */
};

struct mime_compose {
	const char *from_name; /* display name, may be NULL */
	const char *from;      /* mime_addr.text */
	const char *to;	       /* mime_addr.text */
	const char *reply_to;  /* mime_addr.text, may be NULL */
	const char *subject;
	const char *message_id; /* without brackets: "id@host" */
	int64_t date_s;
	const struct mime_compose_field *extra; /* e.g. Auto-Submitted */
	size_t n_extra;
	struct span body; /* UTF-8, lines end in LF or CRLF */
};

/* A file in HTML behind the text. */
struct mime_compose_file {
	const char *name; /* ASCII, without quotes */
	const struct mime_boundary *boundary;
	/* writes its contents, UTF-8, lines in CRLF */
	enum err (*write)(const void *arg, const struct mime_sink *to);
	const void *arg;
};

/* Write the message with CRLF line ends: 7bit if the body is short-lined
   ASCII, else quoted-printable. Nothing in the strings can start a field of
   its own. ERR_USAGE for a missing string, ERR_MALFORMED if the body is no
   UTF-8. */
enum err mime_compose_write(
    const struct mime_compose *m, const struct mime_sink *to) MUST_CHECK;

/* The same with a file attached, in quoted-printable as it comes: it is
   nowhere as a whole. What write() returns is returned. */
enum err mime_compose_write_with(const struct mime_compose *m,
    const struct mime_compose_file *file,
    const struct mime_sink *to) MUST_CHECK;

#endif
