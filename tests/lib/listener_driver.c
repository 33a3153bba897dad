/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The listener's role by itself: listener_driver FD CLOCK. FD is the channel
 * of a supervisor, which is the test; CLOCK a memfd with milliseconds by which
 * this process is ahead of time.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "common/clock.h"
#include "common/text.h"
#include "gateway/role.h"
#include "gateway/sandbox.h"

/* The leak checker traces the process and writes a report, which the walls
   keep it from: under it there are none. */
enum err __real_sandbox_enter(
    enum role_id role, const struct conf *c, struct err_why *why);
enum err __wrap_sandbox_enter(
    enum role_id role, const struct conf *c, struct err_why *why);

enum err
__wrap_sandbox_enter(
    enum role_id role, const struct conf *c, struct err_why *why)
{
#ifdef WITH_SANITIZERS
	return ERR_OK;
#else
	return __real_sandbox_enter(role, c, why);
#endif
}

static const volatile uint64_t *ahead_ms;

static uint64_t
read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000 +
	       (ahead_ms == NULL ? 0 : *ahead_ms);
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

int
main(int argc, char **argv)
{
	uint64_t fd, clock;
	struct role *r;
	void *map;
	int rc;

	if (argc != 3 ||
	    text_number(span_str(argv[1]), 0, 1000, &fd) != ERR_OK ||
	    text_number(span_str(argv[2]), 0, 1000, &clock) != ERR_OK)
		return 2;
	map =
	    mmap(NULL, sizeof(*ahead_ms), PROT_READ, MAP_SHARED, (int)clock, 0);
	if (map == MAP_FAILED)
		return 2;
	ahead_ms = map;
	r = role_boot(ROLE_LISTENER, 0, (int)fd);
	rc = listener_main(r);
	role_free(r);
	return rc;
}
