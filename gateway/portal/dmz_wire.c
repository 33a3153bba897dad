/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Frames between a gateway and its portal, in TLS on a socket of the loop. Who
 * is at the other end is settled by the handshake (net/tls_peer.h) before an
 * octet of a frame is looked at.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/loop.h"
#include "common/secret.h"
#include "gateway/portal/dmz_private.h"
#include "net/tls_peer.h"

enum { READS = 16, READ_SIZE = 16 * 1024 };

enum wire_state {
	WIRE_CONNECTING,
	WIRE_HANDSHAKE,
	WIRE_UP,
	WIRE_OVER,
};

struct portal_wire {
	enum wire_state state;
	bool in_dmz;
	struct loop_io *io;
	struct loop_timer *soon;
	struct net_tls_peer *tls;
	int fd;
	const struct portal_wire_events *events;
	void *arg;
	struct buf in;
	struct buf out;
	size_t out_at; /* what of it is sent */
	bool wants_write;
	bool was_full;
	uint64_t born_ms, heard_ms, said_ms; /* steady clock */
	struct err_why why;
};

static void drive(struct portal_wire *w);

static void
on_soon(void *arg)
{
	drive(arg);
}

static void
on_io(void *arg, unsigned events)
{
	(void)events;
	drive(arg);
}

struct portal_wire *
portal_wire_new(struct loop *loop, struct net_tls_peers *tls, int fd,
    bool in_dmz, const struct portal_wire_events *events, void *arg)
{
	struct portal_wire *w = calloc(1, sizeof(*w));

	if (w == NULL || net_tls_peer_new(tls, fd, in_dmz, &w->tls) != ERR_OK) {
		free(w);
		close(fd);
		return NULL;
	}
	w->fd = fd;
	w->in_dmz = in_dmz;
	w->state = in_dmz ? WIRE_HANDSHAKE : WIRE_CONNECTING;
	w->events = events;
	w->arg = arg;
	buf_init(&w->in, 2 * LIMIT_DMZ_FRAME);
	buf_init(&w->out, LIMIT_DMZ_QUEUE_MAX);
	w->born_ms = w->heard_ms = w->said_ms = clock_steady_ms();
	w->soon = loop_timer_new(loop, on_soon, w);
	w->io = loop_io_new(loop, fd, on_io, w);
	loop_io_set(w->io, in_dmz ? LOOP_READ : LOOP_WRITE);
	return w;
}

/* A code may have been in it. */
static void
clear(struct buf *b)
{
	if (b->data != NULL)
		secret_wipe(b->data, b->cap);
	buf_clear(b);
}

void
portal_wire_free(struct portal_wire *w)
{
	if (w == NULL)
		return;
	loop_io_free(w->io);
	loop_timer_free(w->soon);
	net_tls_peer_free(w->tls);
	close(w->fd);
	clear(&w->in);
	clear(&w->out);
	free(w);
}

void
portal_wire_cut(struct portal_wire *w, const char *why)
{
	if (w->state == WIRE_OVER)
		return;
	w->state = WIRE_OVER;
	if (why != NULL)
		snprintf(w->why.text, sizeof(w->why.text), "%s", why);
	loop_io_set(w->io, 0);
	loop_timer_start(w->soon, 0, 0);
}

/* --- out */

static size_t
queued(const struct portal_wire *w)
{
	return w->out.len - w->out_at;
}

bool
portal_wire_has_room(const struct portal_wire *w)
{
	return w->state == WIRE_UP && queued(w) < LIMIT_DMZ_QUEUE;
}

static void
shrink(struct portal_wire *w)
{
	if (w->out_at == w->out.len) {
		buf_reset(&w->out);
		w->out_at = 0;
	} else if (w->out_at > LIMIT_DMZ_QUEUE / 2) {
		buf_drop(&w->out, w->out_at);
		w->out_at = 0;
	}
}

static void
flush(struct portal_wire *w)
{
	w->wants_write = false;
	while (w->state == WIRE_UP && queued(w) > 0) {
		size_t n = 0;
		enum net_io io = net_tls_peer_write(w->tls,
		    SPAN(w->out.data + w->out_at, queued(w)), &n, &w->why);

		if (io == NET_IO_DONE) {
			w->out_at += n;
			w->said_ms = clock_steady_ms();
			continue;
		}
		w->wants_write = io == NET_IO_WANT_WRITE;
		if (io == NET_IO_FAILED || io == NET_IO_CLOSED)
			portal_wire_cut(w, NULL);
		break;
	}
	shrink(w);
}

void
portal_wire_send(struct portal_wire *w, const struct proto_frame *f)
{
	if (w->state != WIRE_UP)
		return;
	if (proto_frame_put(f, &w->out) != ERR_OK) {
		portal_wire_cut(w, "it does not take what is sent");
		return;
	}
	w->was_full = w->was_full || !portal_wire_has_room(w);
	/* what is sent in one turn of the loop goes together */
	loop_timer_start(w->soon, 0, 0);
}

/* --- in */

static void
take_frames(struct portal_wire *w)
{
	while (w->state == WIRE_UP) {
		struct proto_frame f;
		size_t used;
		enum err e = proto_frame_get(buf_span(&w->in), &f, &used);

		if (e == ERR_AGAIN)
			return;
		if (e != ERR_OK || !proto_frame_is_of(f.type, !w->in_dmz)) {
			portal_wire_cut(w, "it sends what is no frame");
			return;
		}
		if (f.type == FRAME_PING)
			portal_wire_send(
			    w, &(struct proto_frame){.type = FRAME_PONG});
		else if (f.type != FRAME_PONG)
			w->events->on_frame(w->arg, w, &f);
		buf_drop(&w->in, used);
	}
}

/* False: there may be more, and others wait. */
static bool
fill(struct portal_wire *w)
{
	for (unsigned i = 0; i < READS && w->state == WIRE_UP; i++) {
		enum net_io io;
		uint8_t *p;
		size_t n = 0;

		if (buf_reserve(&w->in, READ_SIZE, &p) != ERR_OK) {
			portal_wire_cut(w, "out of memory");
			return true;
		}
		io = net_tls_peer_read(w->tls, p, READ_SIZE, &n, &w->why);
		if (io == NET_IO_WANT_READ || io == NET_IO_WANT_WRITE)
			return true;
		if (io != NET_IO_DONE) {
			portal_wire_cut(
			    w, io == NET_IO_CLOSED ? "it has hung up" : NULL);
			return true;
		}
		buf_grow(&w->in, n);
		w->heard_ms = clock_steady_ms();
		take_frames(w);
	}
	return false;
}

/* --- the steps */

/* Has connect(2) succeeded? */
static void
connected(struct portal_wire *w)
{
	int no = 0;
	socklen_t len = sizeof(no);

	if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &no, &len) != 0)
		no = errno;
	if (no != 0)
		portal_wire_cut(w, strerror(no));
	else
		w->state = WIRE_HANDSHAKE;
}

static void
shake_hands(struct portal_wire *w)
{
	enum net_io io = net_tls_peer_handshake(w->tls, &w->why);

	w->wants_write = io == NET_IO_WANT_WRITE;
	if (io == NET_IO_FAILED || io == NET_IO_CLOSED) {
		portal_wire_cut(
		    w, io == NET_IO_CLOSED ? "it has hung up" : NULL);
	} else if (io == NET_IO_DONE) {
		w->state = WIRE_UP;
		w->heard_ms = clock_steady_ms();
		w->events->on_up(w->arg, w);
	}
}

static void
drive(struct portal_wire *w)
{
	bool waits = true;

	if (w->state == WIRE_CONNECTING)
		connected(w);
	if (w->state == WIRE_HANDSHAKE)
		shake_hands(w);
	if (w->state == WIRE_UP)
		waits = fill(w);
	flush(w);
	if (w->state == WIRE_UP && w->was_full && portal_wire_has_room(w)) {
		w->was_full = false;
		if (w->events->on_room != NULL)
			w->events->on_room(w->arg, w);
	}
	if (w->state == WIRE_OVER) {
		w->events->on_down(w->arg, w,
		    w->why.text[0] != '\0' ? w->why.text : "it was cut");
		return;
	}
	loop_io_set(w->io, LOOP_READ | (w->wants_write ? LOOP_WRITE : 0u));
	if (!waits)
		loop_timer_start(w->soon, 0, 0);
}

void
portal_wire_tick(struct portal_wire *w)
{
	uint64_t now = clock_steady_ms();

	if (w->state == WIRE_CONNECTING || w->state == WIRE_HANDSHAKE) {
		if (now - w->born_ms >= LIMIT_DMZ_HANDSHAKE_MS)
			portal_wire_cut(w, "no answer in time");
		return;
	}
	if (w->state != WIRE_UP)
		return;
	if (now - w->heard_ms >= LIMIT_DMZ_SILENCE_MS)
		portal_wire_cut(w, "it is silent");
	else if (now - w->said_ms >= LIMIT_DMZ_PING_MS ||
		 now - w->heard_ms >= LIMIT_DMZ_PING_MS)
		portal_wire_send(w, &(struct proto_frame){.type = FRAME_PING});
}
