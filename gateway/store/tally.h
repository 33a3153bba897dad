/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * How many records of the audit log there were, by what they say: the counters
 * of a monitoring system. In memory only; they begin at 0 with the process.
 */
#ifndef GATEWAY_STORE_TALLY_H
#define GATEWAY_STORE_TALLY_H

#include "common/buf.h"
#include "common/err.h"

struct store_tally;

struct store_tally *store_tally_new(void);
/* NULL is fine. */
void store_tally_free(struct store_tally *t);
/* Count a record, which is durable. */
void store_tally_add(struct store_tally *t, struct span rec);
/* Append all counters in the text format of Prometheus (0.0.4). ERR_TOO_BIG,
   ERR_NOMEM. */
enum err store_tally_print(
    const struct store_tally *t, struct buf *out) MUST_CHECK;

#endif
