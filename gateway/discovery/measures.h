/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * How sources answered and how long it took, for a monitoring system. In memory
 * only; all begins at 0 with the process.
 */
#ifndef GATEWAY_DISCOVERY_MEASURES_H
#define GATEWAY_DISCOVERY_MEASURES_H

#include <stdint.h>

#include "common/buf.h"
#include "gateway/conf.h"
#include "gateway/histogram.h"
#include "keystore/record.h"

enum discovery_result {
	DISCOVERY_FOUND,
	DISCOVERY_ABSENT,
	DISCOVERY_FAILED,
	DISCOVERY_LIMITED,    /* not asked: too many questions in this minute */
	DISCOVERY_REMEMBERED, /* not asked: its last answer still holds */
	DISCOVERY_RESULTS
};

/* The zero value is empty. */
struct discovery_measures {
	struct {
		uint64_t result[DISCOVERY_RESULTS];
		struct histogram time; /* of those that were asked */
	} source[KS_SOURCE_HARVEST + 1];
};

void discovery_measures_add(struct discovery_measures *m, enum ks_source source,
    enum discovery_result result);
/* The source was asked, and that took so long. */
void discovery_measures_asked(struct discovery_measures *m,
    enum ks_source source, enum discovery_result result, uint64_t us);
/* Append those of the configured sources, in the text format of Prometheus
   (0.0.4). ERR_TOO_BIG, ERR_NOMEM. */
enum err discovery_measures_print(const struct discovery_measures *m,
    const struct conf_discovery *conf, struct buf *out) MUST_CHECK;

#endif
