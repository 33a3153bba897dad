/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The Range header, RFC 9110 §14.1.2, for exactly one range: lists of ranges
 * only ever served to make servers work.
 */
#include "common/text.h"
#include "gateway/portal/portal_private.h"

enum err
portal_range_parse(
    struct span s, uint64_t size, uint64_t *from_out, uint64_t *len_out)
{
	uint64_t first = 0, last = size - 1;
	struct span a, b;
	size_t dash;

	if (!span_starts_caseeq(s, "bytes=") || size == 0)
		return ERR_MALFORMED;
	s = SPAN(s.data + 6, s.len - 6);
	dash = span_find_chr(s, 0, '-');
	if (dash == s.len)
		return ERR_MALFORMED;
	a = SPAN(s.data, dash);
	b = SPAN(s.data + dash + 1, s.len - dash - 1);
	if (a.len == 0) {
		/* bytes=-N: the last N octets */
		if (text_number(b, 1, UINT64_MAX, &last) != ERR_OK)
			return ERR_MALFORMED;
		*from_out = last < size ? size - last : 0;
		*len_out = last < size ? last : size;
		return ERR_OK;
	}
	if (text_number(a, 0, size - 1, &first) != ERR_OK)
		return ERR_MALFORMED;
	if (b.len > 0 && text_number(b, first, UINT64_MAX, &last) != ERR_OK)
		return ERR_MALFORMED;
	if (last > size - 1)
		last = size - 1;
	*from_out = first;
	*len_out = last - first + 1;
	return ERR_OK;
}
