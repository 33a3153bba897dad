/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors */
#include "net/sts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define HEAD "version: STSv1\nmode: enforce\nmax_age: 86400\n"

static const struct {
	const char *name, *text;
	enum net_sts_mode mode;
	uint32_t max_age_s;
	size_t n;
} good[] = {
    {"plain", HEAD "mx: mx.example.org\n", NET_STS_ENFORCE, 86400, 1},
    {"CRLF", "version: STSv1\r\nmode: testing\r\nmax_age: 5\r\nmx: a.b\r\n",
	NET_STS_TESTING, 5, 1},
    {"no line end at the end", HEAD "mx: mx.example.org", NET_STS_ENFORCE,
	86400, 1},
    {"none needs no servers", "version: STSv1\nmode: none\nmax_age: 1\n",
	NET_STS_NONE, 1, 0},
    {"blanks", "version:STSv1\nmode :  enforce \nmax_age:\t7\nmx:a.b\n\n",
	NET_STS_ENFORCE, 7, 1},
    {"another order", "mx: a.b\nmax_age: 7\nmode: enforce\nversion: STSv1\n",
	NET_STS_ENFORCE, 7, 1},
    {"of two the first counts",
	HEAD "mode: none\nmax_age: 1\nmx: a.b\nversion: STSv2\n",
	NET_STS_ENFORCE, 86400, 1},
    {"fields to come", HEAD "x-new: :;{\nmx: a.b\n", NET_STS_ENFORCE, 86400, 1},
    {"a pattern and capitals", HEAD "mx: *.Example.ORG\nmx: b.c\n",
	NET_STS_ENFORCE, 86400, 2},
    {"more than a year is a year",
	"version: STSv1\nmode: enforce\nmax_age: 4294967296\nmx: a.b\n",
	NET_STS_ENFORCE, NET_STS_AGE_MAX_S, 1},
};

static const struct {
	const char *name, *text;
} bad[] = {
    {"nothing", ""},
    {"a page", "<html><body>not found</body></html>"},
    {"no version", "mode: enforce\nmax_age: 86400\nmx: a.b\n"},
    {"another version", "version: STSv2\nmode: enforce\nmax_age: 1\nmx: a.b\n"},
    {"no mode", "version: STSv1\nmax_age: 86400\nmx: a.b\n"},
    {"an unknown mode", "version: STSv1\nmode: Enforce\nmax_age: 1\nmx: a.b\n"},
    {"no age", "version: STSv1\nmode: enforce\nmx: a.b\n"},
    {"an age below zero",
	"version: STSv1\nmode: enforce\nmax_age: -1\nmx: a.b\n"},
    {"an age without digits",
	"version: STSv1\nmode: enforce\nmax_age:\nmx: a.b\n"},
    {"an age beyond everything",
	"version: STSv1\nmode: enforce\nmax_age: 99999999999999999999\n"
	"mx: a.b\n"},
    {"no servers", HEAD},
    {"a star alone", HEAD "mx: *\n"},
    {"everything below one label", HEAD "mx: *.org\n"},
    {"a star in a label", HEAD "mx: mx*.example.org\n"},
    {"a star in the middle", HEAD "mx: mx.*.example.org\n"},
    {"two stars", HEAD "mx: *.*.example.org\n"},
    {"an empty name", HEAD "mx:\n"},
    {"a dot at the end", HEAD "mx: mx.example.org.\n"},
    {"two dots", HEAD "mx: mx..example.org\n"},
    {"a U-label", HEAD "mx: mx.b\xc3\xbc"
		       "cher.example\n"},
    {"a blank in a name", HEAD "mx: mx.example.org evil.example\n"},
    {"one bad name among good ones", HEAD "mx: a.b\nmx: *\n"},
    {"no colon", HEAD "mx: a.b\nhello\n"},
};

Test(sts, policies_are_read)
{
	struct net_sts p;
	struct err_why why;

	for (size_t i = 0; i < N(good); i++) {
		cr_expect_eq(net_sts_parse(span_str(good[i].text), &p, &why),
		    ERR_OK, "%s: %s", good[i].name, why.text);
		cr_expect_eq(p.mode, good[i].mode, "%s", good[i].name);
		cr_expect_eq(
		    p.max_age_s, good[i].max_age_s, "%s", good[i].name);
		cr_expect_eq(p.n, good[i].n, "%s", good[i].name);
	}
}

Test(sts, what_is_no_policy_is_none)
{
	struct net_sts p = {.n = 77};
	struct err_why why;

	for (size_t i = 0; i < N(bad); i++) {
		why.text[0] = '\0';
		cr_expect_eq(net_sts_parse(span_str(bad[i].text), &p, &why),
		    ERR_MALFORMED, "%s", bad[i].name);
		cr_expect_eq(p.n, 77, "%s", bad[i].name);
		cr_expect(why.text[0] != '\0', "%s", bad[i].name);
	}
}

Test(sts, a_policy_has_bounds)
{
	static char text[NET_STS_POLICY_MAX + 2];
	struct net_sts p;
	struct err_why why;
	size_t len = (size_t)snprintf(text, sizeof(text), HEAD);

	for (size_t i = 0; i < NET_STS_MX_MAX; i++)
		len += (size_t)snprintf(
		    text + len, sizeof(text) - len, "mx: mx%zu.a.b\n", i);
	cr_expect_eq(net_sts_parse(SPAN(text, len), &p, &why), ERR_OK);
	cr_expect_eq(p.n, NET_STS_MX_MAX);
	len += (size_t)snprintf(text + len, sizeof(text) - len, "mx: a.b\n");
	cr_expect_eq(net_sts_parse(SPAN(text, len), &p, &why), ERR_MALFORMED);
	memset(text, '\n', sizeof(text));
	memcpy(text, HEAD "mx: a.b\n", sizeof(HEAD "mx: a.b\n") - 1);
	cr_expect_eq(
	    net_sts_parse(SPAN(text, NET_STS_POLICY_MAX), &p, &why), ERR_OK);
	cr_expect_eq(
	    net_sts_parse(SPAN(text, NET_STS_POLICY_MAX + 1), &p, &why),
	    ERR_MALFORMED);
}

static const struct {
	const char *pattern, *host;
	bool want;
} matches[] = {
    {"mx.example.org", "mx.example.org", true},
    {"*.example.org", "mx.example.org", true},
    {"*.example.org", "example.org", false},
    {"*.example.org", "a.mx.example.org", false},
    {"*.example.org", ".example.org", false},
    {"*.example.org", "mx.example.org.evil.example", false},
    {"*.example.org", "mxexample.org", false},
    {"mx.example.org", "mx.example.com", false},
    {"mx.example.org", "", false},
    {"*.example.org", "", false},
};

Test(sts, a_star_is_one_label)
{
	for (size_t i = 0; i < N(matches); i++)
		cr_expect_eq(net_sts_pattern_matches(
				 matches[i].pattern, matches[i].host),
		    matches[i].want, "%s %s", matches[i].pattern,
		    matches[i].host);
}

static const struct {
	const char *name, *a, *b; /* "|" parts a record's strings */
	const char *want;	  /* NULL: none */
} records[] = {
    {"plain", "v=STSv1; id=20160831085700Z;", NULL, "20160831085700Z"},
    {"no blank, no semicolon", "v=STSv1;id=1", NULL, "1"},
    {"two strings", "v=STS|v1; id=1|2;", NULL, "12"},
    {"beside something else", "v=spf1 -all", "v=STSv1; id=a;", "a"},
    {"fields to come", "v=STSv1; x=1; id=a; y", NULL, "a"},
    {"nothing", NULL, NULL, NULL},
    {"two of them", "v=STSv1; id=a;", "v=STSv1; id=a;", NULL},
    {"another version", "v=STSv2; id=a;", NULL, NULL},
    {"a longer version", "v=STSv1x; id=a;", NULL, NULL},
    {"the version not first", "id=a; v=STSv1;", NULL, NULL},
    {"no id", "v=STSv1;", NULL, NULL},
    {"an empty id", "v=STSv1; id=;", NULL, NULL},
    {"an id with more than letters", "v=STSv1; id=a-b;", NULL, NULL},
    {"an id that is too long", "v=STSv1; id=123456789012345678901234567890123;",
	NULL, NULL},
};

static struct span
txt(const char *text, uint8_t out[512])
{
	size_t n = 0, len;

	for (const char *p = text;; p += len + 1) {
		len = strcspn(p, "|");
		out[n++] = (uint8_t)len;
		memcpy(out + n, p, len);
		n += len;
		if (p[len] == '\0')
			break;
	}
	return SPAN(out, n);
}

Test(sts, records_announce_a_policy)
{
	uint8_t octets[2][512];
	struct span rdata[2];
	char id[NET_STS_ID_MAX];
	size_t n;
	enum err e;

	for (size_t i = 0; i < N(records); i++) {
		n = 0;
		if (records[i].a != NULL) {
			rdata[n] = txt(records[i].a, octets[n]);
			n++;
		}
		if (records[i].b != NULL) {
			rdata[n] = txt(records[i].b, octets[n]);
			n++;
		}
		snprintf(id, sizeof(id), "untouched");
		e = net_sts_record(rdata, n, id);
		cr_expect_eq(e, records[i].want ? ERR_OK : ERR_NOT_FOUND, "%s",
		    records[i].name);
		cr_expect_str_eq(id,
		    records[i].want ? records[i].want : "untouched", "%s",
		    records[i].name);
	}
}

Test(sts, a_record_that_is_cut_is_none)
{
	static const uint8_t cut[] = {5, 'v', '=', 'S'};
	static const uint8_t nul[] = {3, 'v', 0, 'S'};
	uint8_t many[8 * 256];
	char out[1024];

	cr_expect_eq(net_txt_join(SPAN(cut, sizeof(cut)), out, sizeof(out)),
	    ERR_MALFORMED);
	cr_expect_eq(net_txt_join(SPAN(nul, sizeof(nul)), out, sizeof(out)),
	    ERR_MALFORMED);
	memset(many, 255, sizeof(many));
	cr_expect_eq(net_txt_join(SPAN(many, sizeof(many)), out, sizeof(out)),
	    ERR_TOO_BIG);
	cr_expect_eq(net_txt_join(SPAN(NULL, 0), out, sizeof(out)), ERR_OK);
	cr_expect_str_eq(out, "");
}
