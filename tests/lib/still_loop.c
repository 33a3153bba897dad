/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * poll(2), a list for each kind, and rounds in the order of libuv's: timers,
 * descriptors, hooks. What was freed in a callback goes when the round is over.
 */
#include "tests/lib/still_loop.h"

#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "common/clock.h"
#include "common/err.h"
#include "common/loop.h"

/* Who is busy for so many rounds on end works in no time, which is never. */
enum { IO_MAX = 256, BUSY_ROUNDS = 1000 };

struct loop_io {
	struct loop_io *next;
	void (*cb)(void *arg, unsigned events);
	void *arg;
	int fd;
	unsigned events;
	bool dead;
};

struct loop_timer {
	struct loop_timer *next;
	struct loop *loop;
	void (*cb)(void *arg);
	void *arg;
	uint64_t due_ms, repeat_ms;
	uint64_t turn; /* among those due at once, and 0 when it is not set */
	bool dead;
};

struct loop_hook {
	struct loop_hook *next;
	void (*cb)(void *arg);
	void *arg;
	bool dead;
};

struct loop {
	struct loop_io *ios;
	struct loop_timer *timers;
	struct loop_hook *hooks;
	uint64_t turns;
	unsigned busy; /* rounds on end */
	bool stop;
};

uint64_t still_ahead_ms;
int64_t still_wall_ms;

static enum still_time how;
/* The time that has passed here, and the machine's when that was looked at. */
static uint64_t passed_ms, looked_ms;

static uint64_t
machine_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static uint64_t
now_ms(void)
{
	uint64_t machine = machine_ms(CLOCK_MONOTONIC);

	if (looked_ms != 0 && how == STILL_FLOWS)
		passed_ms += machine - looked_ms;
	looked_ms = machine;
	return passed_ms;
}

/* What a clock showed at first, and what has passed since. */
static uint64_t
show(clockid_t id, uint64_t *first_ms)
{
	uint64_t now = now_ms();

	if (*first_ms == 0)
		*first_ms = machine_ms(id) - now;
	return *first_ms + now + still_ahead_ms;
}

uint64_t
clock_unix_ms(void)
{
	static uint64_t first_ms;

	return show(CLOCK_REALTIME, &first_ms) + (uint64_t)still_wall_ms;
}

uint64_t
clock_steady_ms(void)
{
	static uint64_t first_ms;

	return show(CLOCK_MONOTONIC, &first_ms);
}

void
still_set(enum still_time time)
{
	(void)now_ms();
	how = time;
}

void
still_pass(uint64_t ms)
{
	passed_ms += ms;
}

static void *
alloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		fatal("out of memory");
	return p;
}

struct loop *
loop_new(void)
{
	return alloc(sizeof(struct loop));
}

static void
sweep(struct loop *l)
{
	for (struct loop_io **at = &l->ios; *at != NULL;) {
		struct loop_io *io = *at;

		if (!io->dead) {
			at = &io->next;
			continue;
		}
		*at = io->next;
		free(io);
	}
	for (struct loop_timer **at = &l->timers; *at != NULL;) {
		struct loop_timer *t = *at;

		if (!t->dead) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		free(t);
	}
	for (struct loop_hook **at = &l->hooks; *at != NULL;) {
		struct loop_hook *k = *at;

		if (!k->dead) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		free(k);
	}
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	sweep(l);
	if (l->ios != NULL || l->timers != NULL || l->hooks != NULL)
		fatal("closing the event loop: it is still used");
	free(l);
}

/* The next timer of those that were set before that turn. */
static struct loop_timer *
next_timer(struct loop *l, uint64_t before)
{
	struct loop_timer *first = NULL;

	for (struct loop_timer *t = l->timers; t != NULL; t = t->next)
		if (t->turn != 0 && t->turn < before &&
		    (first == NULL || t->due_ms < first->due_ms ||
			(t->due_ms == first->due_ms && t->turn < first->turn)))
			first = t;
	return first;
}

/* False if none was due. One that is set anew has its turn in a later round. */
static bool
run_timers(struct loop *l)
{
	uint64_t now = now_ms(), before = l->turns + 1;
	struct loop_timer *t;
	bool any = false;

	while ((t = next_timer(l, before)) != NULL && t->due_ms <= now) {
		any = true;
		t->turn = 0;
		if (t->repeat_ms > 0) {
			t->due_ms = now + t->repeat_ms;
			t->turn = ++l->turns;
		}
		t->cb(t->arg);
	}
	return any;
}

/* How long to wait for descriptors. */
static int
patience_ms(struct loop *l, bool busy)
{
	struct loop_timer *t = next_timer(l, UINT64_MAX);
	uint64_t now = now_ms();

	if (busy || l->stop || how == STILL_JUMPS)
		return 0;
	if (t != NULL && t->due_ms <= now)
		return 0;
	if (how == STILL_STANDS || t == NULL)
		return -1;
	return (int)(t->due_ms - now);
}

static void
call_io(struct loop_io *io, short got)
{
	unsigned ev = 0;

	if ((got & (POLLIN | POLLHUP)) != 0)
		ev |= LOOP_READ;
	if ((got & (POLLOUT | POLLHUP)) != 0)
		ev |= LOOP_WRITE;
	ev &= io->events;
	if ((got & (POLLERR | POLLNVAL)) != 0)
		ev = LOOP_READ | LOOP_WRITE;
	if (ev != 0)
		io->cb(io->arg, ev);
}

/* False if none was ready in time. */
static bool
run_ios(struct loop *l, int wait_ms)
{
	struct loop_io *watched[IO_MAX];
	struct pollfd p[IO_MAX];
	nfds_t n = 0;

	for (struct loop_io *io = l->ios; io != NULL; io = io->next) {
		if (io->dead || io->events == 0)
			continue;
		if (n == IO_MAX)
			fatal("too many descriptors");
		watched[n] = io;
		p[n] = (struct pollfd){.fd = io->fd};
		if ((io->events & LOOP_READ) != 0)
			p[n].events |= POLLIN;
		if ((io->events & LOOP_WRITE) != 0)
			p[n].events |= POLLOUT;
		n++;
	}
	if (poll(p, n, wait_ms) <= 0)
		return false;
	for (nfds_t i = 0; i < n; i++)
		if (p[i].revents != 0 && !watched[i]->dead)
			call_io(watched[i], p[i].revents);
	return true;
}

static void
run_round(struct loop *l)
{
	bool busy = run_timers(l);
	struct loop_timer *t;

	busy = run_ios(l, patience_ms(l, busy)) || busy;
	for (struct loop_hook *k = l->hooks; k != NULL; k = k->next)
		if (!k->dead)
			k->cb(k->arg);
	sweep(l);
	l->busy = busy ? l->busy + 1 : 0;
	if (how != STILL_JUMPS || l->stop)
		return;
	t = next_timer(l, UINT64_MAX);
	if (!busy && t == NULL)
		fatal("nothing will ever happen");
	if (!busy && t->due_ms > passed_ms)
		passed_ms = t->due_ms;
	else if (l->busy > BUSY_ROUNDS)
		passed_ms++;
}

void
loop_run(struct loop *l)
{
	while (!l->stop)
		run_round(l);
	l->stop = false;
}

void
loop_stop(struct loop *l)
{
	l->stop = true;
}

struct loop_io *
loop_io_new(
    struct loop *l, int fd, void (*cb)(void *arg, unsigned events), void *arg)
{
	struct loop_io *io = alloc(sizeof(*io));

	*io = (struct loop_io){.next = l->ios, .cb = cb, .arg = arg, .fd = fd};
	l->ios = io;
	return io;
}

void
loop_io_set(struct loop_io *io, unsigned events)
{
	io->events = events;
}

void
loop_io_free(struct loop_io *io)
{
	if (io != NULL)
		io->dead = true;
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*cb)(void *arg), void *arg)
{
	struct loop_timer *t = alloc(sizeof(*t));

	*t = (struct loop_timer){
	    .next = l->timers, .loop = l, .cb = cb, .arg = arg};
	l->timers = t;
	return t;
}

void
loop_timer_start(struct loop_timer *t, uint64_t ms, uint64_t repeat_ms)
{
	t->due_ms = now_ms() + ms;
	t->repeat_ms = repeat_ms;
	t->turn = ++t->loop->turns;
}

void
loop_timer_stop(struct loop_timer *t)
{
	t->turn = 0;
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	t->turn = 0;
	t->dead = true;
}

struct loop_hook *
loop_hook_new(struct loop *l, void (*cb)(void *arg), void *arg)
{
	struct loop_hook *k = alloc(sizeof(*k));

	*k = (struct loop_hook){.next = l->hooks, .cb = cb, .arg = arg};
	l->hooks = k;
	return k;
}

void
loop_hook_free(struct loop_hook *k)
{
	if (k != NULL)
		k->dead = true;
}

void
loop_on_signal(struct loop *l, int signo, void (*cb)(void *arg), void *arg)
{
	(void)l;
	(void)cb;
	(void)arg;
	fatal("no signal %d here", signo);
}
