/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The side of the supervisor's channel that every other process has: boot,
 * peers as they come and go, new configurations, the end.
 */
#include "gateway/role.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/proto.h"
#include "gateway/sandbox.h"
#include "gateway/state.h"
#include "gateway/users.h"

struct handed_fd {
	enum role_fd kind;
	unsigned which;
	int fd;
};

struct retired {
	struct retired *next;
	struct conf *conf; /* or */
	struct ipc *ch;
};

struct role {
	enum role_id id;
	unsigned index;
	struct ipc *supervisor;
	struct conf *conf;
	bool stopping;
	struct handed_fd *fd;
	size_t n_fd;
	/* of a blocking process; before role_attach() of every one */
	struct role_peer *peer;
	size_t n_peer;
	size_t turn; /* whose message is looked for first */
	/* what was replaced under the message in hand, which may still need
	   it: freed before the next one */
	struct retired *retired;
	/* of a process with a loop */
	struct role_events events;
	void *arg;
	bool attached;
};

static const char *const names[ROLE_COUNT] = {
    [ROLE_SUPERVISOR] = "supervisor",
    [ROLE_KEYS] = "keys",
    [ROLE_STORE] = "store",
    [ROLE_PGP] = "pgp",
    [ROLE_DISCOVERY] = "discovery",
    [ROLE_WORKER] = "worker",
    [ROLE_RELAY] = "relay",
    [ROLE_PORTAL] = "portal",
    [ROLE_CONTROL] = "control",
    [ROLE_LISTENER] = "listener",
    [ROLE_OPENER] = "opener",
    [ROLE_ADMISSION] = "admission",
    [ROLE_ISSUER] = "issuer",
    [ROLE_ACCOUNTS] = "accounts",
    [ROLE_EXTRACT] = "extract",
};

const char *
role_name(enum role_id id)
{
	return (unsigned)id < ROLE_COUNT ? names[id] : "?";
}

const struct conf *
role_conf(const struct role *r)
{
	return r->conf;
}

enum role_id
role_self(const struct role *r)
{
	return r->id;
}

unsigned
role_index(const struct role *r)
{
	return r->index;
}

int
role_take_fd(struct role *r, enum role_fd kind, unsigned which)
{
	for (size_t i = 0; i < r->n_fd; i++) {
		struct handed_fd *h = &r->fd[i];
		int fd = h->fd;

		if (h->kind != kind || h->which != which || fd == -1)
			continue;
		h->fd = -1;
		return fd;
	}
	return -1;
}

void
role_refuse(struct role *r, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* the supervisor that cannot be told sees the exit status */
	if (ipc_send(r->supervisor, PROTO_REFUSE, 0, span_str(text), NULL, 0) !=
	    ERR_OK)
		fprintf(stderr, "%s: %s\n", role_name(r->id), text);
	_exit(EX_CONFIG);
}

void
role_confine(struct role *r)
{
	struct err_why why = {""};

	if (sandbox_enter(r->id, r->conf, &why) != ERR_OK)
		role_refuse(r, "cannot confine the process: %s", why.text);
}

enum err
role_tell(struct role *r, uint16_t type, uint64_t id, struct span payload)
{
	return r->attached
		   ? ipc_post(r->supervisor, type, id, payload, NULL, 0)
		   : ipc_send(r->supervisor, type, id, payload, NULL, 0);
}

void
role_ready(struct role *r)
{
	/* a supervisor that is gone shows in the next message, too */
	if (role_tell(r, PROTO_READY, 0, SPAN(NULL, 0)) != ERR_OK)
		r->stopping = true;
}

/* --- boot */

static void
keep_fds(struct role *r, const struct proto_boot *boot, struct ipc_msg *m)
{
	struct handed_fd *grown;

	if (boot->n_fds == 0)
		return;
	grown = realloc(r->fd, (r->n_fd + boot->n_fds) * sizeof(*grown));
	if (grown == NULL)
		fatal("out of memory");
	r->fd = grown;
	for (uint32_t i = 0; i < boot->n_fds; i++)
		r->fd[r->n_fd++] = (struct handed_fd){
		    .kind = (enum role_fd)boot->fd[i].kind,
		    .which = boot->fd[i].which,
		    .fd = ipc_msg_take_fd(m, i),
		};
}

/* The text passed the supervisor's check; a finding here is a difference
   between two builds of the program. */
static struct conf *
read_conf(struct span text, const char *name)
{
	struct conf_findings f;
	struct conf *c = NULL;
	char line[1024];

	conf_findings_init(&f);
	if (conf_parse(text, name, &f, &c) != ERR_OK && f.n > 0)
		log_event(LOG_LVL_ERR, NULL, "configuration",
		    KV_STR(
			"text", conf_finding_text(&f, 0, line, sizeof(line))));
	conf_findings_clear(&f);
	return c;
}

/* One PROTO_BOOT; true when it was the last. */
static bool
take_boot(struct role *r, struct ipc_msg *m, bool *journal)
{
	struct arena *a = arena_new(LIMIT_CONFIG_MEMORY);
	struct proto_boot boot;
	bool last;

	if (a == NULL)
		fatal("out of memory");
	if (m->type != PROTO_BOOT ||
	    proto_boot_unpack(m->payload, a, &boot) != ERR_OK ||
	    boot.n_fds != m->n_fds)
		role_refuse(r, "malformed first message");
	if (r->conf == NULL) {
		r->conf = read_conf(boot.conf, boot.conf_name);
		if (r->conf == NULL)
			role_refuse(r, "cannot read the configuration");
		*journal = boot.journal;
	}
	keep_fds(r, &boot, m);
	last = boot.last;
	arena_free(a);
	return last;
}

struct role *
role_boot(enum role_id id, unsigned index, int fd)
{
	struct role *r = calloc(1, sizeof(*r));
	struct err_why why = {""};
	struct users_id user;
	struct ipc_msg m;
	bool last = false, journal = false;

	if (r == NULL)
		fatal("out of memory");
	/* the end comes by the channel, in order; signals of a terminal, or of
	   a service manager that sends them to all, are for the supervisor */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	sandbox_limits();
	secret_init();
	log_init(role_name(id), index, LOG_LVL_INFO, false);
	r->id = id;
	r->index = index;
	r->supervisor = ipc_new(fd);
	while (!last) {
		if (ipc_recv(r->supervisor, &m) != ERR_OK)
			_exit(EX_CONFIG);
		last = take_boot(r, &m, &journal);
		ipc_msg_clear(&m);
	}
	log_init(role_name(id), index,
	    r->conf->log_debug ? LOG_LVL_DEBUG : LOG_LVL_INFO, journal);
	if (users_find(r->conf, id, &user, &why) != ERR_OK ||
	    users_become(&user, &why) != ERR_OK)
		role_refuse(r, "%s", why.text);
	return r;
}

static void
free_retired(struct role *r)
{
	struct retired *old;

	while ((old = r->retired) != NULL) {
		r->retired = old->next;
		conf_free(old->conf);
		ipc_free(old->ch);
		free(old);
	}
}

void
role_free(struct role *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_fd; i++)
		if (r->fd[i].fd != -1)
			close(r->fd[i].fd);
	for (size_t i = 0; i < r->n_peer; i++)
		ipc_free(r->peer[i].ch);
	ipc_free(r->supervisor);
	free_retired(r);
	conf_free(r->conf);
	free(r->fd);
	free(r->peer);
	free(r);
}

/* --- what the supervisor says */

static void
retire(struct role *r, struct conf *conf, struct ipc *ch)
{
	struct retired *old = malloc(sizeof(*old));

	if (old == NULL)
		fatal("out of memory");
	*old = (struct retired){r->retired, conf, ch};
	r->retired = old;
}

struct new_tls {
	struct role *r;
	struct ipc_msg *m;
	size_t next;
};

/* The next descriptor of the message takes the place of the old one. */
static void
take_tls(void *arg, enum role_fd kind, unsigned which, const char *path)
{
	struct new_tls *t = arg;
	struct handed_fd *slot = NULL;
	int old = role_take_fd(t->r, kind, which);

	if (old != -1)
		close(old);
	for (size_t i = 0; i < t->r->n_fd && slot == NULL; i++)
		if (t->r->fd[i].kind == kind && t->r->fd[i].which == which)
			slot = &t->r->fd[i];
	if (slot == NULL) {
		slot = realloc(t->r->fd, (t->r->n_fd + 1) * sizeof(*slot));
		if (slot == NULL)
			fatal("out of memory");
		t->r->fd = slot;
		slot += t->r->n_fd++;
	}
	*slot =
	    (struct handed_fd){kind, which, ipc_msg_take_fd(t->m, t->next++)};
}

static void
new_conf(struct role *r, struct ipc_msg *m)
{
	struct new_tls tls = {r, m, 0};
	struct conf *old = r->conf, *c;
	bool keeps = r->attached && r->events.on_conf == NULL;

	if (keeps && (r->events.on_files == NULL || m->n_fds == 0))
		return;
	c = read_conf(m->payload, old->file);
	if (c == NULL)
		return;
	if (keeps) {
		state_each_file(c, r->id, take_tls, &tls);
		conf_free(c);
		r->events.on_files(r->arg);
		return;
	}
	r->conf = c;
	if (m->n_fds > 0)
		state_each_file(c, r->id, take_tls, &tls);
	if (!r->attached) {
		retire(r, old, NULL);
		return;
	}
	r->events.on_conf(r->arg);
	conf_free(old);
}

/* Drop peer i; the list keeps no order. */
static void
drop_at(struct role *r, size_t i)
{
	ipc_free(r->peer[i].ch);
	r->peer[i] = r->peer[--r->n_peer];
}

/* The message in hand may lie in the old channel's buffer. */
static bool
replace_peer(struct role *r, enum role_id id, unsigned index, struct ipc *ch)
{
	for (size_t i = 0; i < r->n_peer; i++) {
		if (r->peer[i].id != id || r->peer[i].index != index)
			continue;
		retire(r, NULL, r->peer[i].ch);
		r->peer[i].ch = ch;
		return true;
	}
	return false;
}

static void
add_peer(struct role *r, enum role_id id, unsigned index, struct ipc *ch)
{
	struct role_peer *grown;

	if (r->attached) {
		r->events.on_peer(r->arg, id, index, ch);
		return;
	}
	if (replace_peer(r, id, index, ch))
		return;
	grown = realloc(r->peer, (r->n_peer + 1) * sizeof(*grown));
	if (grown == NULL)
		fatal("out of memory");
	r->peer = grown;
	r->peer[r->n_peer++] = (struct role_peer){id, index, ch};
}

static void
new_peer(struct role *r, struct ipc_msg *m)
{
	struct unpacker u;
	struct ipc *ch;
	unsigned id, index;
	int fd = ipc_msg_take_fd(m, 0);

	unpack_begin(&u, m->payload);
	id = unpack_u8(&u);
	index = unpack_u32(&u);
	if (unpack_end(&u) != ERR_OK || id >= ROLE_COUNT || fd == -1) {
		if (fd != -1)
			close(fd);
		return;
	}
	ch = ipc_new(fd);
	if (ch == NULL)
		fatal("out of memory");
	add_peer(r, (enum role_id)id, index, ch);
}

static void
from_supervisor(struct role *r, struct ipc_msg *m)
{
	enum err err;

	switch (m->type) {
	case PROTO_PEER:
		new_peer(r, m);
		return;
	case PROTO_CONF:
		new_conf(r, m);
		return;
	case PROTO_STOP:
		if (r->attached && !r->stopping)
			r->events.on_stop(r->arg);
		r->stopping = true;
		return;
	case PROTO_PING:
		err = role_tell(r, PROTO_PONG, 0, SPAN(NULL, 0));
		if (err != ERR_OK)
			log_event(LOG_LVL_WARN, NULL, "pong", KV_ERR(err));
		return;
	case PROTO_ANSWER:
		if (r->attached && r->events.on_answer != NULL)
			r->events.on_answer(r->arg, m);
		return;
	}
	log_event(LOG_LVL_ERR, NULL, "message",
	    KV_STR("from", role_name(ROLE_SUPERVISOR)), KV_NUM("type", m->type),
	    KV_ERR(ERR_IPC));
}

/* --- blocking processes */

struct ipc *
role_channel(struct role *r, enum role_id id, unsigned index)
{
	for (size_t i = 0; i < r->n_peer; i++)
		if (r->peer[i].id == id && r->peer[i].index == index)
			return r->peer[i].ch;
	return NULL;
}

void
role_drop(struct role *r, struct ipc *ch)
{
	for (size_t i = 0; i < r->n_peer; i++)
		if (r->peer[i].ch == ch) {
			drop_at(r, i);
			return;
		}
}

/* Take one message of the supervisor, whose end is ours. */
static void
hear_supervisor(struct role *r)
{
	struct ipc_msg m;

	if (ipc_recv(r->supervisor, &m) != ERR_OK) {
		r->stopping = true;
		return;
	}
	from_supervisor(r, &m);
	ipc_msg_clear(&m);
}

/* Wait for the supervisor and, if with_peers, for peers. Returns false after
   the time is over. p[0] is the supervisor, p[1 + i] peer i. */
static bool
wait_for(struct role *r, struct pollfd *p, bool with_peers, int timeout_ms)
{
	size_t n = with_peers ? r->n_peer : 0;
	int ready;

	p[0] = (struct pollfd){.fd = ipc_fd(r->supervisor), .events = POLLIN};
	for (size_t i = 0; i < n; i++)
		p[1 + i] = (struct pollfd){
		    .fd = ipc_fd(r->peer[i].ch), .events = POLLIN};
	do
		ready = poll(p, (nfds_t)(1 + n), timeout_ms);
	while (ready == -1 && errno == EINTR);
	if (ready == -1)
		fatal("poll: %s", strerror(errno));
	return ready > 0;
}

/* A message of the next peer, in turn, that has one. */
static bool
hear_peers(struct role *r, const struct pollfd *p, struct role_peer *from,
    struct ipc_msg *out)
{
	for (size_t k = 0; k < r->n_peer; k++) {
		size_t i = (r->turn + k) % r->n_peer;

		if (p[1 + i].revents == 0)
			continue;
		if (ipc_recv(r->peer[i].ch, out) == ERR_OK) {
			*from = r->peer[i];
			r->turn = i + 1;
			return true;
		}
		drop_at(r, i); /* the list has changed: look again */
		return false;
	}
	return false;
}

/* until_ms: on the steady clock; 0: for ever. */
static enum err
next_until(struct role *r, uint64_t until_ms, struct role_peer *from,
    struct ipc_msg *out)
{
	struct pollfd *p = NULL;
	enum err err = ERR_SHUTDOWN;
	uint64_t now;
	int wait = -1;

	free_retired(r);
	while (!r->stopping) {
		free(p);
		p = calloc(1 + r->n_peer, sizeof(*p));
		if (p == NULL)
			fatal("out of memory");
		if (until_ms != 0) {
			now = clock_steady_ms();
			wait = now < until_ms ? (int)(until_ms - now) : 0;
		}
		if (!wait_for(r, p, true, wait)) {
			if (until_ms == 0)
				continue;
			err = ERR_TIMEOUT;
			break;
		}
		if (p[0].revents != 0) {
			hear_supervisor(r);
		} else if (hear_peers(r, p, from, out)) {
			err = ERR_OK;
			break;
		}
	}
	free(p);
	return err;
}

enum err
role_next(struct role *r, struct role_peer *from, struct ipc_msg *out)
{
	return next_until(r, 0, from, out);
}

enum err
role_next_within(struct role *r, unsigned timeout_ms, struct role_peer *from,
    struct ipc_msg *out)
{
	return next_until(r, clock_steady_ms() + timeout_ms, from, out);
}

enum err
role_wait_peer(
    struct role *r, enum role_id id, unsigned index, unsigned timeout_ms)
{
	uint64_t end = clock_steady_ms() + timeout_ms, now;
	struct pollfd p;

	while (role_channel(r, id, index) == NULL) {
		if (r->stopping)
			return ERR_SHUTDOWN;
		now = clock_steady_ms();
		if (now >= end)
			return ERR_TIMEOUT;
		if (wait_for(r, &p, false, (int)(end - now)))
			hear_supervisor(r);
	}
	return ERR_OK;
}

/* --- processes with a loop */

static void
on_msg(void *arg, struct ipc_msg *m)
{
	from_supervisor(arg, m);
}

/* Nobody restarts or stops us any more: end. */
static void
on_close(void *arg)
{
	struct role *r = arg;

	if (!r->stopping)
		r->events.on_stop(r->arg);
	r->stopping = true;
}

void
role_attach(struct role *r, struct loop *loop, const struct role_events *events,
    void *arg)
{
	static const struct ipc_events of_ipc = {
	    .on_msg = on_msg,
	    .on_close = on_close,
	};

	r->events = *events;
	r->arg = arg;
	r->attached = true;
	ipc_attach(r->supervisor, loop, &of_ipc, r);
	while (r->n_peer > 0) {
		struct role_peer p = r->peer[--r->n_peer];

		r->events.on_peer(r->arg, p.id, p.index, p.ch);
	}
}
