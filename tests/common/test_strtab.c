/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "common/strtab.h"

#include <criterion/criterion.h>
#include <stdio.h>

enum { MANY = 5000 };

Test(strtab, what_was_put_is_found)
{
	static char text[MANY][16];
	struct strtab *t = strtab_new();
	size_t n = 0;

	for (size_t i = 0; i < MANY; i++) {
		snprintf(text[i], sizeof(text[i]), "t%zu", i);
		cr_assert_not(strtab_find(t, 1, span_str(text[i]), &n));
		cr_assert_eq(strtab_put(t, 1, span_str(text[i]), i), ERR_OK);
	}
	for (size_t i = 0; i < MANY; i++) {
		cr_assert(strtab_find(t, 1, span_str(text[i]), &n));
		cr_assert_eq(n, i, "%s", text[i]);
		cr_assert_not(
		    strtab_find(t, 2, span_str(text[i]), &n), "another kind");
	}
	strtab_free(t);
}

Test(strtab, the_later_number_counts)
{
	struct strtab *t = strtab_new();
	size_t n = 0;

	cr_assert_eq(strtab_put(t, 0, SPAN(NULL, 0), 1), ERR_OK);
	cr_assert_eq(strtab_put(t, 0, SPAN_LIT("a\0b"), 2), ERR_OK);
	cr_assert_eq(strtab_put(t, 0, SPAN_LIT("a\0c"), 3), ERR_OK);
	cr_assert_eq(strtab_put(t, 0, SPAN_LIT("a\0b"), 4), ERR_OK);
	cr_assert(strtab_find(t, 0, SPAN(NULL, 0), &n));
	cr_assert_eq(n, 1);
	cr_assert(strtab_find(t, 0, SPAN_LIT("a\0b"), &n));
	cr_assert_eq(n, 4);
	cr_assert(strtab_find(t, 0, SPAN_LIT("a\0c"), &n));
	cr_assert_eq(n, 3);
	strtab_free(t);
	strtab_free(NULL);
}
