/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Office documents that strangers made: archive, unpacking and XML. An input
 * that is no archive is taken for XML.
 */
#include "common/buf.h"
#include "gateway/extract/office.h"
#include "gateway/extract/xml_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	if (size > 1 && data[0] == 'P')
		(void)!extract_office_text(SPAN(data, size), &text);
	else
		(void)!extract_xml_text(SPAN(data, size), &text);
	buf_clear(&text);
	return 0;
}
