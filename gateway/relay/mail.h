/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One transaction to be: recipients of one entry at one destination, and what
 * becomes of each. Made by deliver.c, queued by destination.c, filled in by
 * smtp_client.c.
 */
#ifndef GATEWAY_RELAY_MAIL_H
#define GATEWAY_RELAY_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "gateway/proto.h"

struct relay_hop;
struct relay_probe;

/* The message as it is, and as it is converted for a next hop without 8BITMIME.
 */
enum { RELAY_FORMS = 2 };

struct relay_mail {
	struct relay_mail *next;   /* in the queue of a destination */
	struct relay_job *job;	   /* what it is a part of */
	bool xforward;		   /* the peer may hear who its client was */
	bool xclient;		   /* and is to treat us as that client */
	struct relay_probe *probe; /* or: nothing is sent behind RCPT */
	const char *id;		   /* of the entry, for logs */
	const struct entry *entry;
	struct span sealed;	       /* the body */
	struct span dkim[RELAY_FORMS]; /* goes before it; may be empty */
	struct arena *arena;	       /* for texts of results */
	uint32_t n_rcpt;
	/* outcome DEFERRED with code 0 and no text until settled */
	struct proto_rcpt_result *result;
	bool *settled;
	bool *by_rcpt;	 /* settled by a reply to RCPT */
	bool tls_failed; /* the next hop has not the TLS that is asked for */
	bool dsn;	 /* the peer takes over what NOTIFY asks for */
	bool lmtp;	 /* what it takes is in the mailbox */
	struct proto_hop hop; /* where it was tried last */
	uint64_t queued_ms;   /* steady clock */
};

/* The recipient of result i. */
const struct entry_rcpt *relay_mail_rcpt(
    const struct relay_mail *m, uint32_t i);
/* Note what became of it, the first time only. Texts are copied. */
void relay_mail_settle(struct relay_mail *m, uint32_t i,
    enum proto_outcome outcome, uint16_t code, const char *status,
    const char *text);
/* The same for all that are not settled yet. */
void relay_mail_settle_rest(struct relay_mail *m, enum proto_outcome outcome,
    uint16_t code, const char *status, const char *text);
/* Note where it is being tried, and with which TLS. Copied. */
void relay_mail_set_hop(struct relay_mail *m, const struct relay_hop *h);
bool relay_mail_is_settled(const struct relay_mail *m);
/* Is it over with it when no next hop takes REQUIRETLS (RFC 8689 4.2.1)? None
   will by being asked again. */
bool relay_mail_ends_without_require(const struct relay_mail *m);

#endif
