/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A library to be preloaded: both clocks go ahead by as many seconds as are
 * written in CLOCK_SHIFT_FILE, at any time. libfaketime reads its file again
 * and again, which the walls of a role do not allow; here it is mapped once,
 * before there are walls. tests/e2e/clock_shift.py builds it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *shift_s;
static int (*real)(clockid_t, struct timespec *);

static void __attribute__((constructor)) map(void)
{
	int fd = open(CLOCK_SHIFT_FILE, O_RDONLY | O_CLOEXEC);
	void *p;

	*(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
	if (fd == -1)
		return;
	p = mmap(NULL, sizeof(*shift_s), PROT_READ, MAP_SHARED, fd, 0);
	if (p != MAP_FAILED)
		shift_s = p;
	close(fd);
}

static int64_t
shift(void)
{
	return shift_s == NULL ? 0 : *shift_s;
}

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	int rc = real != NULL ? real(id, ts)
			      : (int)syscall(SYS_clock_gettime, id, ts);

	if (rc == 0 &&
	    (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ||
		id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE ||
		id == CLOCK_BOOTTIME))
		ts->tv_sec += shift();
	return rc;
}

time_t
time(time_t *out)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_REALTIME, &ts) != 0)
		return (time_t)-1;
	if (out != NULL)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
