/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/store/measures.h"

#include <criterion/criterion.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/proto_measure.h"
#include "tests/lib/store_rig.h"

static bool
says(const struct store_measures *m, const char *line)
{
	struct buf b;
	bool found;

	buf_init(&b, 1 << 20);
	cr_assert_eq(store_measures_print(m, &b), ERR_OK);
	found = strstr(buf_cstr(&b), line) != NULL;
	if (!found)
		fprintf(stderr, "%s", buf_cstr(&b));
	buf_clear(&b);
	return found;
}

static void
take(struct store_measures *m, enum proto_measure_kind kind, bool failed,
    uint64_t value)
{
	struct proto_measure one = {(uint8_t)kind, failed, value};
	const struct proto_measures all = {&one, 1};

	store_measures_take(m, &all);
}

Test(store_measures, what_is_committed_counts_and_nothing_else)
{
	struct store_measures *m = store_measures_new();
	size_t mark;

	/* nothing is missing before there is anything */
	cr_expect(says(
	    m, "sealgate_messages_accepted_total{direction=\"inbound\"} 0\n"));
	cr_expect(says(m,
	    "sealgate_engine_failures_total{engine=\"pgp\",operation=\"open\"} "
	    "0\n"));
	take(m, PROTO_MEASURE_SIZE_OUT, false, 5000);
	mark = store_measures_mark(m);
	take(m, PROTO_MEASURE_SIZE_OUT, false, 6000);
	store_measures_delivered(m, true, 10);
	store_measures_rewind(m, mark);
	cr_expect(says(
	    m, "sealgate_messages_accepted_total{direction=\"outbound\"} 0\n"));
	store_measures_count(m);
	cr_expect(says(
	    m, "sealgate_messages_accepted_total{direction=\"outbound\"} 1\n"));
	cr_expect(says(m,
	    "sealgate_message_size_bytes_sum{direction=\"outbound\"} 5000\n"));
	cr_expect(says(
	    m, "sealgate_delivery_seconds_count{direction=\"inbound\"} 0\n"));
	/* it counts once */
	store_measures_count(m);
	cr_expect(says(m,
	    "sealgate_message_size_bytes_count{direction=\"outbound\"} 1\n"));
	store_measures_free(m);
	store_measures_free(NULL);
}

Test(store_measures, each_kind_has_its_series)
{
	static const struct {
		enum proto_measure_kind kind;
		const char *line;
	} rows[] = {
	    {PROTO_MEASURE_SIZE_IN,
		"sealgate_message_size_bytes_sum{direction=\"inbound\"} "
		"2000000\n"},
	    {PROTO_MEASURE_SIZE_OUT,
		"sealgate_message_size_bytes_sum{direction=\"outbound\"} "
		"2000000\n"},
	    {PROTO_MEASURE_SMIME_SEAL,
		"sealgate_engine_seconds_sum{engine=\"smime\",operation="
		"\"seal\"} 2.000000\n"},
	    {PROTO_MEASURE_SMIME_SIGN,
		"sealgate_engine_seconds_sum{engine=\"smime\",operation="
		"\"sign\"} 2.000000\n"},
	    {PROTO_MEASURE_SMIME_OPEN,
		"sealgate_engine_seconds_sum{engine=\"smime\",operation="
		"\"open\"} 2.000000\n"},
	    {PROTO_MEASURE_PGP_SEAL,
		"sealgate_engine_seconds_sum{engine=\"pgp\",operation="
		"\"seal\"} 2.000000\n"},
	    {PROTO_MEASURE_PGP_SIGN,
		"sealgate_engine_seconds_sum{engine=\"pgp\",operation="
		"\"sign\"} 2.000000\n"},
	    {PROTO_MEASURE_PGP_OPEN,
		"sealgate_engine_seconds_sum{engine=\"pgp\",operation="
		"\"open\"} 2.000000\n"},
	    {PROTO_MEASURE_ESCROW_SEAL,
		"sealgate_engine_seconds_sum{engine=\"escrow\",operation="
		"\"seal\"} 2.000000\n"},
	};

	cr_assert_eq(sizeof(rows) / sizeof(rows[0]), PROTO_MEASURES);
	for (size_t i = 0; i < PROTO_MEASURES; i++) {
		struct store_measures *m = store_measures_new();

		take(m, rows[i].kind, true, 2000000);
		store_measures_count(m);
		cr_expect(says(m, rows[i].line), "row %zu", i);
		store_measures_free(m);
	}
}

/* --- in a store --- */

static char *
metrics(struct rig *r)
{
	return rig_request(r, "{\"verb\":\"store-metrics\"}");
}

static void
expect_metric(struct rig *r, const char *line)
{
	char *text = metrics(r);

	cr_assert_not_null(text);
	cr_expect(strstr(text, line) != NULL, "%s\nis not in\n%s", line, text);
	free(text);
}

Test(store_measures, a_submission_brings_them_and_a_delivery_adds_its_time)
{
	struct proto_measure took[] = {{PROTO_MEASURE_SIZE_OUT, false, 300},
	    {PROTO_MEASURE_SMIME_SEAL, true, 1500}};
	struct proto_submit m = {
	    .attempt = 1, .n_entries = 1, .measures = {took, 2}};
	struct proto_deliver d;
	struct entry e;
	struct rig r;

	rig_init(&r);
	cr_assert_eq(rig_start(&r), ERR_OK);
	e = rig_entry(&r, 1000, 7, ENTRY_READY);
	m.entry = &e;
	rig_submit(&r, 0, 7, &m);
	cr_assert_eq(rig_committed(&r, 7), ERR_OK);
	/* the same said again is nothing new */
	rig_submit(&r, 0, 7, &m);
	cr_assert_eq(rig_committed(&r, 7), ERR_OK);
	expect_metric(&r,
	    "sealgate_messages_accepted_total{direction=\\\"outbound\\\"} "
	    "1\\n");
	expect_metric(&r, "sealgate_engine_failures_total{engine=\\\"smime\\\","
			  "operation=\\\"seal\\\"} 1\\n");
	cr_assert(rig_deliver(&r, &d));
	rig_advance(&r, 120 * 1000);
	rig_result(&r, 1000, PROTO_DELIVERED);
	rig_run(&r, 50);
	expect_metric(&r,
	    "sealgate_delivery_seconds_bucket{direction=\\\"outbound\\\","
	    "le=\\\"60\\\"} 0\\n");
	expect_metric(&r,
	    "sealgate_delivery_seconds_bucket{direction=\\\"outbound\\\","
	    "le=\\\"300\\\"} 1\\n");
	rig_clear(&r);
}

/* By which records of the keystore are counted. */
static bool keystore_fails;

int mdb_stat(void *txn, unsigned dbi, void *out);
int
mdb_stat(void *txn, unsigned dbi, void *out)
{
	static int (*real)(void *txn, unsigned dbi, void *out);

	if (keystore_fails)
		return EIO;
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "mdb_stat");
	return real(txn, dbi, out);
}

Test(store_measures, a_keystore_that_cannot_be_read_leaves_all_else)
{
	struct rig r;
	char *text;

	rig_init(&r);
	cr_assert_eq(rig_start(&r), ERR_OK);
	expect_metric(&r, "\\nsealgate_keystore_up 1\\n");
	expect_metric(&r, "\\nsealgate_keystore_records 0\\n");
	keystore_fails = true;
	expect_metric(&r, "\\nsealgate_keystore_up 0\\n");
	expect_metric(&r, "\\nsealgate_intake_open 1\\n");
	expect_metric(&r, "sealgate_messages_accepted_total{");
	text = metrics(&r);
	cr_assert_not_null(text);
	cr_expect_null(strstr(text, "sealgate_keystore_records"), "%s", text);
	free(text);
	keystore_fails = false;
	expect_metric(&r, "\\nsealgate_keystore_up 1\\n");
	rig_clear(&r);
}
