/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Every series is there from the beginning: what never happened is 0, and a
 * system that watches for a change sees the first one.
 */
#include "gateway/store/measures.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "gateway/histogram.h"
#include "gateway/proto_measure.h"

/* Beside those that workers bring. */
enum {
	DELIVERED_IN = PROTO_MEASURES,
	DELIVERED_OUT,
	KINDS,
};

enum { MS = 1000 };

#define SIZE	 "sealgate_message_size_bytes"
#define ENGINE	 "sealgate_engine_seconds"
#define DELIVERY "sealgate_delivery_seconds"

static const struct kind {
	const char *metric;
	const char *labels;
	enum histogram_scale scale;
} kinds[KINDS] = {
    [PROTO_MEASURE_SIZE_IN] = {SIZE, "direction=\"inbound\"", HISTOGRAM_OCTETS},
    [PROTO_MEASURE_SIZE_OUT] = {SIZE, "direction=\"outbound\"",
	HISTOGRAM_OCTETS},
    [PROTO_MEASURE_SMIME_SEAL] = {ENGINE, "engine=\"smime\",operation=\"seal\"",
	HISTOGRAM_BRIEF},
    [PROTO_MEASURE_SMIME_SIGN] = {ENGINE, "engine=\"smime\",operation=\"sign\"",
	HISTOGRAM_BRIEF},
    [PROTO_MEASURE_SMIME_OPEN] = {ENGINE, "engine=\"smime\",operation=\"open\"",
	HISTOGRAM_BRIEF},
    [PROTO_MEASURE_PGP_SEAL] = {ENGINE, "engine=\"pgp\",operation=\"seal\"",
	HISTOGRAM_BRIEF},
    [PROTO_MEASURE_PGP_SIGN] = {ENGINE, "engine=\"pgp\",operation=\"sign\"",
	HISTOGRAM_BRIEF},
    [PROTO_MEASURE_PGP_OPEN] = {ENGINE, "engine=\"pgp\",operation=\"open\"",
	HISTOGRAM_BRIEF},
    [PROTO_MEASURE_ESCROW_SEAL] = {ENGINE,
	"engine=\"escrow\",operation=\"seal\"", HISTOGRAM_BRIEF},
    [DELIVERED_IN] = {DELIVERY, "direction=\"inbound\"", HISTOGRAM_LONG},
    [DELIVERED_OUT] = {DELIVERY, "direction=\"outbound\"", HISTOGRAM_LONG},
};

struct store_measures {
	struct histogram sum[KINDS];
	uint64_t failed[KINDS];
	struct proto_measure *waits;
	size_t n, cap;
};

struct store_measures *
store_measures_new(void)
{
	struct store_measures *m = calloc(1, sizeof(*m));

	if (m == NULL)
		fatal("out of memory");
	return m;
}

void
store_measures_free(struct store_measures *m)
{
	if (m == NULL)
		return;
	free(m->waits);
	free(m);
}

/* --- counting */

static void
add(struct store_measures *m, const struct proto_measure *one)
{
	if (m->n == m->cap) {
		m->cap = m->cap == 0 ? 64 : 2 * m->cap;
		m->waits = realloc(m->waits, m->cap * sizeof(*m->waits));
		if (m->waits == NULL)
			fatal("out of memory");
	}
	m->waits[m->n++] = *one;
}

void
store_measures_take(struct store_measures *m, const struct proto_measures *from)
{
	for (uint32_t i = 0; i < from->n; i++)
		add(m, &from->list[i]);
}

void
store_measures_delivered(struct store_measures *m, bool inbound, uint64_t ms)
{
	const struct proto_measure one = {
	    .kind = inbound ? DELIVERED_IN : DELIVERED_OUT, .value = ms * MS};

	add(m, &one);
}

size_t
store_measures_mark(const struct store_measures *m)
{
	return m->n;
}

void
store_measures_rewind(struct store_measures *m, size_t mark)
{
	m->n = mark;
}

void
store_measures_count(struct store_measures *m)
{
	for (size_t i = 0; i < m->n; i++) {
		const struct proto_measure *one = &m->waits[i];

		histogram_add(
		    &m->sum[one->kind], kinds[one->kind].scale, one->value);
		m->failed[one->kind] += one->failed ? 1 : 0;
	}
	m->n = 0;
}

/* --- printing */

/* The histograms of one metric. */
static enum err
print_metric(const struct store_measures *m, const char *metric,
    const char *help, struct buf *out)
{
	enum err e = histogram_head(metric, "histogram", help, out);

	for (size_t i = 0; e == ERR_OK && i < KINDS; i++)
		if (strcmp(kinds[i].metric, metric) == 0)
			e = histogram_print(&m->sum[i], kinds[i].scale, metric,
			    kinds[i].labels, out);
	return e;
}

/* A counter with the labels of some of them. */
static enum err
print_counter(const char *name, const char *help, const uint64_t *value,
    size_t first, size_t last, struct buf *out)
{
	enum err e = histogram_head(name, "counter", help, out);

	for (size_t i = first; e == ERR_OK && i <= last; i++)
		e = buf_printf(out, "%s{%s} %llu\n", name, kinds[i].labels,
		    (unsigned long long)value[i]);
	return e;
}

enum err
store_measures_print(const struct store_measures *m, struct buf *out)
{
	uint64_t accepted[KINDS] = {0};
	enum err e;

	for (size_t i = 0; i < KINDS; i++)
		accepted[i] = m->sum[i].n;
	e = print_counter("sealgate_messages_accepted_total",
	    "Messages taken over from clients.", accepted,
	    PROTO_MEASURE_SIZE_IN, PROTO_MEASURE_SIZE_OUT, out);
	if (e == ERR_OK)
		e = print_metric(m, SIZE, "Sizes of accepted messages.", out);
	if (e == ERR_OK)
		e = print_metric(m, ENGINE,
		    "Time of making one variant, or of opening a message.",
		    out);
	if (e == ERR_OK)
		e = print_counter("sealgate_engine_failures_total",
		    "Work of an engine of which nothing came.", m->failed,
		    PROTO_MEASURE_SMIME_SEAL, PROTO_MEASURE_ESCROW_SEAL, out);
	if (e == ERR_OK)
		e = print_metric(m, DELIVERY,
		    "Time from acceptance to delivery, of each recipient.",
		    out);
	return e;
}
