/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/store/tally.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

static bool
says(const struct store_tally *t, const char *line)
{
	struct buf b;
	bool found;

	buf_init(&b, 1 << 20);
	cr_assert_eq(store_tally_print(t, &b), ERR_OK);
	found = strstr(buf_cstr(&b), line) != NULL;
	if (!found)
		fprintf(stderr, "%s", buf_cstr(&b));
	buf_clear(&b);
	return found;
}

static void
add(struct store_tally *t, const char *rec)
{
	store_tally_add(t, span_str(rec));
}

Test(store_tally, records_count_by_what_they_say)
{
	struct store_tally *t = store_tally_new();

	add(t, "{\"type\":\"decided\",\"result\":\"sealed\",\"rung\":\"pgp\","
	       "\"rcpt\":\"a@b.example\",\"rule\":{\"type\":\"x\","
	       "\"result\":\"y\"}}");
	add(t, "{\"rung\":\"pgp\",\"type\":\"decided\",\"result\":\"sealed\"}");
	add(t, "{\"type\":\"decided\",\"result\":\"refused\"}");
	add(t, "{\"type\":\"sent\",\"tls-had\":\"verify\","
	       "\"tls-protocol\":\"TLSv1.3\"}");
	add(t, "{\"type\":\"tls-dropped\",\"domain\":\"b.example\"}");
	cr_expect(says(
	    t, "sealgate_decided_total{result=\"sealed\",rung=\"pgp\"} 2\n"));
	cr_expect(says(
	    t, "sealgate_decided_total{result=\"refused\",rung=\"\"} 1\n"));
	cr_expect(says(t,
	    "sealgate_deliveries_total{type=\"sent\",tls_had=\"verify\","
	    "tls_protocol=\"TLSv1.3\"} 1\n"));
	cr_expect(says(t, "sealgate_tls_dropped_total 1\n"));
	cr_expect(
	    says(t, "sealgate_audit_records_total{type=\"decided\"} 3\n"));
	add(t, "{\"type\":\"accepted\",\"tls\":\"TLSv1.3 TLS_AES_256_GCM_SHA3"
	       "84\",\"direction\":\"inbound\"}");
	add(t, "{\"type\":\"accepted\",\"direction\":\"inbound\"}");
	cr_expect(says(t,
	    "sealgate_received_total{direction=\"inbound\",tls=\"TLSv1.3\"} "
	    "1\n"));
	cr_expect(says(
	    t, "sealgate_received_total{direction=\"inbound\",tls=\"\"} 1\n"));
	store_tally_free(t);
	store_tally_free(NULL);
}

Test(store_tally, what_is_no_word_is_other)
{
	static const char *const rows[] = {
	    "{\"type\":\"held\",\"why\":\"a\\\"b\"}",
	    "{\"type\":\"held\",\"why\":\"\"}",
	    "{\"type\":\"held\",\"why\":\"\303\244\"}",
	    "{\"type\":\"held\",\"why\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
	    "{\"type\":\"held\",\"why\":\"a}b\"}",
	    "{\"type\":\"held\",\"why\":\"a\\nb\"}",
	};
	struct store_tally *t = store_tally_new();
	char want[80];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		add(t, rows[i]);
	snprintf(want, sizeof(want), "sealgate_held_total{why=\"other\"} %zu\n",
	    sizeof(rows) / sizeof(rows[0]));
	cr_expect(says(t, want));
	/* no type: no record */
	add(t, "{}");
	add(t, "");
	add(t, "{\"type\":");
	snprintf(want, sizeof(want),
	    "sealgate_audit_records_total{type=\"held\"} %zu\n",
	    sizeof(rows) / sizeof(rows[0]));
	cr_expect(says(t, want));
	store_tally_free(t);
}

Test(store_tally, nobody_can_make_it_grow_without_end)
{
	struct store_tally *t = store_tally_new();
	char rec[80];

	for (unsigned i = 0; i < 5000; i++) {
		snprintf(
		    rec, sizeof(rec), "{\"type\":\"held\",\"why\":\"w%u\"}", i);
		add(t, rec);
	}
	cr_expect(says(t, "sealgate_held_total{why=\"w7\"} 1\n"));
	cr_expect(
	    says(t, "sealgate_audit_records_total{type=\"held\"} 5000\n"));
	cr_expect(says(t, "sealgate_held_total{why=\"other\"} 4"));
	/* and what it has it goes on counting, and what is new, too */
	add(t, "{\"type\":\"held\",\"why\":\"w7\"}");
	add(t, "{\"type\":\"tls-dropped\"}");
	cr_expect(says(t, "sealgate_held_total{why=\"w7\"} 2\n"));
	cr_expect(says(t, "sealgate_tls_dropped_total 1\n"));
	store_tally_free(t);
}
