/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Inside the process issuer: building certificates (issue.c), asking those who
 * have keys and who writes (peers.c), what is due by the clock (scheduled.c).
 */
#ifndef GATEWAY_ISSUER_ISSUER_PRIVATE_H
#define GATEWAY_ISSUER_ISSUER_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "gateway/proto_issue.h"

struct arena;
struct ca;
struct crypto_key_delegate;
struct ks_store;
struct role;

struct issuer {
	struct role *role;
	struct ks_store *store; /* for reading */
	struct arena *arena;	/* of one piece of work */
	int64_t published;	/* Unix seconds; 0: not since the start */
	uint64_t seen;		/* event of the keystore that was published */
	bool renew; /* a peer that lives does not answer: begin anew */
};

/* --- peers.c: every failure is an error; a late answer is never taken for
   another one */

/* Ask keys for a new private key; spki is appended to. */
enum err issuer_key_new(struct issuer *i, uint64_t id,
    const struct proto_key_new *m, uint64_t *handle,
    struct buf *spki) MUST_CHECK;
/* Have it sealed; the row is appended. */
enum err issuer_key_seal(struct issuer *i, const struct proto_key_seal *m,
    struct buf *row) MUST_CHECK;
/* The key of a CA, whose private half keys has. The caller frees; what ctx has
   must live as long. */
struct issuer_ca_key {
	struct issuer *issuer;
	struct span fpr;
};

enum err issuer_ca_key_new(const struct ca *ca, struct issuer_ca_key *ctx,
    struct crypto_key_delegate **out, struct err_why *why) MUST_CHECK;
/* Have store write PROTO_CA_KEEP or PROTO_CA_LIST. ERR_BUSY is waited for. */
enum err issuer_store(struct issuer *i, uint16_t type, struct span payload,
    struct err_why *why) MUST_CHECK;

/* --- issue.c */

/* A certificate for an address: on first use, for the message with this id, or
   (id 0) in place of the one with the fingerprint old. ERR_OK as well when the
   address has one already. ERR_NOT_FOUND: there is no CA; ERR_POLICY_REJECT:
   the address is to have none. */
enum err issuer_issue(struct issuer *i, uint64_t id, struct span addr,
    struct span old, struct err_why *why) MUST_CHECK;

/* --- scheduled.c */

/* Replace certificates before their end, make lists before theirs, publish. */
void issuer_scheduled(struct issuer *i);

#endif
