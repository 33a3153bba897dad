/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Between the files of the embedded store: the open store with its
 * transactions, and the operations on records and rows.
 */
#ifndef KEYSTORE_STORE_LMDB_PRIVATE_H
#define KEYSTORE_STORE_LMDB_PRIVATE_H

#include "keystore/store_private.h"

struct db;
struct db_txn;

/* Tables of the database; those of rows follow in the order of enum ks_row. */
enum { TABLE_RECORD, TABLE_INDEX, TABLE_ROWS };

/* One that is open. */
struct ks_lmdb {
	struct ks_store base;
	struct db *db;
	struct db_txn *batch;
	int lock; /* of who writes; -1: never does */
	bool no_wait;
	bool reading; /* the batch only reads */
	struct ks_room room;
	struct buf scratch; /* a record being written */
};

/* --- store_lmdb.c */

/* The store behind its interface. */
struct ks_lmdb *ks_lmdb_of(struct ks_store *s);
/* Begin a change, in the batch if there is one, else with the lock of who
   writes. ERR_BUSY: another has it; ERR_INTERNAL: the batch only reads. */
enum err ks_lmdb_begin_change(
    struct ks_lmdb *s, struct db_txn **out) MUST_CHECK;
/* Commit the change, or give it up when e says that it failed. Takes t; returns
   e, or what the commit said. */
enum err ks_lmdb_end_change(
    struct ks_lmdb *s, struct db_txn *t, enum err e) MUST_CHECK;
/* Begin a search, in the batch if there is one. */
enum err ks_lmdb_begin_search(
    struct ks_lmdb *s, struct db_txn **out) MUST_CHECK;
void ks_lmdb_end_search(struct ks_lmdb *s, struct db_txn *t);

/* --- store_lmdb_record.c: each as its namesake in struct ks_store_ops says */

enum err ks_lmdb_put(
    struct ks_store *base, const struct ks_record *r) MUST_CHECK;
enum err ks_lmdb_del(struct ks_store *base, struct span fpr) MUST_CHECK;
enum err ks_lmdb_set_trust(
    struct ks_store *base, struct span fpr, enum ks_trust trust) MUST_CHECK;
enum err ks_lmdb_get(struct ks_store *base, struct span fpr, ks_visit *visit,
    void *ctx) MUST_CHECK;
enum err ks_lmdb_find(struct ks_store *base, enum ks_index index,
    struct span key, ks_visit *visit, void *ctx) MUST_CHECK;
enum err ks_lmdb_each(struct ks_store *base, struct span prefix,
    ks_visit *visit, void *ctx) MUST_CHECK;
enum err ks_lmdb_count(struct ks_store *base, size_t *out) MUST_CHECK;

/* --- store_lmdb_row.c: each as its namesake in struct ks_store_ops says */

enum err ks_lmdb_row_put(struct ks_store *base, enum ks_row row,
    struct span key, struct span octets) MUST_CHECK;
enum err ks_lmdb_row_get(struct ks_store *base, enum ks_row row,
    struct span key, ks_row_visit *visit, void *ctx) MUST_CHECK;
enum err ks_lmdb_row_del(
    struct ks_store *base, enum ks_row row, struct span key) MUST_CHECK;
enum err ks_lmdb_row_each(struct ks_store *base, enum ks_row row,
    struct span prefix, struct span from, ks_row_visit *visit,
    void *ctx) MUST_CHECK;
enum err ks_lmdb_row_last(struct ks_store *base, enum ks_row row,
    ks_row_visit *visit, void *ctx) MUST_CHECK;
enum err ks_lmdb_row_sweep(struct ks_store *base, enum ks_row row,
    struct buf *from, unsigned max,
    enum err (*look)(void *ctx, struct span key, struct span value, bool *drop),
    void *ctx) MUST_CHECK;

#endif
