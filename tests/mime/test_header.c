/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Splitting a header into fields. A header is written here as its fields,
 * "name=value" with folds as "~", and what becomes of the rest.
 */
#include "mime/header.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"

static const struct {
	const char *in;
	const char *fields;
	const char *body;
	bool no_end, blank_fold, blank_colon;
} rows[] = {
    {"A: b\r\n\r\nx", "A= b;", "x", false, false, false},
    {"A: b\r\n", "A= b;", "", false, false, false},
    {"A: b", "A= b;", "", false, false, false},
    {"", "", "", false, false, false},
    {"\r\nx", "", "x", false, false, false},
    {"A:\r\nB:b\r\n\r\n", "A=;B=b;", "", false, false, false},
    {"A: b\r\n c\r\n\td\r\nE: f\r\n\r\n", "A= b~ c~\td;E= f;", "", false, false,
	false},
    {"A: b:c\r\n\r\n", "A= b:c;", "", false, false, false},
    {"X-!#: y\r\n\r\n", "X-!#= y;", "", false, false, false},
    /* what other parsers take for a field, or not */
    {"A : b\r\n\r\n", "A= b;", "", false, false, true},
    {"A\t: b\r\n\r\n", "A= b;", "", false, false, true},
    {"A: b\r\n \r\nBcc: c\r\n\r\n", "A= b~ ;Bcc= c;", "", false, true, false},
    {"A: b\r\nno field\r\nBcc: c\r\n\r\nx", "A= b;",
	"no field\r\nBcc: c\r\n\r\nx", true, false, false},
    {" A: b\r\n\r\n", "", " A: b\r\n\r\n", true, false, false},
    {": b\r\n\r\n", "", ": b\r\n\r\n", true, false, false},
    {"A b: c\r\n\r\n", "", "A b: c\r\n\r\n", true, false, false},
    {"\xc3\xa4: c\r\n\r\n", "", "\xc3\xa4: c\r\n\r\n", true, false, false},
    {"From a@b Mon\r\nA: b\r\n\r\n", "", "From a@b Mon\r\nA: b\r\n\r\n", true,
	false, false},
    {">From x\r\nA: b\r\n\r\n", "", ">From x\r\nA: b\r\n\r\n", true, false,
	false},
    {"A\r\n\r\n", "", "A\r\n\r\n", true, false, false},
    {"A: b\r\n.\r\nB: c\r\n", "A= b;", ".\r\nB: c\r\n", true, false, false},
};

static void
describe(const struct mime_header *h, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < h->n; i++) {
		struct span v = h->fields[i].value;

		n += (size_t)snprintf(out + n, size - n,
		    "%.*s=", (int)h->fields[i].name.len,
		    (const char *)h->fields[i].name.data);
		for (size_t k = 0; k < v.len && n + 2 < size; k++)
			if (v.data[k] != '\r')
				out[n++] =
				    v.data[k] == '\n' ? '~' : (char)v.data[k];
		out[n++] = ';';
		out[n] = '\0';
	}
}

Test(header, fields_and_where_they_end)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_header h;
		char text[512];
		bool blank = false;

		cr_assert(mime_header_parse(
			      span_str(rows[i].in), a, &h, NULL) == ERR_OK);
		describe(&h, text, sizeof(text));
		cr_assert_str_eq(text, rows[i].fields, "row %zu: %s", i, text);
		cr_assert(span_eq_str(h.body, rows[i].body), "row %zu", i);
		cr_assert(h.no_end == rows[i].no_end, "row %zu", i);
		cr_assert(h.blank_fold == rows[i].blank_fold, "row %zu", i);
		for (size_t k = 0; k < h.n; k++)
			blank = blank || h.fields[k].blank_before_colon;
		cr_assert(blank == rows[i].blank_colon, "row %zu", i);
		arena_free(a);
	}
}

Test(header, find_count_and_unique)
{
	struct arena *a = arena_new(65536);
	const struct mime_field *f, *g;
	struct mime_header h;

	cr_assert(mime_header_parse(SPAN_LIT("To: a\r\nX: 1\r\nTO: b\r\n\r\n"),
		      a, &h, NULL) == ERR_OK);
	f = mime_header_find(&h, "to", NULL);
	cr_assert(f != NULL && span_eq_str(f->value, " a"));
	g = mime_header_find(&h, "to", f);
	cr_assert(g != NULL && span_eq_str(g->value, " b"));
	cr_assert(mime_header_find(&h, "to", g) == NULL);
	cr_assert(mime_header_find(&h, "t", NULL) == NULL);
	cr_assert(mime_header_count(&h, "To") == 2);
	cr_assert(mime_header_unique(&h, "To", &f) == ERR_AMBIGUOUS);
	cr_assert(mime_header_unique(&h, "Y", &f) == ERR_NOT_FOUND);
	cr_assert(mime_header_unique(&h, "x", &f) == ERR_OK);
	cr_assert(span_eq_str(f->whole, "X: 1\r\n"));
	arena_free(a);
}

Test(header, the_number_of_fields_is_limited)
{
	struct arena *a = arena_new(1024 * 1024);
	struct mime_header h;
	struct buf b;

	buf_init(&b, 65536);
	for (int i = 0; i < 1000; i++)
		cr_assert(buf_puts(&b, "A: b\r\n") == ERR_OK);
	cr_assert(mime_header_parse(buf_span(&b), a, &h, NULL) == ERR_OK);
	cr_assert(h.n == 1000);
	cr_assert(buf_puts(&b, "A: b\r\n") == ERR_OK);
	cr_assert(mime_header_parse(buf_span(&b), a, &h, NULL) == ERR_LIMIT);
	buf_clear(&b);
	arena_free(a);
}
