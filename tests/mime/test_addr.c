/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The address parser, table by table: what is accepted and its one canonical
 * form, what is refused, and the tricks by which addresses get relayed or
 * looked up as another.
 */
#include "mime/addr.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"

#define U MIME_ADDR_UTF8
#define P MIME_ADDR_POSTMASTER
#define N MIME_ADDR_NULL

static const struct {
	const char *in;
	unsigned flags;
	const char *local, *domain, *text, *key;
} valid[] = {
    {"bob@example.org", 0, "bob", "example.org", "bob@example.org",
	"bob@example.org"},
    {"Bob.Smith@Example.ORG", 0, "Bob.Smith", "example.org",
	"Bob.Smith@example.org", "bob.smith@example.org"},
    {"a+tag@b.example", 0, "a+tag", "b.example", "a+tag@b.example",
	"a+tag@b.example"},
    {"user%x@y.example", 0, "user%x", "y.example", "user%x@y.example",
	"user%x@y.example"},
    {"host!user@y.example", 0, "host!user", "y.example", "host!user@y.example",
	"host!user@y.example"},
    {"!#$%&'*+-/=?^_`{|}~@a.example", 0, "!#$%&'*+-/=?^_`{|}~", "a.example",
	"!#$%&'*+-/=?^_`{|}~@a.example", "!#$%&'*+-/=?^_`{|}~@a.example"},
    {"\"bob\"@example.org", 0, "bob", "example.org", "bob@example.org",
	"bob@example.org"},
    {"\"b\\ob\"@example.org", 0, "bob", "example.org", "bob@example.org",
	"bob@example.org"},
    {"\"a b\"@example.org", 0, "a b", "example.org", "\"a b\"@example.org",
	"\"a b\"@example.org"},
    {"\"A@B\"@example.org", 0, "A@B", "example.org", "\"A@B\"@example.org",
	"\"a@b\"@example.org"},
    {"\"a\\\"b\\\\\"@c.example", 0, "a\"b\\", "c.example",
	"\"a\\\"b\\\\\"@c.example", "\"a\\\"b\\\\\"@c.example"},
    {"\".a\"@c.example", 0, ".a", "c.example", "\".a\"@c.example",
	"\".a\"@c.example"},
    {"\"a..b\"@c.example", 0, "a..b", "c.example", "\"a..b\"@c.example",
	"\"a..b\"@c.example"},
    {"\"a.\"@c.example", 0, "a.", "c.example", "\"a.\"@c.example",
	"\"a.\"@c.example"},
    {"\"<x>\"@c.example", 0, "<x>", "c.example", "\"<x>\"@c.example",
	"\"<x>\"@c.example"},
    {"root@localhost", 0, "root", "localhost", "root@localhost",
	"root@localhost"},
    {"x@1.example", 0, "x", "1.example", "x@1.example", "x@1.example"},
    {"x@r3---sn.example", 0, "x", "r3---sn.example", "x@r3---sn.example",
	"x@r3---sn.example"},
    {"x@[192.0.2.1]", 0, "x", "[192.0.2.1]", "x@[192.0.2.1]", "x@[192.0.2.1]"},
    {"x@[IPv6:2001:DB8:0:0::1]", 0, "x", "[IPv6:2001:db8::1]",
	"x@[IPv6:2001:db8::1]", "x@[ipv6:2001:db8::1]"},
    {"x@[ipv6:::1]", 0, "x", "[IPv6:::1]", "x@[IPv6:::1]", "x@[ipv6:::1]"},
    {"x@m\xc3\xbcnchen.example", 0, "x", "xn--mnchen-3ya.example",
	"x@xn--mnchen-3ya.example", "x@xn--mnchen-3ya.example"},
    {"x@M\xc3\x9cNCHEN.example", 0, "x", "xn--mnchen-3ya.example",
	"x@xn--mnchen-3ya.example", "x@xn--mnchen-3ya.example"},
    {"x@mu\xcc\x88nchen.example", 0, "x", "xn--mnchen-3ya.example",
	"x@xn--mnchen-3ya.example", "x@xn--mnchen-3ya.example"},
    {"x@XN--MNCHEN-3YA.example", 0, "x", "xn--mnchen-3ya.example",
	"x@xn--mnchen-3ya.example", "x@xn--mnchen-3ya.example"},
    /* sharp s stays itself: non-transitional */
    {"x@stra\xc3\x9f"
     "e.example",
	0, "x", "xn--strae-oqa.example", "x@xn--strae-oqa.example",
	"x@xn--strae-oqa.example"},
    /* an ideographic full stop separates labels (UTS 46) */
    {"x@b\xe3\x80\x82"
     "example",
	0, "x", "b.example", "x@b.example", "x@b.example"},
    {"j\xc3\xb6rg@example.org", U, "j\xc3\xb6rg", "example.org",
	"j\xc3\xb6rg@example.org", "j\xc3\xb6rg@example.org"},
    {"\"j\xc3\xb6 x\"@example.org", U, "j\xc3\xb6 x", "example.org",
	"\"j\xc3\xb6 x\"@example.org", "\"j\xc3\xb6 x\"@example.org"},
    {"PostMaster", P, "postmaster", "", "postmaster", "postmaster"},
    {"postmaster@example.org", 0, "postmaster", "example.org",
	"postmaster@example.org", "postmaster@example.org"},
    {"", N, "", "", "", ""},
};

static const struct {
	const char *in;
	unsigned flags;
} invalid[] = {
    {"", P},
    {" ", 0},
    {"bob", 0},
    {"bob", P},
    {"bob@", 0},
    {"@example.org", 0},
    {"@a.example,@b.example:c@d.example", 0},
    {"@a.example:c@d.example", 0},
    {"a@b@c.example", 0},
    {"a@b.example@c.example", 0},
    {"a b@c.example", 0},
    {" a@c.example", 0},
    {"a@c.example ", 0},
    {"a@ c.example", 0},
    {"<a@c.example>", 0},
    {"a@c.example>", 0},
    {"a@c.example,b@c.example", 0},
    {"a@c.example;b@c.example", 0},
    {".a@c.example", 0},
    {"a.@c.example", 0},
    {"a..b@c.example", 0},
    {"a@.c.example", 0},
    {"a@c..example", 0},
    {"a@c.example.", 0},
    {"a@c.example\xe3\x80\x82", 0},
    {"a@-c.example", 0},
    {"a@c-.example", 0},
    {"a@c_d.example", 0},
    {"a@c!d.example", 0},
    {"a@c%d.example", 0},
    {"a@c/d.example", 0},
    {"a@127.0.0.1", 0},
    {"a@c.1", 0},
    {"a@[127.0.0.1", 0},
    {"a@[127.0.0.1]x", 0},
    {"a@[127.0.0.256]", 0},
    {"a@[127.1]", 0},
    {"a@[]", 0},
    {"a@[2001:db8::1]", 0},
    {"a@[IPv6:192.0.2.1]", 0},
    {"a@[IPv6:]", 0},
    {"a@[x400:abc]", 0},
    {"\"\"@c.example", 0},
    {"\"a@c.example", 0},
    {"\"a\"b@c.example", 0},
    {"a\"b\"@c.example", 0},
    {"\"a\".\"b\"@c.example", 0},
    {"\"a\\", 0},
    {"\"a\r\nRCPT TO:<x@y.example>\"@c.example", 0},
    {"\"a\tb\"@c.example", 0},
    {"a\r\n@c.example", 0},
    {"a@c.example\r\nX: y", 0},
    {"a@c.exa\tmple", 0},
    {"a(comment)@c.example", 0},
    {"a@c.example(comment)", 0},
    {"a\x7f@c.example", 0},
    {"a,b@c.example", 0},
    {"a:b@c.example", 0},
    {"a\\b@c.example", 0},
    {"j\xc3\xb6rg@example.org", 0},
    {"j\xf6rg@example.org", U},
    {"\xc0\xaf@example.org", U},
    {"\xed\xa0\x80@example.org", U},
    {"a\xe2\x80\xae@example.org", U},
    {"a\xc2\x85@example.org", U},
    {"a\xe2\x80\x8b@example.org", U},
    {"a\xc2\xad@example.org", U},
    {"x@a\xe2\x80\x8b.example", 0},
    {"x@a\xc2\xad.example", 0},
    {"x@a\xef\xbc\x8f.example", 0},
    {"a\xe2\x80\xa8@example.org", U},
    {"\xef\xbb\xbf"
     "a@example.org",
	U},
    {"x@m\xfcnchen.example", U},
    {"x@xn--a.example", 0},
    {"x@xn--.example", 0},
    {"x@xn--abc-.example", 0},
    {"x@a\xef\xbc\xa0"
     "b.example",
	0},
    {"x@a\xe2\x84\x80"
     "b.example",
	0},
    {"x@a\xe2\x80\xae"
     "b.example",
	0},
    {"x@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     ".example",
	0},
};

Test(addr, canonical_form_of_valid_addresses)
{
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_addr got;
		struct err_why why = {""};
		enum err e = mime_addr_parse(
		    span_str(valid[i].in), valid[i].flags, a, &got, &why);

		cr_assert(e == ERR_OK, "%s: %s", valid[i].in, why.text);
		cr_assert_str_eq(got.local, valid[i].local, "%s: %s",
		    valid[i].in, got.local);
		cr_assert_str_eq(got.domain, valid[i].domain, "%s: %s",
		    valid[i].in, got.domain);
		cr_assert_str_eq(
		    got.text, valid[i].text, "%s: %s", valid[i].in, got.text);
		cr_assert_str_eq(
		    got.key, valid[i].key, "%s: %s", valid[i].in, got.key);
		cr_assert(
		    mime_addr_is_null(&got) == (valid[i].text[0] == '\0'));
		arena_free(a);
	}
}

Test(addr, canonical_form_parses_to_itself)
{
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_addr got;

		cr_assert(mime_addr_parse(span_str(valid[i].text),
			      valid[i].flags, a, &got, NULL) == ERR_OK,
		    "%s", valid[i].text);
		cr_assert_str_eq(got.text, valid[i].text);
		cr_assert_str_eq(got.key, valid[i].key);
		arena_free(a);
	}
}

Test(addr, refuses_what_could_be_read_in_two_ways)
{
	cr_assert(sizeof(invalid) / sizeof(invalid[0]) >=
		  sizeof(valid) / sizeof(valid[0]));
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_addr got = {.text = "untouched"};
		struct err_why why = {""};
		enum err e = mime_addr_parse(
		    span_str(invalid[i].in), invalid[i].flags, a, &got, &why);

		cr_assert(
		    e == ERR_ADDR_SYNTAX, "%s: %s", invalid[i].in, err_name(e));
		cr_assert(why.text[0] != '\0', "%s: no reason", invalid[i].in);
		cr_assert_str_eq(got.text, "untouched");
		arena_free(a);
	}
}

Test(addr, a_nul_is_refused_wherever_it_stands)
{
	static const char *const in[] = {"a\0@b.example", "a@b.exa\0mple",
	    "\"a\0b\"@c.examp", "a@b.example\0"};

	for (size_t i = 0; i < 4; i++) {
		struct arena *a = arena_new(65536);
		struct mime_addr got;

		cr_assert(mime_addr_parse(SPAN(in[i], i == 2 ? 13 : 12),
			      MIME_ADDR_UTF8, a, &got, NULL) == ERR_ADDR_SYNTAX,
		    "row %zu", i);
		arena_free(a);
	}
}

Test(addr, the_length_limit_is_exact)
{
	char in[400];

	for (int n = 254; n <= 256; n++) {
		struct arena *a = arena_new(65536);
		struct mime_addr got;
		enum err e;

		memset(in, 'a', sizeof(in));
		memcpy(in + n - 10, "@b.example", 10);
		e = mime_addr_parse(SPAN(in, (size_t)n), 0, a, &got, NULL);
		cr_assert(e == (n <= 254 ? ERR_OK : ERR_ADDR_SYNTAX),
		    "%d octets: %s", n, err_name(e));
		arena_free(a);
	}
}

Test(addr, paths_end_at_their_bracket)
{
	static const struct {
		const char *in;
		unsigned flags;
		const char *text; /* NULL: refused */
		const char *rest;
	} rows[] = {
	    {"<bob@example.org>", 0, "bob@example.org", ""},
	    {"<bob@example.org> SIZE=5", 0, "bob@example.org", " SIZE=5"},
	    {"<\"a> b\"@example.org> X", 0, "\"a> b\"@example.org", " X"},
	    {"<>", N, "", ""},
	    {"<> BODY=8BITMIME", N, "", " BODY=8BITMIME"},
	    {"<PoStMaSter>", P, "postmaster", ""},
	    {"<bob@[192.0.2.7]>", 0, "bob@[192.0.2.7]", ""},
	    {"<>", 0, NULL, NULL},
	    {"", N, NULL, NULL},
	    {"<", N, NULL, NULL},
	    {"bob@example.org", 0, NULL, NULL},
	    {"<bob@example.org", 0, NULL, NULL},
	    {"<bob@example.org >", 0, NULL, NULL},
	    {"< bob@example.org>", 0, NULL, NULL},
	    {"<<bob@example.org>>", 0, NULL, NULL},
	    {"<@a.example:bob@example.org>", 0, NULL, NULL},
	    {"<postmaster>", 0, NULL, NULL},
	    {"<bob>", P, NULL, NULL},
	    {"Bob <bob@example.org>", 0, NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_addr got;
		struct span rest;
		enum err e = mime_addr_parse_path(
		    span_str(rows[i].in), rows[i].flags, a, &got, &rest, NULL);

		if (rows[i].text == NULL) {
			cr_assert(e == ERR_ADDR_SYNTAX, "%s", rows[i].in);
		} else {
			cr_assert(e == ERR_OK, "%s", rows[i].in);
			cr_assert_str_eq(got.text, rows[i].text);
			cr_assert(
			    span_eq_str(rest, rows[i].rest), "%s", rows[i].in);
		}
		arena_free(a);
	}
}

Test(addr, domains_have_one_form)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
	    {"Example.COM", "example.com"},
	    {"b\xc3\xbc"
	     "cher.example",
		"xn--bcher-kva.example"},
	    {"[192.0.2.1]", "[192.0.2.1]"},
	    {"", NULL},
	    {"example.com.", NULL},
	    {".example.com", NULL},
	    {"*.example.com", NULL},
	    {"exa mple.com", NULL},
	    {"xn--zzzzzzz-.com", NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena *a = arena_new(65536);
		const char *got = NULL;
		enum err e =
		    mime_domain_parse(span_str(rows[i].in), a, &got, NULL);

		cr_assert(
		    (e == ERR_OK) == (rows[i].out != NULL), "%s", rows[i].in);
		if (e == ERR_OK)
			cr_assert_str_eq(got, rows[i].out);
		arena_free(a);
	}
}
