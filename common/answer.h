/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An answer that a browser has sealed for the gateway (docs/format-escrow.md):
 * its header, its key, its text. What stands in it is a stranger's mail.
 */
#ifndef COMMON_ANSWER_H
#define COMMON_ANSWER_H

#include "common/object_header.h"
#include "common/sealed.h"

#define ANSWER_HEADER_SIZE 64

struct answer_header {
	uint8_t object[OBJECT_ID_SIZE];
	uint8_t ephemeral[SEALED_KEY];
	uint64_t size; /* octets before sealing */
};

/* Octets of header and sealed answer. */
uint64_t answer_total_size(uint64_t size);
/* Read the header from the beginning of s. ERR_MALFORMED. */
enum err answer_header_parse(
    struct span s, struct answer_header *out) MUST_CHECK;

/* The pair that answers are sealed to, from the private half of another: it
   needs no file of its own. Caller frees priv. */
enum err answer_pair(const struct secret *from, struct sealed_pub *pub,
    struct secret **priv) MUST_CHECK;
/* The key of one answer from its header. Caller frees. ERR_BAD_SEAL. */
enum err answer_key(const struct sealed_pub *pub, const struct secret *priv,
    struct span header, struct secret **out) MUST_CHECK;
/* Open the whole of it into a new sealed memfd, which the caller closes.
   ERR_BAD_SEAL, ERR_MALFORMED. */
enum err answer_open(
    const struct secret *key, struct span sealed, int *fd_out) MUST_CHECK;

#endif
