/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Do our own ports answer, and the servers that mail is handed to? A greeting
 * and EHLO, never a message. RFC 5321.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "gateway/cli/doctor.h"
#include "gateway/conf.h"

enum { PATIENCE_S = 5, REPLY_SIZE = 4096 };

/* -1 with errno. */
static int
connect_to(const struct sockaddr *sa, socklen_t len)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), no;

	if (fd < 0)
		return -1;
	/* for connect(2), too: socket(7) */
	(void)!setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)!setsockopt(
	    fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, sa, len) == 0)
		return fd;
	no = errno == EINPROGRESS ? ETIMEDOUT : errno;
	close(fd);
	errno = no;
	return -1;
}

/* The last line of a reply begins with its code and a blank. */
static bool
is_complete(const char *reply, size_t len)
{
	const char *line = reply;

	if (len == 0 || reply[len - 1] != '\n')
		return false;
	for (const char *p = reply; p < reply + len - 1; p++)
		if (*p == '\n')
			line = p + 1;
	return strlen(line) < 4 || line[3] != '-';
}

/* A whole reply, which is what the server said up to a time-out. */
static void
read_reply(int fd, char reply[REPLY_SIZE])
{
	size_t len = 0;
	ssize_t n;

	reply[0] = '\0';
	while (len < REPLY_SIZE - 1 && !is_complete(reply, len)) {
		n = recv(fd, reply + len, REPLY_SIZE - 1 - len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		len += (size_t)n;
		reply[len] = '\0';
	}
}

static bool
say_ehlo(int fd, const char *verb, const char *name, char reply[REPLY_SIZE])
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s %s\r\n", verb, name);

	if (send(fd, line, (size_t)n, MSG_NOSIGNAL) != n)
		return false;
	read_reply(fd, reply);
	return strncmp(reply, "250", 3) == 0;
}

/* --- our own */

static void
look_at_port(struct doctor *d, const struct conf_addr *addr, bool smtp)
{
	char reply[REPLY_SIZE] = "";
	int fd = connect_to((const void *)&addr->sa, addr->sa_len);

	if (fd < 0) {
		doctor_say(d, DOCTOR_BAD, "port",
		    "is sealgated running? ss -ltnp shows who has the port",
		    "%s: %s", addr->text, strerror(errno));
		return;
	}
	if (smtp) {
		read_reply(fd, reply);
		(void)!send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
	}
	close(fd);
	if (!smtp || strncmp(reply, "220", 3) == 0)
		doctor_say(
		    d, DOCTOR_OK, "port", NULL, "%s answers", addr->text);
	else if (strncmp(reply, "554", 3) == 0 || strncmp(reply, "550", 3) == 0)
		doctor_say(d, DOCTOR_OK, "port", NULL,
		    "%s answers, and does not take mail from this machine",
		    addr->text);
	else
		doctor_say(d, DOCTOR_BAD, "port",
		    "journalctl -u sealgated: the process listener, or another "
		    "program on the port",
		    "%s: expected a greeting, got \"%.*s\"", addr->text,
		    (int)strcspn(reply, "\r\n"), reply);
}

void
doctor_ports(struct doctor *d)
{
	const struct conf *c = d->conf;

	for (size_t i = 0; i < c->n_listen; i++) {
		const struct conf_listen *l = &c->listen[i];

		/* a header of the PROXY protocol, or TLS, would come first */
		for (size_t k = 0; k < l->n_address; k++)
			look_at_port(d, &l->address[k],
			    !l->implicit_tls && l->n_proxies == 0);
	}
	for (size_t k = 0; k < c->portal.n_address; k++)
		look_at_port(d, &c->portal.address[k], false);
}

/* --- next hops */

static void
talk(struct doctor *d, const struct conf_relay *r, int fd)
{
	bool lmtp = r->kind == CONF_VIA_LMTP, tls;
	char reply[REPLY_SIZE];

	read_reply(fd, reply);
	if (strncmp(reply, "220", 3) != 0 ||
	    !say_ehlo(fd, lmtp ? "LHLO" : "EHLO", d->conf->hostname, reply)) {
		doctor_say(d, DOCTOR_BAD, "next hop",
		    "let that server take mail from this machine",
		    "%s: \"%.*s\"", r->via, (int)strcspn(reply, "\r\n"), reply);
		return;
	}
	tls = strstr(reply, "STARTTLS") != NULL;
	(void)!send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL);
	if (!tls && r->tls != CONF_TLS_OPPORTUNISTIC)
		doctor_say(d, DOCTOR_BAD, "next hop",
		    "give it a certificate, or change tls: mail waits until "
		    "then",
		    "%s: offers no STARTTLS, which tls demands", r->via);
	else
		doctor_say(d, DOCTOR_OK, "next hop", NULL, "%s answers%s",
		    r->via, tls ? ", with STARTTLS" : ", without STARTTLS");
}

static void
look_at_hop(struct doctor *d, const struct conf_relay *r)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct addrinfo *list = NULL;
	char port[8];
	int fd = -1, rc;

	snprintf(port, sizeof(port), "%u", r->port);
	rc = getaddrinfo(r->host, port, &hints, &list);
	for (const struct addrinfo *a = list; a != NULL && fd < 0;
	     a = a->ai_next)
		fd = connect_to(a->ai_addr, a->ai_addrlen);
	if (fd < 0)
		doctor_say(d, DOCTOR_BAD, "next hop",
		    "mail waits until it answers: is it running, and no "
		    "firewall between?",
		    "%s: %s", r->via,
		    rc != 0 ? gai_strerror(rc) : strerror(errno));
	else
		talk(d, r, fd);
	if (fd >= 0)
		close(fd);
	if (list != NULL)
		freeaddrinfo(list);
}

void
doctor_next_hops(struct doctor *d)
{
	const struct conf_relay *r;

	for (unsigned i = 0; (r = conf_relay_at(d->conf, i)) != NULL; i++)
		if (r->present && r->kind != CONF_VIA_MX && r->host != NULL)
			look_at_hop(d, r);
}
