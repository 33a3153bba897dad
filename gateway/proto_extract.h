/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A worker asks for the text of a document. For proto.h.
 */
#ifndef GATEWAY_PROTO_EXTRACT_H
#define GATEWAY_PROTO_EXTRACT_H

#include <stdint.h>

#include "common/buf.h"

enum proto_extract_kind {
	PROTO_EXTRACT_PDF = 1,
	PROTO_EXTRACT_OFFICE,
};

/* The document is in a sealed memfd beside it. */
struct proto_extract {
	uint8_t kind; /* enum proto_extract_kind */
	uint32_t timeout_ms;
};

enum err proto_extract_pack(
    const struct proto_extract *m, struct buf *out) MUST_CHECK;
enum err proto_extract_unpack(
    struct span in, struct proto_extract *out) MUST_CHECK;

#endif
