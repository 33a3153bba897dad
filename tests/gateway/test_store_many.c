/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A long queue: how soon store is at work again and how much memory it takes.
 * SEALGATE_QUEUED entries (default 4000; tests/long/run has 100 000).
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/store/share.h"
#include "gateway/store/store_private.h"
#include "tests/lib/store_rig.h"

enum {
	QUEUED = 4000,
	AT_ONCE = 100, /* entries of one submission */
	DOMAINS = 50,
	START_MS = 1000, /* for as many as there are, up to 100 000 */
	ANON_KB = 200 * 1024,
};

static struct rig rig;

static unsigned
setting(void)
{
	const char *text = getenv("SEALGATE_QUEUED");
	long n = text == NULL ? QUEUED : strtol(text, NULL, 10);

	cr_assert(n >= AT_ONCE && n <= 1000 * 1000 && n % AT_ONCE == 0);
	return (unsigned)n;
}

static void
submit(uint64_t first)
{
	static struct entry e[AT_ONCE];
	static char addr[AT_ONCE][64];
	struct proto_submit m = {
	    .attempt = 1, .entry = e, .n_entries = AT_ONCE};

	for (unsigned i = 0; i < AT_ONCE; i++) {
		e[i] = rig_entry(&rig, first + i, first, ENTRY_READY);
		snprintf(addr[i], sizeof(addr[i]), "b%u@d%u.example", i,
		    (unsigned)(first + i) % DOMAINS);
		e[i].rcpt[0].addr = e[i].rcpt[0].key = addr[i];
	}
	rig_submit(&rig, 0, first, &m);
	cr_assert_eq(rig_committed(&rig, first), ERR_OK);
	arena_reset(rig.arena);
}

/* In a process of its own, so that this one's memory is what starting takes. */
static void
fill(unsigned n)
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid > 0) {
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert_eq(status, 0);
		return;
	}
	if (rig_start(&rig) != ERR_OK)
		_exit(1);
	rig_disconnect(&rig, ROLE_RELAY, 0);
	for (unsigned i = 0; i < n; i += AT_ONCE)
		submit(1000 + i);
	rig_kill(&rig);
	_exit(0);
}

static unsigned long
anonymous_kb(void)
{
	char line[256];
	unsigned long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			kb = strtoul(line + 8, NULL, 10);
	if (f != NULL)
		fclose(f);
	return kb;
}

/* The store's own clock stands while it works. */
static uint64_t
machine_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Everything that relay may have at first comes, each next hop's share. */
static void
take_deliveries(void)
{
	static unsigned of[DOMAINS];
	struct ipc_msg m;

	for (unsigned i = 0; i < DOMAINS * STORE_SHARE_MIN; i++) {
		cr_assert(rig_recv(&rig, ROLE_RELAY, 0, &m), "%u", i);
		cr_assert_eq(m.type, PROTO_DELIVER);
		cr_assert_leq(++of[m.id % DOMAINS], (unsigned)STORE_SHARE_MIN);
		ipc_msg_clear(&m);
	}
}

Test(store_many, a_long_queue_is_at_work_soon_and_in_little_memory)
{
	unsigned n = setting();
	unsigned long before, kb;
	uint64_t start, ms;

	rig_init(&rig);
	fill(n);
	before = anonymous_kb();
	start = machine_ms();
	cr_assert_eq(rig_start(&rig), ERR_OK);
	ms = machine_ms() - start;
	take_deliveries();
	kb = anonymous_kb() - before;
	printf("figure: %u entries: at work after %u ms, %lu KB of anonymous "
	       "memory\n",
	    n, (unsigned)ms, kb);
	cr_assert_lt(kb, (unsigned long)ANON_KB);
	/* sanitizers and a busy machine: the figure is for tests/long/run */
	if (getenv("SEALGATE_QUEUED") != NULL)
		cr_assert_lt(ms, (uint64_t)START_MS);
	rig_clear(&rig);
}
