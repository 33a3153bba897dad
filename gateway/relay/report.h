/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What sessions with the mail servers of a domain had of TLS, as results for
 * the reports that it asks for (RFC 8460 4.3), and the question where it wants
 * them. Counting and sending is store's.
 */
#ifndef GATEWAY_RELAY_REPORT_H
#define GATEWAY_RELAY_REPORT_H

#include "gateway/relay/smtp_client.h"
#include "gateway/tls_report.h"

struct ipc;
struct ipc_msg;
struct loop;
struct net_dns;
struct relay_ruas;

/* The texts that a result points into. */
struct relay_report_texts {
	char line[NET_TLSA_MAX][NET_TLS_RECORD_MAX];
	const char *lines[NET_TLSA_MAX];
	char ip[INET6_ADDRSTRLEN];
	char our[INET6_ADDRSTRLEN];
	char reason[200];
	char helo[RELAY_HELO_MAX];
};

/* The result of a session: f says why it is over before it could be used, NULL
   if it stands. False: it says nothing of the domain's TLS. tlsa: the records
   of the host; smtp: NULL when the host was not even called. */
bool relay_report_make(const struct relay_target *t, const struct relay_host *h,
    const struct net_tlsa *tlsa, const struct relay_smtp *smtp,
    const struct relay_smtp_failure *f, struct relay_report_texts *texts,
    struct tls_result *out);
/* Nothing is called because its answers are forged. */
bool relay_report_bogus(const struct relay_target *t, struct tls_result *out);

/* Questions of store for the records of domains, PROTO_TLS_RUA. */
struct relay_ruas *relay_ruas_new(struct loop *loop, struct net_dns *dns);
void relay_ruas_free(struct relay_ruas *all);
/* Where answers go; NULL: nowhere now. */
void relay_ruas_store(struct relay_ruas *all, struct ipc *store);
void relay_rua_ask(struct relay_ruas *all, struct ipc_msg *m);

#endif
