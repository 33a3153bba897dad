/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The data of TLSA records. */
#include <stdint.h>
#include <stdlib.h>

#include "net/tlsa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rdata = SPAN(data, size);
	struct net_tlsa all;

	if (!net_tlsa_collect(&rdata, 1, &all))
		return 0;
	if (all.n != 1 || all.record[0].usage < 2 || all.record[0].usage > 3 ||
	    all.record[0].selector > 1 ||
	    all.record[0].len != (all.record[0].matching == 1 ? 32 : 64))
		abort();
	return 0;
}
