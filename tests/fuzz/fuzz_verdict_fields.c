/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Taking out forged verdicts: what is left has none in any line of its header,
 * and nothing is found in it a second time.
 */
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "mime/scan.h"
#include "mime/verdict_fields.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Line by line, as the simplest of readers does it. */
static void
check_lines(struct span head)
{
	size_t pos = 0, end;

	if (head.len > 0 && (head.data[0] == ' ' || head.data[0] == '\t'))
		fatal("would continue our own field");
	for (; pos < head.len; pos = end + 1) {
		end = span_find_chr(head, pos, '\n');
		if (span_starts_caseeq(
			SPAN(head.data + pos, head.len - pos), "Sealgate-"))
			fatal("a forged verdict is left");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const tags[] = {"[signed]", "[encrypted]"};
	const struct mime_verdict_own own = {"gw.example.com", tags, 2};
	struct mime_scan scan;
	struct span rest, more;
	struct buf out, again;
	unsigned removed = 0;

	if (mime_scan(SPAN(data, len), &scan, NULL) != ERR_OK)
		return 0;
	buf_init(&out, 8 * 1024 * 1024);
	buf_init(&again, 8 * 1024 * 1024);
	if (mime_verdict_strip(SPAN(data, len), &own, &out, &rest, &removed) ==
	    ERR_OK) {
		if (removed == 0 &&
		    (out.len > len ||
			(out.len > 0 && memcmp(out.data, data, out.len) != 0)))
			fatal("changed without a reason");
		check_lines(buf_span(&out));
		removed = 0;
		if (buf_put(&out, rest) == ERR_OK &&
		    mime_verdict_strip(buf_span(&out), &own, &again, &more,
			&removed) == ERR_OK &&
		    removed != 0)
			fatal("found something more");
	}
	buf_clear(&out);
	buf_clear(&again);
	return 0;
}
