/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What an administrator has set for one address or for a domain: what is worth
 * sealing to there, and whether sources may bring keys. What it does to a
 * decision is in change.c and lookup.c.
 */
#ifndef KEYSTORE_SETTING_H
#define KEYSTORE_SETTING_H

#include "keystore/change.h"
#include "keystore/store.h"

/* name: a canonical address, or "@" and a domain as A-labels. Replaces; one
   that sets nothing deletes. ERR_MALFORMED. */
enum err ks_setting_put(struct ks_store *s, struct span name,
    const struct ks_setting *setting) MUST_CHECK;
/* Exactly that one. ERR_NOT_FOUND, ERR_DB_BROKEN. */
enum err ks_setting_get(
    struct ks_store *s, struct span name, struct ks_setting *out) MUST_CHECK;

/* What counts for an address (or, with an empty local part as "@domain", for a
   domain as a whole): the address's own setting, and from its domain's what it
   does not say. All zero when nothing is set. */
enum err ks_setting_for(
    struct ks_store *s, struct span name, struct ks_setting *out) MUST_CHECK;

typedef enum err ks_setting_visit(
    void *ctx, struct span name, const struct ks_setting *setting);
/* All of them, by name. */
enum err ks_setting_each(
    struct ks_store *s, ks_setting_visit *visit, void *ctx) MUST_CHECK;

#endif
