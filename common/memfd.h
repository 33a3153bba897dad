/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages in memory that travel between processes: anonymous files, sealed
 * against change before they are handed on, mapped and never copied.
 */
#ifndef COMMON_MEMFD_H
#define COMMON_MEMFD_H

#include "common/buf.h"

/* An empty file that can be written and then sealed. Caller closes. */
enum err memfd_new(int *fd_out) MUST_CHECK;
/* Append all of s. */
enum err memfd_write(int fd, struct span s) MUST_CHECK;
/* Put LIMIT_MESSAGE_PADDING zero octets behind the contents and forbid every
   later change (F_SEAL_SHRINK|GROW|WRITE|SEAL). No writable map may exist. */
enum err memfd_seal(int fd) MUST_CHECK;
/* memfd_new, write, seal. */
enum err memfd_from(struct span s, int *fd_out) MUST_CHECK;

/* The first octets of a file, copied and sealed: whoever may cut the file
   short cannot pull it from under a map. ERR_IO when it has not that many.
   Caller closes. */
enum err memfd_copy(int from, uint64_t size, int *fd_out) MUST_CHECK;

struct memfd_map {
	struct span data; /* without the padding, which is mapped behind it */
	void *base;
	size_t mapped;
};

/* Map a sealed file for reading. ERR_IPC when it is not sealed, not a memfd
   or larger than max: whoever sent it could still change it. The descriptor
   may be closed afterwards. */
enum err memfd_map(int fd, size_t max, struct memfd_map *out) MUST_CHECK;
/* NULL and a zeroed map are fine. */
void memfd_unmap(struct memfd_map *m);

#endif
