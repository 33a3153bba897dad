/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Revocation lists and answers of responders, as discovery fetched them: read
 * and verified by the certificate of the issuer that store had named.
 */
#ifndef GATEWAY_ADMISSION_REVOCATION_H
#define GATEWAY_ADMISSION_REVOCATION_H

#include "common/buf.h"
#include "common/err.h"

/* PROTO_REVOCATION_READ in, PROTO_REVOCATION_SAID for store appended to out,
   also when what came is not good. The id in it follows from what was
   verified. ERR_IPC: no such message. */
enum err revocation_read(
    struct span in, int64_t now, struct buf *out) MUST_CHECK;

#endif
