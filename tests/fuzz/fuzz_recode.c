/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Transfer encodings: any octets come back from either, with an insertion
 * where it belongs; any text can be given to the decoders; dates and charsets
 * of strangers, too, since they are read on the same way.
 */
#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "mime/charset.h"
#include "mime/date.h"
#include "mime/recode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_round(
    struct span s, enum recode_form to, struct buf *out, struct buf *back)
{
	struct recode r = {.in = s, .to = to, .insert_at = s.len / 2};
	struct mime_sink to_out = mime_sink_buf(out);
	struct mime_sink to_back = mime_sink_buf(back);
	size_t column = 0;

	r.insert = SPAN_LIT("|inserted|");
	buf_reset(out);
	buf_reset(back);
	if (recode_write(&r, &to_out) != ERR_OK ||
	    recode_decode(to, buf_span(out), &to_back) != ERR_OK)
		fatal("no round trip");
	if (back->len != s.len + r.insert.len ||
	    !span_eq(
		SPAN(back->data, r.insert_at), SPAN(s.data, r.insert_at)) ||
	    !span_eq(SPAN(back->data + r.insert_at, r.insert.len), r.insert) ||
	    !span_eq(SPAN(back->data + r.insert_at + r.insert.len,
			 s.len - r.insert_at),
		SPAN(s.data + r.insert_at, s.len - r.insert_at)))
		fatal("other octets");
	for (size_t i = 0; i < out->len && to != RECODE_PLAIN; i++) {
		column = out->data[i] == '\n' ? 0 : column + 1;
		if (column > 77 || out->data[i] >= 0x80 ||
		    (column == 1 && out->data[i] == '-'))
			fatal("a line that does not survive");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span s = SPAN(data, len);
	struct buf out, back;
	struct mime_sink sink = mime_sink_buf(&out);
	int64_t t;

	buf_init(&out, 64 * 1024 * 1024);
	buf_init(&back, 64 * 1024 * 1024);
	check_round(s, RECODE_PLAIN, &out, &back);
	check_round(s, RECODE_QP, &out, &back);
	check_round(s, RECODE_BASE64, &out, &back);
	for (int f = RECODE_PLAIN; f <= RECODE_BASE64; f++) {
		enum err e;

		buf_reset(&out);
		e = recode_decode((enum recode_form)f, s, &sink);
		if ((e != ERR_OK && f != RECODE_BASE64) || out.len > 2 * len)
			fatal("a decoder that fails, or makes more of it");
	}
	if (mime_date_parse(s, &t) == ERR_OK &&
	    mime_date_parse(span_str(mime_date(t).text), &t) != ERR_OK)
		fatal("a date that cannot be read again");
	buf_reset(&out);
	if (mime_charset_from_utf8(SPAN_LIT("iso-8859-1"), s, &out) != ERR_OK &&
	    out.len > 0)
		fatal("half a text");
	buf_clear(&out);
	buf_clear(&back);
	return 0;
}
