/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The process that speaks SMTP with strangers. It holds its TLS key and
 * nothing else of worth, looks at addresses and the header's hops and leaves
 * everything else of a message to workers. Here: its beginning, sockets,
 * certificates, peers, clock and end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/digest.h"
#include "common/ipc.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/listener/jobs.h"
#include "gateway/listener/session.h"
#include "gateway/listener/verify.h"
#include "gateway/role.h"
#include "net/tls_server.h"

enum {
	TICK_MS = 100,
	ACCEPTS = 32,			/* before others get their turn */
	SCRATCH_MAX = 16 * 1024 * 1024, /* a message of a thousand recipients */
};

const struct conf *
listener_conf(const struct listener *l)
{
	return role_conf(l->role);
}

/* --- certificates --- */

/* Read it, again perhaps; what is used already stays on failure. */
static void
load_section(struct listener *l, unsigned i)
{
	struct listener_section *at = &l->section[i];
	struct net_tls_server *tls;
	struct err_why why = {.text = ""};
	int cert = role_take_fd(l->role, ROLE_FD_TLS_CERT, i);
	int key = role_take_fd(l->role, ROLE_FD_TLS_KEY, i);
	int ca = role_take_fd(l->role, ROLE_FD_CLIENT_CA, i);
	enum err e;

	if (cert >= 0 && key >= 0) {
		if (at->cert_fd >= 0)
			close(at->cert_fd);
		if (at->key_fd >= 0)
			close(at->key_fd);
		at->cert_fd = cert;
		at->key_fd = key;
	}
	if (ca >= 0 && at->ca_fd >= 0)
		close(at->ca_fd);
	if (ca >= 0)
		at->ca_fd = ca;
	if (at->cert_fd < 0)
		return;
	e = net_tls_server_new(at->cert_fd, at->key_fd, &tls, &why);
	if (e == ERR_OK && at->ca_fd >= 0) {
		e = net_tls_server_believe(tls, at->ca_fd, &why);
		if (e != ERR_OK)
			net_tls_server_unref(tls);
	}
	if (e != ERR_OK) {
		if (at->tls == NULL)
			role_refuse(
			    l->role, "tls-cert and tls-key: %s", why.text);
		log_event(
		    LOG_LVL_ERR, NULL, "certificate", KV_STR("why", why.text));
		return;
	}
	net_tls_server_unref(at->tls);
	at->tls = tls;
}

static void
open_sections(struct listener *l)
{
	l->n_sections = (unsigned)listener_conf(l)->n_listen;
	l->section = calloc(l->n_sections + 1, sizeof(*l->section));
	if (l->section == NULL)
		fatal("out of memory");
	for (unsigned i = 0; i < l->n_sections; i++) {
		l->section[i].cert_fd = l->section[i].key_fd = -1;
		l->section[i].ca_fd = -1;
		load_section(l, i);
	}
}

static void
close_sections(struct listener *l)
{
	for (unsigned i = 0; i < l->n_sections; i++) {
		net_tls_server_unref(l->section[i].tls);
		if (l->section[i].cert_fd >= 0)
			close(l->section[i].cert_fd);
		if (l->section[i].key_fd >= 0)
			close(l->section[i].key_fd);
		if (l->section[i].ca_fd >= 0)
			close(l->section[i].ca_fd);
	}
	free(l->section);
}

/* --- connections --- */

bool
listener_rate_exceeded(struct listener *l, const struct listener_client *c)
{
	const struct conf_limits *lim = &listener_conf(l)->limits;
	uint64_t now_ms = clock_steady_ms();

	return listener_rates_add(&l->rates, c, LISTENER_RATE_CONNECT, now_ms) >
		   lim->connection_rate ||
	       listener_rates_get(&l->rates, c, LISTENER_RATE_ERROR, now_ms) >=
		   lim->error_rate;
}

/* Its clients are counted when it has said who they are. */
static bool
is_proxy(const struct listener_socket *sock, const struct sockaddr *sa)
{
	const struct conf_listen *at =
	    &listener_conf(sock->l)->listen[sock->section];

	return conf_net_matches(at->proxies, at->n_proxies, sa);
}

/* Whose mail is taken for everybody may come as often as it likes. */
static bool
is_too_often(const struct listener_socket *sock,
    const struct listener_client *c, const struct sockaddr *sa)
{
	const struct conf_listen *at =
	    &listener_conf(sock->l)->listen[sock->section];

	return !is_proxy(sock, sa) &&
	       !conf_net_matches(at->clients, at->n_clients, sa) &&
	       listener_rate_exceeded(sock->l, c);
}

static void
take_client(struct listener_socket *sock, int fd, const struct sockaddr *sa)
{
	static const char full[] =
	    "421 4.7.0 Too many connections, try again later\r\n";
	struct listener *l = sock->l;
	const struct conf_limits *lim = &listener_conf(l)->limits;
	struct listener_client c = listener_client_of(sa);

	if (sock->section < listener_conf(l)->n_listen &&
	    !is_too_often(sock, &c, sa) &&
	    listener_limits_enter(&l->limits, &c, lim->connections,
		is_proxy(sock, sa) ? lim->connections
				   : lim->connections_per_client)) {
		listener_session_start(l, fd, sa, sock->section);
		return;
	}
	/* whether that arrives is the client's concern */
	(void)!send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
	close(fd);
}

static void
on_accept(void *arg, unsigned events)
{
	struct listener_socket *sock = arg;
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	for (int i = 0; i < ACCEPTS; i++) {
		len = sizeof(ss);
		fd = accept4(sock->fd, (struct sockaddr *)&ss, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			/* no descriptors: rest until the next tick */
			if (errno == EMFILE || errno == ENFILE ||
			    errno == ENOBUFS || errno == ENOMEM) {
				loop_io_set(sock->io, 0);
				listener_wake_tick(sock->l);
			}
			return;
		}
		take_client(sock, fd, (const struct sockaddr *)&ss);
	}
}

static void
open_sockets(struct listener *l)
{
	const struct conf *conf = listener_conf(l);
	unsigned n = 0, which = 0;

	for (unsigned i = 0; i < conf->n_listen; i++)
		n += (unsigned)conf->listen[i].n_address;
	l->socket = calloc(n + 1, sizeof(*l->socket));
	if (l->socket == NULL)
		fatal("out of memory");
	for (unsigned i = 0; i < conf->n_listen; i++)
		for (size_t k = 0; k < conf->listen[i].n_address; k++) {
			struct listener_socket *s = &l->socket[l->n_sockets];

			s->fd = role_take_fd(l->role, ROLE_FD_LISTEN, which++);
			if (s->fd < 0)
				continue;
			if (fcntl(s->fd, F_SETFL, O_NONBLOCK) < 0)
				fatal("a socket cannot be set up");
			s->l = l;
			s->section = i;
			s->io = loop_io_new(l->loop, s->fd, on_accept, s);
			loop_io_set(s->io, LOOP_READ);
			l->n_sockets++;
		}
}

static void
close_sockets(struct listener *l)
{
	for (unsigned i = 0; i < l->n_sockets; i++) {
		loop_io_free(l->socket[i].io);
		close(l->socket[i].fd);
	}
	l->n_sockets = 0;
}

/* --- time --- */

static void
stop_if_idle(struct listener *l, uint64_t now_ms)
{
	if ((TAILQ_EMPTY(&l->sessions) && TAILQ_EMPTY(&l->all_jobs)) ||
	    now_ms >= l->stop_ms)
		loop_stop(l->loop);
}

static void
on_tick(void *arg)
{
	struct listener *l = arg;
	uint64_t now_ms = clock_steady_ms();
	struct listener_session *s = TAILQ_FIRST(&l->sessions);

	while (s != NULL)
		s = listener_session_tick(s, now_ms) ? TAILQ_FIRST(&l->sessions)
						     : TAILQ_NEXT(s, link);
	listener_jobs_tick(l, now_ms);
	listener_verify_keep(l, false);
	for (unsigned i = 0; i < l->n_sockets; i++)
		loop_io_set(l->socket[i].io, LOOP_READ);
	if (l->stopping) {
		stop_if_idle(l, now_ms);
	} else if (TAILQ_EMPTY(&l->sessions) && TAILQ_EMPTY(&l->all_jobs) &&
		   !l->verify_changed) {
		loop_timer_stop(l->tick);
		l->ticking = false;
	}
}

void
listener_wake_tick(struct listener *l)
{
	if (l->ticking)
		return;
	l->ticking = true;
	loop_timer_start(l->tick, TICK_MS, TICK_MS);
}

/* --- what the supervisor says --- */

static void
on_peer(void *arg, enum role_id id, unsigned index, struct ipc *ch)
{
	struct listener *l = arg;

	if (id == ROLE_WORKER && index < LIMIT_WORKERS_MAX)
		listener_worker_attach(l, index, ch);
	else if (id == ROLE_STORE)
		listener_store_attach(l, ch);
	else if (id == ROLE_DISCOVERY)
		listener_discovery_attach(l, ch);
	else if (id == ROLE_KEYS)
		listener_keys_attach(l, ch);
	else if (id == ROLE_ACCOUNTS)
		listener_accounts_attach(l, ch);
	else if (id == ROLE_RELAY)
		listener_relay_attach(l, ch);
	else
		ipc_free(ch);
}

/* Sessions take limits from the configuration as they need them; what a
   session was promised (message size, right to relay) it keeps. */
static void
on_conf(void *arg)
{
	struct listener *l = arg;

	for (unsigned i = 0; i < l->n_sections; i++)
		load_section(l, i);
	listener_verify_forget(l);
}

static void
on_stop(void *arg)
{
	struct listener *l = arg;
	struct listener_session *s, *next;

	if (l->stopping)
		return;
	l->stopping = true;
	l->stop_ms = clock_steady_ms() + listener_conf(l)->limits.stop_ms;
	close_sockets(l);
	listener_jobs_stop(l);
	listener_verify_keep(l, true);
	for (s = TAILQ_FIRST(&l->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		listener_session_stop(s);
	}
	listener_wake_tick(l);
}

static void
set_up(struct listener *l, struct role *r)
{
	l->role = r;
	l->loop = loop_new();
	l->tick = loop_timer_new(l->loop, on_tick, l);
	TAILQ_INIT(&l->sessions);
	TAILQ_INIT(&l->all_lookups);
	buf_init(&l->scratch, SCRATCH_MAX);
	listener_limits_init(&l->limits);
	listener_rates_init(&l->rates);
	listener_verify_init(l);
	listener_workers_init(l);
	listener_jobs_init(l);
	open_sections(l);
}

static void
tear_down(struct listener *l)
{
	struct listener_session *s;

	while ((s = TAILQ_FIRST(&l->sessions)) != NULL)
		listener_session_free(s);
	listener_jobs_clear(l);
	listener_workers_clear(l);
	listener_discovery_clear(l);
	listener_keys_clear(l);
	listener_accounts_clear(l);
	listener_verify_clear(l);
	close_sockets(l);
	close_sections(l);
	free(l->socket);
	loop_timer_free(l->tick);
	buf_clear(&l->scratch);
	listener_limits_clear(&l->limits);
	listener_rates_clear(&l->rates);
}

/* Takes peers (workers, store, discovery, keys, accounts,
   relay), configuration and
   the word to stop from the supervisor; listens on sockets that were bound for
   it. */
int
listener_main(struct role *r)
{
	static const struct role_events events = {
	    .on_peer = on_peer, .on_stop = on_stop, .on_conf = on_conf};
	static struct listener self;

	digest_init();
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	set_up(&self, r);
	role_confine(r);
	role_attach(r, self.loop, &events, &self);
	open_sockets(&self);
	role_ready(r);
	loop_run(self.loop);
	tear_down(&self);
	return 0;
}
