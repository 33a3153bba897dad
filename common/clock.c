/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * clock_gettime(2) in milliseconds.
 */
#include "common/clock.h"

#include <time.h>

static uint64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t
clock_unix_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

uint64_t
clock_steady_ms(void)
{
	return read_ms(CLOCK_MONOTONIC);
}
