/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One run of gpg for what every message needs: to seal, to sign, to open. GPGME
 * forks its caller twice for a run, which costs as much as half of gpg's own
 * work when the caller has as many libraries as this one; posix_spawn() does
 * not copy the process. gpg is told what GPGME would tell it, and what it says
 * of itself is read from its status descriptor (gnupg doc/DETAILS). Everything
 * that needs judgement of keys stays with GPGME.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"
#include "crypto/openpgp_private.h"

enum {
	BLOCK = 32 * 1024,
	LINE = 4096,   /* of the status; what is longer says nothing to us */
	STATUS_FD = 3, /* gpg's */
	GONE_STEP_MS = 1,
};

#define STATUS_PREFIX "[GNUPG:] "

/* The ends of the pipes that are ours; -1: closed. */
struct talk {
	const struct pgp_job *job;
	pid_t pid;
	int in, out, status;
	size_t written;
	char line[LINE];
	size_t line_len;
	bool too_long; /* the line in hand */
	bool broken;   /* a pipe failed: gpg does not know, we do */
	uint64_t end;  /* clock_steady_ms() */
};

static void
shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* --- the start --- */

struct pipes {
	int in[2], out[2], status[2];
};

static void
pipes_close(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		shut(&p->in[i]);
		shut(&p->out[i]);
		shut(&p->status[i]);
	}
}

/* 0, or an errno. */
static int
pipes_open(struct pipes *p)
{
	*p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
	if (pipe2(p->in, O_CLOEXEC) == 0 && pipe2(p->out, O_CLOEXEC) == 0 &&
	    pipe2(p->status, O_CLOEXEC) == 0 &&
	    fcntl(p->in[1], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	return errno;
}

/* It gets these four descriptors and no other of ours. */
static int
spawn(const char *program, char *const *argv, const struct pipes *p,
    posix_spawn_file_actions_t *actions, pid_t *pid_out)
{
	/* messages for people are thrown away; a locale would be loaded */
	char *env[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C", NULL};
	int rc = posix_spawn_file_actions_adddup2(actions, p->in[0], 0);

	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(actions, p->out[1], 1);
	if (rc == 0)
		rc = posix_spawn_file_actions_addopen(
		    actions, 2, "/dev/null", O_WRONLY, 0);
	if (rc == 0)
		rc = posix_spawn_file_actions_adddup2(
		    actions, p->status[1], STATUS_FD);
	if (rc == 0)
		rc = posix_spawn_file_actions_addclosefrom_np(
		    actions, STATUS_FD + 1);
	return rc != 0
		   ? rc
		   : posix_spawn(pid_out, program, actions, NULL, argv, env);
}

/* A gpg that cannot be started is no better than one that fails: what the
   system calls it must not be taken for something about keys or messages. */
static enum err
start(struct talk *t, const struct pgp_side *side, struct err_why *why)
{
	gpgme_engine_info_t engine = gpgme_ctx_get_engine_info(side->ctx);
	posix_spawn_file_actions_t actions;
	struct pipes p;
	int rc;

	while (engine != NULL && engine->protocol != GPGME_PROTOCOL_OpenPGP)
		engine = engine->next;
	if (engine == NULL || engine->file_name == NULL)
		return err_why(why, ERR_ENGINE, "there is no gpg");
	rc = pipes_open(&p);
	if (rc == 0)
		rc = posix_spawn_file_actions_init(&actions);
	if (rc == 0) {
		rc = spawn(
		    engine->file_name, t->job->argv, &p, &actions, &t->pid);
		posix_spawn_file_actions_destroy(&actions);
	}
	if (rc == 0) {
		t->in = p.in[1];
		t->out = p.out[0];
		t->status = p.status[0];
		p.in[1] = p.out[0] = p.status[0] = -1;
	}
	pipes_close(&p);
	return rc == 0
		   ? ERR_OK
		   : err_why(why, rc == ENOMEM ? ERR_NOMEM : ERR_ENGINE,
			 "cannot run %s: %s", engine->file_name, strerror(rc));
}

/* --- the talk --- */

static void
write_in(struct talk *t)
{
	size_t left = t->job->in.len - t->written;
	ssize_t n =
	    left == 0 ? 0 : write(t->in, t->job->in.data + t->written, left);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0)
		t->written += (size_t)n;
	/* one that does not want to read on says why; to gpg anything else is
	   the end of the text, wherever it was cut */
	t->broken = t->broken || (n < 0 && errno != EPIPE);
	if (n < 0 || t->written == t->job->in.len)
		shut(&t->in);
}

static void
read_out(struct talk *t)
{
	char block[BLOCK];
	ssize_t n = read(t->out, block, sizeof(block));

	if (n < 0 && errno == EINTR)
		return;
	t->broken = t->broken || n < 0;
	if (n <= 0 || crypto_pgp_output_add(
			  t->job->out, SPAN(block, (size_t)n)) != ERR_OK)
		shut(&t->out);
	/* it may be what somebody sealed */
	explicit_bzero(block, sizeof(block));
}

static void
take_line(struct talk *t)
{
	char *keyword = t->line + strlen(STATUS_PREFIX), *args;

	t->line[t->line_len] = '\0';
	if (t->too_long ||
	    strncmp(t->line, STATUS_PREFIX, strlen(STATUS_PREFIX)) != 0)
		return;
	args = keyword + strcspn(keyword, " ");
	if (*args != '\0')
		*args++ = '\0';
	t->job->status(t->job->arg, keyword, args);
}

static void
read_status(struct talk *t)
{
	char block[LINE];
	ssize_t n = read(t->status, block, sizeof(block));

	if (n < 0 && errno == EINTR)
		return;
	t->broken = t->broken || n < 0;
	if (n <= 0)
		shut(&t->status);
	for (ssize_t i = 0; i < n; i++) {
		if (block[i] == '\n') {
			take_line(t);
			t->line_len = 0;
			t->too_long = false;
		} else if (t->line_len < LINE - 1) {
			t->line[t->line_len++] = block[i];
		} else {
			t->too_long = true;
		}
	}
}

/* Until gpg has closed what it writes to. */
static enum err
converse(struct talk *t)
{
	while (t->out >= 0 || t->status >= 0) {
		/* poll() passes over a negative descriptor */
		struct pollfd p[3] = {{.fd = t->in, .events = POLLOUT},
		    {.fd = t->out, .events = POLLIN},
		    {.fd = t->status, .events = POLLIN}};
		uint64_t now = clock_steady_ms();

		if (now >= t->end)
			return ERR_TIMEOUT;
		if (poll(p, 3, (int)(t->end - now)) < 0 && errno != EINTR)
			return err_from_errno(errno);
		if (p[0].revents != 0)
			write_in(t);
		if (p[1].revents != 0)
			read_out(t);
		if (p[2].revents != 0)
			read_status(t);
		/* what it writes on is not wanted any more */
		if (t->job->out->e != ERR_OK || t->broken)
			break;
	}
	return ERR_OK;
}

/* Until it has ended, or the time is over. */
static void
wait_for_end(const struct talk *t, uint64_t now)
{
	int fd = pidfd_open(t->pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	/* a kernel before 5.3 has none: look again and again */
	(void)poll(&p, 1, fd >= 0 ? (int)(t->end - now) : GONE_STEP_MS);
	shut(&fd);
}

/* It is about to end; in the same moment, as a rule. */
static enum err
await(struct talk *t, struct pgp_end *out)
{
	for (;;) {
		uint64_t now;
		int status = 0;
		pid_t pid = waitpid(t->pid, &status, WNOHANG);

		if (pid == t->pid) {
			t->pid = -1;
			out->status =
			    WIFEXITED(status) ? WEXITSTATUS(status) : -1;
			out->cut = t->written < t->job->in.len;
			return ERR_OK;
		}
		if (pid < 0 && errno != EINTR)
			return ERR_ENGINE;
		now = clock_steady_ms();
		if (now >= t->end)
			return ERR_TIMEOUT;
		wait_for_end(t, now);
	}
}

enum err
crypto_pgp_spawn(struct pgp_side *side, const struct pgp_job *job,
    unsigned timeout_ms, struct pgp_end *out, struct err_why *why)
{
	struct talk t = {.job = job,
	    .pid = -1,
	    .in = -1,
	    .out = -1,
	    .status = -1,
	    .end = clock_steady_ms() + timeout_ms};
	enum err e = start(&t, side, why);

	if (e != ERR_OK)
		return e;
	e = converse(&t);
	if (job->out->e != ERR_OK || t.broken)
		kill(t.pid, SIGKILL);
	shut(&t.in);
	shut(&t.out);
	shut(&t.status);
	if (e == ERR_OK)
		e = await(&t, out);
	if (t.pid > 0)
		kill(t.pid, SIGKILL);
	if (e == ERR_OK && t.broken)
		e = ERR_ENGINE;
	if (e == ERR_OK && out->cut && out->status == 0)
		return err_why(why, ERR_ENGINE, "gpg did not read all of it");
	if (e == ERR_TIMEOUT)
		return err_why(
		    why, e, "gpg did not finish within %u ms", timeout_ms);
	return e == ERR_OK
		   ? e
		   : err_why(why, ERR_ENGINE, "the talk with gpg broke off");
}

/* --- what it says --- */

struct span
crypto_pgp_status_word(const char *args, unsigned n)
{
	const char *end;

	while (n-- > 0) {
		args += strcspn(args, " ");
		args += strspn(args, " ");
	}
	end = args + strcspn(args, " ");
	return SPAN(args, (size_t)(end - args));
}

gpgme_error_t
crypto_pgp_status_error(const char *args)
{
	uint64_t code;

	return text_number(crypto_pgp_status_word(args, 1), 1, UINT32_MAX,
		   &code) == ERR_OK
		   ? (gpgme_error_t)code
		   : gpgme_error(GPG_ERR_GENERAL);
}

/* --- what it is told --- */

enum err
crypto_pgp_args_begin(
    struct pgp_args *a, const struct pgp_side *side, size_t room)
{
	static const char *const first[] = {"gpg", "--batch", "--no-tty",
	    "--status-fd", "3", "--exit-on-status-write-error", "--charset",
	    "utf8", "--homedir"};

	*a = (struct pgp_args){.max = sizeof(first) / sizeof(first[0]) + room};
	a->argv = calloc(a->max + 2, sizeof(*a->argv));
	if (a->argv == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++)
		crypto_pgp_args_add(a, first[i]);
	a->max++;
	crypto_pgp_args_add(a, side->home);
	return ERR_OK;
}

void
crypto_pgp_args_add(struct pgp_args *a, const char *arg)
{
	if (a->n == a->max)
		fatal("more arguments for gpg than there is room for");
	a->argv[a->n++] = (char *)(uintptr_t)arg;
}

void
crypto_pgp_args_clear(struct pgp_args *a)
{
	free(a->argv);
	*a = (struct pgp_args){0};
}
