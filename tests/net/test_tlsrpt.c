/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Records that ask for reports, and those that do not. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

#include "net/tlsrpt.h"

#undef N
#define N(a) (sizeof(a) / sizeof((a)[0]))

/* One character string, or several of at most 200 octets. */
static struct span
txt(const char *text, uint8_t *out)
{
	size_t left = strlen(text), n = 0, part;

	do {
		part = left > 200 ? 200 : left;
		out[n++] = (uint8_t)part;
		memcpy(out + n, text, part);
		n += part;
		text += part;
		left -= part;
	} while (left > 0);
	return SPAN(out, n);
}

static enum err
read_one(const char *text, struct net_tlsrpt *out)
{
	uint8_t octets[2048];
	struct span s = txt(text, octets);

	return net_tlsrpt_record(&s, 1, out);
}

static const struct {
	const char *text;
	const char *want; /* addresses, separated by blanks */
} good[] = {
    {"v=TLSRPTv1; rua=mailto:a@b.example", "mailto:a@b.example"},
    {"v=TLSRPTv1;rua=mailto:a@b.example;", "mailto:a@b.example"},
    {"v=TLSRPTv1 ; rua = https://r.example/v1 ", "https://r.example/v1"},
    {"v=TLSRPTv1; rua=mailto:a@b.example,https://r.example/?q=1",
	"mailto:a@b.example https://r.example/?q=1"},
    {"v=TLSRPTv1; rua=mailto:a%2Cb%21c@b.example", "mailto:a,b!c@b.example"},
    {"v=TLSRPTv1; rua=MAILTO:a@b.example", "mailto:a@b.example"},
    {"v=TLSRPTv1; rua=HTTPS://r.example/x", "https://r.example/x"},
    {"v=TLSRPTv1; rua=mailto:a@b.example?subject=x", "mailto:a@b.example"},
    {"v=TLSRPTv1; x=y; rua=ftp://x.example,mailto:a@b.example",
	"mailto:a@b.example"},
    {"v=TLSRPTv1; rua=mailto:1@b,mailto:2@b,mailto:3@b,mailto:4@b,mailto:5@b",
	"mailto:1@b mailto:2@b mailto:3@b mailto:4@b"},
};

Test(tlsrpt, a_record_says_who_wants_reports)
{
	for (size_t i = 0; i < N(good); i++) {
		struct net_tlsrpt r;
		char got[4096] = "";

		cr_assert_eq(
		    read_one(good[i].text, &r), ERR_OK, "%s", good[i].text);
		for (size_t k = 0; k < r.n; k++) {
			if (k > 0)
				strncat(got, " ", 2);
			strncat(got, r.uri[k], NET_TLSRPT_URI_MAX);
		}
		cr_expect_str_eq(got, good[i].want, "%s", good[i].text);
	}
}

static const char *const bad[] = {
    "",
    "v=TLSRPTv1",
    "v=TLSRPTv1;",
    "v=TLSRPTv1; rua=",
    "v=TLSRPTv1; rua=mailto:",
    "v=TLSRPTv1; rua=https://",
    "v=TLSRPTv1; rua=http://r.example/",
    "v=TLSRPTv1; rua=a@b.example",
    "v=TLSRPTv1; rua=mailto:a%4",
    "v=TLSRPTv1; rua=mailto:a%zz@b",
    "v=TLSRPTv1; rua=mailto:a%0d%0aBcc:x@b.example",
    "v=TLSRPTv1; rua=mailto:a%00@b.example",
    "v=TLSRPTv1; rua=mailto:a b@b.example",
    "v=TLSRPTv1; rua=mailto:\xc3\xa4@b.example",
    "v=TLSRPTv1; rua=mailto:a@b; rua=mailto:c@d",
    "v=TLSRPTv2; rua=mailto:a@b.example",
    "v=TLSRPTv11; rua=mailto:a@b.example",
    "rua=mailto:a@b.example; v=TLSRPTv1",
    "v=STSv1; id=1",
};

Test(tlsrpt, what_is_no_record_asks_for_nothing)
{
	struct net_tlsrpt r = {.n = 77};
	char longest[900] = "v=TLSRPTv1; rua=https://r.example/";

	for (size_t i = 0; i < N(bad); i++)
		cr_expect_eq(read_one(bad[i], &r), ERR_NOT_FOUND, "%s", bad[i]);
	memset(longest + strlen(longest), 'a', 600);
	cr_expect_eq(read_one(longest, &r), ERR_NOT_FOUND);
	cr_expect_eq(r.n, 77, "nothing is written");
}

Test(tlsrpt, of_several_records_none_counts)
{
	uint8_t a[256], b[256];
	struct span both[2] = {txt("v=TLSRPTv1; rua=mailto:a@b", a),
	    txt("v=TLSRPTv1; rua=mailto:a@b", b)};
	struct net_tlsrpt r;

	cr_expect_eq(net_tlsrpt_record(both, 2, &r), ERR_NOT_FOUND);
	cr_expect_eq(net_tlsrpt_record(both, 0, &r), ERR_NOT_FOUND);
	both[1] = txt("something else", b);
	cr_expect_eq(net_tlsrpt_record(both, 2, &r), ERR_OK);
}
