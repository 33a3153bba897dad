/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * SHA-256 (FIPS 180-4) through OpenSSL, which uses the processor's own
 * instructions. SHA-1 for names that a protocol makes of it, nothing else.
 */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include "common/buf.h"

enum { DIGEST_SIZE = 32, DIGEST_SHA1_SIZE = 20 };

/* The digest of the octets of n spans one after another. Fatal when OpenSSL
   has no SHA-256: nothing can go on without it. */
void digest_sha256(
    const struct span *parts, size_t n, uint8_t out[DIGEST_SIZE]);
/* The same piece by piece, for what is too large to hold. */
struct digest;
/* NULL when out of memory. */
struct digest *digest_new(void);
void digest_add(struct digest *d, struct span s);
/* Once, at the end. */
void digest_end(struct digest *d, uint8_t out[DIGEST_SIZE]);
void digest_free(struct digest *d);
/* For names in a Web Key Directory; says nothing about who made it. */
void digest_sha1(struct span s, uint8_t out[DIGEST_SHA1_SIZE]);
/* Fetch the algorithm while files can still be opened. */
void digest_init(void);

#endif
