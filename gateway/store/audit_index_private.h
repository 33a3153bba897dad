/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What writing and reading the index of the audit log share: how a block looks
 * in the file. Numbers are little-endian.
 */
#ifndef GATEWAY_STORE_AUDIT_INDEX_PRIVATE_H
#define GATEWAY_STORE_AUDIT_INDEX_PRIVATE_H

#include "gateway/store/audit_index.h"

enum {
	INDEX_HEAD = 8 + 4 * 8 + 2 * STORE_INDEX_TIME + 8 + 8,
	INDEX_SUM_AT = INDEX_HEAD - 8,
	/* of a joined block: how many stretches, and each of them */
	INDEX_COUNT = 8,
	INDEX_STRETCH = 3 * 8 + 2 * STORE_INDEX_TIME,
	INDEX_ENTRY = 12,
	INDEX_NAME = 40,
};

#define INDEX_SUM_START 0xcbf29ce484222325u

/* A block is of one stretch, or joined of several. */
static const char index_magic[8] = {'S', 'G', 'A', 'X', '0', '0', '0', '1'};
static const char index_magic_joined[8] = {
    'S', 'G', 'A', 'X', '0', '0', '0', '2'};

/* One block as it is in the file, and where it ends there. */
struct index_block {
	const uint8_t *data;
	size_t len;
	size_t stretches;
	const uint8_t *entries;
	size_t n;
};

struct store_index_file {
	uint8_t *map;
	size_t len;
	struct index_block *block;
	size_t n_blocks;
	struct store_index_view *view; /* of the stretches of all of them */
	size_t n;
};

uint8_t *index_put(uint8_t *p, uint64_t v, int octets);
/* What begins a block, but for its checksum. */
uint8_t *index_put_head(uint8_t *p, const char magic[8],
    const struct store_index_view *v, size_t n);
uint64_t index_checksum(uint64_t h, const uint8_t *p, size_t n);

static inline uint64_t
index_le(const uint8_t *p, int octets)
{
	uint64_t v = 0;

	for (int i = octets - 1; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

#endif
