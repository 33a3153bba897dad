/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * UTF-8 at its edges (RFC 3629 section 4).
 */
#include "mime/utf8.h"

#include <criterion/criterion.h>

static const struct {
	const char *in;
	uint32_t c;
} valid[] = {
    {"a", 'a'},
    {"\x7f", 0x7f},
    {"\xc2\x80", 0x80},
    {"\xdf\xbf", 0x7ff},
    {"\xe0\xa0\x80", 0x800},
    {"\xed\x9f\xbf", 0xd7ff},
    {"\xee\x80\x80", 0xe000},
    {"\xef\xbf\xbf", 0xffff},
    {"\xf0\x90\x80\x80", 0x10000},
    {"\xf4\x8f\xbf\xbf", 0x10ffff},
};

static const char *const invalid[] = {
    "\x80",
    "\xbf",
    "\xc0\x80",
    "\xc1\xbf",
    "\xc2",
    "\xc2g",
    "\xe0\x9f\xbf",
    "\xe1\x80",
    "\xed\xa0\x80",
    "\xed\xbf\xbf",
    "\xf0\x8f\xbf\xbf",
    "\xf1\x80\x80",
    "\xf4\x90\x80\x80",
    "\xf5\x80\x80\x80",
    "\xfe",
    "\xff",
};

Test(utf8, edges)
{
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
		struct span s = span_str(valid[i].in);
		uint32_t c = 0;

		cr_assert(mime_utf8_next(s, &c) == s.len, "row %zu", i);
		cr_assert(c == valid[i].c, "row %zu: %x", i, c);
		cr_assert(mime_utf8_is_valid(s));
		cr_assert(mime_is_ascii(s) == (c < 0x80));
	}
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		cr_assert(mime_utf8_next(span_str(invalid[i]), NULL) == 0,
		    "row %zu", i);
		cr_assert(!mime_utf8_is_valid(span_str(invalid[i])));
	}
	cr_assert(mime_utf8_next(SPAN(NULL, 0), NULL) == 0);
	cr_assert(mime_utf8_is_valid(SPAN(NULL, 0)));
}

Test(utf8, clean_text_has_neither_controls_nor_foreign_octets)
{
	struct buf out;

	buf_init(&out, 1000);
	cr_assert(mime_utf8_put_clean(&out,
		      SPAN("a\0b\r\nc\xc2\x85\xe2\x80\xa8\xff\xc3\xa4\xc3",
			  15)) == ERR_OK);
	cr_assert(span_eq_str(
	    buf_span(&out), "a b  c  \xef\xbf\xbd\xc3\xa4\xef\xbf\xbd"));
	buf_clear(&out);
}

Test(utf8, tricks)
{
	static const uint32_t tricks[] = {0, 0x1f, 0x7f, 0x85, 0xad, 0x200b,
	    0x200e, 0x202e, 0x2028, 0x2066, 0xfe0f, 0xfeff, 0xe0041};
	static const uint32_t fine[] = {
	    ' ', 'a', 0xa0, 0xe4, 0x200c, 0x200d, 0x3042, 0x1f512};

	for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++)
		cr_assert(mime_utf8_is_trick(tricks[i]), "%x", tricks[i]);
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		cr_assert(!mime_utf8_is_trick(fine[i]), "%x", fine[i]);
}
