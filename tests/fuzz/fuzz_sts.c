/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Policies of MTA-STS and the records that announce them. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = SPAN(data, size);
	static struct net_sts p;
	struct err_why why;
	char id[NET_STS_ID_MAX];

	if (net_sts_record(&in, 1, id) == ERR_OK &&
	    (id[0] == '\0' || strlen(id) >= sizeof(id)))
		abort();
	if (net_sts_parse(in, &p, &why) != ERR_OK)
		return 0;
	if (p.n > NET_STS_MX_MAX || p.max_age_s > NET_STS_AGE_MAX_S ||
	    (p.n == 0 && p.mode != NET_STS_NONE))
		abort();
	/* nothing that a policy says means every server there is */
	for (size_t i = 0; i < p.n; i++)
		if (strchr(p.mx[i], '.') == NULL || strlen(p.mx[i]) < 3 ||
		    net_sts_pattern_matches(p.mx[i], "localhost"))
			abort();
	return 0;
}
