/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Destinations: a queue and a pool of sessions for each next hop and TLS
 * floor. As many sessions as the peer has shown to bear, several messages in
 * each; a destination that is dead or slow costs the others nothing.
 */
#ifndef GATEWAY_RELAY_DESTINATION_H
#define GATEWAY_RELAY_DESTINATION_H

#include "gateway/relay/mail.h"
#include "gateway/relay/route.h"
#include "gateway/relay/smtp_client.h"
#include "gateway/tls_state.h"

struct relay_dests;
struct tls_result;

/* Borrowed for the life of the destinations. */
struct relay_dests_setup {
	struct loop *loop;
	struct net_dns *dns;
	struct relay_sts *sts;
	struct net_tls_clients *tls_clients;
	struct relay_logins *const *logins; /* those of now */
	const char *helo;
	const struct sealed_pub *pub;
	const struct secret *priv;
	uint64_t timeout_ms; /* caps every wait for a peer; 0: the RFC's */
	/* A mail is settled: it is the callee's again. May be called from
	   within relay_dests_submit(). */
	void (*on_settled)(void *arg, struct relay_mail *m);
	/* A session with a mail server of a domain stands, and its TLS is worth
	   this. */
	void (*on_tls)(void *arg, const struct tls_seen *seen);
	/* What a session with one says of its TLS, for the domain's reports. */
	void (*on_result)(void *arg, const struct tls_result *result);
	void *arg;
};

struct relay_dests *relay_dests_new(const struct relay_dests_setup *setup);
/* Mails that are not settled are deferred first. NULL is fine. */
void relay_dests_free(struct relay_dests *all);

/* Deliver m to the target. Borrowed until on_settled. */
void relay_dests_submit(struct relay_dests *all, const struct relay_target *t,
    struct relay_mail *m);
/* Give back, as deferred with this text, what nobody has begun to send.
   job NULL: of all. */
void relay_dests_give_back(
    struct relay_dests *all, const struct relay_job *job, const char *text);
/* End every session but those that wait for the reply to a whole message. */
void relay_dests_abandon(struct relay_dests *all, const char *text);

#endif
