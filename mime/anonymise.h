/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Fields of a header that tell of the sender's machine, network and software,
 * for who wants none of it outside.
 */
#ifndef MIME_ANONYMISE_H
#define MIME_ANONYMISE_H

#include "mime/header.h"

/* Does the field say nothing but that? */
bool mime_field_tells(const struct mime_field *f);
/* Append a Received field in the place of this one: with its time and nothing
   else, so that loops are still seen by their length (RFC 5321 section 6.3). */
enum err mime_received_short(
    const struct mime_field *f, struct buf *out) MUST_CHECK;

/* Does the field go from every message that leaves, whatever the rung? Hidden
   recipients, and what the sender told the gateway alone. */
bool mime_field_is_private(const struct mime_field *f);

#endif
