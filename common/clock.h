/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The two clocks. Mail ages by the steady one where it can, so that a step of
 * the wall clock expires nothing. Tests replace both.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970, UTC. */
uint64_t clock_unix_ms(void);
/* Milliseconds since some point before the process started; never steps. */
uint64_t clock_steady_ms(void);
/* The same in microseconds, to measure with. */
uint64_t clock_steady_us(void);
/* Milliseconds of CPU that this process has used. */
uint64_t clock_cpu_ms(void);

#endif
