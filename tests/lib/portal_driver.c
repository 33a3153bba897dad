/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Run the portal's role by itself behind its walls, with this program in the
 * place of the supervisor and of store: "add ID" on standard input announces an
 * object, what the portal tells store is printed. Ends with standard input.
 *
 * usage: portal_driver ADDRESS:PORT URL PAGE OBJECTS INDEX [CERT KEY]
 * Port 0 is any; it is printed, and put in the place of "PORT" in URL.
 * PORTAL_NAME, _LOGO, _COLOUR, _IMPRINT, _HELP and _CONNECTIONS are the options
 * of that name, PORTAL_PER_CLIENT, PORTAL_REQUEST_MS and PORTAL_STOP_MS those
 * about limits, and PORTAL_PROXY is the address of a proxy.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/ipc.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/pack.h"
#include "common/secret.h"
#include "gateway/conf.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "gateway/sandbox.h"

struct role {
	const struct conf *conf;
	int sockets[1];
	struct role_events events;
	void *arg;
	struct ipc *store; /* the end that store would have */
	struct ipc *portal_end;
	struct loop_io *in;
	char line[256];
	size_t len;
};

const char *
role_name(enum role_id id)
{
	return "portal";
}

const struct conf *
role_conf(const struct role *r)
{
	return r->conf;
}

int
role_take_fd(struct role *r, enum role_fd kind, unsigned which)
{
	int fd;

	switch (kind) {
	case ROLE_FD_LISTEN:
		if (which > 0)
			return -1;
		fd = r->sockets[which];
		r->sockets[which] = -1;
		return fd;
	case ROLE_FD_TLS_CERT:
		return open(r->conf->portal.tls_cert, O_RDONLY | O_CLOEXEC);
	case ROLE_FD_TLS_KEY:
		return open(r->conf->portal.tls_key, O_RDONLY | O_CLOEXEC);
	case ROLE_FD_MASTER_KEY:
	case ROLE_FD_PASSWORD:
	case ROLE_FD_USERS:
	case ROLE_FD_RCPTS:
	case ROLE_FD_CLIENT_CA:
	case ROLE_FD_GROUP:
	case ROLE_FD_KINDS:
		break;
	}
	return -1;
}

void
role_ready(struct role *r)
{
	puts("ready");
}

_Noreturn void
role_refuse(struct role *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EX_CONFIG);
}

void
role_confine(struct role *r)
{
	struct err_why why = {""};

	if (sandbox_enter(ROLE_PORTAL, r->conf, &why) != ERR_OK)
		role_refuse(r, "%s", why.text);
}

static void
on_store_msg(void *arg, struct ipc_msg *m)
{
	struct arena *a = arena_new(4096);
	struct proto_opened opened;
	struct unpacker u;

	if (m->type == PROTO_OBJECT_OPENED) {
		if (proto_opened_unpack(m->payload, a, &opened) == ERR_OK)
			printf("opened %s %s %s\n", opened.name, opened.client,
			    opened.agent);
	} else {
		unpack_begin(&u, m->payload);
		printf("%s %s\n", proto_name(m->type), unpack_str(&u, a));
	}
	arena_free(a);
}

static void
on_store_close(void *arg)
{
}

static void
announce(struct role *r, const char *name)
{
	struct proto_object m = {.name = name};
	struct packer p;
	struct buf out;

	buf_init(&out, 1024);
	pack_begin(&p, &out);
	proto_object_pack(&p, &m);
	if (pack_end(&p) != ERR_OK || ipc_post(r->store, PROTO_OBJECT_ADD, 1,
					  buf_span(&out), NULL, 0) != ERR_OK)
		fatal("cannot announce %s", name);
	buf_clear(&out);
}

static void
on_input(void *arg, unsigned events)
{
	struct role *r = arg;
	ssize_t n =
	    read(STDIN_FILENO, r->line + r->len, sizeof(r->line) - 1 - r->len);
	char *end;

	if (n <= 0) {
		loop_io_set(r->in, 0);
		r->events.on_stop(r->arg);
		return;
	}
	r->len += (size_t)n;
	r->line[r->len] = '\0';
	while ((end = strchr(r->line, '\n')) != NULL) {
		*end = '\0';
		if (strncmp(r->line, "add ", 4) == 0)
			announce(r, r->line + 4);
		r->len -= (size_t)(end + 1 - r->line);
		memmove(r->line, end + 1, r->len + 1);
	}
}

void
role_attach(struct role *r, struct loop *loop, const struct role_events *events,
    void *arg)
{
	static const struct ipc_events store_events = {
	    .on_msg = on_store_msg,
	    .on_close = on_store_close,
	};

	r->events = *events;
	r->arg = arg;
	ipc_attach(r->store, loop, &store_events, r);
	r->in = loop_io_new(loop, STDIN_FILENO, on_input, r);
	loop_io_set(r->in, LOOP_READ);
	r->events.on_peer(arg, ROLE_STORE, 0, r->portal_end);
}

/* Bind "127.0.0.1:0" and say which port it became. */
static int
listen_on(const char *text, int *fd_out)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	socklen_t len = sizeof(sa);
	char host[64];
	int port = 0, one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sscanf(text, "%63[^:]:%d", host, &port) != 2 ||
	    inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		fatal("not an address: %s", text);
	sa.sin_port = htons((uint16_t)port);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    listen(fd, 64) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		fatal("%s: %s", text, strerror(errno));
	printf("port %d\n", ntohs(sa.sin_port));
	*fd_out = fd;
	return ntohs(sa.sin_port);
}

static unsigned
number(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

int
main(int argc, char **argv)
{
	static struct role r = {.sockets = {-1}};
	static struct conf c;
	static struct conf_net proxy = {.family = AF_INET, .prefix = 32};
	char url[256];
	int a, b, port, rc;

	if (argc != 6 && argc != 8)
		fatal("usage: portal_driver ADDRESS:PORT URL PAGE OBJECTS "
		      "INDEX [CERT KEY]");
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	secret_init();
	log_init("portal", 0, LOG_LVL_DEBUG, false);
	port = listen_on(argv[1], &r.sockets[0]);
	if (strstr(argv[2], "PORT") != NULL)
		snprintf(url, sizeof(url), "%.*s%d%s",
		    (int)(strstr(argv[2], "PORT") - argv[2]), argv[2], port,
		    strstr(argv[2], "PORT") + 4);
	else
		snprintf(url, sizeof(url), "%s", argv[2]);
	c.limits.stop_ms = number("PORTAL_STOP_MS", 2000);
	c.portal.url = url;
	c.portal.page = argv[3];
	c.paths.escrow = argv[4];
	c.paths.portal = argv[5];
	c.portal.brand.name = getenv("PORTAL_NAME");
	c.portal.brand.logo = getenv("PORTAL_LOGO");
	c.portal.brand.colour = getenv("PORTAL_COLOUR");
	c.portal.brand.imprint = getenv("PORTAL_IMPRINT");
	c.portal.brand.help = getenv("PORTAL_HELP");
	c.portal.connections = number("PORTAL_CONNECTIONS", 2000);
	c.portal.connections_per_client = number("PORTAL_PER_CLIENT", 30);
	c.portal.request_ms = number("PORTAL_REQUEST_MS", 20000);
	if (getenv("PORTAL_PROXY") != NULL) {
		if (inet_pton(AF_INET, getenv("PORTAL_PROXY"), proxy.addr) != 1)
			fatal("PORTAL_PROXY is no address");
		c.portal.proxies = &proxy;
		c.portal.n_proxies = 1;
	}
	c.portal.tls_cert = argc == 8 ? argv[6] : NULL;
	c.portal.tls_key = argc == 8 ? argv[7] : NULL;
	if (ipc_pair(&a, &b) != ERR_OK)
		fatal("no channel");
	r.store = ipc_new(a);
	r.portal_end = ipc_new(b);
	r.conf = &c;
	rc = portal_main(&r);
	return rc;
}
