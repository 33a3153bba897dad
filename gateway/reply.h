/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The identifiers of a message and of those it answers (RFC 5322 section
 * 3.6.4), as digests: what is asked about them nobody else learns.
 */
#ifndef GATEWAY_REPLY_H
#define GATEWAY_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"

struct mime_header;

enum { REPLY_IDS = 64 }; /* of one message; the last ones count */

struct reply_ids {
	uint8_t digest[REPLY_IDS][DIGEST_SIZE];
	size_t n;
};

/* Add the identifiers in all fields of that name: whatever stands between
   angle brackets, without blanks. */
void reply_ids_add(
    struct reply_ids *ids, const struct mime_header *h, const char *name);

#endif
