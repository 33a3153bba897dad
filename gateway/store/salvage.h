/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Entries in an environment that cannot be used: found in its raw octets by
 * the magic of their sealed bodies, those with a body in a file by their ids.
 * What LMDB has freed is found, too: who looks must know what was delivered.
 * Nothing is opened here; a body opens only beside its own envelope. What
 * senders were to be told is found in its rows (salvage_notice.c).
 */
#ifndef GATEWAY_STORE_SALVAGE_H
#define GATEWAY_STORE_SALVAGE_H

#include "common/arena.h"
#include "common/buf.h"
#include "gateway/entry.h"

/* Where the command line leaves what it found, below the spool. */
#define STORE_SALVAGE_DIR "salvage"
/* Behind the id of a message: what its sender is to be told, as dsn_pack()
   writes it. */
#define STORE_SALVAGE_OWED ".owed"

/* An entry, borrowed for the call; record: its octets as in the table. May be
   called more than once for the same one. */
typedef void store_salvage_fn(
    void *arg, const struct entry *e, struct span record);

/* Look through the octets of data.mdb. ids: of the files that are there for
   bodies, rising. The arena is reset at every entry. */
void store_salvage_scan(struct span data, const uint64_t *ids, size_t n_ids,
    struct arena *a, store_salvage_fn *found, void *arg);

/* Is this record, which was found in data, where its page says that one is, and
   are its pages all its own? Else it may be what was left of a copy when the
   page moved it, and its end is something else's. */
bool store_salvage_is_whole(struct span data, struct span record);

/* A number that LMDB has written, of 2, 4 or 8 octets. */
uint64_t store_salvage_number(const uint8_t *p, unsigned n);

/* What a sender was to be told: a row of the table notice, borrowed for the
   call. head has no recipients; of a fact it is NULL. Whether he was told since
   the rows do not say. */
struct dsn;
struct dsn_rcpt;
typedef void store_salvage_notice_fn(void *arg, uint64_t message_id,
    const struct dsn *head, const struct dsn_rcpt *fact);

/* Look through the octets of data.mdb for those rows, all heads first. */
void store_salvage_notices(struct span data, struct arena *a,
    store_salvage_notice_fn *found, void *arg);

/* The octets of a file in STORE_SALVAGE_DIR: an entry, and what is known of
   its recipients (an octet each, enum proto_outcome). */
enum err store_salvage_pack(
    struct span record, struct span done, struct buf *out) MUST_CHECK;
enum err store_salvage_unpack(struct span in, struct arena *a,
    struct entry *out, struct span *done_out) MUST_CHECK;

#endif
