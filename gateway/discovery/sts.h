/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Policies of MTA-STS for store: fetched and read here, where there is no key.
 * Which is wanted when, and for how long it counts, is store's (store/sts.c).
 */
#ifndef GATEWAY_DISCOVERY_STS_H
#define GATEWAY_DISCOVERY_STS_H

#include "common/buf.h"

struct arena;
struct discovery_env;
struct discovery_policies;
struct ipc;

/* env is borrowed for the life of it. */
struct discovery_policies *discovery_policies_new(struct discovery_env *env);
void discovery_policies_free(struct discovery_policies *p);
/* Drop what is under way. */
void discovery_policies_reset(struct discovery_policies *p);
/* The channel, or NULL. */
void discovery_policies_store(struct discovery_policies *p, struct ipc *store);
/* Fetch for PROTO_STS_FETCH with this id. */
void discovery_policies_fetch(struct discovery_policies *p, uint64_t id,
    struct span payload, struct arena *a);

#endif
