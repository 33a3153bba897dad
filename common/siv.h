/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sealing that gives the same octets for the same text: for what must be found
 * again by who has the key. It tells nobody else more than that two texts are
 * equal, and opens under no other key. Synthetic IV (Rogaway and Shrimpton,
 * "Deterministic Authenticated Encryption", 2006): HMAC-SHA256 and XChaCha20.
 */
#ifndef COMMON_SIV_H
#define COMMON_SIV_H

#include "common/buf.h"
#include "common/secret.h"

enum {
	SIV_KEY = 64,	   /* octets of a key */
	SIV_OVERHEAD = 24, /* octets that the sealed text is longer */
};

/* Append the sealed text. The errors of buf_put(). */
enum err siv_seal(
    const struct secret *key, struct span text, struct buf *out) MUST_CHECK;
/* Append the text. ERR_BAD_SEAL for another key or altered octets; nothing is
   appended on failure. */
enum err siv_open(
    const struct secret *key, struct span sealed, struct buf *out) MUST_CHECK;

#endif
