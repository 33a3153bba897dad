/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sockets that never block, one poll(2) for all and one deadline: a server that
 * hangs, or sends an octet now and then, costs what all of them may cost and
 * no more. The addresses of one server share that time.
 */
#include "gateway/cli/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "gateway/conf.h"

enum going {
	BROKEN = 0,
	WAITS,
	GOES_ON, /* to the next step */
};

struct span
probe_line(const struct probe *p)
{
	return SPAN(p->reply, strcspn(p->reply, "\r\n"));
}

/* --- what a step does */

/* -1: nobody took it, and there is nobody else. */
static void
call_next(struct probe *p)
{
	for (; p->at < p->n_addr; p->at++) {
		uint64_t now = clock_steady_ms();
		const struct sockaddr *sa = (const void *)&p->addr[p->at];

		p->fd = socket(sa->sa_family,
		    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (p->fd >= 0 &&
		    (connect(p->fd, sa, p->addr_len[p->at]) == 0 ||
			errno == EINPROGRESS)) {
			p->events = POLLOUT;
			p->next_ms = now;
			/* what is left is for all that are left */
			if (p->end_ms > now)
				p->next_ms +=
				    (p->end_ms - now) / (p->n_addr - p->at);
			return;
		}
		p->no = errno;
		if (p->fd >= 0)
			close(p->fd);
		p->fd = -1;
	}
	p->over = true;
}

static void
give_up_address(struct probe *p)
{
	close(p->fd);
	p->fd = -1;
	p->at++;
	call_next(p);
}

/* A connection that is new takes a line at once. */
static bool
say(struct probe *p, const char *line)
{
	ssize_t len = (ssize_t)strlen(line);

	p->len = 0;
	p->reply[0] = '\0';
	return send(p->fd, line, (size_t)len, MSG_NOSIGNAL) == len;
}

/* RFC 5321 4.2.1: the last line of a reply has no hyphen behind its code. What
   begins otherwise ("SSH-2.0") is none, and a line of it is enough. */
static bool
is_complete(const struct probe *p)
{
	const char *line = p->reply;

	if (p->len == 0 || p->reply[p->len - 1] != '\n')
		return false;
	for (const char *c = p->reply; c < p->reply + p->len - 1; c++)
		if (*c == '\n')
			line = c + 1;
	return strspn(line, "0123456789") != 3 || line[3] != '-';
}

static enum going
receive(struct probe *p, char *out, size_t size, size_t *n)
{
	ssize_t got;

	if (p->client == NULL) {
		got = recv(p->fd, out, size, 0);
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return WAITS;
		*n = got > 0 ? (size_t)got : 0;
		return got > 0 ? GOES_ON : BROKEN;
	}
	switch (
	    net_tls_client_read(p->client, (uint8_t *)out, size, n, &p->why)) {
	case NET_IO_DONE:
		return GOES_ON;
	case NET_IO_WANT_READ:
	case NET_IO_WANT_WRITE:
		return WAITS;
	case NET_IO_FAILED:
	case NET_IO_CLOSED:
		break;
	}
	return BROKEN;
}

/* A whole reply, of which as much is kept as there is room for. */
static enum going
hear(struct probe *p, const char *code)
{
	enum going g = GOES_ON;
	size_t n = 0;

	p->events = POLLIN;
	while (g == GOES_ON && p->len < PROBE_REPLY - 1 && !is_complete(p)) {
		g = receive(p, p->reply + p->len, PROBE_REPLY - 1 - p->len, &n);
		if (g != GOES_ON)
			return g;
		p->len += n;
		p->reply[p->len] = '\0';
	}
	return strncmp(p->reply, code, 3) == 0 ? GOES_ON : BROKEN;
}

static enum going
finish_connect(struct probe *p)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(p->no), own_len = sizeof(own);

	if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &p->no, &len) != 0)
		p->no = errno;
	if (p->no != 0) {
		give_up_address(p);
		return WAITS;
	}
	if (getsockname(p->fd, (void *)&own, &own_len) == 0 &&
	    conf_net_matches(p->proxies, p->n_proxies, (const void *)&own) &&
	    !say(p, "PROXY UNKNOWN\r\n"))
		return BROKEN;
	return GOES_ON;
}

static bool
begin_tls(struct probe *p)
{
	struct in6_addr literal;
	struct net_tls_expect x = {.peer = p->peer, .sni = p->host};

	/* RFC 6066 3 */
	if (inet_pton(AF_INET, x.sni, &literal) == 1 ||
	    inet_pton(AF_INET6, x.sni, &literal) == 1)
		x.sni = NULL;
	p->client = net_tls_client_new(p->tls, p->fd, &x);
	p->len = 0;
	p->reply[0] = '\0';
	return p->client != NULL;
}

static enum going
shake_hands(struct probe *p)
{
	struct net_tls_facts facts;

	switch (net_tls_client_handshake(p->client, &p->why)) {
	case NET_IO_DONE:
		break;
	case NET_IO_WANT_READ:
		p->events = POLLIN;
		return WAITS;
	case NET_IO_WANT_WRITE:
		p->events = POLLOUT;
		return WAITS;
	case NET_IO_FAILED:
	case NET_IO_CLOSED:
		return BROKEN;
	}
	net_tls_client_facts(p->client, &facts);
	snprintf(p->protocol, sizeof(p->protocol), "%s", facts.protocol);
	net_tls_client_shown(p->client, p->names, p->n_names, &p->shown);
	p->tls_up = true;
	return GOES_ON;
}

/* --- from step to step */

static bool
offers_starttls(const struct probe *p)
{
	for (const char *line = p->reply; line != NULL;
	     line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strlen(line) > 4 && strncmp(line + 4, "STARTTLS", 8) == 0 &&
		    strchr("\r\n", line[12]) != NULL)
			return true;
	}
	return false;
}

static enum probe_step
after(struct probe *p)
{
	switch (p->step) {
	case PROBE_CONNECT:
		if (p->implicit_tls && p->tls != NULL)
			return PROBE_HANDSHAKE;
		return p->kind == PROBE_OPEN || p->implicit_tls
			   ? PROBE_DONE
			   : PROBE_GREETING;
	case PROBE_GREETING:
		return PROBE_EHLO;
	case PROBE_EHLO:
		p->starttls = offers_starttls(p);
		return p->starttls && p->tls != NULL ? PROBE_STARTTLS
						     : PROBE_DONE;
	case PROBE_STARTTLS:
		return PROBE_HANDSHAKE;
	case PROBE_HANDSHAKE:
		return p->implicit_tls && p->kind != PROBE_OPEN ? PROBE_INSIDE
								: PROBE_DONE;
	case PROBE_INSIDE:
	case PROBE_DONE:
		break;
	}
	return PROBE_DONE;
}

/* What a step begins with. */
static bool
begin(struct probe *p)
{
	char line[512];

	switch (p->step) {
	case PROBE_EHLO:
		snprintf(line, sizeof(line), "%s %s\r\n",
		    p->kind == PROBE_LMTP ? "LHLO" : "EHLO", p->ehlo);
		return say(p, line);
	case PROBE_STARTTLS:
		return say(p, "STARTTLS\r\n");
	case PROBE_HANDSHAKE:
		return begin_tls(p);
	case PROBE_CONNECT:
	case PROBE_GREETING:
	case PROBE_INSIDE:
	case PROBE_DONE:
		break;
	}
	return true;
}

static enum going
step(struct probe *p)
{
	switch (p->step) {
	case PROBE_CONNECT:
		return finish_connect(p);
	case PROBE_GREETING:
	case PROBE_INSIDE:
		return hear(p, "220");
	case PROBE_EHLO:
		return hear(p, "250");
	case PROBE_STARTTLS:
		return hear(p, "220");
	case PROBE_HANDSHAKE:
		return shake_hands(p);
	case PROBE_DONE:
		break;
	}
	return BROKEN;
}

/* Say goodbye as a client does. */
static void
hang_up(struct probe *p)
{
	if (p->client != NULL)
		net_tls_client_bye(p->client);
	else if (p->fd >= 0 && p->len > 0 && !p->hung)
		(void)!send(p->fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
	net_tls_client_free(p->client);
	p->client = NULL;
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->over = true;
}

static void
go_on(struct probe *p)
{
	enum going g = GOES_ON;

	while (g == GOES_ON && p->step != PROBE_DONE) {
		g = step(p);
		if (g != GOES_ON)
			break;
		p->step = after(p);
		if (!begin(p))
			g = BROKEN;
	}
	if (g != WAITS)
		hang_up(p);
}

/* An address that neither takes nor refuses a connection, as a firewall makes
   it, leaves time for those behind it: until then it may. */
static uint64_t
patience_ends(const struct probe *p)
{
	return !p->over && p->step == PROBE_CONNECT && p->at + 1 < p->n_addr
		   ? p->next_ms
		   : p->end_ms;
}

static void
look_at(struct probe *p, bool ready, uint64_t now)
{
	if (p->over)
		return;
	if (ready) {
		go_on(p);
	} else if (now >= patience_ends(p) && now < p->end_ms) {
		p->no = ETIMEDOUT;
		give_up_address(p);
	}
}

/* Wait for any of them; false: there is none left to wait for. */
static bool
wait_for_any(struct probe *list, struct pollfd *fds, size_t n, uint64_t end)
{
	uint64_t now = clock_steady_ms(), until = end;
	bool any = false;
	int rc;

	for (size_t i = 0; i < n; i++) {
		if (patience_ends(&list[i]) < until)
			until = patience_ends(&list[i]);
		fds[i] = (struct pollfd){
		    list[i].over ? -1 : list[i].fd, list[i].events, 0};
		any = any || !list[i].over;
	}
	if (!any)
		return false;
	rc = poll(fds, n, until > now ? (int)(until - now) : 0);
	if (rc < 0)
		return errno == EINTR;
	/* now is before poll(2): what was late and has come is not given up */
	for (size_t i = 0; i < n; i++)
		look_at(&list[i], fds[i].revents != 0, now);
	return true;
}

void
probe_all(struct probe *list, size_t n, unsigned ms)
{
	struct pollfd *fds = calloc(n + 1, sizeof(*fds));
	uint64_t end = clock_steady_ms() + ms;

	for (size_t i = 0; i < n; i++) {
		snprintf(list[i].peer, PROBE_PEER, "%zu", i);
		list[i].fd = -1;
		list[i].end_ms = end;
		call_next(&list[i]);
	}
	while (fds != NULL && clock_steady_ms() < end)
		if (!wait_for_any(list, fds, n, end))
			break;
	for (size_t i = 0; i < n; i++) {
		list[i].hung = !list[i].over;
		hang_up(&list[i]);
	}
	free(fds);
}
