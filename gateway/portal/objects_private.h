/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Between the files of the objects: the index and its transactions
 * (objects.c), what changes an object that is there (objects_change.c).
 */
#ifndef GATEWAY_PORTAL_OBJECTS_PRIVATE_H
#define GATEWAY_PORTAL_OBJECTS_PRIVATE_H

#include <netinet/in.h>

#include "common/limits.h"
#include "gateway/portal/portal_private.h"

struct db;
struct db_txn;

enum {
	TABLE_OBJECTS, /* id: the header as it is in the file */
	TABLE_EXPIRY,  /* expiry, 8 octets, and id: nothing */
	TABLE_WRONG,   /* id: wrong proofs, 4 octets */
	TABLE_ANSWERS, /* id: answers that were taken, 4 octets */
	TABLE_GONE,    /* number, 8 octets, rising: id of one that was here */
	TABLES,
};

/* A wrong proof that is not in the index yet. */
struct portal_wrong {
	uint8_t id[OBJECT_ID_SIZE];
	char client[INET6_ADDRSTRLEN]; /* the last one */
	uint32_t n;
};

struct portal_objects {
	int dir;
	struct db *db;
	struct portal_wrong wrong[LIMIT_PORTAL_WRONG];
	size_t n_wrong;
};

/* Transactions; an index that cannot be used is opened again first. */
enum err portal_index_read(
    struct portal_objects *o, struct db_txn **out) MUST_CHECK;
enum err portal_index_write(
    struct portal_objects *o, struct db_txn **out) MUST_CHECK;
/* Commit when e is ERR_OK. */
enum err portal_index_end(struct db_txn *txn, enum err e) MUST_CHECK;
enum err portal_index_put(
    struct db_txn *txn, const struct object_header *h) MUST_CHECK;
enum err portal_index_get(struct db_txn *txn, const uint8_t *id,
    struct object_header *out) MUST_CHECK;
/* All rows of it but the count of its answers; ERR_OK also when there are
   none. */
enum err portal_index_del(
    struct db_txn *txn, const struct object_header *h) MUST_CHECK;
/* That, too: it is gone, which is remembered. */
enum err portal_index_forget(
    struct db_txn *txn, const struct object_header *h) MUST_CHECK;

/* objects_gone.c: one more; the oldest makes room. */
enum err portal_gone_note(struct db_txn *txn, const uint8_t *id) MUST_CHECK;

#endif
