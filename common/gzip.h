/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Octets as a gzip file (RFC 1952), by zlib. Reading them is nobody's here.
 */
#ifndef COMMON_GZIP_H
#define COMMON_GZIP_H

#include "common/buf.h"
#include "common/err.h"

/* Append in compressed to out. ERR_NOMEM, ERR_TOO_BIG. */
enum err gzip_write(struct span in, struct buf *out) MUST_CHECK;

#endif
