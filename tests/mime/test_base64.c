/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Base64: the vectors of RFC 4648, lines, pieces of any size, and what a
 * decoder must refuse.
 */
#include "mime/base64.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct {
	const char *plain, *encoded;
} vectors[] = {
    {"", ""},
    {"f", "Zg==\r\n"},
    {"fo", "Zm8=\r\n"},
    {"foo", "Zm9v\r\n"},
    {"foob", "Zm9vYg==\r\n"},
    {"fooba", "Zm9vYmE=\r\n"},
    {"foobar", "Zm9vYmFy\r\n"},
    {"\xff\xfe\xfb", "//77\r\n"},
};

static const char *const invalid[] = {
    "Z",
    "Zg",
    "Zg=",
    "Zm9",
    "Zg===",
    "====",
    "=",
    "Zg==Zg==",
    "Z=g=",
    "Zm9v!",
    "Zm-v",
    "Zm_v",
};

Test(base64, vectors_both_ways)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct buf enc, dec;

		buf_init(&enc, 1000);
		buf_init(&dec, 1000);
		cr_assert(mime_base64_encode(
			      span_str(vectors[i].plain), &enc) == ERR_OK);
		cr_assert(span_eq_str(buf_span(&enc), vectors[i].encoded), "%s",
		    vectors[i].plain);
		cr_assert(mime_base64_decode(buf_span(&enc), &dec) == ERR_OK);
		cr_assert(span_eq_str(buf_span(&dec), vectors[i].plain));
		buf_clear(&enc);
		buf_clear(&dec);
	}
}

Test(base64, refuses_what_decoders_read_differently)
{
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		struct buf out;

		buf_init(&out, 1000);
		cr_assert(buf_puts(&out, "x") == ERR_OK);
		cr_assert(mime_base64_decode(span_str(invalid[i]), &out) ==
			      ERR_MALFORMED,
		    "%s", invalid[i]);
		cr_assert(span_eq_str(buf_span(&out), "x"));
		buf_clear(&out);
	}
}

Test(base64, pieces_of_any_size_give_the_same_lines)
{
	uint8_t in[10000];
	struct buf whole, pieces, back;
	struct mime_base64 b;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 31 + i / 256);
	buf_init(&whole, 20000);
	buf_init(&pieces, 20000);
	buf_init(&back, 20000);
	for (size_t len = 0; len < 400; len++) {
		size_t step = len % 61 + 1;

		buf_reset(&whole);
		buf_reset(&pieces);
		buf_reset(&back);
		cr_assert(mime_base64_encode(SPAN(in, len), &whole) == ERR_OK);
		mime_base64_init(&b, mime_sink_buf(&pieces));
		for (size_t at = 0; at < len; at += step)
			cr_assert(mime_base64_put(&b,
				      SPAN(in + at,
					  len - at < step ? len - at : step)) ==
				  ERR_OK);
		cr_assert(mime_base64_finish(&b) == ERR_OK);
		cr_assert(span_eq(buf_span(&whole), buf_span(&pieces)),
		    "%zu octets", len);
		cr_assert(
		    mime_base64_decode(buf_span(&whole), &back) == ERR_OK);
		cr_assert(span_eq(buf_span(&back), SPAN(in, len)));
	}
	buf_clear(&whole);
	buf_clear(&pieces);
	buf_clear(&back);
}

Test(base64, lines_are_76_characters_and_crlf)
{
	uint8_t in[57 * 70 + 1] = {0};
	struct buf out;
	struct span rest;
	size_t end;

	buf_init(&out, 20000);
	cr_assert(mime_base64_encode(SPAN(in, sizeof(in)), &out) == ERR_OK);
	rest = buf_span(&out);
	for (int i = 0; i < 70; i++) {
		end = span_find(rest, 0, SPAN_LIT("\r\n"));
		cr_assert(end == 76, "line %d has %zu", i, end);
		rest.data += 78;
		rest.len -= 78;
	}
	cr_assert(span_eq_str(rest, "AA==\r\n"));
	buf_clear(&out);
}
