/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * DKIM signatures of what leaves (RFC 6376), made when an entry is to be
 * delivered: so that everything is signed, what relay and store write
 * themselves included, as its next hop gets it. The private key is in the
 * process keys, which signs a digest.
 */
#ifndef GATEWAY_RELAY_SIGN_H
#define GATEWAY_RELAY_SIGN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct relay_job;
struct relay_sign;

/* Does the configuration sign anything of this kind? */
bool relay_sign_wanted(const struct relay_job *j);
/* Begin. done is called later, once: ERR_OK with j->dkim[] filled (empty where
   no section names the domain of From), or why it cannot be signed now. */
struct relay_sign *relay_sign_begin(struct relay_job *j,
    void (*done)(struct relay_job *j, enum err e, const char *why));
/* done will not be called. NULL is fine. */
void relay_sign_cancel(struct relay_sign *s);

/* PROTO_SIGNED for the job. */
void relay_sign_answer(struct relay_sign *s, struct span payload);
/* The process keys is gone. */
void relay_sign_lost(struct relay_sign *s);

#endif
