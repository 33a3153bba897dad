/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a session with one host must have before anything is said of a message,
 * and by what the host is recognised: the stricter of what the entry, the
 * configuration and the host's TLSA records demand (RFC 7672, RFC 6125).
 */
#ifndef GATEWAY_RELAY_EXPECT_H
#define GATEWAY_RELAY_EXPECT_H

#include "gateway/relay/route.h"
#include "gateway/tls_state.h"
#include "net/tls_client.h"

struct relay_expect {
	uint8_t tls;   /* enum entry_tls: with less, nothing is sent */
	bool dane;     /* authenticated by DANE, not by a name */
	bool sts;      /* its policy vouches for the name that is looked for */
	bool only_sts; /* and nothing else but DANE will do */
	bool testing;  /* a policy would name it, were it enforced */
	bool foreign;  /* the policy does not name it: it is not called */
	bool require;  /* it must offer REQUIRETLS */
	bool promised; /* by DANE or MTA-STS, not only asked for by us */
	const char *sts_id; /* of the policy that is heeded; "" */
	struct net_tls_expect peer;
	char names[RELAY_NAMES_MAX]; /* what peer.names point into */
};

/* A session, or the try of one, for records. */
struct relay_hop {
	char peer[RELAY_PEER_MAX];
	const char *demanded; /* relay_expect_demand() */
	const char *had;      /* relay_expect_had() */
	char sts[NET_STS_ID_MAX];
	char helo[RELAY_HELO_MAX]; /* its name as it says, "" if none */
	bool begun;		   /* STARTTLS was answered with 220 */
	/* what is wrong with its certificate: by a policy that is tested, else
	   by what was expected */
	enum net_tls_fault fault;
	struct net_tls_facts tls;
};

/* Fill *x, which must stay where it is; it borrows from all three. tlsa are
   the records that the host's place names. */
void relay_expect_make(struct relay_expect *x, const struct relay_target *t,
    const struct relay_host *h, const struct net_tlsa *tlsa);

/* Is the session enough? proof is what its TLS has shown, has_tls whether there
   is any. ERR_TLS with the reason. */
enum err relay_expect_check(const struct relay_expect *x, bool has_tls,
    enum net_tls_proof proof, const struct err_why *proof_why,
    struct err_why *why) MUST_CHECK;

/* What is asked: "opportunistic", "encrypt", "verify", "dane", "mta-sts". */
const char *relay_expect_demand(const struct relay_expect *x);
/* A try that has no TLS yet. */
void relay_hop_begin(const struct relay_expect *x, struct relay_hop *out);
/* Its TLS stands. */
void relay_hop_has_tls(struct relay_hop *h, const struct relay_expect *x,
    const struct net_tls_client *t);

/* Is what is asked of the session enough for an entry of that floor? */
bool relay_expect_suffices(const struct relay_expect *x, uint8_t tls);

/* What has shown who it is, for records. */
enum tls_by relay_expect_by(
    const struct relay_expect *x, enum net_tls_proof proof);

#endif
