/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From 8-bit to 7-bit for a next hop without 8BITMIME (RFC 6152 section 3).
 * Who has parsed the message plans: which octets are re-encoded, and how. Who
 * sends it follows the plan a piece at a time and parses nothing.
 */
#ifndef MIME_CONVERT_H
#define MIME_CONVERT_H

#include <stdint.h>

#include "mime/sink.h"

struct arena;

/* What becomes of a stretch of the message. */
enum mime_convert_how {
	/* a Content-Transfer-Encoding field, or where there is none yet */
	MIME_CONVERT_SAY_7BIT = 0,
	MIME_CONVERT_SAY_QP,
	MIME_CONVERT_SAY_BASE64,
	/* a body */
	MIME_CONVERT_TO_QP,
	MIME_CONVERT_TO_BASE64,
	MIME_CONVERT_HOWS
};

struct mime_convert_edit {
	uint64_t at; /* octet of the message */
	uint64_t len;
	enum mime_convert_how how;
};

/* Rising, none within another. n = 0: it must not be converted. */
struct mime_convert_plan {
	struct mime_convert_edit *edit;
	uint32_t n;
	uint64_t size; /* octets of the message when it is converted */
};

/* Plan for a message behind which MIME_TREE_PADDING zero octets stand. None of
   its text is changed but in its encoding; what is signed or sealed is not
   touched. The plan is empty when nothing has to be done, and when it cannot
   be done so: 8-bit characters in a header, in something signed, between parts,
   without MIME, or doubt about the structure. In the arena. ERR_NOMEM. */
enum err mime_convert_plan(
    struct span msg, struct arena *a, struct mime_convert_plan *out) MUST_CHECK;

/* Is it a plan for a message of that size? */
bool mime_convert_is_sound(const struct mime_convert_plan *p, uint64_t size);

struct mime_convert;

/* Follow a sound plan. Plan and sink are borrowed until free; NULL is fine
   there. */
struct mime_convert *mime_convert_new(
    const struct mime_convert_plan *p, const struct mime_sink *to);
void mime_convert_free(struct mime_convert *c);
/* The next octets of the message. */
enum err mime_convert_put(struct mime_convert *c, struct span s) MUST_CHECK;
/* That was all. ERR_MALFORMED when the plan wants more. */
enum err mime_convert_finish(struct mime_convert *c) MUST_CHECK;

#endif
