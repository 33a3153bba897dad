/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One host after the other until one has authenticated TLS; the best of them
 * is what the domain has. A host that does not answer says nothing; if none
 * does, nothing is known.
 */
#include "gateway/relay/look.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/loop.h"
#include "gateway/conf.h"
#include "gateway/entry.h"
#include "gateway/relay/expect.h"
#include "gateway/relay/smtp_client.h"

enum {
	AT_ONCE = 32,
	HOSTS_MAX = 4,	    /* that are called */
	WAIT_MS = 5000,	    /* for one host at each step */
	TIMEOUT_MS = 15000, /* for all of it */
};

struct look {
	struct relay_looks *all;
	struct look *next, **prev;
	uint64_t id;
	char domain[NET_DNS_NAME_MAX];
	struct relay_target target;
	struct relay_route *route;
	struct relay_route_answer answer;
	struct relay_expect expect;
	unsigned host; /* the present one */
	struct relay_smtp *smtp;
	struct loop_io *io;
	struct loop_timer *timer;  /* of a step */
	struct loop_timer *budget; /* of everything */
	uint64_t progress;
	bool reached; /* a host has shown what it has */
	/* the best so far */
	uint8_t level;
	enum tls_by by;
	bool broken;
	char peer[RELAY_PEER_MAX], tls[NET_TLS_TEXT_MAX], why[400];
};

struct relay_looks {
	struct relay_looks_setup setup;
	struct look *first;
	unsigned n;
};

static void next_host(struct look *p);

struct relay_looks *
relay_looks_new(const struct relay_looks_setup *setup)
{
	struct relay_looks *all = calloc(1, sizeof(*all));

	if (all == NULL)
		fatal("out of memory");
	all->setup = *setup;
	return all;
}

static void
close_session(struct look *p)
{
	loop_io_free(p->io);
	p->io = NULL;
	relay_smtp_free(p->smtp);
	p->smtp = NULL;
}

static void
end(struct look *p)
{
	*p->prev = p->next;
	if (p->next != NULL)
		p->next->prev = p->prev;
	p->all->n--;
	close_session(p);
	relay_route_cancel(p->route);
	loop_timer_free(p->timer);
	loop_timer_free(p->budget);
	free(p);
}

void
relay_looks_free(struct relay_looks *all)
{
	if (all == NULL)
		return;
	while (all->first != NULL)
		end(all->first);
	free(all);
}

static void
tell(struct look *p)
{
	struct relay_looks *all = p->all;
	/* less than might have been promised, for all that could be looked up,
	   is no definite answer */
	bool unsure = p->reached && p->answer.uncertain[0] != '\0' &&
		      p->level < ENTRY_TLS_AUTHENTICATED;
	const struct tls_seen seen = {.domain = p->domain,
	    .definite = p->reached && !unsure,
	    .level = p->level,
	    .by = (uint8_t)p->by,
	    .broken = p->broken && p->level < ENTRY_TLS_AUTHENTICATED,
	    .peer = p->peer,
	    .tls = p->tls,
	    .why = unsure ? p->answer.uncertain : p->why};

	all->setup.on_seen(all->setup.arg, p->id, &seen);
	end(p);
}

/* --- one host --- */

static void
note(struct look *p, uint8_t level, enum tls_by by, const char *tls,
    const char *why)
{
	bool first = !p->reached;

	p->reached = true;
	if (!first && level <= p->level)
		return;
	p->level = level;
	p->by = by;
	snprintf(p->peer, sizeof(p->peer), "%s", p->answer.host[p->host].peer);
	snprintf(p->tls, sizeof(p->tls), "%s", tls);
	snprintf(p->why, sizeof(p->why), "%s", why);
}

/* The session stands. Is it worth what a message that asks for TLS asks? */
static void
stands(struct look *p)
{
	const char *text, *why = "";
	uint8_t level;
	enum tls_by by;

	relay_smtp_tls(p->smtp, &level, &by, &text);
	if (level == ENTRY_TLS_OPPORTUNISTIC)
		why = "the mail server offers no TLS";
	else if (level == ENTRY_TLS_ENCRYPT)
		why = "nothing proves who the mail server is";
	if ((p->target.dane && by != TLS_BY_DANE) ||
	    (p->target.sts && by == TLS_BY_NAME)) {
		level = level > ENTRY_TLS_ENCRYPT ? ENTRY_TLS_ENCRYPT : level;
		by = TLS_BY_NOTHING;
		why = "a name in its certificate is not enough for the level "
		      "that is configured";
	}
	/* a next hop that goes on is worth what it promises of that */
	if (p->target.require && level > ENTRY_TLS_OPPORTUNISTIC &&
	    !relay_smtp_offers_require(p->smtp)) {
		level = ENTRY_TLS_OPPORTUNISTIC;
		by = TLS_BY_NOTHING;
		why = "the next hop does not say that it goes on by TLS "
		      "(REQUIRETLS, or next-hop-delivers = tls)";
	}
	note(p, level, by, text, why);
}

static void
fell(struct look *p)
{
	const struct relay_smtp_failure *f = relay_smtp_failure(p->smtp);
	const char *text;
	uint8_t level;
	enum tls_by by;

	/* who answered and would not speak may do so the next time */
	if (f->fault != RELAY_FAULT_TLS) {
		if (!p->reached)
			snprintf(p->why, sizeof(p->why), "%.120s: %.250s",
			    p->answer.host[p->host].peer, f->text);
		return;
	}
	relay_smtp_tls(p->smtp, &level, &by, &text);
	/* what was promised did not hold: it is worth nothing more */
	if (level == ENTRY_TLS_AUTHENTICATED)
		level = ENTRY_TLS_ENCRYPT;
	p->broken = p->broken || p->expect.promised;
	note(p, level, TLS_BY_NOTHING, text, f->text);
}

static void
arm(struct look *p)
{
	uint64_t cap = p->all->setup.timeout_ms;

	if (p->progress == relay_smtp_progress(p->smtp))
		return;
	p->progress = relay_smtp_progress(p->smtp);
	loop_timer_start(p->timer, cap > 0 && cap < WAIT_MS ? cap : WAIT_MS, 0);
}

static void
drive(struct look *p)
{
	switch (relay_smtp_step(p->smtp)) {
	case RELAY_SMTP_WANT_READ:
		loop_io_set(p->io, LOOP_READ);
		arm(p);
		return;
	case RELAY_SMTP_WANT_WRITE:
		loop_io_set(p->io, LOOP_WRITE);
		arm(p);
		return;
	case RELAY_SMTP_READY:
		stands(p);
		/* what it says to that is not waited for */
		relay_smtp_quit(p->smtp);
		(void)!relay_smtp_step(p->smtp);
		break;
	case RELAY_SMTP_DOWN:
		fell(p);
		break;
	}
	close_session(p);
	p->host++;
	next_host(p);
}

static void
on_io(void *arg, unsigned events)
{
	(void)events;
	drive(arg);
}

static void
on_timer(void *arg)
{
	struct look *p = arg;

	if (p->smtp == NULL) {
		next_host(p);
		return;
	}
	relay_smtp_abort(p->smtp, "timed out");
	drive(p);
}

/* A socket whose connect() is under way, or -1. */
static int
open_socket(const struct relay_host *h)
{
	int fd = socket(
	    h->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&h->sa, h->sa_len) != 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void
call(struct look *p, int fd)
{
	const struct relay_looks_setup *all = &p->all->setup;
	const struct relay_smtp_setup setup = {.helo = all->helo,
	    .lmtp = p->target.lmtp,
	    .expect = &p->expect,
	    .tls_clients = all->tls_clients};

	p->smtp = relay_smtp_new(&setup, fd);
	p->progress = UINT64_MAX;
	p->io = loop_io_new(all->loop, fd, on_io, p);
	loop_io_set(p->io, LOOP_WRITE);
	arm(p);
}

static void
next_host(struct look *p)
{
	const struct relay_host *h;
	int fd;

	for (; p->level < ENTRY_TLS_AUTHENTICATED && p->host < p->answer.n &&
	       p->host < HOSTS_MAX;
	     p->host++) {
		h = &p->answer.host[p->host];
		relay_expect_make(
		    &p->expect, &p->target, h, &p->answer.tlsa[h->mx]);
		if (p->expect.foreign) {
			p->broken = true;
			note(p, ENTRY_TLS_OPPORTUNISTIC, TLS_BY_NOTHING, "",
			    "the MTA-STS policy does not name the mail server");
			continue;
		}
		/* what would not do for mail is what is to be seen */
		p->expect.require = false;
		fd = open_socket(h);
		if (fd >= 0) {
			call(p, fd);
			return;
		}
	}
	tell(p);
}

/* --- the whole --- */

static void
on_budget(void *arg)
{
	struct look *p = arg;

	if (!p->reached && p->why[0] == '\0')
		snprintf(
		    p->why, sizeof(p->why), "its mail servers do not answer");
	tell(p);
}

static void
on_route(void *arg, const struct relay_route_answer *a)
{
	struct look *p = arg;

	p->route = NULL;
	p->answer = *a;
	if (a->err == ERR_OK) {
		next_host(p);
		return;
	}
	/* a domain without mail has no TLS, and that is definite */
	p->reached = a->err == ERR_NO_HOST || a->err == ERR_NULL_MX;
	snprintf(p->why, sizeof(p->why), "%s", a->text);
	tell(p);
}

static void
refuse(struct relay_looks *all, uint64_t id, const char *domain)
{
	const struct tls_seen seen = {.domain = domain,
	    .peer = "",
	    .tls = "",
	    .why = "too many domains are looked at already"};

	all->setup.on_seen(all->setup.arg, id, &seen);
}

void
relay_look(struct relay_looks *all, uint64_t id, const char *domain)
{
	const struct relay_looks_setup *s = &all->setup;
	const struct conf *conf = *s->conf;
	bool ours = conf->inbound.present &&
		    conf_domain_is_ours(conf, span_str(domain));
	struct look *p;

	if (all->n >= AT_ONCE || (p = calloc(1, sizeof(*p))) == NULL) {
		refuse(all, id, domain);
		return;
	}
	p->all = all;
	p->id = id;
	p->next = all->first;
	p->prev = &all->first;
	if (p->next != NULL)
		p->next->prev = &p->next;
	all->first = p;
	all->n++;
	snprintf(p->domain, sizeof(p->domain), "%s", domain);
	relay_target_fill(ours ? &conf->inbound : conf_relay_for(conf, domain),
	    domain, ENTRY_TLS_AUTHENTICATED, !ours, &p->target);
	/* the levels of the configuration stay; what a message asks for is
	   what is to be found out */
	p->target.tls = ENTRY_TLS_OPPORTUNISTIC;
	p->timer = loop_timer_new(s->loop, on_timer, p);
	p->budget = loop_timer_new(s->loop, on_budget, p);
	loop_timer_start(p->budget, TIMEOUT_MS, 0);
	p->route = relay_route_find(
	    s->loop, s->dns, s->sts, &p->target, s->helo, on_route, p);
}
