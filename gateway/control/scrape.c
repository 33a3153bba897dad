/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Nothing of a request is used but its method and path. Each connection has a
 * deadline as a whole, whatever it sends or reads: a scraper that dawdles, or a
 * process that does not answer, keeps nothing for long.
 */
#include "gateway/control/scrape.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/loop.h"
#include "gateway/control/exposition.h"

enum {
	SCRAPES_MAX = 16,
	LISTEN_MAX = 8,
	HEAD_MAX = 8 * 1024,
	PIECE = 2048,
	/* for the whole request, answers of other processes included */
	DEADLINE_MS = 10 * 1000,
	/* that a process that does not answer is waited for */
	ANSWER_MS = 3 * 1000,
};

enum { FROM_SUPERVISOR, FROM_STORE, FROM_DISCOVERY, ANSWERS };

struct scrape {
	struct scrapes *all; /* NULL: the place is free */
	int fd;
	struct loop_io *io;
	struct loop_timer *deadline, *patience;
	struct buf in, out;
	enum scrape_kind kind;
	bool answered;		 /* out is the response */
	uint64_t asked[ANSWERS]; /* 0: not asked, or answered */
	json_t *answer[ANSWERS];
};

struct scrapes {
	struct loop *loop;
	uint64_t (*ask)(void *arg, const char *verb);
	void *arg;
	struct loop_io *listen[LISTEN_MAX];
	int listen_fd[LISTEN_MAX];
	size_t n_listen;
	struct scrape scrape[SCRAPES_MAX];
};

/* --- requests */

static bool
is_path(struct span target, const char *path)
{
	size_t end = span_find_chr(target, 0, '?');

	return span_eq_str(SPAN(target.data, end), path);
}

enum scrape_kind
scrape_parse(struct span r)
{
	size_t line_end = span_find(r, 0, SPAN_LIT("\r\n"));
	size_t method_end, target_end;
	struct span line, target, version;
	bool head;

	if (memchr(r.data, '\0', r.len) != NULL)
		return SCRAPE_BAD;
	if (span_find(r, 0, SPAN_LIT("\r\n\r\n")) == r.len)
		return r.len >= HEAD_MAX ? SCRAPE_BAD : SCRAPE_MORE;
	line = SPAN(r.data, line_end);
	method_end = span_find_chr(line, 0, ' ');
	if (method_end == line.len)
		return SCRAPE_BAD;
	target_end = span_find_chr(line, method_end + 1, ' ');
	if (target_end == line.len)
		return SCRAPE_BAD;
	target = SPAN(line.data + method_end + 1, target_end - method_end - 1);
	version = SPAN(line.data + target_end + 1, line.len - target_end - 1);
	if (!span_eq_str(version, "HTTP/1.1") &&
	    !span_eq_str(version, "HTTP/1.0"))
		return SCRAPE_BAD;
	head = span_eq_str(SPAN(line.data, method_end), "HEAD");
	if (!head && !span_eq_str(SPAN(line.data, method_end), "GET"))
		return SCRAPE_METHOD;
	if (is_path(target, "/metrics"))
		return SCRAPE_METRICS;
	if (is_path(target, "/healthz"))
		return SCRAPE_HEALTH;
	return is_path(target, "/readyz") ? SCRAPE_READY : SCRAPE_NOTHING;
}

/* --- the end of one */

static void
scrape_end(struct scrape *x)
{
	if (x->all == NULL)
		return;
	loop_io_free(x->io);
	loop_timer_free(x->deadline);
	loop_timer_free(x->patience);
	close(x->fd);
	buf_clear(&x->in);
	buf_clear(&x->out);
	for (size_t i = 0; i < ANSWERS; i++)
		json_decref(x->answer[i]);
	memset(x, 0, sizeof(*x));
}

static void
on_deadline(void *arg)
{
	scrape_end(arg);
}

/* --- responses */

static void
flush(struct scrape *x)
{
	while (x->out.len > 0) {
		ssize_t n = send(x->fd, x->out.data, x->out.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			loop_io_set(x->io, LOOP_WRITE);
			return;
		}
		if (n < 0)
			break;
		buf_drop(&x->out, (size_t)n);
	}
	scrape_end(x);
}

static void
respond(struct scrape *x, const char *status, struct span body)
{
	bool head = span_starts_caseeq(buf_span(&x->in), "HEAD ");
	enum err e = buf_printf(&x->out,
	    "HTTP/1.1 %s\r\n"
	    "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
	    "Content-Length: %zu\r\n"
	    "Cache-Control: no-store\r\n"
	    "Connection: close\r\n\r\n",
	    status, body.len);

	if (e == ERR_OK && !head)
		e = buf_put(&x->out, body);
	x->answered = true;
	if (e == ERR_OK)
		flush(x);
	else
		scrape_end(x);
}

static void
respond_text(struct scrape *x, const char *status, const char *text)
{
	respond(x, status, span_str(text));
}

/* All that answers is here, or nobody is waited for any more. */
static void
conclude(struct scrape *x)
{
	const json_t *status = x->answer[FROM_SUPERVISOR];
	const json_t *store = x->answer[FROM_STORE];
	struct buf body;
	enum err e = ERR_OK;
	bool good;

	buf_init(&body, LIMIT_IPC_PAYLOAD);
	if (status == NULL) {
		respond_text(x, "503 Service Unavailable",
		    "the supervisor does not answer\n");
	} else if (x->kind == SCRAPE_HEALTH) {
		respond_text(x, "200 OK", "ok\n");
	} else if (x->kind == SCRAPE_READY) {
		good = control_is_ready(status, store, &body);
		if (good)
			respond_text(x, "200 OK", "ready\n");
		else
			respond(x, "503 Service Unavailable", buf_span(&body));
	} else {
		e = control_expose(
		    status, store, x->answer[FROM_DISCOVERY], &body);
		if (e == ERR_OK)
			respond(x, "200 OK", buf_span(&body));
		else
			respond_text(
			    x, "500 Internal Server Error", "out of memory\n");
	}
	buf_clear(&body);
}

static void
on_patience(void *arg)
{
	conclude(arg);
}

/* --- questions */

static void
put_questions(struct scrape *x)
{
	static const char *const verbs[][ANSWERS] = {
	    [SCRAPE_METRICS] = {"metrics", "store-metrics",
		"discovery-metrics"},
	    [SCRAPE_HEALTH] = {"status", NULL, NULL},
	    [SCRAPE_READY] = {"status", "store-status", NULL},
	};
	bool waits = false;

	for (size_t i = 0; i < ANSWERS; i++) {
		const char *verb = verbs[x->kind][i];

		if (verb != NULL)
			x->asked[i] = x->all->ask(x->all->arg, verb);
		waits |= x->asked[i] != 0;
	}
	if (!waits) {
		conclude(x);
		return;
	}
	loop_io_set(x->io, 0);
	loop_timer_start(x->patience, ANSWER_MS, 0);
}

static bool
has_all(const struct scrape *x)
{
	for (size_t i = 0; i < ANSWERS; i++)
		if (x->asked[i] != 0)
			return false;
	return true;
}

void
scrapes_answer(struct scrapes *s, uint64_t id, struct span answer)
{
	for (size_t k = 0; s != NULL && id != 0 && k < SCRAPES_MAX; k++) {
		struct scrape *x = &s->scrape[k];
		size_t i = 0;

		while (i < ANSWERS && (x->all == NULL || x->asked[i] != id))
			i++;
		if (i == ANSWERS)
			continue;
		x->asked[i] = 0;
		x->answer[i] =
		    json_loadb((const char *)answer.data, answer.len, 0, NULL);
		if (!json_is_true(json_object_get(x->answer[i], "ok"))) {
			json_decref(x->answer[i]);
			x->answer[i] = NULL;
		}
		if (!x->answered && has_all(x))
			conclude(x);
		return;
	}
}

/* --- connections */

static void
on_request(struct scrape *x)
{
	x->kind = scrape_parse(buf_span(&x->in));
	switch (x->kind) {
	case SCRAPE_MORE:
		return;
	case SCRAPE_BAD:
		respond_text(x, "400 Bad Request", "bad request\n");
		return;
	case SCRAPE_METHOD:
		respond_text(x, "405 Method Not Allowed", "GET or HEAD\n");
		return;
	case SCRAPE_NOTHING:
		respond_text(x, "404 Not Found",
		    "there are /metrics, /healthz and /readyz\n");
		return;
	case SCRAPE_METRICS:
	case SCRAPE_HEALTH:
	case SCRAPE_READY:
		put_questions(x);
		return;
	}
}

static void
on_io(void *arg, unsigned events)
{
	struct scrape *x = arg;
	uint8_t *to;
	ssize_t n;

	if (x->answered) {
		flush(x);
		return;
	}
	if ((events & LOOP_READ) == 0)
		return;
	if (buf_reserve(&x->in, PIECE, &to) != ERR_OK) {
		scrape_end(x);
		return;
	}
	n = recv(x->fd, to, PIECE, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		scrape_end(x);
		return;
	}
	buf_grow(&x->in, (size_t)n);
	on_request(x);
}

static void
on_connection(void *arg, unsigned events)
{
	struct scrapes *s = arg;
	struct scrape *x = NULL;
	int fd = -1;

	(void)events;
	for (size_t i = 0; fd < 0 && i < s->n_listen; i++)
		fd = accept4(
		    s->listen_fd[i], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return;
	for (size_t i = 0; x == NULL && i < SCRAPES_MAX; i++)
		if (s->scrape[i].all == NULL)
			x = &s->scrape[i];
	if (x == NULL) {
		close(fd);
		return;
	}
	x->all = s;
	x->fd = fd;
	buf_init(&x->in, HEAD_MAX + PIECE);
	buf_init(&x->out, LIMIT_IPC_PAYLOAD);
	x->io = loop_io_new(s->loop, fd, on_io, x);
	x->deadline = loop_timer_new(s->loop, on_deadline, x);
	x->patience = loop_timer_new(s->loop, on_patience, x);
	loop_io_set(x->io, LOOP_READ);
	loop_timer_start(x->deadline, DEADLINE_MS, 0);
}

struct scrapes *
scrapes_new(
    struct loop *loop, uint64_t (*ask)(void *arg, const char *verb), void *arg)
{
	struct scrapes *s = calloc(1, sizeof(*s));

	if (s == NULL)
		fatal("out of memory");
	s->loop = loop;
	s->ask = ask;
	s->arg = arg;
	return s;
}

void
scrapes_free(struct scrapes *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < SCRAPES_MAX; i++)
		scrape_end(&s->scrape[i]);
	for (size_t i = 0; i < s->n_listen; i++) {
		loop_io_free(s->listen[i]);
		close(s->listen_fd[i]);
	}
	free(s);
}

void
scrapes_listen(struct scrapes *s, int fd)
{
	if (s->n_listen == LISTEN_MAX) {
		close(fd);
		return;
	}
	s->listen_fd[s->n_listen] = fd;
	s->listen[s->n_listen] = loop_io_new(s->loop, fd, on_connection, s);
	loop_io_set(s->listen[s->n_listen], LOOP_READ);
	s->n_listen++;
}
