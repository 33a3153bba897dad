/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A report as RFC 8460 4.4 describes it, from counted results. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/tls_report.h"

static const char *lines[] = {
    "version: STSv1", "mode: enforce", "mx: *.b.example", "max_age: 86400"};
static const char *mx[] = {"*.b.example"};
static const char *tlsa[] = {"3 1 1 abcd"};

static struct tls_result
result(uint8_t policy, uint8_t type, const char *host)
{
	struct tls_result r = {.domain = "b.example",
	    .policy = policy,
	    .type = type,
	    .host = host,
	    .ip = "",
	    .our = "",
	    .reason = "",
	    .helo = ""};

	if (policy == TLS_REPORT_STS) {
		r.line = lines;
		r.n_line = 4;
		r.mx = mx;
		r.n_mx = 1;
	} else if (policy == TLS_REPORT_TLSA) {
		r.line = tlsa;
		r.n_line = 1;
	}
	return r;
}

static json_t *
make(const struct tls_report_row *row, size_t n)
{
	const struct tls_report r = {.domain = "b.example",
	    .organization = "A \xc3\xa4 \"B\"",
	    .contact = "tls@a.example",
	    .id = "1@gw.a.example",
	    .day = 20000,
	    .row = row,
	    .n_row = n};
	char *text = tls_report_json(&r);
	json_t *j;

	cr_assert_not_null(text);
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	cr_assert_not_null(j, "%s", text);
	free(text);
	return j;
}

static const char *
text_at(const json_t *j, const char *name)
{
	const char *s = json_string_value(json_object_get(j, name));

	return s == NULL ? "(none)" : s;
}

Test(tls_report, rows_of_one_policy_are_one_element)
{
	struct tls_report_row row[] = {
	    {result(TLS_REPORT_STS, TLS_REPORT_SUCCESS, ""), 40},
	    {result(TLS_REPORT_TLSA, TLS_REPORT_SUCCESS, ""), 7},
	    {result(TLS_REPORT_STS, TLS_REPORT_EXPIRED, "mx1.b.example"), 2},
	    {result(TLS_REPORT_STS, TLS_REPORT_NOT_TRUSTED, "mx2.b.example"),
		3},
	};
	json_t *j, *policies, *p, *d;

	row[2].result.ip = "192.0.2.1";
	row[2].result.our = "192.0.2.9";
	row[2].result.reason = "expired\r\nyesterday";
	j = make(row, 4);
	cr_expect_str_eq(text_at(j, "organization-name"), "A ?? \"B\"");
	cr_expect_str_eq(text_at(j, "contact-info"), "tls@a.example");
	cr_expect_str_eq(text_at(j, "report-id"), "1@gw.a.example");
	d = json_object_get(j, "date-range");
	cr_expect_str_eq(text_at(d, "start-datetime"), "2024-10-04T00:00:00Z");
	cr_expect_str_eq(text_at(d, "end-datetime"), "2024-10-04T23:59:59Z");
	policies = json_object_get(j, "policies");
	cr_assert_eq(json_array_size(policies), 2);
	p = json_array_get(policies, 0);
	d = json_object_get(p, "summary");
	cr_expect_eq(json_integer_value(
			 json_object_get(d, "total-successful-session-count")),
	    40);
	cr_expect_eq(json_integer_value(
			 json_object_get(d, "total-failure-session-count")),
	    5);
	d = json_object_get(p, "policy");
	cr_expect_str_eq(text_at(d, "policy-type"), "sts");
	cr_expect_str_eq(text_at(d, "policy-domain"), "b.example");
	cr_expect_eq(json_array_size(json_object_get(d, "policy-string")), 4);
	cr_expect_eq(json_array_size(json_object_get(d, "mx-host")), 1);
	p = json_object_get(p, "failure-details");
	cr_assert_eq(json_array_size(p), 2);
	d = json_array_get(p, 0);
	cr_expect_str_eq(text_at(d, "result-type"), "certificate-expired");
	cr_expect_str_eq(text_at(d, "receiving-mx-hostname"), "mx1.b.example");
	cr_expect_str_eq(text_at(d, "receiving-ip"), "192.0.2.1");
	cr_expect_str_eq(text_at(d, "sending-mta-ip"), "192.0.2.9");
	cr_expect_str_eq(
	    text_at(d, "failure-reason-code"), "expired??yesterday");
	cr_expect_eq(
	    json_integer_value(json_object_get(d, "failed-session-count")), 2);
	d = json_array_get(p, 1);
	cr_expect_null(json_object_get(d, "receiving-ip"));
	p = json_array_get(policies, 1);
	cr_expect_str_eq(
	    text_at(json_object_get(p, "policy"), "policy-type"), "tlsa");
	cr_expect_null(json_object_get(p, "failure-details"));
	json_decref(j);
}

Test(tls_report, every_type_has_its_name)
{
	for (unsigned i = 0; i < TLS_REPORT_TYPES; i++)
		cr_expect_neq(
		    tls_report_type_name((enum tls_report_type)i)[0], '?');
	cr_expect_str_eq(
	    tls_report_type_name((enum tls_report_type)TLS_REPORT_TYPES), "?");
}

Test(tls_report, octets_and_back)
{
	struct tls_result r = result(TLS_REPORT_STS, TLS_REPORT_EXPIRED, "mx"),
			  out;
	const size_t helo = 4 + 2; /* which an earlier release left out */
	struct arena *a = arena_new(1 << 16);
	struct unpacker u;
	struct packer p;
	struct buf b, bad;

	r.helo = "hi";
	buf_init(&b, 4096);
	pack_begin(&p, &b);
	tls_result_pack(&p, &r);
	cr_assert_eq(pack_end(&p), ERR_OK);
	unpack_begin(&u, buf_span(&b));
	tls_result_unpack(&u, a, &out);
	cr_assert_eq(unpack_end(&u), ERR_OK);
	cr_expect_eq(out.type, TLS_REPORT_EXPIRED);
	cr_expect_eq(out.n_line, 4);
	cr_expect_str_eq(out.line[2], lines[2]);
	cr_expect_str_eq(out.host, "mx");
	cr_expect_str_eq(out.helo, "hi");
	for (size_t n = 0; n < b.len; n++) {
		unpack_begin(&u, SPAN(b.data, n));
		tls_result_unpack(&u, a, &out);
		cr_expect_eq(unpack_end(&u) == ERR_OK, n == b.len - helo,
		    "%zu octets", n);
	}
	r.type = TLS_REPORT_TYPES;
	buf_init(&bad, 4096);
	pack_begin(&p, &bad);
	tls_result_pack(&p, &r);
	cr_assert_eq(pack_end(&p), ERR_OK);
	unpack_begin(&u, buf_span(&bad));
	tls_result_unpack(&u, a, &out);
	cr_expect_neq(unpack_end(&u), ERR_OK);
	buf_clear(&b);
	buf_clear(&bad);
	arena_free(a);
}
