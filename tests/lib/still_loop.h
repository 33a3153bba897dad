/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The loop of common/loop.h and the clocks of common/clock.h with a time that
 * is not the machine's: a program that was not given the processor for seconds
 * is not late, and nobody waits for a time-out. In place of both in a test's
 * program.
 */
#ifndef TESTS_LIB_STILL_LOOP_H
#define TESTS_LIB_STILL_LOOP_H

#include <stdint.h>

enum still_time {
	STILL_FLOWS,  /* with the machine's, as anywhere else */
	STILL_JUMPS,  /* to the next timer when nothing else is to be done */
	STILL_STANDS, /* until still_pass() */
};

/* From now on, in this process. At first it flows. */
void still_set(enum still_time how);
/* So much time passes, for timers and clocks. */
void still_pass(uint64_t ms);

/* Milliseconds that both clocks are ahead of the loop's time: timers that are
   set do not notice. */
extern uint64_t still_ahead_ms;
/* The same for the wall clock alone. */
extern int64_t still_wall_ms;

#endif
