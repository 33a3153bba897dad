/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 */
#include "tests/lib/outlast.h"

#include "tests/lib/still_loop.h"

/* Of the machine's time. What a peer has said is heard in a moment. */
enum { PATIENCE_MS = 90000, LOOK_MS = 5, MOMENT_MS = 20, NEVER = 4000 };

void
outlast_await(struct relay_driver *d, struct script_peer *p)
{
	still_set(STILL_STANDS);
	for (unsigned i = 0;
	     i < PATIENCE_MS / LOOK_MS && script_peer_hanging(p) == 0; i++)
		(void)relay_driver_wait(d, NEVER, LOOK_MS);
	(void)relay_driver_wait(d, NEVER, MOMENT_MS);
	still_set(STILL_FLOWS);
}

unsigned
outlast(struct relay_driver *d, struct script_peer *p, unsigned n)
{
	outlast_await(d, p);
	still_pass(OUTLAST_MS);
	return relay_driver_wait(d, n, PATIENCE_MS);
}
