/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The header fields by which the gateway says what it found out about inbound
 * mail, and nobody else may: "Sealgate-*" and Authentication-Results under our
 * own name (RFC 8601 section 5). Taking out what strangers wrote, in whatever
 * way they wrote it; writing ours. What they say is not known here.
 */
#ifndef MIME_VERDICT_FIELDS_H
#define MIME_VERDICT_FIELDS_H

#include "common/buf.h"

struct mime_field;

struct mime_verdict_own {
	const char *authserv_id; /* ours; lower-case A-labels */
	const char *const *tags; /* of the subject, that go, too */
	size_t n_tags;
};

/* May only we write this field? What cannot be read for sure and has our name
   in it counts as ours. */
bool mime_verdict_is_ours(const struct mime_field *f, const char *authserv_id);

struct mime_header;
/* Does an Authentication-Results field of this host say that the sender is not
   who it says it is: DMARC or SPF failed, or every DKIM signature did? */
bool mime_verdict_says_forged(
    const struct mime_header *h, const char *authserv_id);

/* Append the header of a message that mime_scan() accepted, as it stands, less
   the fields that only we may write and less the tags in its subjects; lines
   that are no fields are looked at, too, as another reader may take them for
   some, and blank ones in front of all go: they would continue what is put
   before them. rest begins with the empty line. ERR_TOO_BIG, ERR_NOMEM. */
enum err mime_verdict_strip(struct span msg, const struct mime_verdict_own *own,
    struct buf *out, struct span *rest, unsigned *removed) MUST_CHECK;

/* Append "name: value CRLF", folded behind the semicolons of value, which is
   printable ASCII without line ends. ERR_USAGE for anything else. */
enum err mime_verdict_put(
    struct buf *out, const char *name, const char *value) MUST_CHECK;

#endif
