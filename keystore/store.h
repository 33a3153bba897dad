/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Where records are kept: one writer, many readers, found by fingerprint and by
 * what is in them. The interface of every store; store_lmdb.c is the embedded
 * one. What a record may be used for is decided in lookup.c.
 */
#ifndef KEYSTORE_STORE_H
#define KEYSTORE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "keystore/record.h"

struct ks_store;

/* What can be searched for. */
enum ks_index {
	KS_BY_ADDR,   /* canonical address */
	KS_BY_DOMAIN, /* domain it stands for as a whole */
	KS_BY_KEY_ID, /* 8 octets */
	KS_BY_SKI,
	KS_BY_ISSUER_SERIAL, /* ks_issuer_serial() */
};

/* For opening. */
enum {
	KS_WRITE = 1, /* may change records; makes the store if there is none */
	KS_GROUP = 2, /* with KS_WRITE: processes of the same group may read */
	KS_NO_WAIT = 4, /* while another process writes, a change is ERR_BUSY
			   instead of waiting for it */
};

/* Open the embedded store in directory dir. ERR_NOT_FOUND if there is none and
   it may not be made; ERR_PERMISSION, ERR_DB_BROKEN. The caller closes. */
enum err ks_open(const char *dir, unsigned flags, struct ks_store **out,
    struct err_why *why) MUST_CHECK;
void ks_close(struct ks_store *s);

/* Put several changes into one commit. Without it each is its own. Searches
   between see the changes. */
enum err ks_begin(struct ks_store *s) MUST_CHECK;
/* Durable when it returns ERR_OK; else nothing has changed. */
enum err ks_commit(struct ks_store *s) MUST_CHECK;
void ks_rollback(struct ks_store *s);

/* Add the record or replace the one with its fingerprint. */
enum err ks_put(struct ks_store *s, const struct ks_record *r) MUST_CHECK;
/* Its private key, if there is one, goes, too. ERR_NOT_FOUND. */
enum err ks_delete(struct ks_store *s, struct span fpr) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err ks_set_trust(
    struct ks_store *s, struct span fpr, enum ks_trust trust) MUST_CHECK;

/* The record in the arena, its key with it. ERR_NOT_FOUND, ERR_NOMEM. */
enum err ks_get(struct ks_store *s, struct span fpr, struct arena *arena,
    struct ks_record **out) MUST_CHECK;

/* Called for each record found; it is borrowed for the call, in which the store
   must not be changed. Anything but ERR_OK ends the search and is what it
   returns. */
typedef enum err ks_visit(void *ctx, const struct ks_record *r);

/* Every record that has key in the index, by fingerprint. ERR_OK, too, if there
   is none. */
enum err ks_find(struct ks_store *s, enum ks_index index, struct span key,
    ks_visit *visit, void *ctx) MUST_CHECK;
/* Every record whose fingerprint begins so (an empty prefix: all), by
   fingerprint. */
enum err ks_each(struct ks_store *s, struct span prefix, ks_visit *visit,
    void *ctx) MUST_CHECK;
enum err ks_count(struct ks_store *s, size_t *out) MUST_CHECK;
/* Another number after each change that any process has committed; 0: not
   known, take everything for changed. */
uint64_t ks_generation(struct ks_store *s);

/* The key under which KS_BY_ISSUER_SERIAL finds a certificate: SHA-256 of the
   issuer's name, then the serial number, as the caller of a CMS recipient info
   has them. ERR_LIMIT for a serial number over 64 octets. */
enum err ks_issuer_serial(
    struct span issuer, struct span serial, struct buf *out) MUST_CHECK;

/* Visit the other OpenPGP keys that have a key ID of r: 64 bits of a
   fingerprint can be made to collide, so nothing is chosen by it alone, and
   whoever looks at one key should know of the other. */
enum err ks_same_key_id(struct ks_store *s, const struct ks_record *r,
    ks_visit *visit, void *ctx) MUST_CHECK;

#endif
