/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Is there such a recipient? Of mail from outside: by the administrator's list,
 * or asked of our own mail server and remembered. Nothing but the address
 * decides, and nothing more than that is told.
 */
#ifndef GATEWAY_LISTENER_VERIFY_H
#define GATEWAY_LISTENER_VERIFY_H

#include "gateway/listener/listener_private.h"

/* An answer that holds; until_ms (steady clock) 0: free. */
struct listener_verified {
	uint64_t hash[2];
	uint64_t until_ms;
	bool yes;
};

void listener_verify_init(struct listener *l);
void listener_verify_clear(struct listener *l);
void listener_relay_attach(struct listener *l, struct ipc *ch);
/* Find out about the recipient of an inbound section;
   listener_session_verdict() tells, perhaps from within. */
void listener_verify_start(struct listener *l, struct listener_slot *slot);
void listener_verify_cancel(struct listener *l, struct listener_slot *slot);
/* What relay and accounts say. */
void listener_verify_answer(
    struct listener *l, uint64_t id, enum proto_verdict verdict);
/* Who was asked has gone: those who wait are told to come again. */
void listener_verify_lost(struct listener *l, enum listener_whom whom);
/* Remember it in the place of an older one. */
void listener_verify_put(struct listener *l, const struct listener_verified *v);
/* Forget what was asked of our own server: it may be another one. */
void listener_verify_forget(struct listener *l);

/* --- verify_keep.c: across a restart --- */

/* Have store keep what has changed, now or when it is time. */
void listener_verify_keep(struct listener *l, bool now);
/* What it has kept; ignored when it is malformed, too late or of another
   server. */
void listener_verify_recall(struct listener *l, struct span said);

#endif
