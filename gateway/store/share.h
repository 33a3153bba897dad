/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Shares of relay: how many entries of one next hop it has at a time. A next
 * hop may have as many under way as it took within a second, and a few more;
 * so one that is slow or hangs keeps a few places, and the others go on. What
 * is too much is parked, in order, until one of its own comes back.
 */
#ifndef GATEWAY_STORE_SHARE_H
#define GATEWAY_STORE_SHARE_H

#include "gateway/entry.h"
#include "gateway/store/index.h"

struct conf;
struct store_shares;

struct store_shares *store_shares_new(void);
void store_shares_free(struct store_shares *all);

/* The next hop of an entry as a number that is never 0: the domain of its
   first recipient where the MX decides, else what is configured. */
uint32_t store_share_dest(const struct conf *conf, const struct entry *e);
/* Count the item, whose dest is set, as with relay; or park it: false. */
bool store_share_take(
    struct store_shares *all, struct store_index *x, struct store_item *item);
/* An item came back; took: its next hop took or refused mail for good. The
   next one that is parked for it is due again. */
void store_share_return(struct store_shares *all, struct store_index *x,
    struct store_item *item, bool took);
/* Relay is gone, and everything that it had with it. */
void store_shares_reset(struct store_shares *all, struct store_index *x);
/* Forget next hops that have had nothing for a while. */
void store_shares_sweep(struct store_shares *all);

#endif
