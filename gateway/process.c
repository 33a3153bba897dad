/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Start one process of the gateway: the same program again, with a fresh
 * address space, an empty environment, and one channel as descriptor 3. What
 * it needs comes through that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/pack.h"
#include "gateway/conf.h"
#include "gateway/proto.h"
#include "gateway/state.h"
#include "gateway/supervisor_private.h"
#include "gateway/topology.h"

enum { CHANNEL_FD = 3 };

/* --- in the child, between fork and exec: async-signal-safe calls only */

static _Noreturn void
become(const struct proc *p, int fd)
{
	char index[16];
	char *argv[] = {(char *)"sealgated", (char *)"--role",
	    (char *)role_name(p->role), (char *)"--index", index, NULL};
	char *env[] = {(char *)"PATH=/usr/bin:/bin", (char *)"LC_ALL=C.UTF-8",
	    NULL, NULL, NULL};
	int null = open("/dev/null", O_RDONLY);

#ifdef WITH_SANITIZERS
	/* where reports go is for whoever runs the tests to say */
	static char asan[4096], ubsan[4096];
	const char *value = getenv("ASAN_OPTIONS");
	size_t n = 2;

	if (value != NULL) {
		snprintf(asan, sizeof(asan), "ASAN_OPTIONS=%s", value);
		env[n++] = asan;
	}
	value = getenv("UBSAN_OPTIONS");
	if (value != NULL) {
		snprintf(ubsan, sizeof(ubsan), "UBSAN_OPTIONS=%s", value);
		env[n++] = ubsan;
	}
#endif
	snprintf(index, sizeof(index), "%u", p->index);
	if (null != -1)
		dup2(null, STDIN_FILENO);
	if (fd == CHANNEL_FD)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, CHANNEL_FD);
	execve("/proc/self/exe", argv, env);
	_exit(127);
}

/* --- what is handed over */

struct handover {
	struct proto_boot boot; /* kinds of what is in fd */
	int fd[PROTO_BOOT_FDS];
	bool close[PROTO_BOOT_FDS];
	struct proc *p;
	enum err err;
};

static void
flush(struct handover *h, bool last)
{
	struct buf b;

	buf_init(&b, LIMIT_CONFIG_FILE + 65536);
	h->boot.last = last;
	if (h->err == ERR_OK)
		h->err = proto_boot_pack(&h->boot, &b);
	if (h->err == ERR_OK)
		h->err = ipc_post(h->p->ch, PROTO_BOOT, 0, buf_span(&b), h->fd,
		    h->boot.n_fds);
	for (uint32_t i = 0; i < h->boot.n_fds; i++)
		if (h->close[i])
			close(h->fd[i]);
	h->boot.conf = SPAN(NULL, 0);
	h->boot.n_fds = 0;
	buf_clear(&b);
}

static void
add_fd(struct handover *h, enum role_fd kind, unsigned which, int fd,
    bool close_it)
{
	uint32_t i;

	if (h->boot.n_fds == PROTO_BOOT_FDS)
		flush(h, false);
	i = h->boot.n_fds++;
	h->boot.fd[i].kind = (uint8_t)kind;
	h->boot.fd[i].which = which;
	h->fd[i] = fd;
	h->close[i] = close_it;
}

/* A certificate that cannot be read now (it was readable at the start, or at
   the last reload) is left out; the role says what it does without. */
static void
add_tls(void *arg, enum role_fd kind, unsigned which, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1) {
		log_event(LOG_LVL_ERR, NULL, "open", KV_STR("path", path),
		    KV_STR("text", strerror(errno)));
		return;
	}
	add_fd(arg, kind, which, fd, true);
}

static enum err
hand_over(struct proc *p)
{
	struct supervisor *s = p->s;
	struct handover h = {.p = p};

	h.boot.journal = s->journal;
	h.boot.conf_name = s->conf->file;
	h.boot.conf = buf_span(&s->text);
	for (size_t i = 0; i < s->n_socket; i++)
		if (s->socket[i].role == p->role)
			add_fd(&h, ROLE_FD_LISTEN, s->socket[i].which,
			    s->socket[i].fd, false);
	if (p->role == ROLE_KEYS)
		add_fd(&h, ROLE_FD_MASTER_KEY, 0, s->master_fd, false);
	state_each_file(s->conf, p->role, add_tls, &h);
	flush(&h, true);
	return h.err;
}

/* --- channels */

void
proc_tell(struct proc *p, uint16_t type, struct span payload, const int *fds,
    size_t n_fds)
{
	/* whoever cannot be told has gone, and that is seen elsewhere */
	if (p->ch != NULL &&
	    ipc_post(p->ch, type, 0, payload, fds, n_fds) != ERR_OK)
		log_event(LOG_LVL_DEBUG, NULL, "gone",
		    KV_STR("process", role_name(p->role)),
		    KV_NUM("index", p->index));
}

static void
introduce(struct proc *to, const struct proc *peer, int fd)
{
	struct packer pk;
	struct buf b;

	buf_init(&b, 64);
	pack_begin(&pk, &b);
	pack_u8(&pk, (uint8_t)peer->role);
	pack_u32(&pk, peer->index);
	if (pack_end(&pk) == ERR_OK)
		proc_tell(to, PROTO_PEER, buf_span(&b), &fd, 1);
	buf_clear(&b);
}

static void
connect_all(struct proc *p)
{
	struct supervisor *s = p->s;

	for (size_t i = 0; i < s->n_proc; i++) {
		struct proc *other = &s->proc[i];
		int a, b;

		if (other == p || other->pid == 0 || other->ch == NULL ||
		    !topology_linked(
			s->conf, p->role, p->index, other->role, other->index))
			continue;
		if (ipc_pair(&a, &b) != ERR_OK) {
			log_event(LOG_LVL_ERR, NULL, "channel",
			    KV_STR("text", strerror(errno)));
			continue;
		}
		introduce(p, other, a);
		introduce(other, p, b);
		close(a);
		close(b);
	}
}

enum err
proc_start(struct proc *p, struct err_why *why)
{
	static const struct ipc_events events = {
	    .on_msg = supervisor_on_msg,
	    .on_close = supervisor_on_close,
	};
	int ours, its;
	enum err err = ipc_pair(&ours, &its);

	if (err != ERR_OK)
		return err_why(
		    why, err, "cannot make a channel: %s", err_text(err));
	p->pid = fork();
	if (p->pid == 0)
		become(p, its);
	close(its);
	if (p->pid == -1) {
		p->pid = 0;
		close(ours);
		return err_why(why, err_from_errno(errno), "cannot fork: %s",
		    strerror(errno));
	}
	ipc_free(p->ch);
	p->ch = ipc_new(ours);
	if (p->ch == NULL)
		fatal("out of memory");
	p->state = PROC_STARTING;
	p->started_ms = clock_steady_ms();
	ipc_attach(p->ch, p->s->loop, &events, p);
	if (hand_over(p) == ERR_OK)
		connect_all(p);
	return ERR_OK;
}
