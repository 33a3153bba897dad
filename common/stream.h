/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * AES-256-GCM in chunks, STREAM construction (Hoang, Reyhanitabar, Rogaway,
 * Vizar 2015): nonce = prefix[7] || counter (32-bit, big-endian) || last[1].
 * A chunk that is missing, moved or repeated does not open, nor does a stream
 * that was cut. The associated data goes into every chunk. Chunks can be
 * opened in any order. A key is used for one stream only.
 */
#ifndef COMMON_STREAM_H
#define COMMON_STREAM_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/secret.h"

enum {
	STREAM_KEY = 32,
	STREAM_PREFIX = 7,
	STREAM_TAG = 16,
	STREAM_CHUNK =
	    64 * 1024, /* octets of text in every chunk but the last */
};

struct stream;

/* Fetch the algorithm while files can still be opened. Fatal without it. */
void stream_init(void);

/* ad is copied. NULL when out of memory. */
struct stream *stream_new(const struct secret *key,
    const uint8_t prefix[STREAM_PREFIX], struct span ad);
void stream_free(struct stream *s);

/* out gets text.len + STREAM_TAG octets. Every chunk but the last is
   STREAM_CHUNK long; the last may be empty only when it is the first. */
enum err stream_seal(struct stream *s, uint32_t index, bool last,
    struct span text, uint8_t *out) MUST_CHECK;
/* out gets sealed.len - STREAM_TAG octets, wiped on ERR_BAD_SEAL. */
enum err stream_open(struct stream *s, uint32_t index, bool last,
    struct span sealed, uint8_t *out) MUST_CHECK;

/* Chunks and sealed octets of a text of len octets. */
uint64_t stream_chunks(uint64_t len);
uint64_t stream_sealed_size(uint64_t len);

#endif
