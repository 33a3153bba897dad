/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A store in this process on a throw-away directory, the other processes
 * played by the test, and time of the test's own (tests/lib/still_loop.h).
 */
#ifndef TESTS_LIB_STORE_RIG_H
#define TESTS_LIB_STORE_RIG_H

#include "common/arena.h"
#include "common/ipc.h"
#include "common/sealed.h"
#include "gateway/conf.h"
#include "gateway/proto.h"
#include "gateway/store/store.h"

struct loop;

enum { RIG_INDEXES = 3 };

struct rig {
	char dir[64];
	char path[7][96];
	struct conf conf;
	struct conf_listen listen;
	struct conf_net may_sign;
	struct policy *policy; /* that of conf unless a test has its own */
	struct loop *loop;
	struct store *store;
	struct ipc *far[ROLE_COUNT][RIG_INDEXES];
	struct arena *arena;
	struct sealed_pub pub; /* of the audit key */
	struct secret *priv;
	struct sealed_pub ready_pub; /* of what relay opens */
	struct secret *ready_priv;
	bool ended, failed;
	/* What keys was told last: the id and address that may be signed for,
	   0 when none. */
	uint64_t registered;
	bool registered_open; /* for opening */
	unsigned registered_addrs;
	char registered_addr[64];
	/* What keys answers instead of the next so many content keys. */
	unsigned n_keys_fail;
	enum err keys_fail;
	/* What relay was asked to make last, and how often it was. */
	struct proto_notify notify;
	unsigned n_notify, n_notify_seen;
};

void rig_init(struct rig *r);
/* Removes the directory. */
void rig_clear(struct rig *r);
/* Open and start; connects listener, worker 0, relay and, as a fake that
   answers by itself, keys. Returns what store_open() says. */
enum err rig_start(struct rig *r);
/* The same, and keys comes later. */
enum err rig_start_without_keys(struct rig *r);
/* As after kill -9: nothing is finished. */
void rig_kill(struct rig *r);
/* As after SIGTERM. */
void rig_stop(struct rig *r);

void rig_connect(struct rig *r, enum role_id id, unsigned index);
void rig_disconnect(struct rig *r, enum role_id id, unsigned index);
/* Answer what is asked of the process that keeps keys, if something is. */
void rig_play_keys(struct rig *r);
/* Let the store work for so long. */
void rig_run(struct rig *r, unsigned ms);
void rig_advance(struct rig *r, uint64_t ms);

void rig_send(struct rig *r, enum role_id id, unsigned index, uint16_t type,
    uint64_t msg_id, struct span payload);
/* What a machine in a DMZ says, 16 octets of instance, in the frame that the
   portal here puts around it. */
void rig_send_dmz(struct rig *r, const char *instance, uint64_t id,
    uint16_t type, struct span payload);
/* The next message to that process; false when none comes in time. */
bool rig_recv(
    struct rig *r, enum role_id id, unsigned index, struct ipc_msg *m);
/* The next notification that relay is asked for; what else comes to it
   meanwhile is lost. False when none comes in time. */
bool rig_notify(struct rig *r, struct proto_notify *out);
/* Nothing comes. */
bool rig_is_quiet(struct rig *r, enum role_id id, unsigned index);

/* A small entry with one recipient and a body of body_size octets (sealed
   octets are random). */
struct entry rig_entry(
    struct rig *r, uint64_t id, uint64_t message_id, enum entry_kind kind);
/* Submit one message; the answer is the listener's to read. */
void rig_submit_as(struct rig *r, enum role_id role, uint64_t message_id,
    const struct proto_submit *m);
void rig_submit(struct rig *r, unsigned worker, uint64_t message_id,
    const struct proto_submit *m);
/* What the listener is told of it: ERR_COUNT when it is told nothing. */
enum err rig_committed(struct rig *r, uint64_t message_id);
/* The same as it was told; false when it was told nothing. */
bool rig_committed_as(
    struct rig *r, uint64_t message_id, struct proto_committed *out);
/* Take a delivery; false when there is none. Strings live in the arena. */
bool rig_deliver(struct rig *r, struct proto_deliver *out);
/* Take a delivery of mail that store has written itself, opened into text, and
   report it delivered; false when there is none. */
bool rig_own_mail(struct rig *r, struct proto_deliver *out, struct buf *text);
/* Report the same outcome for all recipients of an entry of one. */
void rig_result(struct rig *r, uint64_t entry_id, enum proto_outcome outcome);
/* Answer of a request of the command line. Caller frees. */
char *rig_request(struct rig *r, const char *json);

#endif
