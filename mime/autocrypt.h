/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The Autocrypt header field, written and read. The certificate to write comes
 * from crypto/autocrypt.h; what is read is a proposal and no more. Autocrypt
 * Level 1 §2.1, §2.3.
 */
#ifndef MIME_AUTOCRYPT_H
#define MIME_AUTOCRYPT_H

#include <stdbool.h>

#include "common/buf.h"

struct arena;
struct mime_tree;

/* Append the whole field, folded, CRLF included: "Autocrypt: addr=ADDR; " with
   "prefer-encrypt=mutual; " if mutual, then keydata in base64. addr is the
   address of From as it stands there, without display name. ERR_UNSUPPORTED
   for an address that is not plain ASCII or has a character that would end the
   attribute, ERR_TOO_BIG for more than 10 KiB of field; out is as it was. */
enum err mime_autocrypt_field(const char *addr, bool mutual,
    struct span keydata, struct buf *out) MUST_CHECK;

/* What a field says, in the arena. */
struct mime_autocrypt {
	const char *addr;    /* canonical */
	bool mutual;	     /* prefer-encrypt=mutual */
	struct span keydata; /* binary, not looked into */
};

/* Read the value of one field. ERR_MALFORMED: it does not count; unknown
   attributes are critical unless they begin with "_". ERR_TOO_BIG, ERR_NOMEM.
 */
enum err mime_autocrypt_parse(
    struct span value, struct arena *a, struct mime_autocrypt *out) MUST_CHECK;
/* The field of a message that counts: there is one address in From, one valid
   field of that address, and the message is no report. ERR_NOT_FOUND,
   ERR_NOMEM. */
enum err mime_autocrypt_find(const struct mime_tree *t, struct arena *a,
    struct mime_autocrypt *out) MUST_CHECK;

#endif
