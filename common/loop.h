/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The event loop (libuv). One per process, one thread. Objects may be freed
 * in any callback, their own included.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_io;
struct loop_timer;
struct loop_hook;

enum { LOOP_READ = 1, LOOP_WRITE = 2 };

struct loop *loop_new(void);
/* Everything made with the loop must have been freed before. */
void loop_free(struct loop *loop);
/* Until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Watch a descriptor; watches nothing until set. A broken descriptor is
   reported as readable and writable. The descriptor stays the caller's and
   must be open until loop_io_free(). */
struct loop_io *loop_io_new(struct loop *loop, int fd,
    void (*cb)(void *arg, unsigned events), void *arg);
void loop_io_set(struct loop_io *io, unsigned events);
void loop_io_free(struct loop_io *io);

struct loop_timer *loop_timer_new(
    struct loop *loop, void (*cb)(void *arg), void *arg);
/* Once after ms, then every repeat_ms if that is not 0. Restarts. */
void loop_timer_start(struct loop_timer *t, uint64_t ms, uint64_t repeat_ms);
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

/* Call cb after each round of events: what arrived together can be dealt
   with together. */
struct loop_hook *loop_hook_new(
    struct loop *loop, void (*cb)(void *arg), void *arg);
void loop_hook_free(struct loop_hook *h);

/* Call cb when the process gets this signal; until the process ends. */
void loop_on_signal(
    struct loop *loop, int signo, void (*cb)(void *arg), void *arg);

#endif
