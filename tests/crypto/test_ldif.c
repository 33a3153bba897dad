/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "crypto/ldif.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything in it, as "line name=octets|"; "line !ERROR|" for what is wrong.
 */
static void
read_all(const char *in, char *out, size_t size)
{
	struct ldif_value v = {0};
	struct ldif l;
	enum err e;
	size_t n = 0;

	out[0] = '\0';
	ldif_init(&l, span_str(in));
	while ((e = ldif_next(&l, &v)) != ERR_NOT_FOUND && n < size) {
		if (e != ERR_OK)
			n += (size_t)snprintf(
			    out + n, size - n, "%u !%s|", v.line, err_name(e));
		else
			n += (size_t)snprintf(out + n, size - n,
			    "%u %.*s=%.*s|", v.line, (int)v.name.len,
			    (const char *)v.name.data, (int)v.octets.len,
			    (const char *)v.octets.data);
	}
	ldif_clear(&l);
}

static const struct {
	const char *in, *want;
} rows[] = {
    /* good */
    {"", ""},
    {"dn: cn=a\n", "1 dn=cn=a|"},
    {"dn: cn=a", "1 dn=cn=a|"},
    {"version: 1\r\ndn: cn=a\r\n", "1 version=1|2 dn=cn=a|"},
    {"dn:cn=a\nmail:   a@b\n", "1 dn=cn=a|2 mail=a@b|"},
    {"# a comment\n  that goes on\ndn: x\n", "3 dn=x|"},
    {"dn: a very\n  long\n  name\nmail: x\n",
	"1 dn=a very long name|4 mail=x|"},
    {"userCertificate;binary:: aGVs\n bG8=\n", "1 userCertificate=hello|"},
    {"pgpKey;lang-de;x-a:: aGk=\n", "1 pgpKey=hi|"},
    {"a:\n", "1 a=|"},
    {"a::\n", "1 a=|"},
    {"2.5.4.36: x\n", "1 2.5.4.36=x|"},
    {"changetype: add\n-\n\ndn: b\n", "1 changetype=add|4 dn=b|"},
    {"a: b: c\n", "1 a=b: c|"},
    /* wrong: told, and what follows is read */
    {"no colon\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {": value\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {"a b: c\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {";binary: c\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {"a:: not base64!\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {"a:: YQ\n=\ndn: a\n", "1 !ERR_MALFORMED|2 !ERR_MALFORMED|3 dn=a|"},
    {"a:< file:///etc/passwd\ndn: a\n", "1 !ERR_PERMISSION|2 dn=a|"},
    {"a:<\ndn: a\n", "1 !ERR_PERMISSION|2 dn=a|"},
    {" goes on with nothing\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {"\xc3\xa4: x\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {"a\tb: x\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {"-x: 1\n", "1 -x=1|"},
    {"--\ndn: a\n", "1 !ERR_MALFORMED|2 dn=a|"},
    {"\x01\n", "1 !ERR_MALFORMED|"},
};

Test(ldif, reads_values_and_tells_what_is_wrong)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char got[512];

		read_all(rows[i].in, got, sizeof(got));
		cr_expect_str_eq(got, rows[i].want, "row %zu \"%s\": %s", i,
		    rows[i].in, got);
	}
}

Test(ldif, a_value_beyond_the_limit_is_left_out_alone)
{
	size_t n = LDIF_LINE_MAX + 100;
	struct ldif_value v = {0};
	char *big = malloc(n + 32);
	struct ldif l;

	cr_assert_not_null(big);
	memset(big, 'x', n);
	memcpy(big, "a: ", 3);
	strncpy(big + n, "\ndn: b\n", 32);
	ldif_init(&l, SPAN(big, n + 7));
	cr_expect_eq(ldif_next(&l, &v), ERR_TOO_BIG);
	cr_expect_eq(ldif_next(&l, &v), ERR_OK);
	cr_expect(span_eq(v.octets, SPAN_LIT("b")));
	cr_expect_eq(ldif_next(&l, &v), ERR_NOT_FOUND);
	ldif_clear(&l);
	free(big);
}

Test(ldif, is_told_by_how_it_begins)
{
	static const struct {
		const char *in;
		bool is;
	} begins[] = {{"dn: a\n", true}, {"DN: a\n", true},
	    {"version: 1\n", true}, {"# c\n\ndn: a\n", true}, {"", false},
	    {"-----BEGIN CERTIFICATE-----\n", false}, {"# only\n", false},
	    {"mail: a\ndn: b\n", false}, {"\x30\x82", false}};

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		cr_expect_eq(ldif_is(span_str(begins[i].in)), begins[i].is,
		    "\"%s\"", begins[i].in);
}
