/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The keystore in numbers, for a monitoring system: keys and certificates by
 * whose they are and whether they end soon, our CAs and their lists, the
 * revocation lists of others. A large keystore is gone through bit by bit.
 */
#ifndef GATEWAY_STORE_CENSUS_H
#define GATEWAY_STORE_CENSUS_H

#include "common/buf.h"
#include "common/err.h"

struct ks_store;
struct store_census;

struct store_census *store_census_new(void);
/* NULL is fine. */
void store_census_free(struct store_census *c);
/* Every second: look at some more. */
void store_census_tick(struct store_census *c, struct ks_store *ks);
/* Append all in the text format of Prometheus (0.0.4); what has not been
   counted yet is left out. ERR_TOO_BIG, ERR_NOMEM. */
enum err store_census_print(const struct store_census *c, struct ks_store *ks,
    struct buf *out) MUST_CHECK;

#endif
