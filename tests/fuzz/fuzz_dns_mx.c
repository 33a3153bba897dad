/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The data of MX records. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char host[NET_DNS_NAME_MAX];
	uint16_t preference;

	if (net_dns_mx(SPAN(data, size), &preference, host) == ERR_OK &&
	    strlen(host) >= sizeof(host))
		abort();
	return 0;
}
