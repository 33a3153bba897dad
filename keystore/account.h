/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Accounts of people who pick up mail: by address the public key that later
 * mail is sealed to, and what their browser has sealed. Who may set one is
 * decided by gateway/store.
 */
#ifndef KEYSTORE_ACCOUNT_H
#define KEYSTORE_ACCOUNT_H

#include "common/pickup_account.h"
#include "keystore/store.h"

struct ks_account {
	struct pickup_account key;
	int64_t at;	 /* Unix seconds: when it was set */
	uint32_t resets; /* how often before there was another */
};

/* Set it, in place of another. Between ks_begin() and ks_commit().
   ERR_MALFORMED for an address that is none. */
enum err ks_account_put(struct ks_store *s, struct span addr,
    const struct ks_account *a) MUST_CHECK;
/* ERR_NOT_FOUND, ERR_DB_BROKEN. */
enum err ks_account_get(
    struct ks_store *s, struct span addr, struct ks_account *out) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err ks_account_del(struct ks_store *s, struct span addr) MUST_CHECK;

typedef enum err ks_account_visit(
    void *ctx, struct span addr, const struct ks_account *a);

/* All, in the order of their addresses. The visitor must not change the
   store. */
enum err ks_account_each(
    struct ks_store *s, ks_account_visit *visit, void *ctx) MUST_CHECK;

#endif
