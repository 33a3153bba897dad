/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What senders are to be told, durable with what it is about. What is told of
 * the recipients of one message within a short span becomes one notification:
 * relay makes it, and in one transaction it takes the place of the facts.
 */
#ifndef GATEWAY_STORE_NOTICE_H
#define GATEWAY_STORE_NOTICE_H

#include "gateway/store/store_private.h"

/* For those that apply: the facts, and the header to quote if there is none
   yet. Nothing without recipients. ERR_PERMISSION without a sender. */
enum err store_notice_add(
    struct store *s, struct db_txn *txn, const struct dsn *d) MUST_CHECK;
/* What became of these recipients of the entry, as far as the sender wants to
   hear of it. fresh: by position in m, what is new. late: it is time to warn
   of what is not delivered. */
enum err store_notice_results(struct store *s, struct db_txn *txn,
    const struct entry *entry, const struct store_status *st,
    const struct proto_result *m, const bool *fresh, bool late) MUST_CHECK;

/* PROTO_NOTIFIED */
store_apply_fn store_apply_notified;
void store_after_notified(struct store *s, struct store_op *op);
/* Every second: have made what is due. */
void store_notices_tick(struct store *s);
/* Relay is gone with all that it was asked for. */
void store_notices_forget(struct store *s);

#endif
