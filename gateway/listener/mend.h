/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Line ends of a message that a named peer wrote wrongly. Only what is known to
 * be whole comes here: where a message ends is never decided by a bare one.
 */
#ifndef GATEWAY_LISTENER_MEND_H
#define GATEWAY_LISTENER_MEND_H

#include <stdint.h>

#include "common/err.h"

struct listener_mended {
	int fd; /* sealed memfd, the caller's */
	uint64_t size;
	uint64_t header_at; /* octets of the header with its empty line */
};

/* Copy the sealed memfd with each bare CR and LF made CRLF. ERR_TOO_BIG beyond
   max octets; ERR_NOMEM, ERR_IO. */
enum err listener_mend(int fd, uint64_t size, uint64_t max,
    struct listener_mended *out) MUST_CHECK;

#endif
