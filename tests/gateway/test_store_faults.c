/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Disks that fail: a sync, a write of data or of the page that makes it
 * count, a disk or a map that is full. Nothing of such a commit is ever
 * acknowledged, nothing that was is lost, and after a sync error nothing is
 * committed before the process is another one. The calls of the C library
 * that LMDB uses are this program's.
 */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/file.h"
#include "common/limits.h"
#include "gateway/store/audit_line.h"
#include "tests/lib/store_rig.h"

#define OBJECT "AAAAAAAAAAAAAAAAAAAAAA"

enum fault {
	FAULT_NONE,
	FAULT_SYNC,	  /* fdatasync() of the data: EIO */
	FAULT_DATA,	  /* a page of it cannot be written: EIO */
	FAULT_SPACE,	  /* the same: ENOSPC */
	FAULT_SPACE_SHORT /* half of it was written */
};

static enum fault fault;
static int n_faults;
static struct rig rig;

static bool
strikes(bool of_write)
{
	if (fault == FAULT_NONE || of_write != (fault != FAULT_SYNC))
		return false;
	n_faults++;
	return true;
}

int fdatasync(int fd);
int
fdatasync(int fd)
{
	if (strikes(false)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t at);
ssize_t
pwrite64(int fd, const void *p, size_t n, off_t at)
{
	if (!strikes(true))
		return syscall(SYS_pwrite64, fd, p, n, at);
	if (fault == FAULT_SPACE_SHORT && n > 1)
		return syscall(SYS_pwrite64, fd, p, n / 2, at);
	errno = fault == FAULT_DATA ? EIO : ENOSPC;
	return -1;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at);
ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite64(fd, p, n, at);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t at);
ssize_t
pwritev(int fd, const struct iovec *v, int n, off_t at)
{
	if (strikes(true)) {
		errno = fault == FAULT_DATA ? EIO : ENOSPC;
		return -1;
	}
	return syscall(SYS_pwritev, fd, v, n, at, 0);
}

/* In place of a map far above the disk; 0: as it is asked for. */
static size_t map_limit;

int mdb_env_set_mapsize(void *env, size_t size);
int
mdb_env_set_mapsize(void *env, size_t size)
{
	static int (*real)(void *env, size_t size);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "mdb_env_set_mapsize");
	return real(env, map_limit > 0 ? map_limit : size);
}

static void
set_up(void)
{
	fault = FAULT_NONE;
	n_faults = 0;
	rig_init(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	fault = FAULT_NONE;
	rig_clear(&rig);
}

TestSuite(faults, .init = set_up, .fini = tear_down);

static enum err
submit(uint64_t id)
{
	struct entry e = rig_entry(&rig, 1000 + id, id, ENTRY_READY);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};

	rig_submit(&rig, 0, id, &m);
	return rig_committed(&rig, id);
}

static void
deliver(uint64_t id)
{
	struct proto_deliver d;

	cr_assert(rig_deliver(&rig, &d), "%d", (int)id);
	cr_assert_eq(d.entry.id, 1000 + id);
}

Test(faults, after_a_sync_error_nothing_is_committed_by_this_process)
{
	static const enum fault kinds[] = {FAULT_SYNC, FAULT_DATA};
	struct proto_deliver d;

	for (uint64_t i = 0; i < 2; i++) {
		uint64_t id = 100 + 10 * i;
		enum err e;

		cr_assert_eq(submit(id), ERR_OK);
		deliver(id);
		fault = kinds[i];
		e = submit(id + 1);
		cr_assert_gt(n_faults, 0);
		cr_assert_neq(e, ERR_OK, "it was not durable");
		cr_assert_neq(e, ERR_COUNT, "the sender gets an answer");
		cr_assert_eq(err_smtp(e) / 100, 4, "%s", err_name(e));
		cr_assert(rig.ended && rig.failed, "it restarts");
		fault = FAULT_NONE;
		rig_kill(&rig);
		cr_assert_eq(rig_start(&rig), ERR_OK);
		/* what had been acknowledged, and no more */
		deliver(id);
		rig_result(&rig, 1000 + id, PROTO_DELIVERED);
		cr_assert_eq(submit(id + 2), ERR_OK);
		cr_assert(rig_deliver(&rig, &d));
		cr_assert_eq(d.entry.id, 1000 + id + 2);
		rig_result(&rig, 1000 + id + 2, PROTO_DELIVERED);
		rig_run(&rig, 20);
	}
}

Test(faults, a_full_disk_is_waited_for_and_results_are_kept)
{
	static const enum fault kinds[] = {FAULT_SPACE, FAULT_SPACE_SHORT};

	for (uint64_t i = 0; i < 2; i++) {
		uint64_t id = 100 + 10 * i;
		enum err e;

		cr_assert_eq(submit(id), ERR_OK);
		deliver(id);
		fault = kinds[i];
		e = submit(id + 1);
		cr_assert_neq(e, ERR_OK);
		cr_assert_eq(err_smtp(e) / 100, 4, "%s", err_name(e));
		if (rig.ended) {
			/* a short write shows as EIO: the disk has room, so
			   that it was full cannot be known */
			cr_assert_eq(fault, FAULT_SPACE_SHORT);
			fault = FAULT_NONE;
			rig_kill(&rig);
			cr_assert_eq(rig_start(&rig), ERR_OK);
			deliver(id);
		}
		/* it happened, whatever the disk says */
		rig_result(&rig, 1000 + id, PROTO_DELIVERED);
		rig_run(&rig, 50);
		fault = FAULT_NONE;
		rig_advance(&rig, 1500);
		rig_run(&rig, 50);
		cr_assert_eq(submit(id + 2), ERR_OK);
		deliver(id + 2);
		rig_result(&rig, 1000 + id + 2, PROTO_DELIVERED);
		rig_run(&rig, 20);
		rig_kill(&rig);
		cr_assert_eq(rig_start(&rig), ERR_OK);
		cr_assert(rig_is_quiet(&rig, ROLE_RELAY, 0),
		    "the result is in, and nothing of the failed commit");
	}
}

static void
send_large(uint64_t id)
{
	static uint8_t octets[120 * 1024];
	struct entry e = rig_entry(&rig, 1000 + id, id, ENTRY_READY);
	struct proto_submit m = {.attempt = 1, .entry = &e, .n_entries = 1};

	e.body_size = 100 * 1024;
	e.body = SPAN(octets, sealed_size(e.body_size));
	rig_submit(&rig, 0, id, &m);
}

Test(faults, a_full_map_hits_one_message_and_not_the_batch)
{
	uint64_t id = 100, large = 0;
	enum err e = ERR_OK;

	rig_kill(&rig);
	map_limit = 1024 * 1024;
	cr_assert_eq(rig_start(&rig), ERR_OK);
	while (e == ERR_OK && large < 20) {
		send_large(++id);
		e = rig_committed(&rig, id);
		large += e == ERR_OK ? 1 : 0;
	}
	cr_assert_eq(e, ERR_DB_FULL, "%s", err_name(e));
	cr_assert_eq(err_smtp(e), 452);
	cr_assert_gt(large, 2);
	/* both in one batch */
	send_large(500);
	{
		struct entry small = rig_entry(&rig, 1600, 600, ENTRY_READY);
		struct proto_submit m = {
		    .attempt = 1, .entry = &small, .n_entries = 1};

		rig_submit(&rig, 0, 600, &m);
	}
	cr_assert_eq(rig_committed(&rig, 500), ERR_DB_FULL);
	cr_assert_eq(rig_committed(&rig, 600), ERR_OK);
	cr_assert_not(rig.ended, "it goes on");
	rig_kill(&rig);
	map_limit = 0;
	cr_assert_eq(rig_start(&rig), ERR_OK);
	for (uint64_t i = 1; i <= large; i++)
		deliver(100 + i);
	deliver(600);
}

/* What `sealgate escrow recover` is told; NULL for no answer. */
static char *
ask_recovery(const char *verb)
{
	char request[128];

	snprintf(request, sizeof(request),
	    "{\"verb\":\"%s\",\"object\":\"" OBJECT "\",\"uid\":7}", verb);
	return rig_request(&rig, request);
}

static bool
answers(const char *verb, const char *want)
{
	char *answer = ask_recovery(verb);
	bool found = answer != NULL && strstr(answer, want) != NULL;

	if (!found)
		fprintf(stderr, "%s\n", answer != NULL ? answer : "nothing");
	free(answer);
	return found;
}

/* The log as it is told to who is about to read it. */
static bool
log_says(const char *want)
{
	char name[STORE_AUDIT_NAME], path[256];
	char *answer = rig_request(&rig, "{\"verb\":\"audit-flush\"}");
	struct buf text;
	bool found;

	cr_assert_not_null(answer);
	free(answer);
	store_audit_file_name(1, name);
	snprintf(path, sizeof(path), "%s/%s", rig.conf.paths.audit, name);
	buf_init(&text, 1 << 20);
	cr_assert_eq(file_read_path(AT_FDCWD, path, &text), ERR_OK);
	found = strstr(buf_cstr(&text), want) != NULL;
	buf_clear(&text);
	return found;
}

Test(faults, nobody_gets_a_key_for_recovery_without_a_record)
{
	static const char cms[] = "\"recovery\":\"a2V5cw==";
	struct entry e = rig_entry(&rig, 1000, 100, ENTRY_READY);
	struct proto_object o = {.name = OBJECT,
	    .size = 5000,
	    .expires_s = UINT32_MAX,
	    .recovery = SPAN_LIT("keys")};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .object = &o,
	    .n_objects = 1};
	char *answer;

	rig_connect(&rig, ROLE_PORTAL, 0);
	e.wait_object = o.name;
	rig_submit(&rig, 0, 100, &m);
	cr_assert_eq(rig_committed(&rig, 100), ERR_OK);
	/* there is no way to look at it */
	cr_expect(answers("escrow-recovery", "\"ok\":false"));
	cr_assert_not(log_says("\"recovered\""));
	cr_assert(answers("escrow-recover", cms));
	cr_expect(log_says("\"recovered\""));
	/* nor is it told where the record cannot be written */
	fault = FAULT_SPACE;
	answer = ask_recovery("escrow-recover");
	fault = FAULT_NONE;
	cr_assert_gt(n_faults, 0);
	cr_assert_not_null(answer);
	cr_expect_not_null(strstr(answer, "\"ok\":false"), "%s", answer);
	cr_expect_null(strstr(answer, "recovery"), "%s", answer);
	free(answer);
}
