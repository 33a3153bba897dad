/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Visitors of a web server for the benchmark: each, from an address of its own,
 * connects by TLS, asks for a list of things one after the other, keeps the
 * page open for a while and comes again. Prints, as JSON, how long requests and
 * handshakes took. The list is a file: of each request its length in decimal,
 * a line feed, and its octets.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	EVENTS = 256,
	REQUESTS_MAX = 64,
	HEAD_MAX = 8192,
	PIECE = 32 * 1024,
};

enum state {
	AWAY, /* no connection, or one that only is open */
	CONNECTING,
	SHAKING_HANDS,
	ASKING,
	READING_HEAD,
	READING_BODY,
};

struct samples {
	double *list;
	size_t n, max;
};

struct visitor {
	struct run *run;
	uint32_t address; /* own, host order */
	enum state state;
	int fd;
	SSL *ssl;
	uint32_t watched;
	unsigned at; /* request */
	size_t sent;
	char head[HEAD_MAX];
	size_t head_len;
	uint64_t left; /* octets of the body */
	double since;  /* the connection or the request began */
	double again;  /* comes then */
};

struct request {
	char *octets;
	size_t len;
};

struct run {
	int epoll;
	SSL_CTX *ctx;
	struct sockaddr_in server;
	struct request list[REQUESTS_MAX];
	unsigned n_list;
	double stay_s;	    /* a page is open, on average */
	double count_after; /* what began before is not counted */
	struct samples requests, first, handshakes;
	uint64_t octets;
	uint64_t failed;
	unsigned open, open_max;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
die(const char *what)
{
	fprintf(stderr, "visitors: %s\n", what);
	exit(1);
}

static void
add(struct run *run, struct samples *s, double since)
{
	if (since < run->count_after)
		return;
	if (s->n == s->max) {
		s->max = s->max == 0 ? 4096 : 2 * s->max;
		s->list = realloc(s->list, s->max * sizeof(*s->list));
		if (s->list == NULL)
			die("out of memory");
	}
	s->list[s->n++] = now() - since;
}

/* --- one visitor */

static void
watch(struct visitor *v, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = v};

	if (v->watched == events)
		return;
	if (epoll_ctl(v->run->epoll,
		v->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, v->fd,
		&e) != 0)
		die("epoll_ctl");
	v->watched = events;
}

static void
leave(struct visitor *v)
{
	if (v->fd < 0)
		return;
	SSL_free(v->ssl);
	v->ssl = NULL;
	close(v->fd);
	v->fd = -1;
	v->watched = 0;
	v->state = AWAY;
	v->run->open--;
}

static void
fail(struct visitor *v)
{
	v->run->failed++;
	leave(v);
	v->again = now() + 1;
}

static void
come(struct visitor *v)
{
	struct sockaddr_in own = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(v->address)};
	int one = 1;

	leave(v);
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	v->ssl = SSL_new(v->run->ctx);
	if (v->fd < 0 || v->ssl == NULL || SSL_set_fd(v->ssl, v->fd) != 1)
		die("no socket");
	if (++v->run->open > v->run->open_max)
		v->run->open_max = v->run->open;
	setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(
	    v->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	SSL_set_connect_state(v->ssl);
	v->since = now();
	v->at = 0;
	v->state = CONNECTING;
	if (bind(v->fd, (struct sockaddr *)&own, sizeof(own)) != 0 ||
	    (connect(v->fd, (struct sockaddr *)&v->run->server,
		 sizeof(v->run->server)) != 0 &&
		errno != EINPROGRESS)) {
		fail(v);
		return;
	}
	watch(v, EPOLLOUT);
}

/* What TLS waits for; false: it is over. */
static bool
wait_for_tls(struct visitor *v, int rc)
{
	switch (SSL_get_error(v->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		watch(v, EPOLLIN);
		return true;
	case SSL_ERROR_WANT_WRITE:
		watch(v, EPOLLOUT);
		return true;
	default:
		fail(v);
		return false;
	}
}

static void
ask(struct visitor *v)
{
	v->state = ASKING;
	v->sent = 0;
	v->head_len = 0;
	v->since = now();
}

static void
end_request(struct visitor *v)
{
	struct run *run = v->run;

	add(run, &run->requests, v->since);
	if (++v->at < run->n_list) {
		ask(v);
		return;
	}
	/* the page stays open; when the server ends it, nothing is lost */
	v->state = AWAY;
	v->again = now() + run->stay_s * (0.5 + drand48());
	watch(v, EPOLLIN);
}

/* The head of an answer is there: what follows it. */
static bool
take_head(struct visitor *v, const char *end)
{
	size_t head = (size_t)(end - v->head), more = v->head_len - head;
	const char *line = v->head;

	if (strncmp(v->head, "HTTP/1.1 2", 10) != 0) {
		fprintf(stderr, "visitors: %.40s\n", v->head);
		fail(v);
		return false;
	}
	v->left = 0;
	while ((line = strstr(line, "\r\n")) != NULL && line < end - 4) {
		line += 2;
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			v->left = strtoull(line + 15, NULL, 10);
	}
	add(v->run, &v->run->first, v->since);
	if (more > v->left) {
		fail(v);
		return false;
	}
	v->left -= more;
	v->run->octets += more;
	v->state = READING_BODY;
	return true;
}

static bool
read_head(struct visitor *v)
{
	int n = SSL_read(v->ssl, v->head + v->head_len,
	    (int)(sizeof(v->head) - 1 - v->head_len));
	const char *end;

	if (n <= 0) {
		wait_for_tls(v, n);
		return false;
	}
	v->head_len += (size_t)n;
	v->head[v->head_len] = '\0';
	end = strstr(v->head, "\r\n\r\n");
	if (end != NULL)
		return take_head(v, end + 4);
	if (v->head_len == sizeof(v->head) - 1) {
		fail(v);
		return false;
	}
	return true;
}

/* A piece only: others wait, too. */
static bool
read_body(struct visitor *v)
{
	static char piece[PIECE];
	int n;

	if (v->left == 0) {
		end_request(v);
		return v->state == ASKING;
	}
	n = SSL_read(v->ssl, piece,
	    (int)(v->left < sizeof(piece) ? v->left : sizeof(piece)));
	if (n <= 0) {
		wait_for_tls(v, n);
		return false;
	}
	v->left -= (uint64_t)n;
	v->run->octets += (uint64_t)n;
	if (v->left == 0)
		return true;
	if (SSL_pending(v->ssl) > 0)
		return true;
	watch(v, EPOLLIN);
	return false;
}

static bool
send_request(struct visitor *v)
{
	const struct request *r = &v->run->list[v->at];
	int n = SSL_write(v->ssl, r->octets + v->sent, (int)(r->len - v->sent));

	if (n <= 0) {
		wait_for_tls(v, n);
		return false;
	}
	v->sent += (size_t)n;
	if (v->sent == r->len)
		v->state = READING_HEAD;
	return true;
}

static bool
shake_hands(struct visitor *v)
{
	int rc = SSL_do_handshake(v->ssl);

	if (rc != 1) {
		wait_for_tls(v, rc);
		return false;
	}
	add(v->run, &v->run->handshakes, v->since);
	ask(v);
	return true;
}

/* True: there is more to do at once. */
static bool
step(struct visitor *v)
{
	switch (v->state) {
	case AWAY: /* the server has ended it, or told of sessions */
		leave(v);
		return false;
	case CONNECTING:
		v->state = SHAKING_HANDS;
		return true;
	case SHAKING_HANDS:
		return shake_hands(v);
	case ASKING:
		return send_request(v);
	case READING_HEAD:
		return read_head(v);
	case READING_BODY:
		return read_body(v);
	}
	return false;
}

/* --- all of them */

static void
read_list(struct run *run, const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t len;

	if (f == NULL)
		die(path);
	while (run->n_list < REQUESTS_MAX && fscanf(f, "%zu", &len) == 1 &&
	       fgetc(f) == '\n') {
		struct request *r = &run->list[run->n_list++];

		r->len = len;
		r->octets = malloc(len);
		if (r->octets == NULL || fread(r->octets, 1, len, f) != len)
			die("the list is cut short");
	}
	fclose(f);
	if (run->n_list == 0)
		die("the list is empty");
}

static int
order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Percentiles of what was measured. */
static void
print_samples(const char *name, struct samples *s)
{
	double p[3] = {NAN, NAN, NAN};

	if (s->n == 0)
		die("nothing was measured");
	qsort(s->list, s->n, sizeof(*s->list), order);
	p[0] = s->list[s->n / 2];
	p[1] = s->list[s->n * 99 / 100];
	p[2] = s->list[s->n - 1];
	printf("\"%s\":{\"n\":%zu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,"
	       "\"max_ms\":%.2f},",
	    name, s->n, p[0] * 1e3, p[1] * 1e3, p[2] * 1e3);
}

static void
visit(struct run *run, struct visitor *list, unsigned n, double until)
{
	struct epoll_event events[EVENTS];

	while (now() < until) {
		int got = epoll_wait(run->epoll, events, EVENTS, 5);
		double t = now();

		for (int i = 0; i < got; i++)
			while (step(events[i].data.ptr))
				;
		for (unsigned i = 0; i < n; i++)
			if (list[i].state == AWAY && list[i].again <= t)
				come(&list[i]);
	}
}

static void
raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

struct plan {
	unsigned n;
	unsigned net; /* second octet of the visitors' addresses */
	double seconds, settle;
	const char *list;
};

static struct plan
read_options(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
	    {"port", required_argument, NULL, 'p'},
	    {"visitors", required_argument, NULL, 'n'},
	    {"stay", required_argument, NULL, 's'},
	    {"seconds", required_argument, NULL, 't'},
	    {"settle", required_argument, NULL, 'w'},
	    {"net", required_argument, NULL, 'a'},
	    {NULL, 0, NULL, 0},
	};
	struct plan p = {.n = 1, .net = 1, .seconds = 20};
	unsigned long port = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (c == 'p')
			port = strtoul(optarg, NULL, 10);
		else if (c == 'n')
			p.n = (unsigned)strtoul(optarg, NULL, 10);
		else if (c == 'a')
			p.net = (unsigned)strtoul(optarg, NULL, 10) & 255;
		else if (c == 's')
			run->stay_s = strtod(optarg, NULL);
		else if (c == 't')
			p.seconds = strtod(optarg, NULL);
		else if (c == 'w')
			p.settle = strtod(optarg, NULL);
		else
			die("see read_options for the options");
	if (optind + 1 != argc || p.n == 0 || p.n > 60000 || port == 0)
		die("usage: visitors --port N [option ...] LIST");
	run->server.sin_family = AF_INET;
	run->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	run->server.sin_port = htons((uint16_t)port);
	p.list = argv[optind];
	return p;
}

static void
print_all(struct run *run, const struct plan *p)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	printf("{");
	print_samples("requests", &run->requests);
	print_samples("first", &run->first);
	if (run->handshakes.n > 0)
		print_samples("handshakes", &run->handshakes);
	printf("\"octets\":%llu,\"seconds\":%.2f,\"failed\":%llu,"
	       "\"open\":%u,\"own_cpu_s\":%.2f}\n",
	    (unsigned long long)run->octets, p->seconds + p->settle,
	    (unsigned long long)run->failed, run->open_max,
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

int
main(int argc, char **argv)
{
	static struct run run = {.stay_s = 10};
	struct plan p = read_options(&run, argc, argv);
	struct visitor *list = calloc(p.n, sizeof(*list));
	double start;

	read_list(&run, p.list);
	raise_files();
	run.epoll = epoll_create1(EPOLL_CLOEXEC);
	run.ctx = SSL_CTX_new(TLS_client_method());
	if (run.epoll < 0 || run.ctx == NULL || list == NULL)
		die("cannot start");
	SSL_CTX_set_session_cache_mode(run.ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(run.ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	srand48((long)p.n);
	start = now();
	run.count_after = start + p.settle;
	for (unsigned i = 0; i < p.n; i++)
		list[i] = (struct visitor){.run = &run,
		    .fd = -1,
		    .address = 127u << 24 | p.net << 16 | (i / 250) << 8 |
			       (i % 250 + 1),
		    .again = start + drand48() * fmin(run.stay_s, p.settle)};
	visit(&run, list, p.n, start + p.settle + p.seconds);
	print_all(&run, &p);
	return 0;
}
