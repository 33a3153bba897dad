/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An identifier that is made from the name: relay asks for a key by it.
 */
#include "gateway/dkim.h"

#include <stdio.h>
#include <string.h>

#define LABEL "._domainkey."

void
dkim_name(const char *selector, const char *domain, char out[DKIM_NAME_SIZE])
{
	snprintf(out, DKIM_NAME_SIZE, "%s" LABEL "%s", selector, domain);
}

void
dkim_key_id(const char *name, uint8_t out[DIGEST_SIZE])
{
	const struct span parts[] = {SPAN_LIT("dkim:"), span_str(name)};

	digest_sha256(parts, 2, out);
}

bool
dkim_is_name(struct span domain)
{
	return span_find(domain, 1, SPAN_LIT(LABEL)) < domain.len;
}
