/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Replies of SMTP servers, and what they offer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/relay/smtp_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct relay_reply r;
	struct relay_offer o;
	size_t used;

	if (relay_reply_parse(SPAN(data, size), &r, &used) != ERR_OK)
		return 0;
	if (used == 0 || used > size || r.code < 200 || r.code > 599 ||
	    strlen(r.text) >= sizeof(r.text))
		abort();
	for (const char *p = r.text; *p != '\0'; p++)
		if ((uint8_t)*p < 0x20 || *p == 0x7f)
			abort();
	relay_offer_parse(&r, &o);
	return 0;
}
