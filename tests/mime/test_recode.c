/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What was encoded decodes to the same octets, in lines that survive.
 */
#include "mime/recode.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *what, *in, *qp;
} qp_rows[] = {
    {"nothing", "", ""},
    {"ASCII stays", "hello\r\n", "hello\r\n"},
    {"no line end is added", "hello", "hello"},
    {"8-bit and equals sign", "h\xc3\xa4 = x\r\n", "h=C3=A4 =3D x\r\n"},
    {"blanks at a line's end", "a \r\nb\t\r\n \r\nc ",
	"a=20\r\nb=09\r\n=20\r\nc=20"},
    {"blanks inside stay", "a  b\tc\r\n", "a  b\tc\r\n"},
    {"From at the start of a line",
	"From here\r\nFrom: x\r\n From y\r\nFromage "
	"z\r\n",
	"From=20here\r\nFrom: x\r\n From y\r\nFromage z\r\n"},
    {"From alone", "From\r\nFrom \r\n", "From\r\nFrom=20\r\n"},
    {"what could be a boundary", "--x\r\n-- \r\n a--\r\n",
	"=2D-x\r\n=2D-=20\r\n a--\r\n"},
    {"controls", "a\x01\x7f\r\n", "a=01=7F\r\n"},
    {"a bare CR or LF", "a\rb\nc \r", "a=0Db=0Ac=20=0D"},
    {"a line of 75 stays",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"12345\r\n",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"12345\r\n"},
    {"a longer one is broken",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"123456-x\r\n",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"12345=\r\n6-x\r\n"},
    {"a boundary is not made by the break",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"12345--x\r\n",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"12345=\r\n=2D-x\r\n"},
    {"nor a line from an mbox",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"12345From x\r\n",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"12345=\r\nFrom=20x\r\n"},
    {"an octet is not torn",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"123\xc3\xa4\r\n",
	"1234567890123456789012345678901234567890123456789012345678901234567890"
	"123=\r\n=C3=A4\r\n"},
};

static void
run(const struct recode *r, struct buf *out)
{
	struct mime_sink sink = mime_sink_buf(out);

	buf_reset(out);
	cr_assert(recode_write(r, &sink) == ERR_OK);
}

Test(recode, quoted_printable)
{
	struct buf out, back;

	buf_init(&out, 65536);
	buf_init(&back, 65536);
	for (size_t i = 0; i < sizeof(qp_rows) / sizeof(qp_rows[0]); i++) {
		struct recode r = {
		    .in = span_str(qp_rows[i].in), .to = RECODE_QP};
		struct mime_sink sink = mime_sink_buf(&back);

		run(&r, &out);
		cr_assert(span_eq_str(buf_span(&out), qp_rows[i].qp), "%s: %s",
		    qp_rows[i].what, buf_cstr(&out));
		buf_reset(&back);
		cr_assert(
		    recode_decode(RECODE_QP, buf_span(&out), &sink) == ERR_OK);
		cr_assert(span_eq_str(buf_span(&back), qp_rows[i].in), "%s",
		    qp_rows[i].what);
	}
	buf_clear(&out);
	buf_clear(&back);
}

static const struct {
	const char *what;
	enum recode_form from;
	const char *in, *out; /* NULL: malformed */
} decode_rows[] = {
    {"plain", RECODE_PLAIN, "a=3D b", "a=3D b"},
    {"lower case", RECODE_QP, "=c3=A4", "\xc3\xa4"},
    {"soft break", RECODE_QP, "a=\r\nb", "ab"},
    {"soft break with a relay's blanks", RECODE_QP, "a= \t\r\nb", "ab"},
    {"blanks at a line's end are not the sender's", RECODE_QP, "a \t\r\nb ",
	"a\r\nb"},
    {"soft break at the end", RECODE_QP, "a=", "a"},
    {"what is malformed stands for itself", RECODE_QP, "=zz =4\r\n=\tx",
	"=zz =4\r\n=\tx"},
    {"base64", RECODE_BASE64, "aGVs\r\nbG8=\r\n", "hello"},
    {"base64 in odd lines", RECODE_BASE64, "a GV\r\nsb\tG8=", "hello"},
    {"empty base64", RECODE_BASE64, "\r\n", ""},
    {"foreign characters", RECODE_BASE64, "aGV*bG8=", NULL},
    {"cut", RECODE_BASE64, "aGVsbG8", NULL},
    {"data behind the padding", RECODE_BASE64, "aGVsbG8=aGVs", NULL},
};

Test(recode, decoding)
{
	struct buf out;

	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(decode_rows) / sizeof(decode_rows[0]);
	     i++) {
		struct mime_sink sink = mime_sink_buf(&out);
		enum err e;

		buf_reset(&out);
		e = recode_decode(
		    decode_rows[i].from, span_str(decode_rows[i].in), &sink);
		cr_assert(e == (decode_rows[i].out ? ERR_OK : ERR_MALFORMED),
		    "%s", decode_rows[i].what);
		if (e == ERR_OK)
			cr_assert(
			    span_eq_str(buf_span(&out), decode_rows[i].out),
			    "%s: %s", decode_rows[i].what, buf_cstr(&out));
	}
	buf_clear(&out);
}

/* Padding in the middle must not slip through where chunks meet. */
Test(recode, base64_of_any_length_is_checked_as_a_whole)
{
	char in[8192 + 9];
	struct mime_sink sink;
	struct buf out;

	buf_init(&out, 65536);
	sink = mime_sink_buf(&out);
	memset(in, 'A', sizeof(in));
	in[8192 + 8] = '\0';
	for (size_t pad = 4092; pad < 8192; pad += 4) {
		in[pad + 3] = '=';
		buf_reset(&out);
		cr_assert(recode_decode(RECODE_BASE64, span_str(in), &sink) ==
			      ERR_MALFORMED,
		    "%zu", pad);
		in[pad + 3] = 'A';
	}
	buf_reset(&out);
	cr_assert(recode_decode(RECODE_BASE64, span_str(in), &sink) == ERR_OK);
	cr_assert(out.len == 8200 / 4 * 3);
	buf_clear(&out);
}

static const struct {
	enum recode_form from, to;
	const char *in;
	size_t at;
	const char *out;
} insert_rows[] = {
    {RECODE_PLAIN, RECODE_PLAIN, "hello", 0, "[x]hello"},
    {RECODE_PLAIN, RECODE_PLAIN, "hello", 2, "he[x]llo"},
    {RECODE_PLAIN, RECODE_PLAIN, "hello", 5, "hello[x]"},
    {RECODE_PLAIN, RECODE_PLAIN, "", 0, "[x]"},
    {RECODE_QP, RECODE_QP, "h=C3=\r\n=A4", 3, "h=C3=A4[x]"},
    {RECODE_QP, RECODE_QP, "h=C3=A4=20", 1, "h[x]=C3=A4=20"},
    {RECODE_BASE64, RECODE_BASE64, "aGVsbG8=", 1, "aFt4XWVsbG8=\r\n"},
    {RECODE_PLAIN, RECODE_BASE64, "hello", 1, "aFt4XWVsbG8=\r\n"},
    {RECODE_BASE64, RECODE_PLAIN, "aGVsbG8=", 1, "h[x]ello"},
};

Test(recode, insertion)
{
	struct buf out;

	buf_init(&out, 65536);
	for (size_t i = 0; i < sizeof(insert_rows) / sizeof(insert_rows[0]);
	     i++) {
		struct recode r = {.in = span_str(insert_rows[i].in),
		    .from = insert_rows[i].from,
		    .to = insert_rows[i].to,
		    .insert_at = insert_rows[i].at,
		    .insert = SPAN_LIT("[x]")};

		run(&r, &out);
		cr_assert(span_eq_str(buf_span(&out), insert_rows[i].out),
		    "%zu: %s", i, buf_cstr(&out));
	}
	buf_clear(&out);
}

Test(recode, any_octets_come_back)
{
	static const char alphabet[] = "\r\n\r\n  \t-=FromA\xc3\x01";
	uint8_t in[3000];
	struct buf out, back;
	unsigned seed = 1;

	buf_init(&out, 65536);
	buf_init(&back, 65536);
	for (int round = 0; round < 200; round++) {
		struct recode r = {.to = round % 2 ? RECODE_QP : RECODE_BASE64};
		struct mime_sink sink = mime_sink_buf(&back);
		size_t column = 0;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed = seed * 1103515245 + 12345;
			in[i] = (uint8_t)
			    alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		r.in = SPAN(in, sizeof(in) - (size_t)round);
		run(&r, &out);
		for (size_t i = 0; i < out.len; i++) {
			column = out.data[i] == '\n' ? 0 : column + 1;
			cr_assert(column <= 77);
			cr_assert(out.data[i] < 0x80);
			cr_assert(!(column == 1 && out.data[i] == '-'));
		}
		buf_reset(&back);
		cr_assert(recode_decode(r.to, buf_span(&out), &sink) == ERR_OK);
		cr_assert(span_eq(buf_span(&back), r.in), "round %d", round);
	}
	buf_clear(&out);
	buf_clear(&back);
}

Test(recode, forms_have_names)
{
	enum recode_form f = RECODE_BASE64;

	cr_assert(recode_form_of("8bit", &f) == ERR_OK && f == RECODE_PLAIN);
	cr_assert(recode_form_of("quoted-printable", &f) == ERR_OK);
	cr_assert(f == RECODE_QP);
	cr_assert(recode_form_of("x-uuencode", &f) == ERR_UNSUPPORTED);
	cr_assert(f == RECODE_QP);
}
