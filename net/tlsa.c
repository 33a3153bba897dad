/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * TLSA records: four fields, and which of them mail may rely on.
 */
#include "net/tlsa.h"

#include <string.h>

#include "common/digest.h"

enum {
	HEAD = 3, /* usage, selector, matching type */
	USAGE_TA = 2,
	USAGE_EE = 3,
	SELECTOR_LAST = 1,
	MATCH_FULL = 0,
	MATCH_SHA256 = 1,
	MATCH_SHA512 = 2,
	SHA512_SIZE = 64,
};

static bool
has_right_length(uint8_t matching, size_t len)
{
	switch (matching) {
	case MATCH_FULL:
		return len > 0;
	case MATCH_SHA256:
		return len == DIGEST_SIZE;
	case MATCH_SHA512:
		return len == SHA512_SIZE;
	default:
		return false;
	}
}

enum err
net_tlsa_parse(struct span rdata, struct net_tlsa_record *out)
{
	struct net_tlsa_record r = {0};
	struct span data;

	if (rdata.len < HEAD)
		return ERR_MALFORMED;
	r.usage = rdata.data[0];
	r.selector = rdata.data[1];
	r.matching = rdata.data[2];
	data = SPAN(rdata.data + HEAD, rdata.len - HEAD);
	if (r.usage < USAGE_TA || r.usage > USAGE_EE ||
	    r.selector > SELECTOR_LAST ||
	    !has_right_length(r.matching, data.len))
		return ERR_UNSUPPORTED;
	if (r.matching == MATCH_FULL) {
		digest_sha256(&data, 1, r.data);
		r.matching = MATCH_SHA256;
		r.len = DIGEST_SIZE;
	} else {
		memcpy(r.data, data.data, data.len);
		r.len = (uint8_t)data.len;
	}
	*out = r;
	return ERR_OK;
}

bool
net_tlsa_collect(const struct span *rdata, size_t n, struct net_tlsa *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = 0; i < n && out->n < NET_TLSA_MAX; i++)
		if (net_tlsa_parse(rdata[i], &out->record[out->n]) == ERR_OK)
			out->n++;
	return out->n > 0;
}
