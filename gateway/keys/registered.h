/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * For whom private keys may be used, and for what: addresses under the id of
 * the message that is worked on, as the listener and store have said. A worker
 * cannot add to it.
 */
#ifndef GATEWAY_KEYS_REGISTERED_H
#define GATEWAY_KEYS_REGISTERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "gateway/role.h"

struct keys_registered;
struct proto_register;

/* Aborts when out of memory. The caller frees. */
struct keys_registered *keys_registered_new(void);
void keys_registered_free(struct keys_registered *r);
/* What `by` says: as PROTO_REGISTER and PROTO_UNREGISTER in gateway/proto.h.
   ERR_LIMIT beyond LIMIT_REGISTERED messages or LIMIT_REGISTERED_ADDRS
   addresses: nothing is registered under the id then. */
enum err keys_registered_put(struct keys_registered *r, enum role_id by,
    uint64_t id, const struct proto_register *m) MUST_CHECK;
void keys_registered_drop(
    struct keys_registered *r, enum role_id by, uint64_t id);
bool keys_registered_has(const struct keys_registered *r, uint64_t id);
/* The first address under the id, for signing or for opening, that test says
   true for; NULL if none. */
const char *keys_registered_find(const struct keys_registered *r, uint64_t id,
    bool open, bool (*test)(const void *ctx, const char *addr),
    const void *ctx);
/* Count one attempt to open. ERR_PERMISSION beyond what a message with all its
   layers can need: nobody tries out keys here. */
enum err keys_registered_try(struct keys_registered *r, uint64_t id) MUST_CHECK;

#endif
