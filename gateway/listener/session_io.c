/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The octets of a session, through TLS or not. Nothing here blocks, and
 * nothing here knows SMTP.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "common/loop.h"
#include "gateway/listener/proxy.h"
#include "gateway/listener/session.h"
#include "net/tls_server.h"

static enum listener_step
step_of(struct listener_session *s, enum net_io io)
{
	switch (io) {
	case NET_IO_DONE:
		return LISTENER_STEP_GO;
	case NET_IO_WANT_READ:
		return LISTENER_STEP_WAIT;
	case NET_IO_WANT_WRITE:
		s->tls_wants_write = true;
		return LISTENER_STEP_WAIT;
	case NET_IO_CLOSED:
	case NET_IO_FAILED:
		break;
	}
	return LISTENER_STEP_END;
}

static enum listener_step
plain_read(struct listener_session *s, uint8_t *p, size_t room, size_t *n)
{
	ssize_t got;

	do
		got = recv(s->fd, p, room, 0);
	while (got < 0 && errno == EINTR);
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return LISTENER_STEP_WAIT;
	if (got <= 0)
		return LISTENER_STEP_END;
	*n = (size_t)got;
	return LISTENER_STEP_GO;
}

enum listener_step
listener_io_read(struct listener_session *s)
{
	size_t n = 0, room = LISTENER_IN;
	enum listener_step step;

	if (s->in_at > 0) {
		memmove(s->in, s->in + s->in_at, s->in_len - s->in_at);
		s->in_len -= s->in_at;
		s->in_at = 0;
	}
	if (s->state == LISTENER_PROXY)
		room = s->in_len + listener_proxy_room(SPAN(s->in, s->in_len));
	if (room > LISTENER_IN)
		room = LISTENER_IN;
	if (s->in_len >= room)
		return LISTENER_STEP_WAIT;
	if (s->tls_done)
		step = step_of(s, net_tls_server_read(s->tls, s->in + s->in_len,
				      room - s->in_len, &n));
	else
		step = plain_read(s, s->in + s->in_len, room - s->in_len, &n);
	s->in_len += n;
	return step;
}

static enum listener_step
plain_write(struct listener_session *s, struct span out, size_t *n)
{
	ssize_t sent;

	do
		sent = send(s->fd, out.data, out.len, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return LISTENER_STEP_WAIT;
	if (sent < 0)
		return LISTENER_STEP_END;
	*n = (size_t)sent;
	return LISTENER_STEP_GO;
}

/* GO: nothing is left to be sent. */
enum listener_step
listener_io_write(struct listener_session *s)
{
	enum listener_step step = LISTENER_STEP_GO;
	struct span out;
	size_t n;

	while (step == LISTENER_STEP_GO && s->out_at < s->out.len) {
		n = 0;
		out = SPAN(s->out.data + s->out_at, s->out.len - s->out_at);
		if (s->tls_done)
			step =
			    step_of(s, net_tls_server_write(s->tls, out, &n));
		else
			step = plain_write(s, out, &n);
		s->out_at += n;
	}
	if (s->out_at == s->out.len) {
		buf_reset(&s->out);
		s->out_at = 0;
	}
	return step;
}

enum listener_step
listener_io_handshake(struct listener_session *s)
{
	return step_of(s, net_tls_server_handshake(s->tls));
}

static bool
is_polled(const struct listener_session *s, int events)
{
	struct pollfd p = {.fd = s->fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) == 1 && (p.revents & events) != 0;
}

bool
listener_io_is_gone(const struct listener_session *s)
{
	return is_polled(s, POLLHUP | POLLERR);
}

bool
listener_io_is_half_gone(const struct listener_session *s)
{
	return is_polled(s, POLLRDHUP);
}

/* A session that is busy with something else does not read: what its client
   sends waits in the socket. */
void
listener_io_watch(struct listener_session *s)
{
	bool waits_for_job = s->state == LISTENER_JOB ||
			     s->state == LISTENER_AUTH ||
			     !TAILQ_EMPTY(&s->slots);
	unsigned events = 0;

	if (!waits_for_job && !s->closing && s->out.len < LISTENER_OUT_FULL)
		events |= LOOP_READ;
	if (s->out_at < s->out.len || s->tls_wants_write)
		events |= LOOP_WRITE;
	loop_io_set(s->io, events);
}
