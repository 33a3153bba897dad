/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A store as a sequence of items, for a backup that any store can take in: one
 * state of it, however long that takes. Private keys are not among the items:
 * whoever may open them hands them over by themselves.
 */
#ifndef KEYSTORE_DUMP_H
#define KEYSTORE_DUMP_H

#include "keystore/store.h"

/* The numbers are in backups. */
enum ks_item {
	KS_ITEM_RECORD = 1, /* as in record.h */
	KS_ITEM_ROW = 2,    /* table, key, octets */
};

/* Between these two all searches see the store as it was. */
enum err ks_begin_read(struct ks_store *s) MUST_CHECK;
void ks_end_read(struct ks_store *s);

typedef enum err ks_item_visit(
    void *ctx, enum ks_item item, struct span octets);
/* Every record, then every row. */
enum err ks_dump(
    struct ks_store *s, ks_item_visit *visit, void *ctx) MUST_CHECK;
/* Call visit with the fingerprint of each private key, as a KS_ITEM_ROW. */
enum err ks_dump_private(
    struct ks_store *s, ks_item_visit *visit, void *ctx) MUST_CHECK;
/* Put an item into the store, within ks_begin(). ERR_MALFORMED: it is none. */
enum err ks_undump(
    struct ks_store *s, enum ks_item item, struct span octets) MUST_CHECK;

#endif
