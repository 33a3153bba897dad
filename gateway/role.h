/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What every process but the supervisor has in common: how it gets its
 * configuration, descriptors and peers, goes behind its walls, and is told to
 * stop. A role's entry function reads: open what must be opened before the
 * walls, role_confine(), role_ready(), loop. The walls themselves are
 * sandbox.c's, who talks to whom the supervisor's.
 */
#ifndef GATEWAY_ROLE_H
#define GATEWAY_ROLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/ipc.h"

struct conf;
struct loop;

enum role_id {
	ROLE_SUPERVISOR,
	ROLE_KEYS,
	ROLE_STORE,
	ROLE_PGP,
	ROLE_DISCOVERY,
	ROLE_WORKER,
	ROLE_RELAY,
	ROLE_PORTAL,
	ROLE_CONTROL,
	ROLE_LISTENER,
	ROLE_OPENER,
	ROLE_ADMISSION,
	ROLE_ISSUER,
	ROLE_ACCOUNTS,
	ROLE_EXTRACT,
	ROLE_COUNT
};

/* "listener"; "?" for an unknown one. */
const char *role_name(enum role_id id);

/* What a descriptor handed over at start is for. */
enum role_fd {
	ROLE_FD_LISTEN,	  /* a bound, listening socket; `which` counts them in
			     the order of the configuration, addresses of one
			     section after another; for control 0, its socket
			   */
	ROLE_FD_TLS_CERT, /* PEM file, open for reading; `which` is the section
			   */
	ROLE_FD_TLS_KEY,
	ROLE_FD_MASTER_KEY, /* the file, for keys only */
	ROLE_FD_PASSWORD,   /* file of a password, open for reading; for relay
			       of a next hop, `which` counts as conf_relay_at()
			       does; for discovery of the directory, 0 */
	ROLE_FD_USERS,	    /* of `listen`: passwords; `which` is the section */
	ROLE_FD_RCPTS,	    /* the list of recipients */
	ROLE_FD_CLIENT_CA,  /* whose client certificates are believed */
	ROLE_FD_GROUP,	    /* of rules, for workers; `which` is its place in
			       policy_groups() */
	ROLE_FD_KINDS
};

struct role_peer {
	enum role_id id;
	unsigned index;
	struct ipc *ch; /* owned by the role */
};

struct role;

/* The running configuration. Borrowed: for a role with a loop until its
   role_events.on_conf is called (a role that has none keeps the one it started
   with), for a blocking one until the next role_next(). */
const struct conf *role_conf(const struct role *r);
enum role_id role_self(const struct role *r);
unsigned role_index(const struct role *r);
/* The descriptor, now the caller's; -1 if there is none. */
int role_take_fd(struct role *r, enum role_fd kind, unsigned which);

/* Go behind the walls of this role for good: no_new_privs, not dumpable,
   seccomp, Landlock (the user was changed before the entry function was
   called). Exits with EX_CONFIG when they cannot be built: a process without
   its walls does not run. */
void role_confine(struct role *r);
/* Tell the supervisor that work can come. */
void role_ready(struct role *r);
/* Say why this process can never run and exit with EX_CONFIG: the whole
   gateway stops and shows it. For a wrong master key, a broken state
   directory; before role_ready() only. */
_Noreturn void role_refuse(struct role *r, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

/* --- blocking processes: worker, opener, keys, pgp, admission --- */

/* The channel to a peer, NULL while there is none. */
struct ipc *role_channel(struct role *r, enum role_id id, unsigned index);
/* Drop a channel that has failed. The supervisor brings another when the peer
   or this process starts anew. */
void role_drop(struct role *r, struct ipc *ch);
/* The next message from any peer; messages of the supervisor (new peers, new
   configuration) are dealt with inside. Clear the message when done.
   ERR_SHUTDOWN: stop now. A peer that goes away is dropped silently. */
enum err role_next(
    struct role *r, struct role_peer *from, struct ipc_msg *out) MUST_CHECK;
/* The same, but ERR_TIMEOUT when nothing has come in this time. */
enum err role_next_within(struct role *r, unsigned timeout_ms,
    struct role_peer *from, struct ipc_msg *out) MUST_CHECK;
/* Wait until the peer is connected, as long as timeout_ms. ERR_TIMEOUT,
   ERR_SHUTDOWN. Messages that arrive meanwhile stay in their channels. */
enum err role_wait_peer(struct role *r, enum role_id id, unsigned index,
    unsigned timeout_ms) MUST_CHECK;

/* --- processes with a loop: all others --- */

struct role_events {
	/* A new channel to a peer, which is the callee's from now on: it
	   attaches and frees it. Replaces an older one to the same peer. */
	void (*on_peer)(
	    void *arg, enum role_id id, unsigned index, struct ipc *ch);
	/* Finish what is in progress, start nothing new, then loop_stop(). */
	void (*on_stop)(void *arg);
	/* role_conf() has changed, and role_take_fd() gives certificates that
	   were opened anew. May be NULL. */
	void (*on_conf)(void *arg);
	/* For who has no on_conf: the configuration stays the one that it
	   started with, and role_take_fd() gives its files, opened anew. May be
	   NULL. */
	void (*on_files)(void *arg);
	/* For control alone: what the supervisor answers. May be NULL. */
	void (*on_answer)(void *arg, struct ipc_msg *m);
};

void role_attach(struct role *r, struct loop *loop,
    const struct role_events *events, void *arg);
/* To the supervisor, beside the above: control's requests. */
enum err role_tell(
    struct role *r, uint16_t type, uint64_t id, struct span payload) MUST_CHECK;

/* --- for main.c alone --- */

/* Take over as this role: the channel to the supervisor is fd. Limits, secrets,
   configuration, user and log are as they must be when it returns. Exits with
   EX_CONFIG when that cannot be. */
struct role *role_boot(enum role_id id, unsigned index, int fd);
void role_free(struct role *r);

/* The entry functions, each in the file of its name. They return the exit
   status. */
int keys_main(struct role *r);
int store_main(struct role *r);
int pgp_main(struct role *r);
int discovery_main(struct role *r);
int worker_main(struct role *r);
int opener_main(struct role *r);
int issuer_main(struct role *r);
int accounts_main(struct role *r);
int extract_main(struct role *r);
int relay_main(struct role *r);
int portal_main(struct role *r);
int control_main(struct role *r);
int listener_main(struct role *r);
int admission_main(struct role *r);

#endif
