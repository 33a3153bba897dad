/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A header that is taken is written back as the same octets, and its sizes
 * can be added up.
 */
#include <stdlib.h>
#include <string.h>

#include "common/object_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct object_header h;
	uint8_t out[OBJECT_HEADER_SIZE];
	uint8_t id[OBJECT_ID_SIZE];
	char text[OBJECT_ID_TEXT_SIZE];

	if (object_header_parse(SPAN(data, len), &h) == ERR_OK) {
		object_header_format(&h, out);
		if (memcmp(out, data, sizeof(out)) != 0 ||
		    object_total_size(&h) < object_body_offset(&h))
			abort();
	}
	if (object_id_parse(SPAN(data, len), id)) {
		object_id_format(id, text);
		if (memcmp(text, data, len) != 0)
			abort();
	}
	return 0;
}
