/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Load for the benchmark: hands messages in over some connections, takes them
 * at the other end in the same process, and measures how long each took to be
 * accepted and to be delivered. Each message has a sender address of its own,
 * by which the sink knows it whatever was made of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"

enum {
	EVENTS = 64,
	READ_SIZE = 256 * 1024,
	OUT_MAX = 256 * 1024 * 1024,
	IN_MAX = 1024 * 1024,
};

enum state {
	CLIENT_GREETING,
	CLIENT_EHLO,
	CLIENT_IDLE,
	CLIENT_ENVELOPE, /* three replies are awaited */
	CLIENT_BODY,	 /* the final one is */
	SINK_COMMAND,
	SINK_DATA,
	SINK_BDAT,
};

struct conn {
	int fd;
	enum state state;
	struct buf in;
	struct buf out;
	size_t out_at;
	unsigned replies; /* seen of the envelope */
	size_t msg;	  /* number of the message in hand */
	size_t left;	  /* octets of a chunk */
	bool last;	  /* of the message's chunks */
	unsigned tail;	  /* how much of CRLF.CRLF has been seen */
};

struct run {
	int epoll;
	int listener;
	size_t count;
	size_t window;
	size_t started;
	size_t accepted;
	size_t delivered;
	const char *from; /* domain of all senders */
	const char *const *rcpts;
	size_t n_rcpts;
	double *t_start;
	double *t_accept;
	double *t_deliver;
	struct buf body;
	struct conn **clients;
	size_t n_clients;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
must(enum err e)
{
	if (e != ERR_OK)
		fatal("load: %s", err_text(e));
}

/* --- connections --- */

static struct conn *
conn_new(struct run *r, int fd, enum state state)
{
	struct conn *c = calloc(1, sizeof(*c));
	struct epoll_event ev = {.events = EPOLLIN};
	int one = 1;

	if (c == NULL)
		fatal("out of memory");
	c->fd = fd;
	c->state = state;
	buf_init(&c->in, IN_MAX);
	buf_init(&c->out, OUT_MAX);
	ev.data.ptr = c;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		fatal("epoll: %s", strerror(errno));
	return c;
}

static void
conn_free(struct conn *c)
{
	close(c->fd);
	buf_clear(&c->in);
	buf_clear(&c->out);
	free(c);
}

static void
flush(struct run *r, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN};
	ssize_t n;

	while (c->out_at < c->out.len) {
		n = send(c->fd, c->out.data + c->out_at, c->out.len - c->out_at,
		    MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			fatal("send: %s", strerror(errno));
		c->out_at += (size_t)n;
	}
	if (c->out_at == c->out.len) {
		buf_reset(&c->out);
		c->out_at = 0;
	} else {
		ev.events |= EPOLLOUT;
	}
	ev.data.ptr = c;
	epoll_ctl(r->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

/* --- handing in --- */

static void
start_message(struct run *r, struct conn *c)
{
	if (r->started == r->count || r->started - r->delivered >= r->window) {
		c->state = CLIENT_IDLE;
		return;
	}
	c->msg = r->started++;
	c->replies = 0;
	c->state = CLIENT_ENVELOPE;
	r->t_start[c->msg] = now();
	must(buf_printf(&c->out, "MAIL FROM:<b%zu@%s>\r\n", c->msg, r->from));
	for (size_t i = 0; i < r->n_rcpts; i++)
		must(buf_printf(&c->out, "RCPT TO:<%s>\r\n", r->rcpts[i]));
	must(buf_puts(&c->out, "DATA\r\n"));
	flush(r, c);
}

static void
wake_idle(struct run *r)
{
	for (size_t i = 0; i < r->n_clients; i++)
		if (r->clients[i]->state == CLIENT_IDLE)
			start_message(r, r->clients[i]);
}

static void
on_reply(struct run *r, struct conn *c, int code)
{
	switch (c->state) {
	case CLIENT_GREETING:
		must(buf_puts(&c->out, "EHLO load.sender.example\r\n"));
		c->state = CLIENT_EHLO;
		flush(r, c);
		return;
	case CLIENT_EHLO:
		start_message(r, c);
		return;
	case CLIENT_ENVELOPE:
		if (code >= 400)
			fatal("load: the server said %d to the envelope", code);
		if (++c->replies < 2 + r->n_rcpts)
			return;
		must(buf_printf(
		    &c->out, "From: Bench <b%zu@%s>\r\n", c->msg, r->from));
		must(buf_put(&c->out, buf_span(&r->body)));
		c->state = CLIENT_BODY;
		flush(r, c);
		return;
	case CLIENT_BODY:
		if (code != 250)
			fatal("load: the server said %d to a message", code);
		r->t_accept[c->msg] = now() - r->t_start[c->msg];
		r->accepted++;
		start_message(r, c);
		return;
	case CLIENT_IDLE:
	case SINK_COMMAND:
	case SINK_DATA:
	case SINK_BDAT:
		break;
	}
	fatal("load: a reply (%d) that nobody asked for", code);
}

/* --- taking --- */

static void
took(struct run *r, struct conn *c)
{
	if (c->msg < r->count && r->t_deliver[c->msg] == 0) {
		r->t_deliver[c->msg] = now() - r->t_start[c->msg];
		r->delivered++;
	}
	must(buf_puts(&c->out, "250 2.0.0 taken\r\n"));
}

static void
sink_command(struct run *r, struct conn *c, struct span line)
{
	struct span id;

	if (span_starts_caseeq(line, "EHLO")) {
		must(buf_puts(&c->out, "250-sink\r\n250-PIPELINING\r\n"
				       "250-8BITMIME\r\n250-CHUNKING\r\n"
				       "250 SMTPUTF8\r\n"));
	} else if (span_starts_caseeq(line, "MAIL FROM:<b")) {
		id = SPAN(line.data + 12, line.len - 12);
		c->msg = strtoul((const char *)id.data, NULL, 10);
		must(buf_puts(&c->out, "250 2.1.0 ok\r\n"));
	} else if (span_starts_caseeq(line, "DATA")) {
		must(buf_puts(&c->out, "354 go on\r\n"));
		c->state = SINK_DATA;
		c->tail = 2; /* as if CRLF stood before */
	} else if (span_starts_caseeq(line, "BDAT ")) {
		c->left = strtoul((const char *)line.data + 5, NULL, 10);
		c->last = span_find(line, 0, SPAN_LIT("LAST")) < line.len;
		c->state = SINK_BDAT;
	} else {
		must(buf_puts(&c->out, "250 2.0.0 ok\r\n"));
	}
}

/* How much of s belongs to the message; *end when CRLF.CRLF was seen. */
static size_t
sink_data(struct conn *c, struct span s, bool *end)
{
	static const char want[] = "\r\n.\r\n";
	const uint8_t *p;
	size_t i = 0;

	*end = false;
	while (i < s.len) {
		if (c->tail == 0) {
			p = memchr(s.data + i, '\r', s.len - i);
			if (p == NULL)
				return s.len;
			i = (size_t)(p - s.data);
		}
		if (s.data[i] == (uint8_t)want[c->tail])
			c->tail++;
		else
			c->tail = s.data[i] == '\r' ? 1 : 0;
		i++;
		if (c->tail == 5) {
			*end = true;
			return i;
		}
	}
	return i;
}

/* --- octets --- */

static bool
take_line(struct conn *c, size_t *at, struct span *line)
{
	size_t nl = span_find_chr(buf_span(&c->in), *at, '\n');

	if (nl == c->in.len)
		return false;
	*line = SPAN(c->in.data + *at, nl - *at);
	*at = nl + 1;
	return true;
}

static int
reply_code(struct span line)
{
	return (line.data[0] - '0') * 100 + (line.data[1] - '0') * 10 +
	       (line.data[2] - '0');
}

static void
on_octets(struct run *r, struct conn *c)
{
	size_t at = 0;
	struct span line, rest;
	bool end;

	for (;;) {
		rest = SPAN(c->in.data + at, c->in.len - at);
		if (c->state == SINK_DATA && rest.len > 0) {
			at += sink_data(c, rest, &end);
			if (end) {
				took(r, c);
				c->state = SINK_COMMAND;
			}
		} else if (c->state == SINK_BDAT) {
			size_t n = rest.len < c->left ? rest.len : c->left;

			at += n;
			c->left -= n;
			if (c->left > 0)
				break;
			if (c->last)
				took(r, c);
			else
				must(buf_puts(&c->out, "250 2.0.0 ok\r\n"));
			c->state = SINK_COMMAND;
		} else if (c->state == SINK_DATA || !take_line(c, &at, &line)) {
			break;
		} else if (c->state == SINK_COMMAND) {
			sink_command(r, c, line);
		} else if (line.len > 3 && line.data[3] != '-') {
			on_reply(r, c, reply_code(line));
		}
	}
	buf_drop(&c->in, at);
	flush(r, c);
}

static void
on_event(struct run *r, struct conn *c, uint32_t events)
{
	uint8_t *p;
	ssize_t n;

	if ((events & EPOLLOUT) != 0)
		flush(r, c);
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
		return;
	must(buf_reserve(&c->in, READ_SIZE, &p));
	n = recv(c->fd, p, READ_SIZE, 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		if (c->state < SINK_COMMAND)
			fatal("load: the server closed the connection");
		conn_free(c);
		return;
	}
	buf_grow(&c->in, (size_t)n);
	on_octets(r, c);
}

/* --- the run --- */

static int
connect_to(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		fatal("connect to port %d: %s", port, strerror(errno));
	return fd;
}

static int
listen_on(int port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0 ||
	    listen(fd, 512) != 0)
		fatal("listen on port %d: %s", port, strerror(errno));
	return fd;
}

static void
make_body(struct run *r, size_t size)
{
	buf_init(&r->body, OUT_MAX);
	must(buf_puts(&r->body, "To:"));
	/* whoever is not named is hidden and gets a message of its own */
	for (size_t i = 0; i < r->n_rcpts; i++)
		must(buf_printf(
		    &r->body, "%s <%s>", i > 0 ? ",\r\n" : "", r->rcpts[i]));
	must(buf_puts(&r->body,
	    "\r\nSubject: load\r\nMessage-ID: <load@sender.example>\r\n"
	    "Date: Sat, 21 Nov 2026 09:00:00 +0000\r\n\r\n"));
	while (r->body.len < size)
		must(buf_puts(&r->body,
		    "All work and no play makes a dull gateway; 64 octets a "
		    "line..\r\n"));
	must(buf_puts(&r->body, ".\r\n"));
}

/* A message from a file, behind its From field; lines in CRLF, none of them
   begins with a dot. */
static void
read_body(struct run *r, const char *path)
{
	char part[65536];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL)
		fatal("load: %s: %s", path, strerror(errno));
	buf_init(&r->body, OUT_MAX);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		must(buf_put(&r->body, SPAN(part, n)));
	fclose(f);
	must(buf_puts(&r->body, ".\r\n"));
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double
percentile(double *v, size_t n, double p)
{
	qsort(v, n, sizeof(*v), compare);
	return v[(size_t)((double)(n - 1) * p)] * 1e3;
}

static void
report(struct run *r, double wall)
{
	struct timespec cpu;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	printf("{\"count\": %zu, \"wall_s\": %.4f, \"per_s\": %.1f, "
	       "\"accept_p50_ms\": %.2f, \"accept_p99_ms\": %.2f, "
	       "\"deliver_p50_ms\": %.2f, \"deliver_p99_ms\": %.2f, "
	       "\"own_cpu_s\": %.4f}\n",
	    r->count, wall, (double)r->count / wall,
	    percentile(r->t_accept, r->count, 0.5),
	    percentile(r->t_accept, r->count, 0.99),
	    percentile(r->t_deliver, r->count, 0.5),
	    percentile(r->t_deliver, r->count, 0.99),
	    (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
}

static void
run_all(struct run *r, double limit_s)
{
	struct epoll_event ev[EVENTS];
	double begin = now();
	int n;

	while (r->delivered < r->count || r->accepted < r->count) {
		n = epoll_wait(r->epoll, ev, EVENTS, 1000);
		for (int i = 0; i < n; i++) {
			if (ev[i].data.ptr != NULL) {
				on_event(r, ev[i].data.ptr, ev[i].events);
				continue;
			}
			int fd = accept4(r->listener, NULL, NULL, SOCK_CLOEXEC);

			if (fd >= 0) {
				struct conn *c = conn_new(r, fd, SINK_COMMAND);

				must(buf_puts(&c->out, "220 sink\r\n"));
				flush(r, c);
			}
		}
		wake_idle(r);
		if (now() - begin > limit_s)
			fatal("load: %zu accepted and %zu delivered of %zu "
			      "after %.0f s",
			    r->accepted, r->delivered, r->count, limit_s);
	}
	report(r, now() - begin);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"port", required_argument, NULL, 'p'},
	    {"sink", required_argument, NULL, 's'},
	    {"count", required_argument, NULL, 'n'},
	    {"size", required_argument, NULL, 'b'},
	    {"connections", required_argument, NULL, 'c'},
	    {"window", required_argument, NULL, 'w'},
	    {"limit", required_argument, NULL, 'l'},
	    {"from", required_argument, NULL, 'f'},
	    {"message", required_argument, NULL, 'm'},
	    {NULL, 0, NULL, 0},
	};
	size_t v[128] = {
	    ['n'] = 1000, ['b'] = 10240, ['c'] = 8, ['w'] = 100, ['l'] = 120};
	struct epoll_event ev = {.events = EPOLLIN};
	struct run r = {.from = "sender.example"};
	const char *message = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return 2;
		if (c == 'f')
			r.from = optarg;
		else if (c == 'm')
			message = optarg;
		else
			v[c] = strtoul(optarg, NULL, 10);
	}
	if (optind == argc || v['p'] == 0 || v['s'] == 0 || v['n'] == 0) {
		fputs("usage: load --port P --sink P [--count N] [--size N] "
		      "[--connections N] [--window N] [--limit S] [--from "
		      "DOMAIN] [--message FILE] RCPT...\n",
		    stderr);
		return 2;
	}
	r.count = v['n'];
	r.window = v['w'];
	r.rcpts = (const char *const *)argv + optind;
	r.n_rcpts = (size_t)(argc - optind);
	r.t_start = calloc(r.count, sizeof(double));
	r.t_accept = calloc(r.count, sizeof(double));
	r.t_deliver = calloc(r.count, sizeof(double));
	r.n_clients = v['c'];
	r.clients = calloc(r.n_clients, sizeof(struct conn *));
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	r.listener = listen_on((int)v['s']);
	if (r.t_start == NULL || r.t_accept == NULL || r.t_deliver == NULL ||
	    r.clients == NULL || r.epoll < 0 ||
	    epoll_ctl(r.epoll, EPOLL_CTL_ADD, r.listener, &ev) != 0)
		fatal("load: out of memory");
	if (message != NULL)
		read_body(&r, message);
	else
		make_body(&r, v['b']);
	for (size_t i = 0; i < r.n_clients; i++)
		r.clients[i] =
		    conn_new(&r, connect_to((int)v['p']), CLIENT_GREETING);
	run_all(&r, (double)v['l']);
	return 0;
}
