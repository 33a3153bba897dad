/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "gateway/histogram.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "common/clock.h"

static bool
says(const struct histogram *h, enum histogram_scale scale, const char *labels,
    const char *line)
{
	struct buf b;
	bool found;

	buf_init(&b, 1 << 16);
	cr_assert_eq(histogram_print(h, scale, "x", labels, &b), ERR_OK);
	found = strstr(buf_cstr(&b), line) != NULL;
	if (!found)
		fprintf(stderr, "%s", buf_cstr(&b));
	buf_clear(&b);
	return found;
}

Test(histogram, a_value_is_in_every_bucket_that_is_not_smaller)
{
	static const struct {
		enum histogram_scale scale;
		uint64_t value;
		const char *below, *first; /* of the buckets */
		const char *sum;
	} rows[] = {
	    {HISTOGRAM_BRIEF, 0, "x_bucket{le=\"+Inf\"} 1\n",
		"x_bucket{le=\"0.0001\"} 1\n", "x_sum 0.000000\n"},
	    {HISTOGRAM_BRIEF, 100, "x_bucket{le=\"30\"} 1\n",
		"x_bucket{le=\"0.0001\"} 1\n", "x_sum 0.000100\n"},
	    {HISTOGRAM_BRIEF, 101, "x_bucket{le=\"0.0001\"} 0\n",
		"x_bucket{le=\"0.0003\"} 1\n", "x_sum 0.000101\n"},
	    {HISTOGRAM_BRIEF, 30000000, "x_bucket{le=\"10\"} 0\n",
		"x_bucket{le=\"30\"} 1\n", "x_sum 30.000000\n"},
	    {HISTOGRAM_BRIEF, 30000001, "x_bucket{le=\"30\"} 0\n",
		"x_bucket{le=\"+Inf\"} 1\n", "x_sum 30.000001\n"},
	    {HISTOGRAM_LONG, 61000000, "x_bucket{le=\"60\"} 0\n",
		"x_bucket{le=\"300\"} 1\n", "x_sum 61.000000\n"},
	    {HISTOGRAM_LONG, 5ull * 24 * 3600 * 1000000,
		"x_bucket{le=\"86400\"} 0\n", "x_bucket{le=\"432000\"} 1\n",
		"x_sum 432000.000000\n"},
	    {HISTOGRAM_OCTETS, 1025, "x_bucket{le=\"1024\"} 0\n",
		"x_bucket{le=\"4096\"} 1\n", "x_sum 1025\n"},
	    {HISTOGRAM_OCTETS, UINT64_MAX, "x_bucket{le=\"104857600\"} 0\n",
		"x_bucket{le=\"+Inf\"} 1\n", "x_sum 18446744073709551615\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct histogram h = {0};

		histogram_add(&h, rows[i].scale, rows[i].value);
		cr_expect(
		    says(&h, rows[i].scale, "", rows[i].below), "row %zu", i);
		cr_expect(
		    says(&h, rows[i].scale, "", rows[i].first), "row %zu", i);
		cr_expect(
		    says(&h, rows[i].scale, "", rows[i].sum), "row %zu", i);
		cr_expect(says(&h, rows[i].scale, "", "x_count 1\n"));
	}
}

Test(histogram, buckets_only_grow_and_labels_are_of_every_line)
{
	struct histogram h = {0};
	struct buf b;
	long long last = 0, n;

	for (uint64_t v = 1; v < 1ull << 40; v *= 3)
		histogram_add(&h, HISTOGRAM_BRIEF, v);
	buf_init(&b, 1 << 16);
	cr_assert_eq(
	    histogram_print(&h, HISTOGRAM_BRIEF, "sealgate_x", "a=\"b\"", &b),
	    ERR_OK);
	for (const char *p = buf_cstr(&b); p != NULL && *p != '\0';
	     p = strchr(p, '\n') + 1) {
		cr_assert(strstr(p, "{a=\"b\"") != NULL);
		if (strncmp(p, "sealgate_x_bucket", 17) != 0)
			continue;
		cr_assert_eq(sscanf(strchr(p, '}'), "} %lld", &n), 1);
		cr_expect_geq(n, last);
		last = n;
	}
	cr_expect_eq(last, (long long)h.n);
	buf_clear(&b);
	/* no room: an error, and no more */
	buf_init(&b, 100);
	cr_expect_eq(
	    histogram_print(&h, HISTOGRAM_BRIEF, "x", "", &b), ERR_TOO_BIG);
	buf_clear(&b);
}

Test(histogram, it_is_measured_by_a_clock_that_does_not_go_back)
{
	uint64_t a = clock_steady_us(), b = clock_steady_us();

	cr_expect_leq(a, b);
	cr_expect_gt(a, 0);
}
