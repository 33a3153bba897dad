/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Ed25519 signatures (RFC 8032) of our own records.
 */
#ifndef COMMON_SIGN_H
#define COMMON_SIGN_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/secret.h"

enum {
	SIGN_PUB = 32,
	SIGN_SECRET = 64,
	SIGN_SIZE = 64,
};

/* A fresh pair. Caller frees the secret. */
enum err sign_keypair(uint8_t pub[SIGN_PUB], struct secret **secret) MUST_CHECK;
/* The public half of a secret of SIGN_SECRET octets. */
void sign_public(const struct secret *secret, uint8_t pub[SIGN_PUB]);
void sign_make(
    const struct secret *secret, struct span text, uint8_t sig[SIGN_SIZE]);
bool sign_is_good(const uint8_t pub[SIGN_PUB], struct span text,
    const uint8_t sig[SIGN_SIZE]);

#endif
