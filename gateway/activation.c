/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A socket is known by what it is bound to, not by its name or place: what the
 * unit and the configuration say must agree, and where they do not the
 * configuration decides.
 */
#include "gateway/activation.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/text.h"
#include "gateway/conf.h"

static uint64_t
number_in(const char *name, uint64_t max)
{
	const char *text = getenv(name);
	uint64_t n;

	return text != NULL && text_number(span_str(text), 0, max, &n) == ERR_OK
		   ? n
		   : 0;
}

void
activation_begin(struct activation *a, int first)
{
	uint64_t n = 0;

	if (number_in("LISTEN_PID", INT32_MAX) == (uint64_t)getpid())
		n = number_in("LISTEN_FDS", ACTIVATION_MAX);
	a->n = (size_t)n;
	for (size_t i = 0; i < a->n; i++) {
		a->fd[i] = first + (int)i;
		/* one that is not open shows when it is asked for */
		(void)fcntl(a->fd[i], F_SETFD, FD_CLOEXEC);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

/* Does the socket listen on this address? */
static bool
listens_on(int fd, const struct conf_addr *addr)
{
	struct sockaddr_storage sa = {0};
	const struct sockaddr_in *a4 = (const void *)&sa,
				 *b4 = (const void *)&addr->sa;
	const struct sockaddr_in6 *a6 = (const void *)&sa,
				  *b6 = (const void *)&addr->sa;
	socklen_t len = sizeof(sa), on_len = sizeof(int);
	int on = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &on_len) != 0 ||
	    on == 0 ||
	    getsockname(fd, (struct sockaddr *)(void *)&sa, &len) != 0 ||
	    sa.ss_family != addr->sa.ss_family)
		return false;
	if (sa.ss_family == AF_INET)
		return a4->sin_port == b4->sin_port &&
		       a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return sa.ss_family == AF_INET6 && a6->sin6_port == b6->sin6_port &&
	       a6->sin6_scope_id == b6->sin6_scope_id &&
	       memcmp(&a6->sin6_addr, &b6->sin6_addr, sizeof(a6->sin6_addr)) ==
		   0;
}

int
activation_take(struct activation *a, const struct conf_addr *addr)
{
	for (size_t i = 0; i < a->n; i++) {
		int fd = a->fd[i], flags;

		if (fd == -1 || !listens_on(fd, addr))
			continue;
		flags = fcntl(fd, F_GETFL);
		if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
			continue;
		a->fd[i] = -1;
		return fd;
	}
	return -1;
}

static const char *
bound_to(int fd, char *out, size_t size)
{
	struct sockaddr_storage sa = {0};
	const struct sockaddr_in *v4 = (const void *)&sa;
	const struct sockaddr_in6 *v6 = (const void *)&sa;
	socklen_t len = sizeof(sa);
	char host[INET6_ADDRSTRLEN];

	snprintf(out, size, "something else than an address");
	if (getsockname(fd, (struct sockaddr *)(void *)&sa, &len) != 0)
		return out;
	if (sa.ss_family == AF_INET &&
	    inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host)) != NULL)
		snprintf(out, size, "%s:%u", host, ntohs(v4->sin_port));
	if (sa.ss_family == AF_INET6 &&
	    inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host)) != NULL)
		snprintf(out, size, "[%s]:%u", host, ntohs(v6->sin6_port));
	return out;
}

void
activation_end(struct activation *a)
{
	char text[INET6_ADDRSTRLEN + 16];

	for (size_t i = 0; i < a->n; i++) {
		if (a->fd[i] == -1)
			continue;
		log_event(LOG_LVL_WARN, NULL, "socket-unused",
		    KV_STR("address", bound_to(a->fd[i], text, sizeof(text))),
		    KV_STR("text",
			"the service manager listens there and the "
			"configuration does not: nobody answers; correct "
			"sealgated.socket"));
		close(a->fd[i]);
	}
	a->n = 0;
}
