/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Fetching what issuers say of revocation, as store asks for it: octets in,
 * octets on to admission. RFC 5280 §4.2.1.13, RFC 6960 appendix A.
 */
#ifndef GATEWAY_DISCOVERY_REVOCATION_H
#define GATEWAY_DISCOVERY_REVOCATION_H

#include "common/buf.h"

struct discovery_env;
struct discovery_revocations;
struct ipc;

struct discovery_revocations *discovery_revocations_new(
    struct discovery_env *env);
/* Nobody hears of what is under way. NULL is fine. */
void discovery_revocations_free(struct discovery_revocations *r);
/* What is under way is dropped; store asks again. */
void discovery_revocations_reset(struct discovery_revocations *r);

/* The channels, as they come and go; NULL: it is gone. They stay the
   caller's. */
void discovery_revocations_admission(
    struct discovery_revocations *r, struct ipc *admission);
void discovery_revocations_store(
    struct discovery_revocations *r, struct ipc *store);

/* PROTO_REVOCATION_FETCH from store. */
void discovery_revocations_fetch(
    struct discovery_revocations *r, struct span payload);

#endif
