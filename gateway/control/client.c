/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reading and writing of one connection. unix(7), SO_PEERCRED.
 */
#include "gateway/control/client.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/loop.h"

enum {
	QUESTION_MAX = 64 * 1024,
	PIECE = 16 * 1024,
	/* milliseconds without an octet in either direction */
	IDLE_MS = 60 * 1000,
};

struct control_client {
	struct loop_io *io;
	struct loop_timer *timer;
	int fd;
	uid_t uid;
	const struct control_client_events *events;
	void *arg;
	struct buf in, out;
	bool asked; /* a question waits for its answer */
};

bool
control_may_ask(int fd, uid_t *uid_out)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0 ||
	    (peer.uid != 0 && peer.uid != geteuid()))
		return false;
	*uid_out = peer.uid;
	return true;
}

void
control_client_free(struct control_client *c)
{
	if (c == NULL)
		return;
	loop_io_free(c->io);
	loop_timer_free(c->timer);
	close(c->fd);
	buf_clear(&c->in);
	buf_clear(&c->out);
	free(c);
}

static void
leave(struct control_client *c)
{
	c->events->on_gone(c->arg, c);
	control_client_free(c);
}

/* Hand out the next whole line if there is one; the client may be gone then. */
static void
next_question(struct control_client *c)
{
	struct span in = buf_span(&c->in);
	size_t len = span_find_chr(in, 0, '\n');

	if (c->asked || len == in.len)
		return;
	c->asked = true;
	c->events->on_line(c->arg, c, SPAN(in.data, len));
}

static void
flush(struct control_client *c)
{
	ssize_t n;

	while (c->out.len > 0) {
		n = send(c->fd, c->out.data, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			leave(c);
			return;
		}
		buf_drop(&c->out, (size_t)n);
	}
	loop_timer_start(c->timer, IDLE_MS, 0);
	loop_io_set(c->io, c->out.len > 0 ? LOOP_WRITE : LOOP_READ);
}

static void
on_io(void *arg, unsigned events)
{
	struct control_client *c = arg;
	uint8_t *to;
	ssize_t n;

	if ((events & LOOP_WRITE) != 0 && c->out.len > 0) {
		flush(c);
		return;
	}
	if (buf_reserve(&c->in, PIECE, &to) != ERR_OK) {
		leave(c);
		return;
	}
	n = recv(c->fd, to, PIECE, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		leave(c);
		return;
	}
	buf_grow(&c->in, (size_t)n);
	loop_timer_start(c->timer, IDLE_MS, 0);
	next_question(c);
}

static void
on_timer(void *arg)
{
	leave(arg);
}

struct control_client *
control_client_new(struct loop *loop, int fd, uid_t uid,
    const struct control_client_events *events, void *arg)
{
	struct control_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		fatal("out of memory");
	*c = (struct control_client){
	    .fd = fd, .uid = uid, .events = events, .arg = arg};
	buf_init(&c->in, QUESTION_MAX + PIECE);
	buf_init(&c->out, LIMIT_IPC_PAYLOAD);
	c->io = loop_io_new(loop, fd, on_io, c);
	c->timer = loop_timer_new(loop, on_timer, c);
	loop_io_set(c->io, LOOP_READ);
	loop_timer_start(c->timer, IDLE_MS, 0);
	return c;
}

uid_t
control_client_uid(const struct control_client *c)
{
	return c->uid;
}

void
control_client_answer(struct control_client *c, struct span line)
{
	size_t len = span_find_chr(buf_span(&c->in), 0, '\n');

	buf_drop(&c->in, len < c->in.len ? len + 1 : c->in.len);
	c->asked = false;
	if (buf_put(&c->out, line) != ERR_OK ||
	    buf_putc(&c->out, '\n') != ERR_OK) {
		leave(c);
		return;
	}
	/* a further question is read when the next octets come: the command
	   line asks one after another */
	flush(c);
}
