/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files that pack messages between processes share.
 */
#ifndef GATEWAY_PROTO_PRIVATE_H
#define GATEWAY_PROTO_PRIVATE_H

#include "common/pack.h"

/* A number that came as an error; ERR_INTERNAL for one that is none. */
enum err proto_as_err(uint32_t v);
/* Room for as many elements of size octets as the message says there are, each
   of which takes at least min_packed octets in it; *n 0 on any error. */
void *proto_unpack_array(struct unpacker *u, struct arena *a, size_t min_packed,
    size_t size, uint32_t *n);

#endif
