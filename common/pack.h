/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The one way structures are written down, between processes and on disk:
 * fields in a fixed order, big-endian, octet strings with a 32-bit length.
 * Both sides carry a sticky error: check once, at the end.
 */
#ifndef COMMON_PACK_H
#define COMMON_PACK_H

#include <stdbool.h>

#include "common/arena.h"
#include "common/buf.h"

/* Writing into a struct buf. */
struct packer {
	struct buf *buf;
	enum err err; /* of the first put that failed */
};

void pack_begin(struct packer *p, struct buf *buf);
void pack_u8(struct packer *p, uint8_t v);
void pack_u16(struct packer *p, uint16_t v);
void pack_u32(struct packer *p, uint32_t v);
void pack_u64(struct packer *p, uint64_t v);
void pack_bool(struct packer *p, bool v);
void pack_span(struct packer *p, struct span s);
/* NULL is written as an empty string. */
void pack_str(struct packer *p, const char *s);
/* Octets without a length, for fields of fixed size. */
void pack_raw(struct packer *p, const void *data, size_t len);
enum err pack_end(struct packer *p) MUST_CHECK;

/* Reading from octets. After an error every get returns zero or empty. */
struct unpacker {
	struct span rest;
	enum err err;
};

void unpack_begin(struct unpacker *u, struct span s);
uint8_t unpack_u8(struct unpacker *u);
uint16_t unpack_u16(struct unpacker *u);
uint32_t unpack_u32(struct unpacker *u);
uint64_t unpack_u64(struct unpacker *u);
/* Anything but 0 and 1 is malformed. */
bool unpack_bool(struct unpacker *u);
/* Borrowed from the input. */
struct span unpack_span(struct unpacker *u);
/* A copy with a NUL; a NUL inside is malformed. Never NULL: empty on error. */
const char *unpack_str(struct unpacker *u, struct arena *a);
/* Copies exactly len octets; zeroes them on error. */
void unpack_raw(struct unpacker *u, void *out, size_t len);
/* A count of elements of at least min_size octets each: refused when so many
   cannot be left, so that a stranger's number never sizes an allocation. */
uint32_t unpack_count(struct unpacker *u, size_t min_size);
/* ERR_IPC on any error above and when something is left over. */
enum err unpack_end(struct unpacker *u) MUST_CHECK;

#endif
