/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * LDIF of strangers' directories: ends, and hands out nothing outside.
 */
#include <stdlib.h>

#include "crypto/ldif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct ldif_value v = {0};
	volatile uint8_t sum = 0;
	struct ldif l;
	size_t n = 0;
	enum err e;

	(void)ldif_is(SPAN(data, len));
	ldif_init(&l, SPAN(data, len));
	while ((e = ldif_next(&l, &v)) != ERR_NOT_FOUND) {
		if (++n > len + 1)
			abort();
		if (e != ERR_OK)
			continue;
		if (v.name.len == 0)
			abort();
		for (size_t i = 0; i < v.octets.len; i++)
			sum = (uint8_t)(sum + v.octets.data[i]);
	}
	ldif_clear(&l);
	return 0;
}
