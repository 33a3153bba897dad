/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What goes into a filter. Directories themselves: tests/e2e/test_discovery.py.
 */
#include "net/ldap.h"

#include <criterion/criterion.h>

Test(ldap, nothing_in_a_value_ends_its_place_in_a_filter)
{
	static const struct {
		const char *in;
		size_t len;
		const char *want;
	} rows[] = {
	    {"", 0, ""},
	    {"a@b.example", 11, "a@b.example"},
	    {"a*", 2, "a\\2a"},
	    {"*)(mail=*", 9, "\\2a\\29\\28mail=\\2a"},
	    {"a\\b", 3, "a\\5cb"},
	    {"a\0b", 3, "a\\00b"},
	    {"\xc3\xa4", 2, "\\c3\\a4"},
	    {"\x7f\n", 2, "\\7f\\0a"},
	};
	struct buf b;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_init(&b, 1000);
		cr_assert_eq(
		    net_ldap_escape(SPAN(rows[i].in, rows[i].len), &b), ERR_OK);
		cr_expect(
		    span_eq_str(buf_span(&b), rows[i].want), "row %zu", i);
		buf_clear(&b);
	}
	buf_init(&b, 3);
	cr_expect_eq(net_ldap_escape(SPAN("a*", 2), &b), ERR_TOO_BIG);
	buf_clear(&b);
}
