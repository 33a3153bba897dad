/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Time-outs of the relay that come when the peer hangs and not before, however
 * slow the machine is.
 */
#ifndef TESTS_LIB_OUTLAST_H
#define TESTS_LIB_OUTLAST_H

#include "tests/lib/relay_driver.h"
#include "tests/lib/script_peer.h"

/* The cap of a relay whose time-out is waited for; shorter than what mail waits
   for a place at its destination. */
enum { OUTLAST_MS = 55000 };

/* Run the relay until the peer hangs and all that it said before was heard.
   Time stands still meanwhile, and flows again from then on. */
void outlast_await(struct relay_driver *d, struct script_peer *p);
/* The same, then the relay's patience is over. Returns when n results have
   come, or too much time has passed for that: how many there are. */
unsigned outlast(struct relay_driver *d, struct script_peer *p, unsigned n);

#endif
