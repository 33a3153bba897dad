/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A real listener process between scripted peers: the test is its supervisor,
 * its workers, store and discovery, and its SMTP clients, one step after
 * another. Whatever takes longer than a minute fails the test.
 */
#ifndef TESTS_LIB_LISTENER_PEERS_H
#define TESTS_LIB_LISTENER_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/arena.h"
#include "common/ipc.h"
#include "gateway/proto.h"
#include "gateway/role.h"

enum { PEERS_WORKERS = 2 };

struct peers {
	pid_t pid;
	struct ipc *supervisor;
	struct ipc *worker[PEERS_WORKERS];
	struct ipc *store;
	struct ipc *discovery;
	struct ipc *keys;
	uint16_t port;
	uint64_t *ahead_ms; /* of the listener's clock */
	struct arena *arena;
};

/* Start a listener with this beside the usual configuration (inside `listen`
   and as further sections); no peers yet. tls: a self-signed certificate. */
void peers_start(
    struct peers *p, const char *in_listen, const char *sections, bool tls);
/* Tell it to stop, or see that it does; its exit status must be 0. */
void peers_stop(struct peers *p);
void peers_stop_begin(struct peers *p);
/* A new configuration; from now on it greets as new.example.com. */
void peers_conf(struct peers *p, const char *in_listen, const char *sections);

/* A new channel to a peer; an old one is closed. */
void peers_worker(struct peers *p, unsigned i);
void peers_store(struct peers *p);
void peers_discovery(struct peers *p);
void peers_keys(struct peers *p);
/* The peer dies. */
void peers_kill(struct ipc **ch);

/* --- scripted answers; each takes the next message and checks its type */

void peers_check(struct ipc *worker, int code, const char *text);
/* No message waits for this peer. */
bool peers_is_quiet(struct ipc *ch);

struct peers_message {
	uint64_t id;
	struct proto_message m; /* strings in the arena of struct peers */
	struct memfd_map body;
};

/* Takes a PROTO_MESSAGE; unmap the body with memfd_unmap(). */
void peers_take(struct peers *p, struct ipc *worker, struct peers_message *out);
void peers_done(struct ipc *worker, const struct peers_message *m,
    bool submitted, int code, const char *status, const char *text);
void peers_commit(
    struct ipc *store, const struct peers_message *m, enum err result);
/* Its next hop is waited for, or has said this (code 0: nothing). */
void peers_commit_waits(struct ipc *store, const struct peers_message *m,
    enum err result, bool waits, int code, const char *status,
    const char *text);
/* Takes a PROTO_WAIT_END: is the message accepted? */
bool peers_wait_end(struct ipc *store, const struct peers_message *m);
/* Takes a PROTO_FENCE of this attempt and answers. */
void peers_fence(
    struct ipc *store, const struct peers_message *m, enum err result);
/* The same: it is committed, and its next hop has said this. */
void peers_fence_waits(struct ipc *store, const struct peers_message *m,
    int code, const char *status, const char *text);
void peers_intake(struct ipc *store, enum err why);
/* Takes a PROTO_REGISTER of this address (NULL: of none) and returns its id. */
uint64_t peers_registered(struct ipc *keys, const char *addr);
/* Takes a PROTO_UNREGISTER. */
uint64_t peers_unregistered(struct ipc *keys);
/* Takes a PROTO_LOOKUP; *id to answer with. */
void peers_lookup(struct ipc *discovery, const char *key, uint64_t *id);
void peers_answer(
    struct ipc *discovery, uint64_t id, const char *key, bool complete);

/* --- SMTP clients */

/* Connected from 127.0.0.1, or another loopback address; greeting read. */
int peers_connect(const struct peers *p);
int peers_connect_from(const struct peers *p, const char *addr);
void peers_say(int fd, const char *text);
void peers_say_octets(int fd, const void *data, size_t len);
/* The next whole answer must begin like this. Returns its last line. */
const char *peers_expect(int fd, const char *prefix);
/* The connection must end without another octet. */
void peers_expect_end(int fd);
/* EHLO, MAIL and RCPT of one recipient, checked by worker 0. */
void peers_envelope(struct peers *p, int fd);

#endif
