/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Ports, next hops and names are looked at by a child that is not root: what
 * servers, the DNS and the web answer is parsed there. Its lines come back
 * whole, and are believed no further than that they are lines.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "gateway/cli/doctor.h"
#include "gateway/conf.h"
#include "gateway/users.h"

/* The child's own deadlines are 10 s each and three in number. */
enum { PATIENCE_MS = 120000, LINES_MAX = 10000 };

/* --- the child */

void
doctor_pass(
    int fd, int level, const char *what, const char *remedy, const char *text)
{
	struct doctor_line line = {.level = level};

	snprintf(line.what, sizeof(line.what), "%s", what);
	snprintf(line.text, sizeof(line.text), "%s", text);
	snprintf(line.remedy, sizeof(line.remedy), "%s",
	    remedy == NULL ? "" : remedy);
	/* who is not heard to the end is not believed to be well */
	if (send(fd, &line, sizeof(line), MSG_NOSIGNAL) !=
	    (ssize_t)sizeof(line))
		_exit(CLI_FAILED);
}

/* Who asks servers in the gateway, too. A portal alone is started as its user
   by its unit, and its file need not name him. */
static enum err
become_asker(const struct conf *c, struct err_why *why)
{
	struct users_id id;
	enum err e;

	if (c->users == NULL && c->users_base == 0) {
		e = cli_give_up_root(c->state);
		if (e != ERR_OK)
			return err_why(
			    why, e, "%s: no user to do it as", c->state);
	} else {
		e = users_find(c,
		    c->portal_gateway.present ? ROLE_PORTAL : ROLE_RELAY, &id,
		    why);
		if (e == ERR_OK)
			e = users_become(&id, why);
		if (e != ERR_OK)
			return e;
	}
	/* the change of users has undone the latter two */
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return err_why(
		    why, ERR_PERMISSION, "prctl: %s", strerror(errno));
	return ERR_OK;
}

static int
child(struct doctor *d)
{
	struct err_why why = {""};

	if (become_asker(d->conf, &why) != ERR_OK) {
		doctor_say(d, DOCTOR_BAD, "port",
		    "mend what is said of users; before the first start: start "
		    "it once",
		    "neither ports nor servers nor names were looked at: %s",
		    why.text);
	} else {
		doctor_net(d);
		doctor_names(d);
	}
	doctor_pass(d->up, DOCTOR_END, "", NULL, "");
	return CLI_DONE;
}

/* --- who is root */

/* What goes to a terminal as it is. */
static bool
is_plain(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return len < size;
}

static bool
is_line(const struct doctor_line *l)
{
	return l->level >= DOCTOR_BAD && l->level <= DOCTOR_END &&
	       is_plain(l->what, sizeof(l->what)) &&
	       is_plain(l->remedy, sizeof(l->remedy)) &&
	       memchr(l->text, '\0', sizeof(l->text)) != NULL;
}

/* Octets of the next line; -1: there is none in time. */
static ssize_t
next_line(int fd, struct doctor_line *l, uint64_t end_ms)
{
	struct pollfd p = {fd, POLLIN, 0};
	uint64_t now;
	int rc = -1;

	while ((now = clock_steady_ms()) < end_ms) {
		rc = poll(&p, 1, (int)(end_ms - now));
		if (rc > 0)
			return recv(fd, l, sizeof(*l), MSG_DONTWAIT);
		if (rc < 0 && errno != EINTR)
			break;
	}
	return -1;
}

bool
doctor_hear(struct doctor *d, int fd, unsigned ms)
{
	uint64_t end_ms = clock_steady_ms() + ms;
	struct doctor_line l;

	for (unsigned n = 0; n < LINES_MAX; n++) {
		if (next_line(fd, &l, end_ms) != (ssize_t)sizeof(l) ||
		    !is_line(&l))
			return false;
		if (l.level == DOCTOR_END)
			return true;
		doctor_say(d, (enum doctor_level)l.level, l.what,
		    l.remedy[0] == '\0' ? NULL : l.remedy, "%s", l.text);
		fflush(stdout);
	}
	return false;
}

void
doctor_strangers(struct doctor *d)
{
	bool whole = false;
	int fd[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) != 0) {
		doctor_say(d, DOCTOR_BAD, "port", "make room for it",
		    "nothing else was looked at: %s", strerror(errno));
		return;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fd[0]);
		d->up = fd[1];
		_exit(child(d));
	}
	close(fd[1]);
	if (pid > 0) {
		whole = doctor_hear(d, fd[0], PATIENCE_MS);
		if (!whole)
			(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	close(fd[0]);
	if (!whole)
		doctor_say(d, DOCTOR_BAD, "port",
		    "once more; if it stays so, tell us",
		    "the process that looks at ports, servers and names did "
		    "not get to its end");
}
