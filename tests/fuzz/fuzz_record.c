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
	static struct ks_room room, again;
	struct ks_record r, r2;
	struct buf b, b2;

	if (ks_record_decode(SPAN(data, size), &room, &r) != ERR_OK)
		return 0;
	/* one of an older version is written as a new one: which must then
	   stay as it is */
	buf_init(&b, KS_RECORD_MAX);
	buf_init(&b2, KS_RECORD_MAX);
	if (ks_record_encode(&r, &b) != ERR_OK ||
	    ks_record_decode(buf_span(&b), &again, &r2) != ERR_OK ||
	    ks_record_encode(&r2, &b2) != ERR_OK ||
	    !span_eq(buf_span(&b), buf_span(&b2)) || !span_eq(r.fpr, r2.fpr) ||
	    !span_eq(r.key, r2.key))
		abort();
	buf_clear(&b);
	buf_clear(&b2);
	return 0;
}
