/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Datagram: type[2] flags[2] zero[4] id[8] payload. One flag: the last
 * descriptor is a memfd with the payload. unix(7), SCM_RIGHTS.
 */
#include "common/ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/loop.h"

enum {
	HEADER = 16,
	FLAG_MEMFD = 1,
	/* messages handled before the loop gets its turn again */
	BURST = 64,
};

struct queued {
	struct queued *next;
	uint16_t type;
	uint16_t flags;
	uint64_t id;
	int fds[LIMIT_IPC_FDS];
	size_t n_fds;
	size_t len;
	uint8_t payload[];
};

struct ipc {
	int fd;
	uint8_t *in; /* HEADER + LIMIT_IPC_INLINE octets */
	struct loop_io *io;
	struct ipc_events events;
	void *arg;
	struct queued *first, **last;
	size_t n_queued;
	bool broken;
	bool *freed; /* set when freed inside a callback */
};

enum err
ipc_pair(int *a_out, int *b_out)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return err_from_errno(errno);
	*a_out = fds[0];
	*b_out = fds[1];
	return ERR_OK;
}

struct ipc *
ipc_new(int fd)
{
	struct ipc *ch = calloc(1, sizeof(*ch));

	if (ch != NULL)
		ch->in = malloc(HEADER + LIMIT_IPC_INLINE);
	if (ch == NULL || ch->in == NULL)
		fatal("out of memory");
	ch->fd = fd;
	ch->last = &ch->first;
	return ch;
}

static void
close_fds(int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void
drop_first(struct ipc *ch)
{
	struct queued *q = ch->first;

	ch->first = q->next;
	if (ch->first == NULL)
		ch->last = &ch->first;
	ch->n_queued--;
	close_fds(q->fds, q->n_fds);
	free(q);
}

void
ipc_free(struct ipc *ch)
{
	if (ch == NULL)
		return;
	if (ch->freed != NULL)
		*ch->freed = true;
	loop_io_free(ch->io);
	while (ch->first != NULL)
		drop_first(ch);
	close(ch->fd);
	free(ch->in);
	free(ch);
}

int
ipc_fd(const struct ipc *ch)
{
	return ch->fd;
}

size_t
ipc_queued(const struct ipc *ch)
{
	return ch->n_queued;
}

static void
put_header(uint8_t *h, uint16_t type, uint16_t flags, uint64_t id)
{
	memset(h, 0, HEADER);
	h[0] = (uint8_t)(type >> 8);
	h[1] = (uint8_t)type;
	h[2] = (uint8_t)(flags >> 8);
	h[3] = (uint8_t)flags;
	for (int i = 0; i < 8; i++)
		h[8 + i] = (uint8_t)(id >> (56 - 8 * i));
}

/* One sendmsg(2); ERR_AGAIN when there is no room. */
static enum err
send_one(int fd, uint16_t type, uint16_t flags, uint64_t id,
    struct span payload, const int *fds, size_t n_fds)
{
	uint8_t header[HEADER];
	union {
		char space[CMSG_SPACE(sizeof(int) * LIMIT_IPC_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov[2] = {
	    {header, HEADER}, {(void *)(uintptr_t)payload.data, payload.len}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	struct cmsghdr *c;

	put_header(header, type, flags, id);
	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	while (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		/* too many descriptors in flight passes, too */
		if (errno == EAGAIN || errno == ENOBUFS ||
		    errno == ETOOMANYREFS)
			return ERR_AGAIN;
		return errno == EPIPE || errno == ECONNRESET
			   ? ERR_CLOSED
			   : err_from_errno(errno);
	}
	return ERR_OK;
}

/* Move a payload that is too large into a memfd: *own is its descriptor. */
static enum err
prepare(struct span *payload, const int *fds, size_t n_fds, int *all,
    size_t *n_all, uint16_t *flags, int *own)
{
	enum err e;

	*own = -1;
	*flags = 0;
	*n_all = n_fds;
	if (n_fds > LIMIT_IPC_FDS || payload->len > LIMIT_IPC_PAYLOAD)
		return ERR_TOO_BIG;
	if (n_fds > 0)
		memcpy(all, fds, n_fds * sizeof(*fds));
	if (payload->len <= LIMIT_IPC_INLINE)
		return ERR_OK;
	if (n_fds == LIMIT_IPC_FDS)
		return ERR_TOO_BIG;
	e = memfd_from(*payload, own);
	if (e != ERR_OK)
		return e;
	all[(*n_all)++] = *own;
	*flags = FLAG_MEMFD;
	*payload = SPAN(NULL, 0);
	return ERR_OK;
}

static void
wait_for_room(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};

	poll(&p, 1, 100);
}

enum err
ipc_send(struct ipc *ch, uint16_t type, uint64_t id, struct span payload,
    const int *fds, size_t n_fds)
{
	int all[LIMIT_IPC_FDS], own;
	size_t n_all;
	uint16_t flags;
	enum err e = prepare(&payload, fds, n_fds, all, &n_all, &flags, &own);

	if (e != ERR_OK)
		return e;
	while ((e = send_one(ch->fd, type, flags, id, payload, all, n_all)) ==
	       ERR_AGAIN)
		wait_for_room(ch->fd);
	if (own >= 0)
		close(own);
	return e;
}

static void
take_fds(struct msghdr *m, struct ipc_msg *out)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	     c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		out->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(out->fds, CMSG_DATA(c), out->n_fds * sizeof(int));
		return;
	}
}

/* Header and descriptors are in out; map a payload that came in a memfd. */
static enum err
map_payload(struct ipc_msg *out)
{
	enum err e;

	if (out->n_fds == 0 || out->payload.len != 0)
		return ERR_IPC;
	e = memfd_map(out->fds[out->n_fds - 1], LIMIT_IPC_PAYLOAD, &out->map);
	if (e != ERR_OK)
		return e;
	close(out->fds[--out->n_fds]);
	out->payload = out->map.data;
	return ERR_OK;
}

static enum err
parse_header(const uint8_t *in, size_t n, struct ipc_msg *out)
{
	uint16_t flags;

	if (n < HEADER)
		return ERR_IPC;
	out->type = (uint16_t)(in[0] << 8 | in[1]);
	flags = (uint16_t)(in[2] << 8 | in[3]);
	for (int i = 0; i < 8; i++)
		out->id = out->id << 8 | in[8 + i];
	out->payload = SPAN(in + HEADER, n - HEADER);
	if (flags == 0)
		return ERR_OK;
	return flags == FLAG_MEMFD ? map_payload(out) : ERR_IPC;
}

static enum err
receive(struct ipc *ch, int flags, struct ipc_msg *out)
{
	union {
		char space[CMSG_SPACE(sizeof(int) * LIMIT_IPC_FDS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {ch->in, HEADER + LIMIT_IPC_INLINE};
	struct msghdr m = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	struct ipc_msg got = {0};
	ssize_t n;
	enum err e;

	while ((n = recvmsg(ch->fd, &m, flags | MSG_CMSG_CLOEXEC)) < 0) {
		/* a peer that ended with messages unread: said once, before
		   the last that it sent */
		if (errno == EINTR || errno == ECONNRESET)
			continue;
		return errno == EAGAIN ? ERR_AGAIN : err_from_errno(errno);
	}
	if (n == 0)
		return ERR_CLOSED;
	take_fds(&m, &got);
	e = (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0
		? ERR_IPC
		: parse_header(ch->in, (size_t)n, &got);
	if (e != ERR_OK) {
		ipc_msg_clear(&got);
		return e;
	}
	*out = got;
	return ERR_OK;
}

enum err
ipc_recv(struct ipc *ch, struct ipc_msg *out)
{
	return receive(ch, 0, out);
}

enum err
ipc_await(struct ipc *ch, uint16_t type, uint64_t id, unsigned timeout_ms,
    struct ipc_msg *out)
{
	struct pollfd p = {.fd = ch->fd, .events = POLLIN};
	uint64_t now = clock_steady_ms(), until = now + timeout_ms;
	struct ipc_msg m;
	enum err e;

	while (poll(&p, 1, (int)(until - now)) <= 0) {
		now = clock_steady_ms();
		if (now >= until)
			return ERR_TIMEOUT;
	}
	e = ipc_recv(ch, &m);
	if (e != ERR_OK)
		return e;
	if (m.type != type || m.id != id) {
		ipc_msg_clear(&m);
		return ERR_IPC;
	}
	*out = m;
	return ERR_OK;
}

int
ipc_msg_take_fd(struct ipc_msg *m, size_t i)
{
	int fd;

	if (i >= m->n_fds)
		return -1;
	fd = m->fds[i];
	m->fds[i] = -1;
	return fd;
}

void
ipc_msg_clear(struct ipc_msg *m)
{
	close_fds(m->fds, m->n_fds);
	m->n_fds = 0;
	memfd_unmap(&m->map);
	m->payload = SPAN(NULL, 0);
}

static void
declare_broken(struct ipc *ch)
{
	if (ch->broken)
		return;
	ch->broken = true;
	loop_io_set(ch->io, 0);
	while (ch->first != NULL)
		drop_first(ch);
	ch->events.on_close(ch->arg);
}

/* Send what waits. Returns false when the channel is broken. */
static bool
flush_queue(struct ipc *ch)
{
	struct queued *q;
	enum err e;

	while ((q = ch->first) != NULL) {
		e = send_one(ch->fd, q->type, q->flags, q->id,
		    SPAN(q->payload, q->len), q->fds, q->n_fds);
		if (e == ERR_AGAIN)
			return true;
		if (e != ERR_OK)
			return false;
		drop_first(ch);
	}
	loop_io_set(ch->io, LOOP_READ);
	return true;
}

static void
on_io(void *arg, unsigned events)
{
	struct ipc *ch = arg;
	struct ipc_msg m;
	bool freed = false;
	enum err e;

	if ((events & LOOP_WRITE) != 0 && !flush_queue(ch)) {
		declare_broken(ch);
		return;
	}
	if ((events & LOOP_READ) == 0)
		return;
	ch->freed = &freed;
	for (int i = 0; i < BURST && !ch->broken; i++) {
		e = receive(ch, MSG_DONTWAIT, &m);
		if (e == ERR_AGAIN)
			break;
		if (e != ERR_OK) {
			declare_broken(ch);
		} else {
			ch->events.on_msg(ch->arg, &m);
			ipc_msg_clear(&m);
		}
		if (freed)
			return;
	}
	ch->freed = NULL;
}

void
ipc_attach(struct ipc *ch, struct loop *loop, const struct ipc_events *events,
    void *arg)
{
	ch->events = *events;
	ch->arg = arg;
	ch->io = loop_io_new(loop, ch->fd, on_io, ch);
	loop_io_set(ch->io, LOOP_READ);
}

static enum err
enqueue(struct ipc *ch, uint16_t type, uint16_t flags, uint64_t id,
    struct span payload, const int *fds, size_t n_fds)
{
	struct queued *q = malloc(sizeof(*q) + payload.len);

	if (q == NULL)
		return ERR_NOMEM;
	*q = (struct queued){
	    .type = type, .flags = flags, .id = id, .len = payload.len};
	if (payload.len > 0)
		memcpy(q->payload, payload.data, payload.len);
	for (; q->n_fds < n_fds; q->n_fds++) {
		q->fds[q->n_fds] = fcntl(fds[q->n_fds], F_DUPFD_CLOEXEC, 3);
		if (q->fds[q->n_fds] < 0) {
			close_fds(q->fds, q->n_fds);
			free(q);
			return ERR_BUSY;
		}
	}
	*ch->last = q;
	ch->last = &q->next;
	ch->n_queued++;
	loop_io_set(ch->io, LOOP_READ | LOOP_WRITE);
	return ERR_OK;
}

enum err
ipc_post(struct ipc *ch, uint16_t type, uint64_t id, struct span payload,
    const int *fds, size_t n_fds)
{
	int all[LIMIT_IPC_FDS], own;
	size_t n_all;
	uint16_t flags;
	enum err e;

	if (ch->broken)
		return ERR_CLOSED;
	e = prepare(&payload, fds, n_fds, all, &n_all, &flags, &own);
	if (e != ERR_OK)
		return e;
	e = ERR_AGAIN;
	if (ch->first == NULL)
		e = send_one(ch->fd, type, flags, id, payload, all, n_all);
	if (e == ERR_AGAIN)
		e = enqueue(ch, type, flags, id, payload, all, n_all);
	if (own >= 0)
		close(own);
	return e;
}
