/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Address lists in header fields. A list is written here as its addresses and
 * names, "name|address" joined by " / ".
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "mime/addr.h"

static const struct {
	const char *in, *out;
} valid[] = {
    {"bob@example.org", "|bob@example.org"},
    {" Bob <bob@example.org>\r\n", "Bob|bob@example.org"},
    {"Bob Q. Public <bob@example.org>", "Bob Q. Public|bob@example.org"},
    {"\"Public, Bob\" <bob@example.org>", "Public, Bob|bob@example.org"},
    {"\"a \\\"b\\\" c\" <bob@example.org>", "a \"b\" c|bob@example.org"},
    {"=?utf-8?Q?J=C3=B6rg?= =?utf-8?B?IFg=?= <j@example.org>",
	"J\xc3\xb6rg X|j@example.org"},
    {"a@b.example, c@d.example", "|a@b.example / |c@d.example"},
    {"a@b.example,,c@d.example,", "|a@b.example / |c@d.example"},
    {"a@b.example,\r\n\tC <c@d.example>", "|a@b.example / C|c@d.example"},
    {"(hi) a (x (y) \\) z) @ (q) b.example (end)", "|a@b.example"},
    {"<a@b.example>", "|a@b.example"},
    {"< a@b.example >", "|a@b.example"},
    {"undisclosed-recipients:;", ""},
    {"Team: a@b.example, \"C\" <c@d.example>;", "|a@b.example / C|c@d.example"},
    {"Team: a@b.example;, e@f.example", "|a@b.example / |e@f.example"},
    {"\"a@b.example\" <c@d.example>", "a@b.example|c@d.example"},
    {"\"a b\"@c.example", "|\"a b\"@c.example"},
    {"x@m\xc3\xbcnchen.example", "|x@xn--mnchen-3ya.example"},
    {"J\xc3\xb6rg <j@example.org>", "J\xc3\xb6rg|j@example.org"},
    {"J\xf6rg <j@example.org>", "J\xef\xbf\xbdrg|j@example.org"},
    {"\"x\\\r\n y\" <j@example.org>", "x y|j@example.org"},
    {"", ""},
    {" \r\n ", ""},
};

static const char *const invalid[] = {
    "bob",
    "Bob Public",
    "bob@",
    "@b.example",
    "a@b@c.example",
    "a@b.example c@d.example",
    "a@b.example <c@d.example>",
    "a@b.example; c@d.example",
    "Bob <a@b.example",
    "Bob a@b.example>",
    "Bob <a@b.example> x",
    "<a@b.example><c@d.example>",
    "<@x.example:a@b.example>",
    "Bob <>",
    "Bob <bob>",
    "Bob <<a@b.example>>",
    "Team: a@b.example",
    "Team: Sub: a@b.example;;",
    ": a@b.example;",
    "a@b.example;",
    "\"Bob <a@b.example>",
    "(Bob a@b.example",
    "a@b.example (",
    "a@b.example (\\",
    "john . doe@b.example",
    "john.\r\n doe@b.example",
    "\"john\".doe@b.example",
    "a@b .example",
    "a@b.example.",
    "a\x01@b.example",
    "Bo\010b <a@b.example>",
    "a@[192.0.2.1",
    "a@b..example",
    "((((((((((((((((((((((((((((((((((((((((((((((((a@b.example",
};

static void
describe(const struct mime_addr_list *l, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < l->n; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s|%s",
		    i > 0 ? " / " : "", l->addrs[i].name, l->addrs[i].text);
}

Test(addr_list, valid_lists)
{
	for (size_t i = 0; i < sizeof(valid) / sizeof(valid[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_addr_list got;
		struct err_why why = {""};
		char text[512];

		cr_assert(mime_addr_parse_list(span_str(valid[i].in),
			      MIME_ADDR_UTF8, a, &got, &why) == ERR_OK,
		    "%s: %s", valid[i].in, why.text);
		describe(&got, text, sizeof(text));
		cr_assert_str_eq(
		    text, valid[i].out, "%s: %s", valid[i].in, text);
		arena_free(a);
	}
}

Test(addr_list, invalid_lists)
{
	cr_assert(sizeof(invalid) / sizeof(invalid[0]) >=
		  sizeof(valid) / sizeof(valid[0]));
	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
		struct arena *a = arena_new(65536);
		struct mime_addr_list got;
		struct err_why why = {""};
		enum err e = mime_addr_parse_list(
		    span_str(invalid[i]), MIME_ADDR_UTF8, a, &got, &why);

		cr_assert(e == ERR_ADDR_SYNTAX, "%s", invalid[i]);
		cr_assert(why.text[0] != '\0', "%s", invalid[i]);
		arena_free(a);
	}
}

Test(addr_list, a_million_parentheses_take_no_stack)
{
	size_t len = 1000000;
	char *in = malloc(len);
	struct arena *a = arena_new(65536);
	struct mime_addr_list got;

	memset(in, '(', len);
	cr_assert(mime_addr_parse_list(SPAN(in, len), 0, a, &got, NULL) ==
		  ERR_ADDR_SYNTAX);
	arena_free(a);
	free(in);
}

Test(addr_list, too_many_addresses_are_a_limit)
{
	size_t n = 10001;
	char *in = malloc(n * 4);
	struct arena *a = arena_new(64 * 1024 * 1024);
	struct mime_addr_list got;

	for (size_t i = 0; i < n; i++)
		memcpy(in + 4 * i, "a@b,", 4);
	cr_assert(mime_addr_parse_list(SPAN(in, n * 4), 0, a, &got, NULL) ==
		  ERR_LIMIT);
	cr_assert(mime_addr_parse_list(SPAN(in, n * 4 - 4), 0, a, &got, NULL) ==
		  ERR_OK);
	cr_assert(got.n == 10000);
	arena_free(a);
	free(in);
}
