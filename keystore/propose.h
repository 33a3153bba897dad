/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A proposal and the store: what is known is read, change.c decides, and the
 * result is written with its event. Only who writes the store calls it.
 */
#ifndef KEYSTORE_PROPOSE_H
#define KEYSTORE_PROPOSE_H

#include "keystore/change.h"
#include "keystore/store.h"

struct arena;

/* Decide and write, between ks_begin() and ks_commit(): nothing is durable
   before that. out->old is borrowed from the arena. ERR_DB_BROKEN, ERR_NOMEM
   and the like: nothing was decided, and the transaction must be given up; a
   refusal is ERR_OK with the reason in out. */
enum err ks_propose(struct ks_store *s, const struct ks_rules *rules,
    const struct ks_proposal *p, struct arena *arena,
    struct ks_decision *out) MUST_CHECK;

/* Are the octets of the key those that its fingerprint stands for? Who brings a
   record may have written anything into it. */
bool ks_record_is_itself(const struct ks_record *r);

#endif
