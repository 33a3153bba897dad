/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * SHA-256 (FIPS 180-4) through OpenSSL, which uses the processor's own
 * instructions.
 */
#ifndef COMMON_DIGEST_H
#define COMMON_DIGEST_H

#include "common/buf.h"

enum { DIGEST_SIZE = 32 };

/* The digest of the octets of n spans one after another. Fatal when OpenSSL
   has no SHA-256: nothing can go on without it. */
void digest_sha256(
    const struct span *parts, size_t n, uint8_t out[DIGEST_SIZE]);
/* Fetch the algorithm while files can still be opened. */
void digest_init(void);

#endif
