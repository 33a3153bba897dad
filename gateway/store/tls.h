/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is known of the TLS of domains (gateway/tls_state.h): asked for before
 * a message is decided, looked at by relay, kept, looked at again every day.
 * Policies of MTA-STS are fetched by discovery and outlive outages here.
 */
#ifndef GATEWAY_STORE_TLS_H
#define GATEWAY_STORE_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct ipc_msg;
struct store;
struct store_peer;
struct store_tls;

/* Opens the table; without it nothing is known, and the rest works. */
void store_tls_start(struct store *s);
void store_tls_end(struct store *s);
/* Every second: what nobody answered, what is to be looked at again. */
void store_tls_tick(struct store *s);

/* PROTO_TLS_ASK, PROTO_TLS_SEEN. */
void store_tls_ask(struct store *s, struct store_peer *from, struct ipc_msg *m);
void store_tls_seen(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
/* Have the domain looked at, if what is known is old: then true, and
   store_lookups_known(s, id) is called later, once. */
bool store_tls_look(struct store *s, const char *domain, uint64_t id);
/* The request domain-check of the command line. */
void store_tls_check(
    struct store *s, struct store_peer *from, uint64_t id, const char *domain);

struct db_txn;
struct json_t;

/* The requests domain-list and domain-show; the transaction is the spool's. */
enum err store_tls_list(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;
enum err store_tls_show(struct store *s, struct db_txn *txn,
    const struct json_t *request, struct json_t *answer) MUST_CHECK;

/* --- sts.c --- */

/* PROTO_STS_WANT, PROTO_STS_FETCHED. */
void store_sts_want(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
void store_sts_fetched(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
void store_sts_tick(struct store *s);
void store_sts_end(struct store *s);

#endif
