/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Answers as strangers upload them: under a key that opens none of them.
 */
#include <stdlib.h>
#include <unistd.h>

#include "common/answer.h"
#include "common/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct secret *key;
	struct answer_header h;
	int fd = -1;

	if (key == NULL) {
		secret_init();
		stream_init();
		key = secret_new(STREAM_KEY);
	}
	if (answer_header_parse(SPAN(data, len), &h) == ERR_OK &&
	    answer_total_size(h.size) <= h.size)
		abort();
	if (answer_open(key, SPAN(data, len), &fd) == ERR_OK)
		close(fd);
	return 0;
}
