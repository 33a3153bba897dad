/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Spellings of second factors: what two people type who mean the same.
 */
#include "mime/spelling.h"

#include <criterion/criterion.h>
#include <string.h>

#include "common/buf.h"

struct row {
	const char *typed;
	const char *spelled; /* NULL: refused */
};

typedef enum err spell_fn(struct span in, struct buf *out);

static void
check(spell_fn *spell, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf out;
		enum err e;

		buf_init(&out, 1024);
		e = spell(span_str(rows[i].typed), &out);
		if (rows[i].spelled == NULL)
			cr_expect(e == ERR_MALFORMED && out.len == 0, "%s: %d",
			    rows[i].typed, (int)e);
		else
			cr_expect(e == ERR_OK && span_eq_str(buf_span(&out),
						     rows[i].spelled),
			    "%s: %.*s", rows[i].typed, (int)out.len,
			    (const char *)out.data);
		buf_clear(&out);
	}
}

Test(spelling, a_passphrase_is_put_into_one_normal_form)
{
	static const struct row rows[] = {
	    {"correct horse", "correct horse"},
	    {"cafe\xcc\x81", "caf\xc3\xa9"},
	    {"caf\xc3\xa9", "caf\xc3\xa9"},
	    {"Stra\xc3\x9f"
	     "e ",
		"Stra\xc3\x9f"
		"e "},
	    {"", NULL},
	    {"\xff", NULL},
	    {"a\xc3", NULL},
	    {"\xed\xa0\x80", NULL},
	    {"\xc0\xaf", NULL},
	};

	check(mime_spell_passphrase, rows, sizeof(rows) / sizeof(*rows));
}

Test(spelling, of_an_answer_letters_marks_and_numbers_count)
{
	static const struct row rows[] = {
	    {"  Mary-Jane  O'Neill. ", "maryjaneoneill"},
	    {"M\xc3\x9cNCHEN", "m\xc3\xbcnchen"},
	    {"mu\xcc\x88nchen", "m\xc3\xbcnchen"},
	    {"\xce\xa3\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x82",
		"\xcf\x83\xce\xaf\xcf\x83\xcf\x85\xcf\x86\xce\xbf\xcf\x83"},
	    {"\xef\xbc\x91\xef\xbc\x92 March", "12march"},
	    {"\xc2\xbd", "12"},
	    {"stra\xc3\x9f"
	     "e",
		"stra\xc3\x9f"
		"e"},
	    {"", NULL},
	    {" .-!", NULL},
	    {"\xf0\x9f\x98\x80", NULL},
	    {"caf\xe9", NULL},
	    {"\xf4\x90\x80\x80", NULL},
	};

	check(mime_spell_answer, rows, sizeof(rows) / sizeof(*rows));
}

Test(spelling, a_code_is_read_however_it_was_typed)
{
	static const struct row rows[] = {
	    {"7k2m-x9qr-04ht-vbdn-w5ze", "7k2mx9qr04htvbdnw5ze"},
	    {"7K2M X9QR O4HT VBDN W5ZE", "7k2mx9qr04htvbdnw5ze"},
	    {"7k2mx9qr04htvbdnw5zI", "7k2mx9qr04htvbdnw5z1"},
	    {"7k2mx9qr04htvbdnw5zl\n", "7k2mx9qr04htvbdnw5z1"},
	    {"", NULL},
	    {"7k2m", NULL},
	    {"7k2m-x9qr-04ht-vbdn-w5ze-0", NULL},
	    {"7k2m-x9qr-04ht-vbdn-w5z\xc3\xa9", NULL},
	};

	check(mime_spell_code, rows, sizeof(rows) / sizeof(*rows));
}

Test(spelling, what_is_made_can_be_read_back)
{
	uint8_t random[MIME_SPELLING_CODE];
	char text[MIME_SPELLING_CODE_TEXT + 1] = "";
	struct buf out;

	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)(i * 37 + 5);
	mime_spelling_make(random, text);
	cr_assert_eq(strlen(text), (size_t)MIME_SPELLING_CODE_TEXT);
	cr_assert_eq(text[4], '-');
	buf_init(&out, 64);
	cr_assert_eq(mime_spell_code(span_str(text), &out), ERR_OK);
	cr_expect_eq(out.len, (size_t)MIME_SPELLING_CODE);
	for (size_t i = 0; i < out.len; i++)
		cr_expect(strchr(text, out.data[i]) != NULL);
	buf_clear(&out);
}
