/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of the listener share: the process, a message on its way in,
 * the answer to a RCPT that a worker still owes. Sessions are session.h's,
 * the life of a message behind its final dot jobs.h's.
 */
#ifndef GATEWAY_LISTENER_PRIVATE_H
#define GATEWAY_LISTENER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "common/buf.h"
#include "common/limits.h"
#include "common/text.h"
#include "gateway/listener/command.h"
#include "gateway/listener/data.h"
#include "gateway/listener/limits.h"
#include "gateway/listener/rates.h"
#include "gateway/listener/table.h"
#include "gateway/proto.h"

struct conf;
struct ipc;
struct listener_session;
struct listener_verified;
struct loop;
struct loop_io;
struct loop_timer;
struct net_tls_server;
struct role;

enum {
	/* Messages that a worker may have at once: the second lies ready so
	   that it need not wait for us between two. */
	LISTENER_WORKER_DEPTH = 2,
};

struct listener_worker {
	struct listener *l;
	unsigned index;
	struct ipc *ch; /* NULL while there is none */
	bool failed;	/* a post failed; its end will be reported */
	/* Messages sent and not answered with PROTO_DONE, in their order. */
	struct {
		uint64_t id;
		uint32_t attempt;
		uint64_t size;
	} job[LISTENER_WORKER_DEPTH];
	unsigned n_jobs;
	unsigned n_checks;
};

enum listener_job_state {
	LISTENER_JOB_RECEIVING, /* its final dot has not come */
	LISTENER_JOB_LOOKUPS,	/* waits for discovery */
	LISTENER_JOB_QUEUED,	/* waits for a worker */
	LISTENER_JOB_WORKING,	/* a worker has it, or store */
	LISTENER_JOB_FENCING,	/* is it committed? store is asked */
	LISTENER_JOB_WAITING,	/* committed; the next hop has yet to answer */
};

struct listener_lookup;

struct listener_message {
	struct listener_node node; /* by queue id, from its final dot on */
	TAILQ_ENTRY(listener_message) link;  /* of the same */
	TAILQ_ENTRY(listener_message) queue; /* while QUEUED */
	char id[TEXT_ID_SIZE];
	struct listener_session *session; /* NULL when it has gone */
	struct arena *arena;		  /* of the strings in m */
	struct proto_message m;
	uint32_t cap_rcpt;
	struct listener_data data;

	TAILQ_HEAD(, listener_lookup) lookups; /* not answered yet */
	uint64_t lookups_until_ms;

	enum listener_job_state state;
	struct listener_worker *worker; /* of this attempt, while it lives */
	bool done;			/* the worker has said reply */
	bool committed;			/* store has said that it is durable */
	bool registered;		/* keys knows its sender */
	bool give_up; /* no other attempt: reply is what to say */
	struct listener_reply reply;
	/* one for each recipient; NULL: reply is for all */
	struct listener_reply *each;
	uint64_t started_ms;
	uint64_t fenced_ms;
	uint64_t wait_until_ms; /* while WAITING */
	bool hashed;
	uint8_t hash[DIGEST_SIZE]; /* of envelope and body */
};

/* Who knows of recipients. */
enum listener_whom {
	LISTENER_WHOM_SERVER, /* by relay */
	LISTENER_WHOM_LIST,   /* by accounts */
	LISTENER_WHOM_LDAP,   /* by discovery */
};

/* The answer to one RCPT command. Answers leave in the order of commands. */
struct listener_slot {
	struct listener_node node;	  /* while a worker is asked */
	TAILQ_ENTRY(listener_slot) link;  /* of the session */
	TAILQ_ENTRY(listener_slot) queue; /* waits for a worker */
	struct listener_session *session;
	struct listener_worker *worker; /* that was asked, or NULL */
	bool asked;			/* in the table */
	bool queued;			/* in the queue */
	bool verifying;			/* is there such a recipient? */
	enum listener_whom whom;	/* is asked that */
	bool is_error;			/* its answer counts as one */
	unsigned tries;
	uint64_t until_ms;
	bool done;
	struct listener_reply reply;
	struct listener_rcpt rcpt;
};

/* A `listen` section; its certificate is read again with the configuration. */
struct listener_section {
	int cert_fd; /* -1: no TLS */
	int key_fd;
	int ca_fd; /* of client certificates; -1: none are asked for */
	struct net_tls_server *tls;
};

struct listener_socket {
	struct listener *l;
	int fd;
	struct loop_io *io;
	unsigned section;
};

struct listener {
	struct role *role;
	struct loop *loop;
	struct loop_timer *tick;
	bool ticking;
	bool stopping;
	uint64_t stop_ms; /* when patience ends */
	struct listener_section *section;
	unsigned n_sections;
	struct listener_socket *socket;
	unsigned n_sockets;
	TAILQ_HEAD(, listener_session) sessions;
	struct listener_limits limits;
	struct listener_rates rates;

	/* accounts.c */
	struct ipc *accounts;
	struct listener_table signing_in;
	unsigned n_signing_in;

	/* verify.c */
	struct ipc *relay;
	struct listener_table verifying;
	struct listener_verified *verified;
	uint8_t verify_seed[16];
	bool verify_changed; /* since store was told */
	bool verify_known;   /* what the last process knew does not count */
	uint64_t verify_kept_ms;

	/* workers.c */
	struct listener_worker worker[LIMIT_WORKERS_MAX];
	TAILQ_HEAD(, listener_slot) checks; /* not sent yet */
	struct listener_table checks_sent;

	/* lookups.c */
	struct ipc *discovery;
	struct listener_table lookups;
	TAILQ_HEAD(, listener_lookup) all_lookups;

	/* registrar.c */
	struct ipc *keys;

	/* jobs.c */
	struct ipc *store;
	enum err intake; /* why no new mail may come */
	struct listener_table jobs;
	TAILQ_HEAD(, listener_message) all_jobs;
	TAILQ_HEAD(, listener_message) queue;

	uint64_t next_id; /* of questions */
	struct buf scratch;
};

const struct conf *listener_conf(const struct listener *l);
/* One more connection of this client, who is nobody special: were there too
   many of late, or too many errors? */
bool listener_rate_exceeded(
    struct listener *l, const struct listener_client *c);
/* Something has begun that can time out. */
void listener_wake_tick(struct listener *l);

/* --- message.c --- */

/* A message from its MAIL command on, with room for nothing yet: data is to be
   initialised. Taken by listener_jobs_start() or freed. ERR_NOMEM. */
enum err listener_message_new(struct listener_message **out) MUST_CHECK;
/* Drops its lookups, memory and place in every list. NULL is fine. */
void listener_message_free(struct listener *l, struct listener_message *m);
/* Is the recipient in the envelope, and where? Compares the exact text. */
bool listener_message_find_rcpt(const struct listener_message *m,
    const struct mime_addr *to, uint32_t *out);
enum err listener_message_add_rcpt(
    struct listener_message *m, const struct listener_rcpt *rcpt) MUST_CHECK;
/* Write m->m.trace: the Received field (RFC 5321 4.4). */
enum err listener_message_trace(
    struct listener_message *m, const char *hostname, bool esmtp) MUST_CHECK;

/* --- workers.c --- */

void listener_workers_init(struct listener *l);
void listener_workers_clear(struct listener *l);
void listener_worker_attach(struct listener *l, unsigned i, struct ipc *ch);
/* Have a worker look at a recipient; listener_session_verdict() tells. */
void listener_check_start(struct listener *l, struct listener_slot *slot);
/* The session does not want to know any more. */
void listener_check_cancel(struct listener *l, struct listener_slot *slot);
/* Give idle workers what waits. */
void listener_dispatch(struct listener *l);

/* --- lookups.c --- */

void listener_discovery_attach(struct listener *l, struct ipc *ch);
void listener_discovery_clear(struct listener *l);
/* Ask about recipient i. The answer, or that there is none, will stand in
   m->m.answers[i]; calls listener_jobs_answered() when all are there. */
void listener_lookup_start(
    struct listener *l, struct listener_message *m, uint32_t i);
/* What is missing stays "incomplete". */
/* Store says that the TLS of a domain is known. */
void listener_lookup_known(struct listener *l, uint64_t id);
void listener_lookups_store_gone(struct listener *l);
void listener_lookups_cancel(struct listener *l, struct listener_message *m);

/* --- registrar.c --- */

void listener_keys_attach(struct listener *l, struct ipc *ch);
void listener_keys_clear(struct listener *l);
/* Let private keys be used for the sender of the message, from its final dot
   until it is freed, if its client is listed in may-sign. */
void listener_register(struct listener *l, struct listener_message *m);
void listener_unregister(struct listener *l, struct listener_message *m);

#endif
