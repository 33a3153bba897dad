/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Entries of a ZIP archive as office programs write it (APPNOTE 6.3): one
 * volume, no ZIP64, no encryption, stored or deflated. What other programs
 * would read differently is malformed.
 */
#ifndef GATEWAY_EXTRACT_ZIP_H
#define GATEWAY_EXTRACT_ZIP_H

#include "common/buf.h"

struct extract_zip {
	struct span all;
	size_t at;	  /* of the next entry in the directory */
	size_t directory; /* where it begins: entries are before it */
	unsigned left;
};

/* Everything borrows from the archive. */
struct extract_zip_entry {
	struct span name;
	struct span packed;
	uint32_t size; /* unpacked, as it says */
	uint32_t crc;
	bool deflated;
};

/* ERR_MALFORMED, ERR_LIMIT: too many entries. */
enum err extract_zip_open(
    struct span archive, struct extract_zip *out) MUST_CHECK;
/* ERR_NOT_FOUND behind the last; ERR_MALFORMED, ERR_UNSUPPORTED. */
enum err extract_zip_next(
    struct extract_zip *z, struct extract_zip_entry *out) MUST_CHECK;
/* Append what is in it. ERR_TOO_BIG when out has no room, or it is a bomb;
   ERR_MALFORMED when it is not what the directory says. */
enum err extract_zip_read(
    const struct extract_zip_entry *e, struct buf *out) MUST_CHECK;

#endif
