/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The rungs tls and tls-encrypt: whether they hold, by what is known of the
 * domain before anything is sent, and what becomes of a message whose TLS does
 * not come about at delivery. DESIGN: the ladder.
 */
#ifndef GATEWAY_DECIDE_TLS_H
#define GATEWAY_DECIDE_TLS_H

#include "gateway/decide.h"
#include "gateway/entry.h"
#include "gateway/tls_state.h"

/* Is it one of the two? */
bool decide_is_tls(enum rung r);

/* What a row says of the rung at this time; NULL: there is none. *why gets a
   sentence, borrowed from the row or constant. */
enum rung_state decide_tls_rung(
    const struct tls_state *t, enum rung r, uint64_t now_s, const char **why);
/* The same for a domain, by its row in db; db NULL: it cannot be known. Text
   is in the arena. */
enum rung_state decide_tls_ask(struct db *db, struct arena *a,
    const char *domain, enum rung r, uint64_t now_s, const char **why);

/* Fill in the states of both rungs for the recipient. */
void decide_tls(
    const struct decide_facts *f, struct decision *d, struct arena *arena);
/* The message was tried by f->spent for long enough: unless another rung
   sends or holds it now, that rung is tried on. */
void decide_tls_spent(const struct decide_facts *f, struct decision *d);
/* What is to become of it when the TLS of the rung that was chosen is not to be
   had, by the rest of the ladder. */
enum entry_after decide_tls_after(
    const struct decide_facts *f, const struct decision *d);

#endif
