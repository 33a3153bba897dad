/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Records of the keystore: what is read must be written the same again.
 */
#include <stdlib.h>

#include "keystore/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ks_room room;
	struct ks_record r;
	struct buf b;

	if (ks_record_decode(SPAN(data, size), &room, &r) != ERR_OK)
		return 0;
	buf_init(&b, KS_RECORD_MAX);
	if (ks_record_encode(&r, &b) != ERR_OK ||
	    !span_eq(buf_span(&b), SPAN(data, size)))
		abort();
	buf_clear(&b);
	return 0;
}
