/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Results that came under the same policy are one element of the report, with
 * their sums; what strangers wrote is made plain text first, so that any of it
 * can be written as JSON.
 */
#include "gateway/tls_report.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

enum { DAY_S = 24 * 3600, TEXT_MAX = 512 };

static const char *const type_names[TLS_REPORT_TYPES] = {
    [TLS_REPORT_SUCCESS] = "success",
    [TLS_REPORT_STARTTLS_NOT_SUPPORTED] = "starttls-not-supported",
    [TLS_REPORT_HOST_MISMATCH] = "certificate-host-mismatch",
    [TLS_REPORT_EXPIRED] = "certificate-expired",
    [TLS_REPORT_NOT_TRUSTED] = "certificate-not-trusted",
    [TLS_REPORT_VALIDATION_FAILURE] = "validation-failure",
    [TLS_REPORT_TLSA_INVALID] = "tlsa-invalid",
    [TLS_REPORT_DNSSEC_INVALID] = "dnssec-invalid",
    [TLS_REPORT_DANE_REQUIRED] = "dane-required",
    [TLS_REPORT_STS_FETCH_ERROR] = "sts-policy-fetch-error",
    [TLS_REPORT_STS_INVALID] = "sts-policy-invalid",
    [TLS_REPORT_STS_WEBPKI_INVALID] = "sts-webpki-invalid",
};

static const char *const policy_names[TLS_REPORT_POLICIES] = {
    [TLS_REPORT_NO_POLICY] = "no-policy-found",
    [TLS_REPORT_TLSA] = "tlsa",
    [TLS_REPORT_STS] = "sts",
};

const char *
tls_report_type_name(enum tls_report_type t)
{
	return (unsigned)t < TLS_REPORT_TYPES ? type_names[t] : "?";
}

/* --- octets --- */

static void
pack_list(struct packer *p, const char *const *list, uint32_t n)
{
	pack_u32(p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_str(p, list[i]);
}

void
tls_result_pack(struct packer *p, const struct tls_result *r)
{
	pack_str(p, r->domain);
	pack_u8(p, r->policy);
	pack_u8(p, r->type);
	pack_list(p, r->line, r->n_line);
	pack_list(p, r->mx, r->n_mx);
	pack_str(p, r->host);
	pack_str(p, r->ip);
	pack_str(p, r->our);
	pack_str(p, r->reason);
	pack_str(p, r->helo);
}

static const char **
unpack_list(struct unpacker *u, struct arena *a, uint32_t *n_out)
{
	uint32_t n = unpack_count(u, sizeof(uint32_t));
	const char **list;

	*n_out = 0;
	if (n > TLS_REPORT_LINES_MAX)
		u->err = ERR_IPC;
	list = arena_array(a, n + 1, sizeof(*list));
	if (list == NULL)
		u->err = ERR_NOMEM;
	for (uint32_t i = 0; u->err == ERR_OK && i < n; i++)
		list[(*n_out)++] = unpack_str(u, a);
	return list;
}

void
tls_result_unpack(struct unpacker *u, struct arena *a, struct tls_result *out)
{
	out->domain = unpack_str(u, a);
	out->policy = unpack_u8(u);
	out->type = unpack_u8(u);
	if (u->err == ERR_OK && (out->policy >= TLS_REPORT_POLICIES ||
				    out->type >= TLS_REPORT_TYPES))
		u->err = ERR_IPC;
	out->line = unpack_list(u, a, &out->n_line);
	out->mx = unpack_list(u, a, &out->n_mx);
	out->host = unpack_str(u, a);
	out->ip = unpack_str(u, a);
	out->our = unpack_str(u, a);
	out->reason = unpack_str(u, a);
	out->helo = u->rest.len > 0 ? unpack_str(u, a) : "";
}

/* --- JSON --- */

/* What a stranger said, as ASCII that shows. */
static json_t *
plain(const char *text)
{
	char out[TEXT_MAX];
	size_t n = 0;

	for (; *text != '\0' && n + 1 < sizeof(out); text++)
		out[n++] = *text < ' ' || *text >= 0x7f ? '?' : *text;
	out[n] = '\0';
	return json_string(out);
}

static json_t *
plain_list(const char *const *list, uint32_t n)
{
	json_t *j = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(j, plain(list[i]));
	return j;
}

static bool
same_list(
    const char *const *a, uint32_t n_a, const char *const *b, uint32_t n_b)
{
	for (uint32_t i = 0; n_a == n_b && i < n_a; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return n_a == n_b;
}

static bool
same_policy(const struct tls_result *a, const struct tls_result *b)
{
	return a->policy == b->policy &&
	       same_list(a->line, a->n_line, b->line, b->n_line) &&
	       same_list(a->mx, a->n_mx, b->mx, b->n_mx);
}

static void
put_known(json_t *j, const char *name, const char *text)
{
	if (text[0] != '\0')
		json_object_set_new(j, name, plain(text));
}

static json_t *
details_of(const struct tls_report_row *row)
{
	const struct tls_result *r = &row->result;
	json_t *j = json_object();

	json_object_set_new(j, "result-type",
	    json_string(tls_report_type_name((enum tls_report_type)r->type)));
	put_known(j, "sending-mta-ip", r->our);
	put_known(j, "receiving-mx-hostname", r->host);
	put_known(j, "receiving-mx-helo", r->helo);
	put_known(j, "receiving-ip", r->ip);
	json_object_set_new(
	    j, "failed-session-count", json_integer((json_int_t)row->sessions));
	put_known(j, "failure-reason-code", r->reason);
	return j;
}

static json_t *
policy_of(const struct tls_result *r)
{
	json_t *j = json_object();

	json_object_set_new(
	    j, "policy-type", json_string(policy_names[r->policy]));
	if (r->n_line > 0)
		json_object_set_new(
		    j, "policy-string", plain_list(r->line, r->n_line));
	json_object_set_new(j, "policy-domain", plain(r->domain));
	if (r->n_mx > 0)
		json_object_set_new(j, "mx-host", plain_list(r->mx, r->n_mx));
	return j;
}

/* The element of all rows that came under the policy of the first. */
static json_t *
element(const struct tls_report *r, size_t first)
{
	const struct tls_result *of = &r->row[first].result;
	json_t *failures = json_array(), *j = json_object();
	uint64_t good = 0, bad = 0;

	for (size_t i = first; i < r->n_row; i++) {
		const struct tls_report_row *row = &r->row[i];

		if (!same_policy(of, &row->result))
			continue;
		if (row->result.type == TLS_REPORT_SUCCESS) {
			good += row->sessions;
			continue;
		}
		bad += row->sessions;
		json_array_append_new(failures, details_of(row));
	}
	json_object_set_new(j, "policy", policy_of(of));
	json_object_set_new(j, "summary",
	    json_pack("{s:I, s:I}", "total-successful-session-count",
		(json_int_t)good, "total-failure-session-count",
		(json_int_t)bad));
	if (json_array_size(failures) > 0)
		json_object_set(j, "failure-details", failures);
	json_decref(failures);
	return j;
}

static bool
is_first(const struct tls_report *r, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (same_policy(&r->row[k].result, &r->row[i].result))
			return false;
	return true;
}

/* RFC 3339 in UTC. */
static json_t *
date(uint32_t day, unsigned second)
{
	char time[TEXT_TIME_SIZE], text[TEXT_TIME_SIZE + 1];

	text_time_ms(((uint64_t)day * DAY_S + second) * 1000, time);
	snprintf(text, sizeof(text), "%.19sZ", time);
	return json_string(text);
}

char *
tls_report_json(const struct tls_report *r)
{
	json_t *policies = json_array(), *j = json_object(),
	       *range = json_object();
	char *text;

	for (size_t i = 0; i < r->n_row; i++)
		if (is_first(r, i))
			json_array_append_new(policies, element(r, i));
	json_object_set_new(range, "start-datetime", date(r->day, 0));
	json_object_set_new(range, "end-datetime", date(r->day, DAY_S - 1));
	json_object_set_new(j, "organization-name", plain(r->organization));
	json_object_set_new(j, "date-range", range);
	json_object_set_new(j, "contact-info", plain(r->contact));
	json_object_set_new(j, "report-id", plain(r->id));
	json_object_set_new(j, "policies", policies);
	text = json_dumps(j, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(j);
	return text;
}
