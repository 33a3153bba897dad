/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Bounds are fixed, so that histograms of several gateways can be added up.
 */
#include "gateway/histogram.h"

#include <stdbool.h>

enum { US = 1000 * 1000 };

static const struct scale {
	bool seconds;
	struct {
		uint64_t value;
		const char *text; /* as it stands in the label le */
	} bound[HISTOGRAM_BOUNDS];
} scales[] = {
    [HISTOGRAM_BRIEF] = {true,
	{{100, "0.0001"}, {300, "0.0003"}, {1000, "0.001"}, {3000, "0.003"},
	    {10000, "0.01"}, {30000, "0.03"}, {100000, "0.1"}, {300000, "0.3"},
	    {1 * US, "1"}, {3 * US, "3"}, {10 * US, "10"}, {30 * US, "30"}}},
    [HISTOGRAM_LONG] = {true,
	{{US / 10, "0.1"}, {US / 2, "0.5"}, {1 * US, "1"}, {5 * US, "5"},
	    {15 * US, "15"}, {60ull * US, "60"}, {300ull * US, "300"},
	    {900ull * US, "900"}, {3600ull * US, "3600"},
	    {14400ull * US, "14400"}, {86400ull * US, "86400"},
	    {432000ull * US, "432000"}}},
    [HISTOGRAM_OCTETS] = {false,
	{{1 << 10, "1024"}, {4 << 10, "4096"}, {16 << 10, "16384"},
	    {64 << 10, "65536"}, {256 << 10, "262144"}, {1 << 20, "1048576"},
	    {2 << 20, "2097152"}, {5 << 20, "5242880"}, {10 << 20, "10485760"},
	    {20 << 20, "20971520"}, {50 << 20, "52428800"},
	    {100 << 20, "104857600"}}},
};

void
histogram_add(struct histogram *h, enum histogram_scale scale, uint64_t value)
{
	size_t i = 0;

	while (i < HISTOGRAM_BOUNDS && value > scales[scale].bound[i].value)
		i++;
	if (i < HISTOGRAM_BOUNDS)
		h->bucket[i]++;
	h->n++;
	h->sum += value;
}

enum err
histogram_head(
    const char *name, const char *type, const char *help, struct buf *out)
{
	return buf_printf(
	    out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static enum err
print_sum(const struct histogram *h, bool seconds, struct buf *out)
{
	unsigned long long sum = h->sum;

	return seconds ? buf_printf(out, " %llu.%06llu\n", sum / US, sum % US)
		       : buf_printf(out, " %llu\n", sum);
}

enum err
histogram_print(const struct histogram *h, enum histogram_scale scale,
    const char *name, const char *labels, struct buf *out)
{
	const char *gap = labels[0] == '\0' ? "" : ",";
	const char *open = labels[0] == '\0' ? "" : "{";
	const char *close = labels[0] == '\0' ? "" : "}";
	uint64_t n = 0;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < HISTOGRAM_BOUNDS; i++) {
		n += h->bucket[i];
		e = buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", name,
		    labels, gap, scales[scale].bound[i].text,
		    (unsigned long long)n);
	}
	if (e == ERR_OK)
		e = buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name,
		    labels, gap, (unsigned long long)h->n);
	if (e == ERR_OK)
		e = buf_printf(out, "%s_sum%s%s%s", name, open, labels, close);
	if (e == ERR_OK)
		e = print_sum(h, scales[scale].seconds, out);
	if (e == ERR_OK)
		e = buf_printf(out, "%s_count%s%s%s %llu\n", name, open, labels,
		    close, (unsigned long long)h->n);
	return e;
}
