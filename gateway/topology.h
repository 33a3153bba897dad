/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which processes there are and who talks to whom: one const table. A channel
 * that is not in it does not exist.
 */
#ifndef GATEWAY_TOPOLOGY_H
#define GATEWAY_TOPOLOGY_H

#include <stdbool.h>

#include "gateway/role.h"

struct conf;

/* How many processes of this role the configuration wants. */
unsigned topology_count(const struct conf *c, enum role_id role);
/* Is there a channel between these two? The order does not matter. */
bool topology_linked(const struct conf *c, enum role_id a, unsigned a_index,
    enum role_id b, unsigned b_index);
/* The pgp process of this worker or opener. */
unsigned topology_pgp_of(
    const struct conf *c, enum role_id role, unsigned index);
/* Does it work on one message at a time, deaf to all else meanwhile? */
bool topology_blocks(enum role_id role);
/* When the gateway stops: the roles of step 0 are told first, the next step
   comes when they have ended. */
unsigned topology_stop_step(enum role_id role);

enum { TOPOLOGY_STOP_STEPS = 5 };

#endif
