/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Files of the audit log on a disk that is full or fails: mail goes on, rows
 * stay until they are in a file, and what comes of it in the end is whole.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gateway/store/audit_verify.h"
#include "tests/lib/store_rig.h"

enum fault {
	FAULT_NONE,
	FAULT_FULL,  /* nothing can be written to a file of the log */
	FAULT_SHORT, /* half of it, then nothing */
	FAULT_SYNC,  /* it is written and cannot be synced */
	FAULTS
};

static const char *const fault_name[FAULTS] = {
    "none", "full", "full behind the half of it", "sync"};
static enum fault fault;
static const char *suffix; /* of the files that it strikes */
static int n_faults;
static struct rig rig;

static bool
strikes(int fd)
{
	char link[64], path[512];
	size_t end = suffix == NULL ? 0 : strlen(suffix);
	ssize_t n;

	if (fault == FAULT_NONE)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	if (n < (ssize_t)end ||
	    memcmp(path + n - (ssize_t)end, suffix, end) != 0)
		return false;
	n_faults++;
	return true;
}

ssize_t
write(int fd, const void *p, size_t n)
{
	if (fault == FAULT_SYNC || !strikes(fd))
		return syscall(SYS_write, fd, p, n);
	if (fault == FAULT_SHORT && n > 1)
		return syscall(SYS_write, fd, p, n / 2);
	errno = ENOSPC;
	return -1;
}

int
fsync(int fd)
{
	if (fault == FAULT_SYNC && strikes(fd)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	if (fault == FAULT_SYNC && strikes(fd)) {
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void
set_up(void)
{
	rig_init(&rig);
	cr_assert_eq(rig_start(&rig), ERR_OK);
}

static void
tear_down(void)
{
	fault = FAULT_NONE;
	rig_clear(&rig);
}

TestSuite(audit_disk, .init = set_up, .fini = tear_down);

static enum err
submit(uint64_t id)
{
	struct entry e = rig_entry(&rig, id + 1000, id, ENTRY_READY);
	const char *recs[] = {"{\"type\":\"sealed\",\"rcpt\":\"b@a.example\"}"};
	struct proto_submit m = {.attempt = 1,
	    .entry = &e,
	    .n_entries = 1,
	    .audit = recs,
	    .n_audit = 1};

	rig_submit(&rig, 0, id, &m);
	return rig_committed(&rig, id);
}

/* Long enough for rows to go to the files. */
static void
let_it_write(void)
{
	for (int i = 0; i < 3; i++)
		rig_advance(&rig, 1100);
	rig_run(&rig, 1200);
}

static uint64_t
lines(void)
{
	struct store_verified v;

	cr_assert_eq(store_audit_verify(
			 rig.conf.paths.audit, &(struct store_verify){0}, &v),
	    ERR_OK);
	cr_expect_eq(v.problems, 0);
	return v.lines;
}

static void
try_faults(const char *of, bool strikes_lines)
{
	uint64_t id = 1, before, after;

	suffix = of;
	for (int f = FAULT_FULL; f < FAULTS; f++) {
		cr_assert_eq(submit(id++), ERR_OK);
		let_it_write();
		before = lines();
		n_faults = 0;
		fault = (enum fault)f;
		for (int i = 0; i < 5; i++)
			cr_assert_eq(submit(id++), ERR_OK,
			    "%s: mail is taken all the same", fault_name[f]);
		let_it_write();
		if (strikes_lines)
			cr_assert_gt(n_faults, 0, "%s", fault_name[f]);
		fault = FAULT_NONE;
		let_it_write();
		after = lines();
		cr_expect_geq(after, before + 5, "%s", fault_name[f]);
	}
	rig_stop(&rig);
	(void)lines();
}

Test(audit_disk, lines_that_cannot_be_written_are_written_later)
{
	try_faults(".jsonl", true);
}

Test(audit_disk, an_index_that_cannot_be_written_harms_nothing)
{
	try_faults(".idx", false);
}

/* The process ends while the disk is full. */
Test(audit_disk, what_a_full_disk_left_half_is_written_again_after_a_kill)
{
	suffix = ".jsonl";
	cr_assert_eq(submit(1), ERR_OK);
	let_it_write();
	fault = FAULT_SHORT;
	for (uint64_t id = 2; id < 8; id++)
		cr_assert_eq(submit(id), ERR_OK);
	let_it_write();
	rig_kill(&rig);
	fault = FAULT_NONE;
	cr_assert_eq(rig_start(&rig), ERR_OK);
	let_it_write();
	rig_stop(&rig);
	cr_expect_geq(lines(), 7);
}
