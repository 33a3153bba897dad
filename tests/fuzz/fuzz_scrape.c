/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as a request of a monitoring system, however they are cut: what
 * is told of the whole is told of no part of it but that more is to come.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/control/scrape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* exactly so large: reading beyond it shows */
	uint8_t *copy = malloc(size == 0 ? 1 : size);
	enum scrape_kind got;

	if (copy == NULL)
		abort();
	if (size > 0)
		memcpy(copy, data, size);
	got = scrape_parse(SPAN(copy, size));
	if (got == SCRAPE_METRICS && memcmp(copy, "GET /metrics", 12) != 0 &&
	    memcmp(copy, "HEAD /metrics", 13) != 0)
		abort();
	for (size_t n = 0; got > SCRAPE_METHOD && n < size && n < 64; n++) {
		enum scrape_kind part = scrape_parse(SPAN(copy, n));

		if (part != SCRAPE_MORE && part != got)
			abort();
	}
	free(copy);
	return 0;
}
