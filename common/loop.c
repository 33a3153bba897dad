/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * libuv behind a small face: its handles close asynchronously, so each object
 * frees itself in the close callback.
 */
#include "common/loop.h"

#include <stdlib.h>
#include <uv.h>

#include "common/err.h"

enum { SIGNALS_MAX = 8 };

struct watched_signal {
	uv_signal_t uv;
	void (*cb)(void *arg);
	void *arg;
};

struct loop {
	uv_loop_t uv;
	struct watched_signal signals[SIGNALS_MAX];
	unsigned n_signals;
};

struct loop_io {
	uv_poll_t uv;
	void (*cb)(void *arg, unsigned events);
	void *arg;
	unsigned events;
};

struct loop_timer {
	uv_timer_t uv;
	void (*cb)(void *arg);
	void *arg;
};

struct loop_hook {
	uv_check_t uv;
	void (*cb)(void *arg);
	void *arg;
};

static void *
alloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		fatal("out of memory");
	return p;
}

static void
must(int rc, const char *what)
{
	if (rc != 0)
		fatal("%s: %s", what, uv_strerror(rc));
}

struct loop *
loop_new(void)
{
	struct loop *l = alloc(sizeof(*l));

	must(uv_loop_init(&l->uv), "event loop");
	return l;
}

void
loop_free(struct loop *l)
{
	if (l == NULL)
		return;
	for (unsigned i = 0; i < l->n_signals; i++)
		uv_close((uv_handle_t *)&l->signals[i].uv, NULL);
	uv_run(&l->uv, UV_RUN_NOWAIT);
	uv_run(&l->uv, UV_RUN_NOWAIT);
	must(uv_loop_close(&l->uv), "closing the event loop");
	free(l);
}

void
loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void
loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

static void
free_handle(uv_handle_t *h)
{
	free(h->data);
}

static void
on_poll(uv_poll_t *h, int status, int events)
{
	struct loop_io *io = h->data;
	unsigned ev = 0;

	if (status < 0 || (events & UV_READABLE) != 0)
		ev |= LOOP_READ;
	if (status < 0 || (events & UV_WRITABLE) != 0)
		ev |= LOOP_WRITE;
	io->cb(io->arg, ev);
}

struct loop_io *
loop_io_new(
    struct loop *l, int fd, void (*cb)(void *arg, unsigned events), void *arg)
{
	struct loop_io *io = alloc(sizeof(*io));

	io->cb = cb;
	io->arg = arg;
	io->uv.data = io;
	must(uv_poll_init(&l->uv, &io->uv, fd), "watching a descriptor");
	return io;
}

void
loop_io_set(struct loop_io *io, unsigned events)
{
	int want = 0;

	if (io->events == events)
		return;
	io->events = events;
	if (events == 0) {
		uv_poll_stop(&io->uv);
		return;
	}
	if ((events & LOOP_READ) != 0)
		want |= UV_READABLE;
	if ((events & LOOP_WRITE) != 0)
		want |= UV_WRITABLE;
	must(uv_poll_start(&io->uv, want, on_poll), "watching a descriptor");
}

void
loop_io_free(struct loop_io *io)
{
	if (io == NULL)
		return;
	uv_poll_stop(&io->uv);
	uv_close((uv_handle_t *)&io->uv, free_handle);
}

static void
on_timer(uv_timer_t *h)
{
	struct loop_timer *t = h->data;

	t->cb(t->arg);
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*cb)(void *arg), void *arg)
{
	struct loop_timer *t = alloc(sizeof(*t));

	t->cb = cb;
	t->arg = arg;
	t->uv.data = t;
	must(uv_timer_init(&l->uv, &t->uv), "timer");
	return t;
}

void
loop_timer_start(struct loop_timer *t, uint64_t ms, uint64_t repeat_ms)
{
	uv_update_time(t->uv.loop);
	must(uv_timer_start(&t->uv, on_timer, ms, repeat_ms), "timer");
}

void
loop_timer_stop(struct loop_timer *t)
{
	uv_timer_stop(&t->uv);
}

void
loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	uv_timer_stop(&t->uv);
	uv_close((uv_handle_t *)&t->uv, free_handle);
}

static void
on_check(uv_check_t *h)
{
	struct loop_hook *k = h->data;

	k->cb(k->arg);
}

struct loop_hook *
loop_hook_new(struct loop *l, void (*cb)(void *arg), void *arg)
{
	struct loop_hook *k = alloc(sizeof(*k));

	k->cb = cb;
	k->arg = arg;
	k->uv.data = k;
	must(uv_check_init(&l->uv, &k->uv), "hook");
	must(uv_check_start(&k->uv, on_check), "hook");
	return k;
}

void
loop_hook_free(struct loop_hook *k)
{
	if (k == NULL)
		return;
	uv_check_stop(&k->uv);
	uv_close((uv_handle_t *)&k->uv, free_handle);
}

static void
on_signal(uv_signal_t *h, int signo)
{
	struct watched_signal *s = h->data;

	s->cb(s->arg);
}

void
loop_on_signal(struct loop *l, int signo, void (*cb)(void *arg), void *arg)
{
	struct watched_signal *s;

	if (l->n_signals == SIGNALS_MAX)
		fatal("too many signals");
	s = &l->signals[l->n_signals++];
	s->cb = cb;
	s->arg = arg;
	s->uv.data = s;
	must(uv_signal_init(&l->uv, &s->uv), "signal");
	must(uv_signal_start(&s->uv, on_signal, signo), "signal");
}
