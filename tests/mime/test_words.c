/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "mime/words.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static void
count(void *arg, size_t id)
{
	((size_t *)arg)[id]++;
}

Test(words, are_found_as_a_reader_would)
{
	static const struct {
		const char *phrase;
		const char *text;
		size_t want;
	} rows[] = {
	    {"secret", "a Secret, SECRET secrets", 2},
	    {"strictly confidential", "Strictly  -\r\n confidential!", 1},
	    {"strictly confidential", "strictly not confidential", 0},
	    {"confidential", "unconfidential confidentially", 0},
	    {"a b a", "a b a b a", 2},
	    {"größe", "GRÖßE Größe", 2},
	    {"ПРОЕКТ", "проект", 1},
	    {"ΑΒΓ", "αβγ", 1},
	    {"\xc5\xbd", "\xc5\xbe", 1},
	    {"secret",
		"se\xe2\x80\x8b"
		"cret",
		1},
	    {"project x", "(project)[x]", 1},
	    {"4711", "no. 4711.", 1},
	    {"end", "the end", 1},
	    {"x", "", 0},
	    {"x", "\xff\xfex", 1},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct words *w = words_new();
		size_t n = 0;

		cr_assert_eq(words_add(w, span_str(rows[i].phrase), 0), ERR_OK);
		words_scan(w, span_str(rows[i].text), count, &n);
		cr_expect_eq(n, rows[i].want, "%s in %s: %zu", rows[i].phrase,
		    rows[i].text, n);
		words_free(w);
	}
}

Test(words, what_is_no_phrase_is_refused)
{
	static const char *const rows[] = {
	    "", " ", "!?", "- -", "\xff", "a b c d e f g h i j k l m n o p q"};
	struct words *w = words_new();
	size_t none = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(words_add(w, span_str(rows[i]), 0), ERR_CONFIG,
		    "\"%s\"", rows[i]);
	words_scan(w, SPAN_LIT("a b c"), count, &none);
	cr_expect_eq(none, 0);
	words_free(w);
}

Test(words, ten_thousand_phrases_are_each_found_where_they_are)
{
	static size_t n[10000];
	struct words *w = words_new();
	char text[64];

	for (size_t i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "project %zu of %zu", i, i % 7);
		cr_assert_eq(words_add(w, span_str(text), i), ERR_OK);
	}
	words_scan(w,
	    SPAN_LIT("Project 9999 of 3, project 12 of 5; project 13 "
		     "of 5"),
	    count, n);
	for (size_t i = 0; i < 10000; i++)
		cr_assert_eq(n[i], i == 9999 || i == 12, "%zu", i);
	words_free(w);
}
