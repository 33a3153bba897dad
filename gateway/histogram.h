/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * How often a measured value was how large: the histograms of a monitoring
 * system, in the text format 0.0.4 of Prometheus. In memory only.
 */
#ifndef GATEWAY_HISTOGRAM_H
#define GATEWAY_HISTOGRAM_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum { HISTOGRAM_BOUNDS = 12 };

/* The zero value is empty. */
struct histogram {
	uint64_t n;
	uint64_t sum;
	/* those that are no larger than each bound, and than no smaller one */
	uint64_t bucket[HISTOGRAM_BOUNDS];
};

/* What is measured: its unit and its bounds. */
enum histogram_scale {
	HISTOGRAM_BRIEF,  /* microseconds, of work; told in seconds */
	HISTOGRAM_LONG,	  /* microseconds, of waiting; told in seconds */
	HISTOGRAM_OCTETS, /* octets, of a message */
};

void histogram_add(
    struct histogram *h, enum histogram_scale scale, uint64_t value);
/* Append the lines that say what the metric is; type: "histogram",
   "counter", "gauge". ERR_TOO_BIG, ERR_NOMEM. */
enum err histogram_head(const char *name, const char *type, const char *help,
    struct buf *out) MUST_CHECK;
/* Append its lines without that head. labels: "a=\"b\",c=\"d\"", or "".
   ERR_TOO_BIG, ERR_NOMEM. */
enum err histogram_print(const struct histogram *h, enum histogram_scale scale,
    const char *name, const char *labels, struct buf *out) MUST_CHECK;

#endif
