/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Records that ask for reports on TLS. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/tlsrpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = SPAN(data, size);
	struct net_tlsrpt r;

	if (net_tlsrpt_record(&in, 1, &r) != ERR_OK)
		return 0;
	if (r.n == 0 || r.n > NET_TLSRPT_URIS)
		abort();
	for (size_t i = 0; i < r.n; i++) {
		if (strncmp(r.uri[i], "mailto:", 7) != 0 &&
		    strncmp(r.uri[i], "https://", 8) != 0)
			abort();
		/* it becomes a recipient, or a request */
		for (const char *c = r.uri[i]; *c != '\0'; c++)
			if (*c <= ' ' || *c == 0x7f)
				abort();
	}
	return 0;
}
