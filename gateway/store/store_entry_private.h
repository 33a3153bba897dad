/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of store share of entries: how they come, are decided, go
 * out, and end; what is parked beside one, and the files of their bodies.
 */
#ifndef GATEWAY_STORE_STORE_ENTRY_PRIVATE_H
#define GATEWAY_STORE_STORE_ENTRY_PRIVATE_H

#include "gateway/store/store_private.h"

/* --- submit.c --- */

store_apply_fn store_apply_submit, store_apply_fence;
void store_after_submit(struct store *s, struct store_op *op);
void store_after_fence(struct store *s, struct store_op *op);
/* Tell the listener of a message, with what its next hop said; attempt 0:
   whichever was committed. */
void store_tell_committed(struct store *s, uint64_t id, uint32_t attempt,
    enum err result, bool waits);
/* Is it whole, with its body? ERR_IPC, ERR_NOT_FOUND. */
enum err store_check_entry(
    const struct store *s, const struct entry *e) MUST_CHECK;
/* Check and add one new entry, which counts as accepted at born_ms. */
enum err store_add_entry(struct store *s, struct db_txn *txn,
    const struct entry *e, uint64_t born_ms) MUST_CHECK;

/* --- account.c --- */

bool store_is_rcpt_of(const char *key, const struct entry *pending);
/* A notification of what became of it, to the sender and nobody else. */
bool store_is_notice(const struct entry *e, const struct entry *pending);
/* Does the decision account for every recipient of the pending entry? Records
   who gets nothing more. ERR_PERMISSION. */
enum err store_account(struct store *s, struct db_txn *txn,
    const struct proto_submit *m, const struct entry *pending,
    const struct store_status *st) MUST_CHECK;

/* --- deliver.c --- */

store_apply_fn store_apply_result, store_apply_overdue, store_apply_broken,
    store_apply_doomed;
void store_after_result(struct store *s, struct store_op *op);
void store_deliver_due(struct store *s);
void store_relay_gone(struct store *s);
/* Ask relay for it back. */
void store_recall(struct store *s, uint64_t id);
/* When to try again after so many tries. */
uint64_t store_next_try(const struct store *s, uint32_t tries);
/* Is it time to give it up? */
bool store_is_too_old(const struct store *s, const struct store_status *st);
/* Open the file of an entry's body: -1 when it is not there. */
int store_open_body(const struct store *s, uint64_t id);

/* --- decide.c --- */

store_apply_fn store_apply_undecided, store_apply_crashed;
void store_after_decision(struct store *s, struct store_op *op);
void store_decide_due(struct store *s);
/* Tell a new keys process for which senders entries are decided just now. */
void store_register_all(struct store *s, struct store_peer *keys);
void store_worker_gone(struct store *s, struct store_peer *worker);

/* --- twin.c --- */

/* Has every entry that goes by TLS its original beside it, and the other way
   round, where one says so? ERR_IPC. */
enum err store_twins_check(const struct proto_submit *m) MUST_CHECK;
/* One of two that were found again: if the other is there, too, the original is
   parked once more, else it stays as it is. */
enum err store_twins_park(
    struct store *s, struct db_txn *txn, const struct entry *e) MUST_CHECK;
/* The id of the original that is parked for an entry and goes with it, 0 when
   none is. */
uint64_t store_parked_for(struct store *s, struct db_txn *txn, uint64_t id);
/* Take an entry out, with the original that is parked for it. */
enum err store_remove(
    struct store *s, struct db_txn *txn, uint64_t id, bool in_file) MUST_CHECK;
/* If the TLS of all that is open was not to be had for long enough: let the
   parked original be decided in place of the entry, which is gone then. */
enum err store_twin_wake(struct store *s, struct db_txn *txn,
    const struct entry *entry, const struct proto_result *m,
    struct store_status *st, const uint8_t *done, bool *woken) MUST_CHECK;
/* Positions of the recipients that are not done, in the arena. */
enum err store_open_rcpts(struct store *s, const struct store_status *st,
    uint32_t n, uint32_t **open_out, uint32_t *n_out) MUST_CHECK;
/* Leave only those in e. */
enum err store_narrow(
    struct store *s, const struct store_status *st, struct entry *e) MUST_CHECK;

/* --- files.c --- */

/* A file of this entry with these octets of sealed body. */
bool store_has_body(const struct store *s, uint64_t id, uint64_t size);
void store_unlink_body(const struct store *s, uint64_t id);
/* Remove files without an entry. */
void store_sweep(struct store *s);

/* --- salvaged.c --- */

/* Take in the entry of this request: ERR_EXISTS when it is there. */
enum err store_salvage(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;
/* Tell the sender of the message of this request what the command line has left
   for him: ERR_EXISTS when that was done. */
enum err store_salvage_owed(struct store *s, struct db_txn *txn,
    const struct json_t *request) MUST_CHECK;
/* What the command line left for store under this id. */
enum err store_salvage_read(
    const struct store *s, uint64_t id, struct buf *out) MUST_CHECK;

#endif
