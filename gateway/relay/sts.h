/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which MTA-STS policy a domain has (RFC 8461): its record is looked up here,
 * the policy is store's to keep and discovery's to fetch.
 */
#ifndef GATEWAY_RELAY_STS_H
#define GATEWAY_RELAY_STS_H

#include "gateway/proto_tls.h"
#include "net/sts.h"

struct ipc;
struct loop;
struct net_dns;
struct relay_sts;
struct relay_sts_query;

struct relay_sts_answer {
	/* ERR_OK: this is its policy, mode none if it has none; else nobody
	   knows, and why says why */
	enum err err;
	char why[200];
	char id[NET_STS_ID_MAX];
	struct net_sts policy;
};

struct relay_sts *relay_sts_new(struct loop *loop, struct net_dns *dns);
/* Queries are dropped without a callback. NULL is fine. */
void relay_sts_free(struct relay_sts *s);
/* The channel to store, borrowed; NULL when it is gone: what was asked there
   is answered then. */
void relay_sts_store(struct relay_sts *s, struct ipc *store);
/* PROTO_STS_IS. */
void relay_sts_is(struct relay_sts *s, uint64_t id, struct span payload);

/* Ask for a domain (lower-case A-labels); cb is called later, once, with an
   answer borrowed for the call. */
struct relay_sts_query *relay_sts_find(struct relay_sts *s, const char *domain,
    void (*cb)(void *arg, const struct relay_sts_answer *a), void *arg);
/* cb will not be called. NULL is fine. */
void relay_sts_cancel(struct relay_sts_query *q);

#endif
