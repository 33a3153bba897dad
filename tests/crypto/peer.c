/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Files and peer programs of the tests of crypto/.
 */
#include "tests/crypto/peer.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"

extern char **environ;

static char *
next_path(void)
{
	static char paths[4][256];
	static unsigned i;

	return paths[i++ % 4];
}

const char *
peer_data(const char *name)
{
	const char *top = getenv("TOP_SRCDIR");
	char *path = next_path();

	snprintf(path, 256, "%s/tests/crypto/data/%s", top == NULL ? "." : top,
	    name);
	return path;
}

const char *
peer_path(const char *dir, const char *name)
{
	char *path = next_path();

	snprintf(path, 256, "%s/%s", dir, name);
	return path;
}

struct buf
peer_read(const char *path)
{
	struct buf b;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	buf_init(&b, (size_t)64 << 20);
	cr_assert_geq(fd, 0, "%s cannot be opened", path);
	cr_assert_eq(file_read_all(fd, &b), ERR_OK, "%s", path);
	close(fd);
	return b;
}

void
peer_write(const char *path, struct span octets)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0, "%s cannot be made", path);
	cr_assert_eq(file_write_all(fd, octets), ERR_OK, "%s", path);
	close(fd);
}

struct buf
peer_octets(size_t len)
{
	struct buf b;
	uint32_t x = 1;

	buf_init(&b, len + 1);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		cr_assert_eq(buf_putc(&b, (uint8_t)(x >> 24)), ERR_OK);
	}
	return b;
}

void
peer_dir_make(char out[64])
{
	struct stat st;
	bool shm = stat("/dev/shm", &st) == 0;

	snprintf(out, 64, "%s/sg.XXXXXX", shm ? "/dev/shm" : "/tmp");
	cr_assert_not_null(mkdtemp(out), "no temporary directory");
}

void
peer_dir_remove(const char *dir)
{
	peer_run(
	    NULL, NULL, "gpgconf", "--homedir", dir, "--kill", "all", NULL);
	peer_run(NULL, NULL, "rm", "-rf", dir, NULL);
}

int
peer_run(const char *in_path, const char *out_path, const char *prog, ...)
{
	const char *argv[32] = {prog};
	posix_spawn_file_actions_t files;
	va_list ap;
	pid_t pid;
	int n = 1, status = 0, rc;

	va_start(ap, prog);
	do {
		argv[n] = va_arg(ap, const char *);
	} while (argv[n++] != NULL && n < 31);
	va_end(ap);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(
	    &files, 0, in_path == NULL ? "/dev/null" : in_path, O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&files, 1,
	    out_path == NULL ? "/dev/null" : out_path,
	    O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (getenv("PEER_DEBUG") == NULL)
		posix_spawn_file_actions_addopen(
		    &files, 2, "/dev/null", O_WRONLY, 0);
	rc = posix_spawnp(
	    &pid, prog, &files, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	if (rc != 0)
		return 127;
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

bool
peer_has(const char *prog)
{
	return peer_run(NULL, NULL, prog, "--version", NULL) != 127;
}
