/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What was measured of messages, for a monitoring system: their sizes, the
 * times of engines, how long a delivery took. What an operation brings counts
 * once it is committed. In memory only; all begins at 0 with the process.
 */
#ifndef GATEWAY_STORE_MEASURES_H
#define GATEWAY_STORE_MEASURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct proto_measures;
struct store_measures;

struct store_measures *store_measures_new(void);
/* NULL is fine. */
void store_measures_free(struct store_measures *m);

/* Add what a submission brought, and a delivery to a recipient, ms after the
   message was accepted: both to what waits for the commit. */
void store_measures_take(
    struct store_measures *m, const struct proto_measures *from);
void store_measures_delivered(
    struct store_measures *m, bool inbound, uint64_t ms);

/* How much waits; and forget what came since then. */
size_t store_measures_mark(const struct store_measures *m);
void store_measures_rewind(struct store_measures *m, size_t mark);
/* Count what waits. */
void store_measures_count(struct store_measures *m);

/* Append all in the text format of Prometheus (0.0.4). ERR_TOO_BIG,
   ERR_NOMEM. */
enum err store_measures_print(
    const struct store_measures *m, struct buf *out) MUST_CHECK;

#endif
