/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Octets as text: hexadecimal, base64url (RFC 4648 5, no padding), queue ids
 * in base32, times, and the escaping of what comes from outside.
 */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>

#include "common/buf.h"

/* Lower-case hexadecimal into out[2 * in.len + 1]. */
void text_hex(struct span in, char *out);
/* Exactly out_len octets from 2 * out_len digits of either case. */
enum err text_unhex(struct span in, uint8_t *out, size_t out_len) MUST_CHECK;

/* RFC 4648 5 without padding into out[(4 * in.len + 2) / 3 + 1]. */
void text_base64url(struct span in, char *out);
/* Exactly out_len octets; refuses padding, other alphabets, stray bits. */
enum err text_unbase64url(
    struct span in, uint8_t *out, size_t out_len) MUST_CHECK;

/* z-base-32 (RFC 6189 5.1.6) into out[(8 * in.len + 4) / 5 + 1]. */
void text_zbase32(struct span in, char *out);
/* As it may stand in a path or query of a URL: letters, digits and "-._~" as
   they are, all else as %XX (RFC 3986 2.1). What does not fit is an error:
   ERR_TOO_BIG. */
enum err text_url_escape(struct span in, char *out, size_t out_size) MUST_CHECK;

/* A 64-bit id as 13 digits of Crockford's base32; sorts like the number. */
enum { TEXT_ID_SIZE = 14 };
void text_id(uint64_t id, char out[TEXT_ID_SIZE]);
enum err text_unid(const char *text, uint64_t *out) MUST_CHECK;

/* "2026-11-21T09:08:07.123Z" (RFC 3339) */
enum { TEXT_TIME_SIZE = 25 };
void text_time_ms(uint64_t unix_ms, char out[TEXT_TIME_SIZE]);

/* Printable ASCII as it is; quotes, backslash and everything else as \xNN.
   What does not fit ends in "...". out is always a string. */
void text_escape(struct span in, char *out, size_t out_size);

/* Digits only, whole string, within min..max. */
enum err text_number(
    struct span in, uint64_t min, uint64_t max, uint64_t *out) MUST_CHECK;

#endif
