/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Reports on TLS (RFC 8460): results are counted by day, domain and kind in
 * the table of TLS, and sent when the day is over, once, to whoever the domain
 * names. A report that cannot be delivered is tried again for a day.
 */
#ifndef GATEWAY_STORE_TLS_REPORT_H
#define GATEWAY_STORE_TLS_REPORT_H

#include "common/err.h"

struct db_txn;
struct ipc_msg;
struct store;
struct store_op;
struct store_peer;
struct tls_result;

void store_reports_start(struct store *s);
/* What was counted last is written. */
void store_reports_end(struct store *s);
void store_reports_tick(struct store *s);

/* One session more of this kind, today. Copied. */
void store_reports_count(struct store *s, const struct tls_result *r);
/* A policy of MTA-STS could not be had. */
void store_reports_no_policy(
    struct store *s, const char *domain, enum err e, const char *why);

/* PROTO_TLS_RESULT, PROTO_TLS_RUA_IS, PROTO_TLS_POSTED. */
void store_reports_result(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
void store_reports_rua(
    struct store *s, struct store_peer *from, struct ipc_msg *m);
void store_reports_posted(
    struct store *s, struct store_peer *from, struct ipc_msg *m);

/* STORE_OP_REPORT: a report as mail becomes an entry. */
enum err store_apply_report(
    struct store *s, struct db_txn *txn, struct store_op *op) MUST_CHECK;
void store_after_report(struct store *s, struct store_op *op);

#endif
