/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Tell the service manager how we are (sd_notify(3)); nothing happens when
 * there is none.
 */
#ifndef GATEWAY_NOTIFY_H
#define GATEWAY_NOTIFY_H

#include <stdint.h>

/* "READY=1", "STOPPING=1", "WATCHDOG=1"; with STATUS=… behind a newline. */
void notify(const char *state);
/* RELOADING=1 with the time it needs beside it. */
void notify_reloading(void);
/* How often WATCHDOG=1 is wanted at least, 0 if it is not. */
uint64_t notify_watchdog_ms(void);

#endif
