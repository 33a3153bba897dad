/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What looks for words, numbers and formats in octets of strangers. What is
 * found in a text is found in it again, and never more than asked for.
 */
#include <stdint.h>
#include <stdlib.h>

#include "gateway/detect.h"
#include "gateway/sniff.h"
#include "mime/part_text.h"
#include "mime/utf8.h"
#include "mime/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
count(void *arg, size_t id)
{
	if (id > 1)
		abort();
	(*(size_t *)arg)++;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = SPAN(data, len);
	struct words *w = words_new();
	struct buf clean, text;
	struct sniffed s;
	size_t n = 0;
	bool whole = true;

	buf_init(&clean, 1 << 20);
	buf_init(&text, 1 << 20);
	sniff(in, &s);
	if (s.n > SNIFF_TYPES)
		abort();
	if (mime_utf8_put_clean(&clean, in) == ERR_OK &&
	    mime_html_text(buf_span(&clean), &text, &whole) == ERR_OK &&
	    !mime_utf8_is_valid(buf_span(&text)))
		abort();
	for (size_t i = 0; detector_name(i) != NULL; i++) {
		const struct detector *d =
		    detector_by_name(span_str(detector_name(i)));

		if (detector_count(d, in, 3) > 3)
			abort();
	}
	if (words_add(w, SPAN_LIT("secret"), 0) != ERR_OK)
		abort();
	if (len < 64 && words_add(w, in, 1) == ERR_OK) {
		words_scan(w, in, count, &n);
		if (n == 0)
			abort();
	}
	words_scan(w, buf_span(&text), count, &n);
	words_free(w);
	buf_clear(&text);
	buf_clear(&clean);
	return 0;
}
