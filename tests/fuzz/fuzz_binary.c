/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as a message with BINARYMIME: what is taken becomes lines, and
 * those stay as they are when they come again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/err.h"
#include "mime/binary.h"
#include "mime/scan.h"

enum { ROOM = 4 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static enum err
to_lines(struct span in, struct buf *out)
{
	struct mime_sink sink = mime_sink_buf(out);
	struct err_why why = {""};
	enum err e = mime_binary_write(in, &sink, &why);

	if ((e == ERR_CONVERT || e == ERR_CONVERT_SIGNED) &&
	    why.text[0] == '\0')
		fatal("refused without a reason");
	return e;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct mime_scan scan;
	struct buf once, twice;

	buf_init(&once, ROOM);
	buf_init(&twice, ROOM);
	if (to_lines(SPAN(data, len), &once) == ERR_OK) {
		if (mime_scan(buf_span(&once), &scan, NULL) == ERR_LINE_END)
			fatal("what was written has no lines");
		if (to_lines(buf_span(&once), &twice) != ERR_OK ||
		    !span_eq(buf_span(&once), buf_span(&twice)))
			fatal("lines are not left as they are");
	}
	buf_clear(&once);
	buf_clear(&twice);
	return 0;
}
