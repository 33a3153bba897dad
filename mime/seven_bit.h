/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What may not be in a part that is signed, because a relay on the way would
 * change it: RFC 8551 section 3.1.3, RFC 3156 sections 3 and 5. Internal to
 * mime/.
 */
#ifndef MIME_SEVEN_BIT_H
#define MIME_SEVEN_BIT_H

#include "mime/payload_private.h"

/* Looks at octets as they pass. */
struct seven_bit {
	enum mime_transport transport;
	size_t column;
	size_t from;	   /* octets of "From " that the line begins with */
	uint8_t last;	   /* of the line, without CR */
	bool utf8;	   /* 8-bit characters are let pass (RFC 6532) */
	const char *fault; /* the first, or NULL */
};

void seven_bit_init(struct seven_bit *s, enum mime_transport transport);
/* Stops with ERR_MALFORMED at the first fault. */
struct mime_sink seven_bit_sink(struct seven_bit *s);
/* No more octets: a line end follows. The fault, or NULL. */
const char *seven_bit_end(struct seven_bit *s);

/* Plan what makes a part fit, on top of what c says already: text becomes
   quoted-printable, all else base64. What must not be touched is left; the
   finished payload is looked at as a whole. */
void seven_bit_plan(const struct mime_part *p, enum mime_transport transport,
    struct part_change *c);

#endif
