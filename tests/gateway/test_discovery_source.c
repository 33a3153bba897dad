/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Names under which sources are asked, and what their answers mean. Real
 * servers: tests/e2e/test_discovery.py. */
#include "gateway/discovery/recipients.h"
#include "gateway/discovery/source.h"

#include <criterion/criterion.h>
#include <string.h>

#include "gateway/discovery/groups.h"
#include "net/ldap.h"

Test(wkd, urls_are_those_of_the_draft)
{
	static const struct {
		struct discovery_addr addr;
		unsigned port;
		bool advanced;
		const char *want;
	} rows[] = {
	    /* the example of the draft: Joe.Doe@Example.ORG */
	    {{"", "joe.doe", "example.org"}, 443, true,
		"https://openpgpkey.example.org/.well-known/openpgpkey/"
		"example.org/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=joe.doe"},
	    {{"", "joe.doe", "example.org"}, 443, false,
		"https://example.org/.well-known/openpgpkey/hu/"
		"iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=joe.doe"},
	    {{"", "joe.doe", "example.org"}, 8443, false,
		"https://example.org:8443/.well-known/openpgpkey/hu/"
		"iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=joe.doe"},
	};
	char url[DISCOVERY_URL_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(discovery_wkd_url(&rows[i].addr, rows[i].port,
				 rows[i].advanced, url, sizeof(url)),
		    ERR_OK, "row %zu", i);
		cr_expect_str_eq(url, rows[i].want, "row %zu: %s", i, url);
	}
}

Test(wkd, no_local_part_breaks_out_of_the_url)
{
	static const char *const locals[] = {"a b", "a\r\nHost: x", "a&l=b",
	    "a#b", "a%41", "a/../b", "a?b", "\xc3\xa4"};
	char url[DISCOVERY_URL_MAX], *query;

	for (size_t i = 0; i < sizeof(locals) / sizeof(locals[0]); i++) {
		struct discovery_addr a = {"", locals[i], "example.org"};

		cr_assert_eq(
		    discovery_wkd_url(&a, 443, true, url, sizeof(url)), ERR_OK);
		query = strstr(url, "?l=");
		cr_assert_not_null(query);
		cr_expect_eq(
		    strspn(query + 3, "abcdefghijklmnopqrstuvwxyzABCDEFHlost"
				      "0123456789%-._~"),
		    strlen(query + 3), "row %zu: %s", i, url);
	}
	cr_expect_eq(
	    discovery_wkd_url(&(struct discovery_addr){"", "a", "example.org"},
		443, true, url, 40),
	    ERR_TOO_BIG);
}

Test(http, a_status_is_an_answer_only_when_it_is_definite)
{
	static const struct {
		long status;
		enum proto_answer_status want;
	} rows[] = {{200, PROTO_ANSWER_FOUND}, {404, PROTO_ANSWER_ABSENT},
	    {410, PROTO_ANSWER_ABSENT}, {403, PROTO_ANSWER_ABSENT},
	    {400, PROTO_ANSWER_ABSENT}, {408, PROTO_ANSWER_FAILED},
	    {425, PROTO_ANSWER_FAILED}, {429, PROTO_ANSWER_FAILED},
	    {500, PROTO_ANSWER_FAILED}, {503, PROTO_ANSWER_FAILED},
	    {204, PROTO_ANSWER_FAILED}, {206, PROTO_ANSWER_FAILED},
	    {304, PROTO_ANSWER_FAILED}, {0, PROTO_ANSWER_FAILED}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(discovery_http_status(rows[i].status),
		    rows[i].want, "%ld", rows[i].status);
}

Test(dane, names_are_those_of_the_rfcs)
{
	/* RFC 7929 section 3 and RFC 8162 section 3: hugh@example.com */
	struct discovery_addr a = {"", "hugh", "example.com"};
	char name[256];

	cr_assert_eq(
	    discovery_dane_name(&a, "_openpgpkey", name, sizeof(name)), ERR_OK);
	cr_expect_str_eq(name,
	    "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6"
	    "._openpgpkey.example.com");
	cr_assert_eq(
	    discovery_dane_name(&a, "_smimecert", name, sizeof(name)), ERR_OK);
	cr_expect_str_eq(name,
	    "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6"
	    "._smimecert.example.com");
	cr_expect_eq(
	    discovery_dane_name(&a, "_smimecert", name, 60), ERR_TOO_BIG);
}

Test(dane, only_a_whole_certificate_of_the_address_is_proposed)
{
	static const struct {
		const char *rdata;
		size_t len;
		enum err err;
		bool asserted;
	} rows[] = {
	    {"\3\0\0x", 4, ERR_OK, true},
	    {"\1\0\0x", 4, ERR_OK, false},
	    {"\0\0\0x", 4, ERR_UNSUPPORTED, false},
	    {"\2\0\0x", 4, ERR_UNSUPPORTED, false},
	    {"\3\1\0x", 4, ERR_UNSUPPORTED, false},
	    {"\3\0\1x", 4, ERR_UNSUPPORTED, false},
	    {"\3\0\2x", 4, ERR_UNSUPPORTED, false},
	    {"\377\0\0x", 4, ERR_UNSUPPORTED, false},
	    {"\3\0\0", 3, ERR_MALFORMED, false},
	    {"", 0, ERR_MALFORMED, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span cert = {0};
		bool asserted = false;

		cr_expect_eq(discovery_smimea(SPAN(rows[i].rdata, rows[i].len),
				 &cert, &asserted),
		    rows[i].err, "row %zu", i);
		cr_expect_eq(asserted, rows[i].asserted, "row %zu", i);
		cr_expect_eq(
		    cert.len, rows[i].err == ERR_OK ? 1 : 0, "row %zu", i);
	}
}

Test(group, text_is_an_address_a_line)
{
	static const struct {
		const char *value[3];
		const char *want; /* NULL: refused */
	} rows[] = {
	    {{"a@b.example", NULL}, "a@b.example\n"},
	    {{"a@b.example", "C@D.example", NULL},
		"a@b.example\nC@D.example\n"},
	    {{"SMTP:a@b.example", "smtp:c@d.example", "X500:/o=x/cn=a"},
		"a@b.example\nc@d.example\n"},
	    {{" a@b.example ", "sip:a@b.example", NULL}, "a@b.example\n"},
	    {{"@b.example", NULL}, NULL},
	    {{"a@b.example", "#c@d.example", NULL}, NULL},
	    {{"a@b.example\n@d.example", NULL}, NULL},
	    {{"a@b.example c@d.example", NULL}, NULL},
	    {{"A <a@b.example>", NULL}, NULL},
	    {{"nobody", NULL}, NULL},
	    {{"", NULL}, NULL},
	    {{"smtp:", NULL}, NULL},
	    {{"x500:/o=x/cn=a", NULL}, NULL},
	    {{"a@b.example\x7f", NULL}, NULL},
	    {{NULL}, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct net_ldap_value v[3];
		struct net_ldap_result r = {.value = v};
		struct err_why why = {""};
		struct buf b;
		enum err e;

		for (; r.n < 3 && rows[i].value[r.n] != NULL; r.n++)
			v[r.n] = (struct net_ldap_value){
			    0, span_str(rows[i].value[r.n])};
		buf_init(&b, 1000);
		e = discovery_group_text(&r, &b, &why);
		if (rows[i].want == NULL) {
			cr_expect_neq(e, ERR_OK, "row %zu", i);
			cr_expect_neq(why.text[0], '\0', "row %zu", i);
		} else {
			cr_assert_eq(e, ERR_OK, "row %zu: %s", i, why.text);
			cr_expect(span_eq_str(buf_span(&b), rows[i].want),
			    "row %zu", i);
		}
		buf_clear(&b);
	}
}

Test(discovery_recipients, an_address_is_a_value_in_each_place)
{
	static const struct {
		const char *filter, *key, *expect;
	} rows[] = {
	    {"(mail=%s)", "a@b.example", "(mail=a@b.example)"},
	    {"(|(mail=%s)(proxyAddresses=smtp:%s))", "a@b.example",
		"(|(mail=a@b.example)(proxyAddresses=smtp:a@b.example))"},
	    {"(mail=%s)", "*@b.example", "(mail=\\2a@b.example)"},
	    {"(mail=%s)", "a)(uid=*@b.example",
		"(mail=a\\29\\28uid=\\2a@b.example)"},
	    {"(mail=%s)", "a\\2a@b.example", "(mail=a\\5c2a@b.example)"},
	    {"(mail=%s)", "%s@b.example", "(mail=%s@b.example)"},
	};
	struct buf b;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_init(&b, 200);
		cr_assert_eq(discovery_recipients_filter(
				 rows[i].filter, rows[i].key, &b),
		    ERR_OK);
		cr_assert(span_eq_str(buf_span(&b), rows[i].expect),
		    "%zu: %.*s", i, (int)b.len, (const char *)b.data);
		buf_clear(&b);
	}
	buf_init(&b, 20);
	cr_assert_eq(discovery_recipients_filter(
			 "(mail=%s)", "abcdefghij@b.example", &b),
	    ERR_TOO_BIG);
	buf_clear(&b);
}
