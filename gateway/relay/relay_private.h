/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The relay process as its parts see it: process.c (channels, keys, stop),
 * deliver.c (an entry and its attempts), bounce.c (notifications).
 */
#ifndef GATEWAY_RELAY_RELAY_PRIVATE_H
#define GATEWAY_RELAY_RELAY_PRIVATE_H

#include "common/ipc.h"
#include "common/loop.h"
#include "common/text.h"
#include "gateway/conf.h"
#include "gateway/relay/destination.h"
#include "gateway/relay/login.h"
#include "gateway/relay/look.h"
#include "gateway/relay/report.h"
#include "gateway/relay/sign.h"
#include "gateway/relay/sts.h"
#include "gateway/role.h"
#include "net/tls_client.h"

struct relay;

struct relay_setup {
	struct loop *loop;
	const struct conf *conf;
	uint64_t timeout_ms; /* caps every wait for a peer; 0: the RFC's */
	/* As relay_logins_new() wants it; NULL: no next hop asks for a login.
	 */
	int (*take_password)(void *arg, unsigned which);
	/* Everything is finished or given back, and told. */
	void (*on_stopped)(void *arg);
	void *arg;
};

/* What must be read from files is read here. ERR_CONFIG, ERR_TLS. */
enum err relay_new(const struct relay_setup *setup, struct relay **out,
    struct err_why *why) MUST_CHECK;
void relay_free(struct relay *r);
/* A channel, taken over. */
void relay_on_peer(
    struct relay *r, enum role_id id, unsigned index, struct ipc *ch);
void relay_on_conf(struct relay *r, const struct conf *conf);
void relay_stop(struct relay *r);

/* --- shared by the parts --- */

enum { RELAY_JOB_BUCKETS = 1024 };

/* A result that store has not been told. */
struct relay_kept {
	struct relay_kept *next;
	uint64_t id;
	size_t len;
	uint8_t payload[];
};

struct relay {
	struct relay_setup setup;
	const struct conf *conf;
	char helo[NET_DNS_NAME_MAX];
	struct net_dns *dns;
	struct net_tls_clients *tls_clients;
	struct relay_sts *sts;
	struct relay_ruas *ruas;
	struct relay_looks *looks;
	struct relay_logins *logins;
	struct sealed_pub pub;
	struct secret *priv; /* NULL until keys has answered */
	struct ipc *store;
	struct ipc *keys;
	struct ipc *listener;
	unsigned n_probes;	   /* under way, and early */
	struct relay_probe *early; /* asked before keys has answered */
	struct relay_dests *dests; /* from then on */
	struct relay_job *jobs[RELAY_JOB_BUCKETS];
	unsigned n_jobs;
	struct relay_kept *kept;
	struct relay_kept **kept_last;
	struct relay_kept *told; /* of those, to the store of now */
	struct loop_timer *stop_timer;
	uint64_t stop_until_ms;
	bool stopping;
};

/* One entry that store wants delivered. */
struct relay_job {
	struct relay *relay;
	struct relay_job *next; /* in its bucket */
	uint64_t id;
	char id_text[TEXT_ID_SIZE];
	struct arena *arena;
	uint8_t *copy;	      /* of a payload that was small */
	struct memfd_map map; /* of one that was not */
	void *file;	      /* body of its own, mapped */
	size_t file_size;
	struct proto_deliver deliver;
	struct span sealed;
	struct relay_mail **mail;
	uint32_t n_mails;
	uint32_t pending;	 /* mails not settled yet */
	struct relay_sign *sign; /* while it is being signed */
	struct span dkim[RELAY_FORMS];
	bool started;
};

/* --- deliver.c --- */

/* Take what store wants delivered; what is wrong with it is told as a result.
   Nothing happens when the same entry is under way. */
void relay_job_take(struct relay *r, struct ipc_msg *m);
/* Begin: the keys are there. */
void relay_job_start(struct relay_job *j);
void relay_job_recall(struct relay *r, uint64_t id);
/* PROTO_SIGNED; and that there is nobody to sign any more. */
void relay_job_signed(struct relay *r, struct ipc_msg *m);
void relay_jobs_unsigned(struct relay *r);
void relay_job_free(struct relay_job *j);
void relay_on_settled(void *arg, struct relay_mail *m);

/* --- probe.c --- */

/* The listener asks for a recipient; it is always answered. */
void relay_probe_take(struct relay *r, struct ipc_msg *m);
void relay_probe_settled(struct relay_mail *m);
/* Keys has answered: ask what was kept for that. */
void relay_probes_start(struct relay *r);
/* Nothing of what was kept is asked any more: it stays unknown. */
void relay_probes_end(struct relay *r);

/* --- process.c --- */

/* Tell store; kept until it can be told. */
void relay_tell_result(
    struct relay *r, uint64_t id, const struct proto_result *res);

/* Did store ask for this before it had read a result that was kept for it? */
bool relay_was_told(const struct relay *r, const struct relay_job *j);

/* --- bounce.c --- */

/* Add the header that a notification of these results would quote, if there is
   one to come. */
void relay_bounce_quote(struct relay_job *j, struct proto_result *res);
/* Store wants a notification: it is always answered. */
void relay_notify(struct relay *r, struct ipc_msg *m);

#endif
