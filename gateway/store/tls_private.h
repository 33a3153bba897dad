/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What tls.c and sts.c share: the table and what is under way.
 */
#ifndef GATEWAY_STORE_TLS_PRIVATE_H
#define GATEWAY_STORE_TLS_PRIVATE_H

#include "common/db.h"
#include "gateway/proto_tls.h"
#include "gateway/store/store_private.h"
#include "gateway/store/tls.h"
#include "net/dns.h"

enum store_tls_asker {
	STORE_TLS_NOBODY,
	STORE_TLS_LISTENER,
	STORE_TLS_LOOKUPS,
	STORE_TLS_CONTROL,
	STORE_TLS_RELAY, /* for a policy */
};

struct store_tls_waiter {
	struct store_tls_waiter *next;
	enum store_tls_asker who;
	uint64_t id;
};

/* A look that relay was asked for, or a policy that discovery was. */
struct store_tls_task {
	struct store_tls_task *next;
	uint64_t id;
	uint64_t until_ms; /* steady clock */
	struct store_tls_waiter *waiters;
	char domain[NET_DNS_NAME_MAX];
	char sts_id[40]; /* of a policy: that its record announced */
};

struct store_tls {
	struct db *db; /* NULL: it cannot be opened */
	struct arena *arena;
	uint64_t last_id;
	struct store_tls_task *looks;
	unsigned n_looks;
	struct store_tls_task *fetches;
	unsigned n_fetches;
	struct sts_never *never; /* announced, and never handed out */
	struct store_reports *reports;
	char daily[NET_DNS_NAME_MAX]; /* up to which rows were gone through */
};

/* Read the row; false: there is none, and *out is an empty one of that
   domain. */
bool store_tls_row(
    struct store_tls *t, const char *domain, struct tls_state *out);
/* Write it. What cannot be written is asked for again some time. */
void store_tls_keep(struct store_tls *t, const struct tls_state *row);
/* A task by its id, taken out of the list; NULL. */
struct store_tls_task *store_tls_take(
    struct store_tls_task **list, unsigned *n, uint64_t id);
struct store_tls_task *store_tls_find(
    struct store_tls_task *list, const char *domain);
void store_tls_wait(
    struct store_tls_task *task, enum store_tls_asker who, uint64_t id);
void store_tls_free_task(struct store_tls_task *task);
uint64_t store_tls_now_s(void);

#endif
