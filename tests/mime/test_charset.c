/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From UTF-8 to the charset of a part, and back; a text is converted whole or
 * not at all.
 */
#include "mime/charset.h"

#include <criterion/criterion.h>

#include "mime/header.h"

static const struct {
	const char *charset, *utf8, *out; /* NULL: not to be had */
} rows[] = {
    {"utf-8", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
    {"UTF8", "\xf0\x9f\x94\x92", "\xf0\x9f\x94\x92"},
    {"us-ascii", "abc", "abc"},
    {"iso-8859-1", "gr\xc3\xbc\xc3\x9f", "gr\xfc\xdf"},
    {"ISO-8859-15", "\xe2\x82\xac", "\xa4"},
    {"windows-1252", "\xe2\x82\xac", "\x80"},
    {"koi8-r", "\xd0\xb6", "\xd6"},
    {"iso-2022-jp", "a \xe6\x97\xa5 b", "a \x1b$BF|\x1b(B b"},
    {"iso-2022-jp", "\xe6\x97\xa5", "\x1b$BF|\x1b(B"},
    {"shift_jis", "\xe6\x97\xa5", "\x93\xfa"},
    {"x-nobody-knows", "abc", "abc"},
    {"x-nobody-knows", "\xc3\xbc", NULL},
    {"us-ascii", "\xc3\xbc", NULL},
    {"iso-8859-1", "a\xe2\x82\xac", NULL},
    {"koi8-r", "abc\xc3\xbc", NULL},
    {"utf-8", "\xff", NULL},
    {"iso-8859-1", "a\xff", NULL},
    {"windows-1252", "a\xc3", NULL},
};

Test(charset, from_utf8_and_back)
{
	struct buf out, back;

	mime_charsets_open();
	buf_init(&out, 65536);
	buf_init(&back, 65536);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span charset = span_str(rows[i].charset);
		enum err e;

		buf_reset(&out);
		buf_reset(&back);
		cr_assert(buf_puts(&out, "|") == ERR_OK);
		e = mime_charset_from_utf8(
		    charset, span_str(rows[i].utf8), &out);
		if (rows[i].out == NULL) {
			cr_assert(e == ERR_UNSUPPORTED, "%zu", i);
			cr_assert(out.len == 1, "%zu", i);
			continue;
		}
		cr_assert(e == ERR_OK, "%zu", i);
		buf_drop(&out, 1);
		cr_assert(span_eq_str(buf_span(&out), rows[i].out), "%zu", i);
		if (mime_charset_put(charset, buf_span(&out), &back) == ERR_OK)
			cr_assert(span_eq_str(buf_span(&back), rows[i].utf8),
			    "%zu", i);
	}
	buf_clear(&out);
	buf_clear(&back);
	mime_charsets_close();
}

Test(charset, a_long_text_in_pieces)
{
	struct buf in, out;

	mime_charsets_open();
	buf_init(&in, 65536);
	buf_init(&out, 65536);
	for (int i = 0; i < 1000; i++)
		cr_assert(buf_puts(&in, "\xc3\xbc") == ERR_OK);
	cr_assert(mime_charset_from_utf8(
		      SPAN_LIT("windows-1252"), buf_span(&in), &out) == ERR_OK);
	cr_assert(out.len == 1000);
	cr_assert(out.data[0] == 0xfc && out.data[999] == 0xfc);
	buf_clear(&in);
	buf_clear(&out);
	mime_charsets_close();
}
