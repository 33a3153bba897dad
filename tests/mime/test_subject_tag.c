/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Tags found and taken out, however the subject is encoded.
 */
#include "mime/subject_tag.h"

#include <criterion/criterion.h>

#include "common/arena.h"
#include "common/secret.h"
#include "mime/header.h"

static const struct {
	const char *header;
	bool found;
	const char *stripped; /* the whole field, "" if it stays */
} rows[] = {
    {"Subject: [secure] hello\r\n", true, "Subject: hello\r\n"},
    {"Subject: hello [SeCuRe]\r\n", true, "Subject: hello\r\n"},
    {"Subject: Re: [secure] hello\r\n", true, "Subject: Re: hello\r\n"},
    {"Subject: a[secure]b\r\n", true, "Subject: ab\r\n"},
    {"Subject: [secure]\r\n", true, "Subject: \r\n"},
    {"Subject: [secure] [secure] x\r\n", true, "Subject: x\r\n"},
    {"Subject: [sec[secure]ure] x\r\n", true, "Subject: x\r\n"},
    {"subject: x\r\n [secure]\r\n y\r\n", true, "Subject: x y\r\n"},
    {"Subject: =?utf-8?Q?=5Bsecure=5D_h=C3=A4?=\r\n", true,
	"Subject: =?UTF-8?B?aMOk?=\r\n"},
    {"Subject: =?utf-8?B?W3NlY3VyZV0gaGVsbG8=?=\r\n", true,
	"Subject: hello\r\n"},
    {"Subject: =?utf-8?Q?=5Bsec?=\r\n =?utf-8?Q?ure=5D_x?=\r\n", true,
	"Subject: x\r\n"},
    {"Subject: [secure] =?utf-8?Q?a=0D=0ABcc:_b?=\r\n", true,
	"Subject: a  Bcc: b\r\n"},
    {"Subject: x\r\nSubject: [secure] y\r\n", true, ""},
    {"Subject: secure\r\n", false, ""},
    {"Subject: [secur]\r\n", false, ""},
    {"Subject: [sec ure]\r\n", false, ""},
    {"Subject:\r\n", false, ""},
    {"X-Subject: [secure]\r\n", false, ""},
    {"To: [secure]\r\n", false, ""},
    {"", false, ""},
};

Test(subject_tag, found_and_stripped)
{
	const char *const tags[] = {"[secure]"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_header h;
		struct buf out;
		bool found;

		buf_init(&out, 65536);
		cr_assert(mime_header_parse(
			      span_str(rows[i].header), a, &h, NULL) == ERR_OK);
		cr_assert(
		    mime_subject_has_tag(&h, "[secure]", &found) == ERR_OK);
		cr_assert(found == rows[i].found, "%s", rows[i].header);
		cr_assert(mime_subject_strip(&h, tags, 1, &out) == ERR_OK);
		cr_assert(span_eq_str(buf_span(&out), rows[i].stripped),
		    "%s: %s", rows[i].header, buf_cstr(&out));
		buf_clear(&out);
		arena_free(a);
	}
}

Test(subject_tag, several_tags_and_none)
{
	const char *const tags[] = {"[a]", "", "[b]"};
	struct arena *a = arena_new(65536);
	struct mime_header h;
	struct buf out;
	bool found;

	buf_init(&out, 65536);
	cr_assert(mime_header_parse(SPAN_LIT("Subject: [b] x [a] y [b]\r\n"), a,
		      &h, NULL) == ERR_OK);
	cr_assert(mime_subject_strip(&h, tags, 3, &out) == ERR_OK);
	cr_assert(span_eq_str(buf_span(&out), "Subject: x y\r\n"));
	cr_assert(mime_subject_has_tag(&h, "", &found) == ERR_OK && !found);
	buf_reset(&out);
	cr_assert(mime_subject_strip(&h, tags, 0, &out) == ERR_OK);
	cr_assert(out.len == 0);
	buf_clear(&out);
	arena_free(a);
}

/* Words: "pick-up" and "pass". field: the whole field, "" if it stays. */
static const struct {
	const char *header;
	enum mime_subject_value how;
	const char *field;
	const char *value;
} valued[] = {
    {"Subject: [pick-up:correct horse] Hello\r\n", MIME_SUBJECT_VALUE,
	"Subject: Hello\r\n", "correct horse"},
    {"Subject: Hello [PASS: x y ]\r\n", MIME_SUBJECT_VALUE,
	"Subject: Hello\r\n", "x y"},
    {"Subject: =?utf-8?Q?=5Bpass=3Ah=C3=A4=5D_x?=\r\n", MIME_SUBJECT_VALUE,
	"Subject: x\r\n", "h\xc3\xa4"},
    {"Subject: a [pass:one:two[three] b\r\n", MIME_SUBJECT_VALUE,
	"Subject: a b\r\n", "one:two[three"},
    {"Subject: [pass:folded\r\n value] x\r\n", MIME_SUBJECT_VALUE,
	"Subject: x\r\n", "folded value"},
    {"Subject: Hello\r\n", MIME_SUBJECT_NO_VALUE, "", ""},
    {"Subject: [pass] [pass :x] [other:x] pass:x]\r\n", MIME_SUBJECT_NO_VALUE,
	"", ""},
    {"To: [pass:x]\r\n", MIME_SUBJECT_NO_VALUE, "", ""},
    {"Subject: Hello [pass:secret\r\n", MIME_SUBJECT_BAD_VALUE,
	"Subject: Hello\r\n", ""},
    {"Subject: [pass:] Hello\r\n", MIME_SUBJECT_BAD_VALUE, "Subject: Hello\r\n",
	""},
    {"Subject: [pass: ] Hello\r\n", MIME_SUBJECT_BAD_VALUE,
	"Subject: Hello\r\n", ""},
    {"Subject: [pass:a] [pick-up:b] Hello\r\n", MIME_SUBJECT_BAD_VALUE,
	"Subject: Hello\r\n", "a"},
    {"Subject: [pa[pass:a]ss:b] Hello\r\n", MIME_SUBJECT_BAD_VALUE,
	"Subject: Hello\r\n", "a"},
    {"Subject: one\r\nSubject: [pass:b] two\r\n", MIME_SUBJECT_BAD_VALUE,
	"Subject: one\r\n", "b"},
    {"Subject: [pass:a] one\r\nSubject: [pass:b] two\r\n",
	MIME_SUBJECT_BAD_VALUE, "Subject: one\r\n", "ab"},
};

Test(subject_tag, values_are_taken_out_whole)
{
	const char *const words[] = {"pick-up", "pass"};

	secret_init();
	for (size_t i = 0; i < sizeof(valued) / sizeof(valued[0]); i++) {
		struct arena *a = arena_new(65536);
		enum mime_subject_value how = MIME_SUBJECT_NO_VALUE;
		struct mime_header h;
		struct buf field, value;
		size_t word = 99;

		buf_init(&field, 65536);
		buf_init(&value, 65536);
		cr_assert(mime_header_parse(span_str(valued[i].header), a, &h,
			      NULL) == ERR_OK);
		cr_assert(mime_subject_take_value(&h, words, 2, &field, &value,
			      &word, &how) == ERR_OK);
		cr_expect(
		    how == valued[i].how, "%s: %d", valued[i].header, (int)how);
		cr_expect(span_eq_str(buf_span(&field), valued[i].field),
		    "%s: %s", valued[i].header, buf_cstr(&field));
		cr_expect(span_eq_str(buf_span(&value), valued[i].value),
		    "%s: %s", valued[i].header, buf_cstr(&value));
		buf_clear(&field);
		buf_clear(&value);
		arena_free(a);
	}
}
