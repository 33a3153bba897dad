/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What goes into a filter. Directories themselves: tests/e2e/test_discovery.py.
 */
#include "net/ldap.h"

#include <criterion/criterion.h>

#include "net/ldap_private.h"

#define N(a) (sizeof(a) / sizeof((a)[0]))

Test(ldap, a_part_of_an_attribute_is_named_by_its_range)
{
	static const struct {
		const char *name;
		size_t first, last;
	} good[] = {
	    {"member;range=0-1499", 0, 1499},
	    {"Member;Range=1500-*", 1500, SIZE_MAX},
	    {"member;range=7-7", 7, 7},
	};
	static const char *const bad[] = {"member",
	    "member;range=", "member;range=0", "member;range=0-",
	    "member;range=-5", "member;range=*-5", "member;range=5-4",
	    "member;range=0-1x", "member;range=0-*x", "member;range= 0-1",
	    "member;range=+0-1", "members;range=0-1", "memb;range=0-1",
	    "uniquemember;range=0-1", "member;binary", "",
	    "member;range=0-99999999999999999999999",
	    "member;range=99999999999999999999999-*"};
	size_t first = 77, last = 77;

	for (size_t i = 0; i < N(bad); i++)
		cr_expect_not(net_ldap_range(bad[i], "member", &first, &last),
		    "%s", bad[i]);
	cr_expect(first == 77 && last == 77);
	for (size_t i = 0; i < N(good); i++) {
		cr_assert(net_ldap_range(good[i].name, "member", &first, &last),
		    "%s", good[i].name);
		cr_expect_eq(first, good[i].first, "%s", good[i].name);
		cr_expect_eq(last, good[i].last, "%s", good[i].name);
	}
}

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
