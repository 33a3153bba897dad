/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Keys that an administrator has deleted, with their octets and the sealed
 * private half: who deletes the wrong one, or needs a decryption key again
 * years later, brings it back. Nothing looks for a key here but undeletion.
 * What must be gone for good is purged.
 */
#ifndef KEYSTORE_DELETED_H
#define KEYSTORE_DELETED_H

#include "keystore/store.h"

struct arena;

/* Every span is borrowed. */
struct ks_deleted {
	int64_t at;	 /* Unix seconds */
	struct span who; /* "user 1000" */
	struct ks_record record;
	bool has_private;
};

/* Delete the record, and its private half, and keep both here; what was kept
   of the same fingerprint before is replaced, but for a private half that the
   record has no more. Within ks_begin(). ERR_NOT_FOUND. */
enum err ks_deleted_keep(struct ks_store *s, struct span fpr, struct span who,
    int64_t now, struct arena *arena) MUST_CHECK;
/* Put it back. A record that somebody has brought again meanwhile stays as it
   is, and so does a private half. Within ks_begin(). *out, in the arena, is
   what was put back. ERR_NOT_FOUND, ERR_EXISTS. */
enum err ks_deleted_undo(struct ks_store *s, struct span fpr,
    struct arena *arena, struct ks_record **out) MUST_CHECK;
/* Forget it. Within ks_begin(). ERR_NOT_FOUND. */
enum err ks_deleted_purge(struct ks_store *s, struct span fpr) MUST_CHECK;

typedef enum err ks_deleted_visit(void *ctx, const struct ks_deleted *d);

/* All of those whose fingerprint begins with prefix, in its order. The visitor
   must not change the store; anything but ERR_OK ends it and is returned. */
enum err ks_deleted_each(struct ks_store *s, struct span prefix,
    ks_deleted_visit *visit, void *ctx) MUST_CHECK;

/* The same row without the private half, for a backup that takes those by
   themselves; appended to out. ERR_MALFORMED: it is none. */
enum err ks_deleted_public(struct span octets, struct buf *out) MUST_CHECK;

#endif
