/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One session on the loop: sockets, time limits, the next host when one does
 * not answer, and the only way from TLS back to none.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/relay/destination_private.h"
#include "gateway/relay/login.h"
#include "gateway/relay/report.h"

enum {
	BAD_MS = 60 * 1000,	  /* a host that failed comes last */
	PLAIN_MS = 5 * 60 * 1000, /* no STARTTLS after a failed handshake */
};

static void drive(struct relay_conn *c);
static void try_next(struct relay_conn *c);

static struct relay_host *
host_of(struct relay_conn *c)
{
	return &c->dest->host[c->host];
}

/* The best host that was not tried: those that failed lately come last. */
static bool
choose_host(struct relay_conn *c)
{
	uint64_t now = clock_steady_ms();

	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < c->dest->n_host; i++) {
			if ((c->tried & 1u << i) != 0 ||
			    (pass == 0 && c->dest->host[i].bad_until_ms > now))
				continue;
			c->tried |= 1u << i;
			c->host = i;
			return true;
		}
	return false;
}

static void
close_session(struct relay_conn *c)
{
	loop_io_free(c->io);
	c->io = NULL;
	relay_smtp_free(c->smtp);
	c->smtp = NULL;
}

static void
on_io(void *arg, unsigned events)
{
	(void)events;
	drive(arg);
}

static void
arm(struct relay_conn *c)
{
	uint64_t cap = relay_dests_setup(c->dest->all)->timeout_ms;
	uint64_t ms = relay_smtp_timeout_ms(c->smtp);

	if (c->progress == relay_smtp_progress(c->smtp))
		return;
	c->progress = relay_smtp_progress(c->smtp);
	loop_timer_start(c->timer, cap > 0 && cap < ms ? cap : ms, 0);
}

/* A socket whose connect() is under way, or -1. */
static int
open_socket(const struct relay_host *h)
{
	int fd = socket(
	    h->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1, saved;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&h->sa, h->sa_len) == 0 ||
	    errno == EINPROGRESS)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* failure NULL: it stands. Without STARTTLS because it has just failed it says
   nothing new. */
static void
report(struct relay_conn *c, const struct relay_smtp_failure *failure)
{
	const struct relay_dests_setup *all = relay_dests_setup(c->dest->all);
	const struct relay_host *h = host_of(c);
	struct relay_report_texts texts;
	struct tls_result result;

	if (!c->no_starttls &&
	    relay_report_make(&c->dest->target, h, &c->dest->tlsa[h->mx],
		c->smtp, failure, &texts, &result))
		all->on_result(all->arg, &result);
}

static bool
open_session(struct relay_conn *c)
{
	const struct relay_dests_setup *all = relay_dests_setup(c->dest->all);
	struct relay_host *h = host_of(c);
	bool plain = c->plain || h->plain_until_ms > clock_steady_ms();
	struct relay_smtp_setup setup = {
	    .helo = all->helo,
	    .lmtp = c->dest->target.lmtp,
	    .expect = &c->expect,
	    .tls_clients = all->tls_clients,
	    .pub = all->pub,
	    .priv = all->priv,
	};
	int fd;

	relay_expect_make(
	    &c->expect, &c->dest->target, h, &c->dest->tlsa[h->mx]);
	setup.no_starttls = plain && c->expect.tls == ENTRY_TLS_OPPORTUNISTIC;
	c->no_starttls = setup.no_starttls;
	if (c->expect.foreign) {
		c->failure = (struct relay_smtp_failure){
		    .fault = RELAY_FAULT_TLS, .status = "4.7.5"};
		relay_hop_begin(&c->expect, &c->failure.hop);
		snprintf(c->failure.text, sizeof(c->failure.text),
		    "%s: the MTA-STS policy of %s does not name it", h->peer,
		    c->dest->target.host);
		report(c, &c->failure);
		return false;
	}
	fd = open_socket(h);
	if (fd < 0) {
		c->failure = (struct relay_smtp_failure){
		    .fault = RELAY_FAULT_CONNECT, .status = "4.4.1"};
		relay_hop_begin(&c->expect, &c->failure.hop);
		snprintf(c->failure.text, sizeof(c->failure.text), "%s: %s",
		    h->peer, strerror(errno));
		return false;
	}
	if (c->dest->target.user[0] != '\0') {
		setup.login = relay_login_line(*all->logins, &c->dest->target);
		setup.wants_login = true;
	}
	c->smtp = relay_smtp_new(&setup, fd);
	c->progress = UINT64_MAX;
	c->io = loop_io_new(all->loop, fd, on_io, c);
	loop_io_set(c->io, LOOP_WRITE);
	arm(c);
	return true;
}

/* DESIGN: `tls` fails when no reachable mail server has it; one that refused
   for another reason may have it next time. */
static void
note_failure(struct relay_conn *c)
{
	c->n_no_require += c->failure.no_require ? 1 : 0;
	if (c->failure.fault != RELAY_FAULT_TLS)
		c->undecided = c->undecided || c->failure.code != 0;
	else if (c->no_tls.fault != RELAY_FAULT_TLS)
		c->no_tls = c->failure;
}

/* Go through the hosts. When none is left the timer tells: the destination is
   never called from within its own call. */
static void
try_next(struct relay_conn *c)
{
	while (choose_host(c)) {
		c->plain = false;
		if (open_session(c))
			return;
		note_failure(c);
		host_of(c)->bad_until_ms = clock_steady_ms() + BAD_MS;
	}
	loop_timer_start(c->timer, 0, 0);
}

static void
on_timer(void *arg)
{
	struct relay_conn *c = arg;

	if (c->smtp == NULL) {
		if (c->no_tls.fault == RELAY_FAULT_TLS && !c->undecided)
			c->failure = c->no_tls;
		c->failure.no_require =
		    c->n_no_require > 0 && c->n_no_require == c->dest->n_host;
		relay_dest_down(c->dest, c);
		return;
	}
	relay_smtp_abort(c->smtp, "timed out");
	drive(c);
}

struct relay_conn *
relay_conn_new(struct relay_dest *d)
{
	struct relay_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		fatal("out of memory");
	c->dest = d;
	c->since_ms = clock_steady_ms();
	c->timer = loop_timer_new(relay_dests_setup(d->all)->loop, on_timer, c);
	try_next(c);
	return c;
}

void
relay_conn_free(struct relay_conn *c)
{
	close_session(c);
	loop_timer_free(c->timer);
	free(c);
}

/* The last mail has its results: hand it back. */
static void
give_back_settled(struct relay_conn *c)
{
	struct relay_mail *m = c->mail;

	if (m == NULL || !relay_mail_is_settled(m))
		return;
	c->mail = NULL;
	c->n_mails++;
	relay_dest_settled(c->dest, m);
}

static void
keep_failure(struct relay_conn *c)
{
	const struct relay_smtp_failure *f = relay_smtp_failure(c->smtp);

	c->failure = *f;
	snprintf(c->failure.text, sizeof(c->failure.text), "%.150s: %.340s",
	    host_of(c)->peer, f->text);
}

/* The session ended before it could be used. Another host may do better; the
   same one without TLS, if that is allowed and TLS was what failed. */
static void
opening_failed(struct relay_conn *c)
{
	struct relay_host *h = host_of(c);
	uint64_t now = clock_steady_ms();

	log_event(LOG_LVL_INFO, NULL, "connect-failed", KV_STR("peer", h->peer),
	    KV_STR("reason", c->failure.text));
	report(c, &c->failure);
	close_session(c);
	if (c->failure.fault == RELAY_FAULT_TLS && !c->plain &&
	    c->expect.tls == ENTRY_TLS_OPPORTUNISTIC) {
		h->plain_until_ms = now + PLAIN_MS;
		c->plain = true;
		if (open_session(c))
			return;
	}
	note_failure(c);
	h->bad_until_ms = now + BAD_MS;
	try_next(c);
}

static void
went_down(struct relay_conn *c)
{
	keep_failure(c);
	give_back_settled(c);
	if (c->state == RELAY_CONN_OPENING)
		opening_failed(c);
	else
		relay_dest_down(c->dest, c);
}

static void
tell_tls(struct relay_conn *c)
{
	const struct relay_dests_setup *all = relay_dests_setup(c->dest->all);
	struct tls_seen seen = {.domain = c->dest->target.host,
	    .definite = true,
	    .peer = host_of(c)->peer,
	    .why = ""};
	enum tls_by by;

	if (!c->dest->target.mx)
		return;
	relay_smtp_tls(c->smtp, &seen.level, &by, &seen.tls);
	seen.by = (uint8_t)by;
	all->on_tls(all->arg, &seen);
}

/* Take the next mail, or idle. false: nothing is to be done. */
static bool
became_ready(struct relay_conn *c)
{
	struct relay_dest *d = c->dest;
	struct relay_mail *m;

	host_of(c)->bad_until_ms = 0;
	give_back_settled(c);
	if (c->state == RELAY_CONN_OPENING) {
		d->n_opening--;
		tell_tls(c);
		report(c, NULL);
	}
	c->state = RELAY_CONN_IDLE;
	c->idle_ms = clock_steady_ms();
	m = relay_dest_next(d, c);
	if (m != NULL) {
		c->state = RELAY_CONN_BUSY;
		c->mail = m;
		relay_smtp_send(c->smtp, m);
		return true;
	}
	loop_io_set(c->io, LOOP_READ);
	loop_timer_stop(c->timer);
	return c->state == RELAY_CONN_CLOSING;
}

static void
drive(struct relay_conn *c)
{
	for (;;) {
		switch (relay_smtp_step(c->smtp)) {
		case RELAY_SMTP_WANT_READ:
			loop_io_set(c->io, LOOP_READ);
			arm(c);
			return;
		case RELAY_SMTP_WANT_WRITE:
			loop_io_set(c->io, LOOP_WRITE);
			arm(c);
			return;
		case RELAY_SMTP_READY:
			if (c->state == RELAY_CONN_IDLE || !became_ready(c))
				return;
			break;
		case RELAY_SMTP_DOWN:
			went_down(c);
			return;
		}
	}
}

void
relay_conn_send(struct relay_conn *c, struct relay_mail *m)
{
	c->state = RELAY_CONN_BUSY;
	c->mail = m;
	relay_smtp_send(c->smtp, m);
	drive(c);
}

void
relay_conn_quit(struct relay_conn *c)
{
	c->state = RELAY_CONN_CLOSING;
	relay_smtp_quit(c->smtp);
}

void
relay_conn_quit_idle(struct relay_conn *c)
{
	relay_conn_quit(c);
	drive(c);
}

void
relay_conn_abort(struct relay_conn *c, const char *text)
{
	if (c->smtp != NULL) {
		relay_smtp_abort(c->smtp, text);
		give_back_settled(c);
	}
	/* our wish, not the peer's fault */
	c->failure.fault = RELAY_FAULT_OURS;
	relay_dest_down(c->dest, c);
}
