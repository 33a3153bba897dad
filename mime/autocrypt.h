/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The Autocrypt header field. Its certificate comes from crypto/autocrypt.h.
 * Autocrypt Level 1 §2.1.
 */
#ifndef MIME_AUTOCRYPT_H
#define MIME_AUTOCRYPT_H

#include <stdbool.h>

#include "common/buf.h"

/* Append the whole field, folded, CRLF included: "Autocrypt: addr=ADDR; " with
   "prefer-encrypt=mutual; " if mutual, then keydata in base64. addr is the
   address of From as it stands there, without display name. ERR_UNSUPPORTED
   for an address that is not plain ASCII or has a character that would end the
   attribute, ERR_TOO_BIG for more than 10 KiB of field; out is as it was. */
enum err mime_autocrypt_field(const char *addr, bool mutual,
    struct span keydata, struct buf *out) MUST_CHECK;

#endif
