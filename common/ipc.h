/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages between our own processes over SOCK_SEQPACKET pairs: a type, an
 * id, octets and descriptors. Octets that do not fit a datagram travel in a
 * sealed memfd, and neither side sees the difference. Whatever arrives is
 * checked; nothing here trusts the peer.
 */
#ifndef COMMON_IPC_H
#define COMMON_IPC_H

#include "common/buf.h"
#include "common/limits.h"
#include "common/memfd.h"

struct ipc;
struct loop;

struct ipc_msg {
	uint16_t type;
	uint64_t id;
	struct span payload;	/* borrowed until the next receive or clear */
	int fds[LIMIT_IPC_FDS]; /* owned; -1 once taken */
	size_t n_fds;
	struct memfd_map map; /* of a payload that came in a memfd */
};

/* Both ends of a new channel, close-on-exec. */
enum err ipc_pair(int *a_out, int *b_out) MUST_CHECK;
/* Takes fd, on failure too. */
struct ipc *ipc_new(int fd);
/* Closes the descriptor, drops what was queued. NULL is fine. */
void ipc_free(struct ipc *ch);
int ipc_fd(const struct ipc *ch);

/* For processes that run plain blocking code. */

/* Send; waits for room. The descriptors stay the caller's. ERR_CLOSED when
   the peer is gone. */
enum err ipc_send(struct ipc *ch, uint16_t type, uint64_t id,
    struct span payload, const int *fds, size_t n_fds) MUST_CHECK;
/* Wait for the next message. Clear it when done. ERR_CLOSED at the end. */
enum err ipc_recv(struct ipc *ch, struct ipc_msg *out) MUST_CHECK;
/* Wait so long for the answer to a question: the next message, which has to be
   of this type and id. ERR_TIMEOUT, ERR_CLOSED, ERR_IPC for another message. On
   any failure the channel is of no more use: a late answer would be taken for
   that to the next question. */
enum err ipc_await(struct ipc *ch, uint16_t type, uint64_t id,
    unsigned timeout_ms, struct ipc_msg *out) MUST_CHECK;

/* The descriptor with this number, now the caller's; -1 if there is none. */
int ipc_msg_take_fd(struct ipc_msg *m, size_t i);
/* Close what was not taken, unmap. */
void ipc_msg_clear(struct ipc_msg *m);

/* For processes that run a loop. */

struct ipc_events {
	/* The message is cleared afterwards: take the descriptors to keep. */
	void (*on_msg)(void *arg, struct ipc_msg *m);
	/* The peer is gone or sent nonsense. The channel may be freed here;
	   until then every post fails with ERR_CLOSED. */
	void (*on_close)(void *arg);
};

/* Deliver what arrives to events; post() never blocks. */
void ipc_attach(struct ipc *ch, struct loop *loop,
    const struct ipc_events *events, void *arg);
/* Send now or queue. The descriptors are duplicated when queued and stay the
   caller's. */
enum err ipc_post(struct ipc *ch, uint16_t type, uint64_t id,
    struct span payload, const int *fds, size_t n_fds) MUST_CHECK;
/* Messages waiting for room. */
size_t ipc_queued(const struct ipc *ch);

#endif
