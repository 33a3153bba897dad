/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a portal in a DMZ, or whoever has its certificate, sends: frame by
 * frame, and each comes out again as it was.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/proto_portal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	while (len > 0) {
		struct proto_frame f;
		struct buf b;
		size_t used = 0;

		if (proto_frame_get(SPAN(data, len), &f, &used) != ERR_OK)
			break;
		if (used == 0 || used > len)
			abort();
		buf_init(&b, 2 * used + 4096);
		if (proto_frame_put(&f, &b) != ERR_OK || b.len != used ||
		    memcmp(b.data, data, used) != 0)
			abort();
		buf_clear(&b);
		data += used;
		len -= used;
	}
	return 0;
}
