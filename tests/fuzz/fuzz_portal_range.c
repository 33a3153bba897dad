/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A range that is taken lies inside the file, whatever its size.
 */
#include <stdlib.h>

#include "gateway/portal/portal_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint64_t sizes[] = {0, 1, 100, 65552, UINT64_C(1) << 40};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		uint64_t from, n;

		if (portal_range_parse(SPAN(data, len), sizes[i], &from, &n) !=
		    ERR_OK)
			continue;
		if (n == 0 || from >= sizes[i] || n > sizes[i] - from)
			abort();
	}
	return 0;
}
