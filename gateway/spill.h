/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Octets whose number is not known beforehand: on the heap while they are
 * few, in a memfd when they are many, so that a large message is bounded by
 * what was reserved for it and never on a disk.
 */
#ifndef GATEWAY_SPILL_H
#define GATEWAY_SPILL_H

#include "common/buf.h"
#include "common/memfd.h"
#include "mime/sink.h"

struct spill {
	struct buf buf;
	int fd; /* -1 while everything is in buf */
	uint64_t size;
	uint64_t max;
	struct memfd_map map;
};

/* At most max octets. */
void spill_init(struct spill *s, uint64_t max);
void spill_clear(struct spill *s);
struct mime_sink spill_sink(struct spill *s);
/* No more octets come: what was written, followed by LIMIT_MESSAGE_PADDING
   zero octets. Borrowed until clear. */
enum err spill_finish(struct spill *s, struct span *out) MUST_CHECK;

#endif
