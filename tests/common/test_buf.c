/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "common/arena.h"
#include "common/buf.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

Test(buf, keeps_its_maximum)
{
	struct buf b;

	buf_init(&b, 10);
	cr_assert_eq(buf_puts(&b, "0123456789"), ERR_OK);
	cr_assert_eq(buf_putc(&b, 'x'), ERR_TOO_BIG);
	cr_assert_eq(b.len, 10);
	cr_assert_str_eq(buf_cstr(&b), "0123456789");
	cr_assert_eq(buf_put(&b, SPAN("", SIZE_MAX)), ERR_TOO_BIG);
	buf_drop(&b, 4);
	cr_assert(span_eq_str(buf_span(&b), "456789"));
	cr_assert_eq(buf_printf(&b, "%d", 12345), ERR_TOO_BIG);
	cr_assert_eq(buf_printf(&b, "%d", 1234), ERR_OK);
	cr_assert(span_eq_str(buf_span(&b), "4567891234"));
	buf_clear(&b);
	buf_clear(&b);
}

Test(span, finds_and_compares)
{
	struct span s = SPAN_LIT("Subject: Hello");

	cr_assert(span_starts_caseeq(s, "subject:"));
	cr_assert(!span_starts_caseeq(SPAN_LIT("Sub"), "subject"));
	cr_assert_eq(span_find(s, 0, SPAN_LIT("Hello")), 9);
	cr_assert_eq(span_find(s, 10, SPAN_LIT("Hello")), s.len);
	cr_assert_eq(span_find_chr(s, 0, ':'), 7);
	cr_assert(span_eq_str(span_trim(SPAN_LIT(" \t a b\r\n")), "a b"));
	cr_assert(span_eq(SPAN(NULL, 0), SPAN_LIT("")));
}

Test(arena, refuses_what_is_beyond_its_maximum)
{
	struct arena *a = arena_new(1000);

	cr_assert_null(arena_alloc(a, 1001));
	cr_assert_null(arena_array(a, SIZE_MAX / 2, 4));
	cr_assert_not_null(arena_alloc(a, 900));
	cr_assert_null(arena_alloc(a, 200));
	arena_reset(a);
	cr_assert_str_eq(arena_printf(a, "%s-%d", "x", 7), "x-7");
	cr_assert_str_eq(arena_span_str(a, SPAN_LIT("abc")), "abc");
	arena_free(a);
}
