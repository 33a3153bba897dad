/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Keys that wait for an administrator's word, and the word itself: approved
 * ones become records, refused ones are remembered so that the question is not
 * asked again.
 */
#ifndef KEYSTORE_PENDING_H
#define KEYSTORE_PENDING_H

#include "keystore/change.h"
#include "keystore/store.h"

struct arena;

enum {
	KS_PENDING_MAX = 8, /* that wait for one address */
};

/* Every span is borrowed. */
struct ks_pending {
	struct span name; /* the address, or "@domain" */
	int64_t at;	  /* Unix seconds; when it first came */
	bool refused;	  /* an administrator has said no */
	struct span old;  /* fingerprint of what it stands against */
	struct span why;
	struct ks_record record;
};

/* Keep it aside, replacing one of the same name and fingerprint, whose time it
   keeps. *known: it waited already. ERR_LIMIT: too many wait for the name;
   ERR_PERMISSION: an administrator has refused it. Within ks_begin(). */
enum err ks_pending_put(
    struct ks_store *s, const struct ks_pending *p, bool *known) MUST_CHECK;
/* ERR_NOT_FOUND. */
enum err ks_pending_delete(
    struct ks_store *s, struct span name, struct span fpr) MUST_CHECK;

typedef enum err ks_pending_visit(void *ctx, const struct ks_pending *p);
/* All that wait and all that were refused, by name (empty: every name). */
enum err ks_pending_each(struct ks_store *s, struct span name,
    ks_pending_visit *visit, void *ctx) MUST_CHECK;

/* A copy in the arena of what a visitor was shown. ERR_NOMEM. */
enum err ks_pending_copy(const struct ks_pending *p, struct arena *arena,
    struct ks_pending **out) MUST_CHECK;

/* The key that waits for the name becomes a record: at the given level, or
   (KS_DISTRUSTED) at the one it was proposed at, but not below that of the key
   it replaces. Other keys of its kind that are sealed to for the name become
   candidates unless `beside`. A key that is there already keeps what else it
   stands for only if its level was as good. who: for the history. Within
   ks_begin(). ERR_NOT_FOUND, ERR_KEY_EXPIRED, ERR_KEY_REVOKED. */
enum err ks_pending_approve(struct ks_store *s, const struct ks_pending *p,
    enum ks_trust level, bool beside, struct span who, int64_t now,
    struct arena *arena) MUST_CHECK;
/* It is not asked about again, and a certificate that was kept as a candidate
   beside it is not used for the name any more. Within ks_begin(). */
enum err ks_pending_refuse(struct ks_store *s, const struct ks_pending *p,
    struct span who, int64_t now, struct arena *arena) MUST_CHECK;

#endif
