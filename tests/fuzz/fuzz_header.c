/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Headers: split, decoded, written again. Whatever goes in, one field comes
 * out, and reads back as the same text.
 */
#include <stdint.h>

#include "common/arena.h"
#include "common/err.h"
#include "mime/header.h"
#include "mime/subject_tag.h"
#include "mime/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* One field, lines of a sane length, ASCII. */
static void
check_field(struct span s)
{
	size_t start = 0, end;

	if (!mime_is_ascii(s))
		fatal("field beyond ASCII");
	for (; start < s.len; start = end + 2) {
		end = span_find(s, start, SPAN_LIT("\r\n"));
		if (end == s.len || end - start > 998)
			fatal("line without end, or too long");
		if (span_find_chr(SPAN(s.data + start, end - start), 0, '\n') <
			end - start ||
		    span_find_chr(SPAN(s.data + start, end - start), 0, '\r') <
			end - start)
			fatal("bare line end");
		if (start > 0 && s.data[start] != ' ')
			fatal("a second field");
	}
}

static void
check_text(struct span text)
{
	struct arena *a = arena_new(1024 * 1024);
	struct buf field, back;
	struct mime_header h;

	buf_init(&field, 4 * 1024 * 1024);
	buf_init(&back, 4 * 1024 * 1024);
	if (!mime_utf8_is_valid(text))
		fatal("decoded text is no UTF-8");
	if (mime_header_put(&field, "Subject", text) == ERR_OK) {
		check_field(buf_span(&field));
		if (mime_header_parse(buf_span(&field), a, &h, NULL) !=
			ERR_OK ||
		    h.n != 1 || h.no_end)
			fatal("not one field");
		if (mime_header_decode(h.fields[0].value, &back) != ERR_OK ||
		    !span_eq(span_trim(buf_span(&back)), span_trim(text)))
			fatal("text does not read back");
	}
	buf_reset(&field);
	if (mime_header_put_mailbox(
		&field, "To", buf_cstr(&back), "a@b.example") == ERR_OK)
		check_field(buf_span(&field));
	buf_clear(&field);
	buf_clear(&back);
	arena_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const tags[] = {"[secure]", "[s]"};
	struct arena *a = arena_new(4 * 1024 * 1024);
	struct span in = SPAN(data, len);
	struct mime_header h;
	struct buf text;
	bool found;

	mime_charsets_open();
	buf_init(&text, 1024 * 1024);
	if (mime_header_parse(in, a, &h, NULL) == ERR_OK) {
		for (size_t i = 0; i < h.n; i++) {
			buf_reset(&text);
			if (mime_header_decode(h.fields[i].value, &text) ==
			    ERR_OK)
				check_text(buf_span(&text));
		}
		buf_reset(&text);
		if (mime_subject_has_tag(&h, tags[0], &found) == ERR_OK &&
		    mime_subject_strip(&h, tags, 2, &text) == ERR_OK)
			check_field(buf_span(&text));
	}
	buf_reset(&text);
	if (mime_header_decode(in, &text) == ERR_OK)
		check_text(buf_span(&text));
	buf_clear(&text);
	arena_free(a);
	return 0;
}
