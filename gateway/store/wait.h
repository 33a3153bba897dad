/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages whose client waits for the next hop's own reply. Such an entry is
 * in the spool like any other, but it is the client's yet: nothing was
 * promised. What the next hop says of all recipients alike is kept with the
 * message's id and told; in every other case the entry becomes ours, and its
 * client hears 250. One that has lost its client goes: it is sent again.
 */
#ifndef GATEWAY_STORE_WAIT_H
#define GATEWAY_STORE_WAIT_H

#include "gateway/store/store_private.h"

/* Is this a submission that one next hop can answer? */
bool store_wait_fits(const struct proto_submit *m);
/* For those that apply: from now on its client waits. */
enum err store_wait_begin(
    struct store *s, struct db_txn *txn, uint64_t id) MUST_CHECK;
/* What a next hop said of an entry that waits, which then waits no more; st
   is changed, and to be written unless *gone: then the entry is out. */
enum err store_wait_result(struct store *s, struct db_txn *txn,
    const struct entry *entry, const struct proto_result *m,
    struct store_status *st, bool *gone) MUST_CHECK;

store_apply_fn store_apply_unwait, store_apply_abandon;
/* PROTO_WAIT_END */
void store_wait_end(
    struct store *s, struct store_peer *from, struct ipc_msg *m);

/* The spool says that this entry waits: when it was read at the start, or has
   changed. */
void store_wait_seen(
    struct store *s, uint64_t id, const struct store_status *st);
/* Does a client wait for this message? Somebody who asks is one. */
bool store_wait_claim(struct store *s, uint64_t message_id);
/* After a commit: tell of those that wait no more. */
void store_waits_settle(struct store *s);
/* Every second: forget those whose client does not come back. */
void store_waits_tick(struct store *s);
/* The listener has come, or gone with all that it knew. */
void store_waits_listener(struct store *s, bool there);
void store_waits_free(struct store *s);

#endif
