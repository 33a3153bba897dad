/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * New private keys for our users, and the key of our CA, for the process that
 * builds certificates. It never sees a private key: it gets the public half of
 * a new one, which waits here for its certificate and is then sealed beside the
 * address it was made for; and signatures of digests by a CA.
 */
#ifndef GATEWAY_KEYS_ISSUE_H
#define GATEWAY_KEYS_ISSUE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct keys_issue;
struct keys_private;
struct keys_registered;
struct keys_set;
struct ks_store;
struct proto_key_made;
struct proto_key_new;
struct proto_key_seal;

/* All are borrowed while it lives. Aborts when out of memory. The caller
   frees. */
struct keys_issue *keys_issue_new(struct ks_store *store,
    const struct keys_set *set, const struct keys_registered *registered);
void keys_issue_free(struct keys_issue *k);

/* Make a key if the address is registered under the id, or m->old speaks for
   it. out->spki is borrowed until the next call. Of more than a few that wait
   the oldest is forgotten. ERR_PERMISSION, ERR_UNSUPPORTED, ERR_CRYPTO. */
enum err keys_issue_make(struct keys_issue *k, uint64_t id,
    const struct proto_key_new *m, struct proto_key_made *out) MUST_CHECK;
/* Append the row of the private key, sealed; the key is forgotten.
   ERR_NOT_FOUND, ERR_MALFORMED. */
enum err keys_issue_seal(struct keys_issue *k, const struct proto_key_seal *m,
    struct buf *out) MUST_CHECK;

#endif
