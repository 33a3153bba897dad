/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that takes the text out of documents which rules look into. What
 * strangers made is read by a child for each, or by a program of the system's:
 * without a network, a key or a place to write, for a limited time, into a
 * pipe that is read no further than its limit. Whatever goes wrong there is
 * one answer: it cannot be read.
 *
 * User: users.extract. Behind its walls it can execute the one program that
 * the configuration names (gateway/sandbox_table.c).
 *
 * Takes PROTO_EXTRACT from its worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/memfd.h"
#include "gateway/conf.h"
#include "gateway/extract/office.h"
#include "gateway/gpg_group.h"
#include "gateway/proto.h"
#include "gateway/proto_extract.h"
#include "gateway/role.h"

enum {
	COLLECT_MS = 2, /* between two looks whether it has ended */
};

/* --- in the child --- */

static void
limit(int what, rlim_t value)
{
	const struct rlimit rl = {value, value};

	(void)setrlimit(what, &rl);
}

/* It ends with its parent, writes no file and takes no more than its time. */
static void
bind_child(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 0);
	limit(RLIMIT_CPU, LIMIT_EXTRACT_CPU_S);
}

_Noreturn static void
run_pdf(const char *program, int in, int out)
{
	char *const argv[] = {(char *)(uintptr_t)program,
	    (char *)(uintptr_t) "-q", (char *)(uintptr_t) "-nopgbrk",
	    (char *)(uintptr_t) "-enc", (char *)(uintptr_t) "UTF-8",
	    (char *)(uintptr_t) "-", (char *)(uintptr_t) "-", NULL};
	char *const env[] = {(char *)(uintptr_t) "LC_ALL=C.UTF-8", NULL};
	int null = open("/dev/null", O_RDWR);

	/* what was handed over is behind the padding's end: the file is read
	   from its beginning */
	if (null < 0 || lseek(in, 0, SEEK_SET) != 0 || dup2(in, 0) < 0 ||
	    dup2(out, 1) < 0 || dup2(null, 2) < 0)
		_exit(1);
	limit(RLIMIT_AS, LIMIT_EXTRACT_MEMORY);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	execve(program, argv, env);
	_exit(1);
}

static enum err
write_all(int fd, struct span s)
{
	while (s.len > 0) {
		ssize_t n = write(fd, s.data, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return ERR_IO;
		s = SPAN(s.data + n, s.len - (size_t)n);
	}
	return ERR_OK;
}

_Noreturn static void
run_office(struct span octets, int out)
{
	struct buf text;
	enum err e;

	buf_init(&text, LIMIT_CONTENT_PART);
	e = extract_office_text(octets, &text);
	if (e == ERR_OK)
		e = write_all(out, buf_span(&text));
	_exit(e == ERR_OK ? 0 : 1);
}

/* --- outside of it --- */

/* Until its end or the time's. ERR_TIMEOUT, ERR_TOO_BIG. */
static enum err
read_all(int fd, uint64_t until_ms, struct buf *out)
{
	uint8_t piece[64 * 1024];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	for (;;) {
		uint64_t now = clock_steady_ms();
		ssize_t n;
		int ready;
		enum err e;

		if (now >= until_ms)
			return ERR_TIMEOUT;
		ready = poll(&p, 1, (int)(until_ms - now));
		if (ready < 0 && errno != EINTR)
			return err_from_errno(errno);
		if (ready <= 0)
			continue;
		n = read(fd, piece, sizeof(piece));
		if (n == 0)
			return ERR_OK;
		if (n < 0)
			return err_from_errno(errno);
		e = buf_put(out, SPAN(piece, (size_t)n));
		if (e != ERR_OK)
			return e;
	}
}

/* Who has closed his end may end by himself until the time's, all others are
   ended now. ERR_MALFORMED: it was not content. */
static enum err
collect(pid_t child, bool gave_all, uint64_t until_ms)
{
	bool ended = !gave_all;
	int status = 0;
	pid_t got;

	if (ended)
		kill(child, SIGKILL);
	while ((got = waitpid(child, &status, ended ? 0 : WNOHANG)) != child) {
		if (got < 0 && errno != EINTR)
			return err_from_errno(errno);
		if (!ended && clock_steady_ms() >= until_ms) {
			ended = true;
			kill(child, SIGKILL);
		} else if (!ended) {
			(void)poll(NULL, 0, COLLECT_MS);
		}
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? ERR_OK
							     : ERR_MALFORMED;
}

static enum err
extract(const struct conf_extract *c, const struct proto_extract *m,
    struct span octets, int fd, struct buf *text)
{
	uint64_t until = clock_steady_ms() + m->timeout_ms;
	enum err e, ended;
	int ends[2];
	pid_t child;

	if (m->kind == PROTO_EXTRACT_PDF ? c->pdf == NULL : !c->office)
		return ERR_UNSUPPORTED;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_from_errno(errno);
	child = fork();
	if (child == 0) {
		bind_child();
		if (m->kind == PROTO_EXTRACT_PDF)
			run_pdf(c->pdf, fd, ends[1]);
		run_office(octets, ends[1]);
	}
	close(ends[1]);
	e = child < 0 ? err_from_errno(errno) : read_all(ends[0], until, text);
	close(ends[0]);
	if (child < 0)
		return e;
	ended = collect(child, e == ERR_OK, until);
	return e != ERR_OK ? e : ended;
}

/* --- the process --- */

static void
answer(struct role *r, struct ipc *worker, uint64_t id, enum err e,
    struct span text)
{
	int fd = -1;
	struct buf b;

	if (e == ERR_OK)
		e = memfd_from(text, &fd);
	buf_init(&b, 64);
	if (proto_failure_pack(e, "", &b) != ERR_OK ||
	    ipc_send(worker, PROTO_EXTRACTED, id, buf_span(&b), &fd,
		fd >= 0 ? 1 : 0) != ERR_OK)
		role_drop(r, worker);
	buf_clear(&b);
	if (fd >= 0)
		close(fd);
}

static void
on_extract(struct role *r, struct ipc *worker, struct ipc_msg *m)
{
	struct proto_extract in;
	struct memfd_map map = {.base = NULL};
	struct buf text;
	int fd = ipc_msg_take_fd(m, 0);
	enum err e = proto_extract_unpack(m->payload, &in);

	buf_init(&text, LIMIT_CONTENT_PART);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, &map);
	if (e == ERR_OK)
		e = extract(&role_conf(r)->extract, &in, map.data, fd, &text);
	if (e != ERR_OK)
		log_event(LOG_LVL_INFO, NULL, "not-extracted",
		    KV_STR("kind",
			in.kind == PROTO_EXTRACT_PDF ? "pdf" : "office"),
		    KV_NUM("size", map.data.len), KV_ERR(e));
	answer(r, worker, m->id, e, buf_span(&text));
	memfd_unmap(&map);
	buf_clear(&text);
	if (fd >= 0)
		close(fd);
}

int
extract_main(struct role *r)
{
	struct role_peer from;
	struct ipc_msg m;

	gpg_group_begin(r);
	role_confine(r);
	role_ready(r);
	while (role_next(r, &from, &m) == ERR_OK) {
		if (from.id == ROLE_WORKER && m.type == PROTO_EXTRACT)
			on_extract(r, from.ch, &m);
		else
			log_event(LOG_LVL_ERR, NULL, "unexpected",
			    KV_STR("type", proto_name(m.type)),
			    KV_STR("peer", role_name(from.id)));
		ipc_msg_clear(&m);
	}
	return 0;
}
