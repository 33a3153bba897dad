/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What happened to the keys of an address, one event after the other: every
 * key it ever had, who changed what and why. An event is written in the
 * transaction of what it tells of; the audit log takes it from here. A record
 * that is there tells itself when it was added.
 */
#ifndef KEYSTORE_HISTORY_H
#define KEYSTORE_HISTORY_H

#include "keystore/store.h"

struct arena;

/* The numbers are on disk. */
enum ks_event_what {
	KS_EVENT_ADDED = 1,    /* a source brought it */
	KS_EVENT_UPDATED = 2,  /* a newer copy that changes its use */
	KS_EVENT_RENEWED = 3,  /* it stands beside an older one */
	KS_EVENT_WAITS = 4,    /* for approval */
	KS_EVENT_APPROVED = 5, /* by an administrator */
	KS_EVENT_REFUSED = 6,  /* by an administrator */
	KS_EVENT_TRUST = 7,    /* its level was changed */
	KS_EVENT_DELETED = 8,
	KS_EVENT_IMPORTED = 9,	/* by hand; `count` keys of one file */
	KS_EVENT_EXPIRED = 10,	/* the last key of an address: an alarm */
	KS_EVENT_LOST = 11,	/* its source has it no more: an alarm */
	KS_EVENT_SETTING = 12,	/* of an address or a domain */
	KS_EVENT_RESTORED = 13, /* of a backup, or undeleted */
	/* of the account of a recipient of mail for pick-up */
	KS_EVENT_ACCOUNT_SET = 14,
	KS_EVENT_ACCOUNT_RESET = 15, /* another in its place */
	KS_EVENT_ACCOUNT_REMOVED = 16,
};

/* Every span is borrowed. What does not apply is empty or 0. */
struct ks_event {
	uint64_t number; /* of this store; given by ks_history_add() */
	enum ks_event_what what;
	int64_t at;	 /* Unix seconds */
	struct span who; /* "admission", "user 1000" */
	enum ks_kind kind;
	enum ks_source source;
	enum ks_trust trust, was; /* its level, and the one before */
	struct span fpr, addr;
	int64_t not_before, not_after;
	uint32_t count;
	struct span text; /* why, for a person */
};

/* "added", "waits"; "?" for an unknown number. */
const char *ks_event_name(enum ks_event_what w);

/* Write the event, found by each of the n addresses as well. Within
   ks_begin(). ERR_MALFORMED for what could not be read back. */
enum err ks_history_add(struct ks_store *s, const struct ks_event *e,
    const struct span *addrs, size_t n) MUST_CHECK;
/* An event of the record r, found by all of its addresses or its domain. */
enum err ks_history_of(struct ks_store *s, const struct ks_event *e,
    const struct ks_record *r) MUST_CHECK;

typedef enum err ks_event_visit(void *ctx, const struct ks_event *e);

/* All events of the address ("@" and the domain for one of a domain), the
   oldest first. The visitor must not change the store. */
enum err ks_history_each(struct ks_store *s, struct span addr,
    ks_event_visit *visit, void *ctx) MUST_CHECK;
/* Up to max events with a number above `after`, in their order. */
enum err ks_history_from(struct ks_store *s, uint64_t after, unsigned max,
    ks_event_visit *visit, void *ctx) MUST_CHECK;
/* The number of the last one; 0: there is none. */
enum err ks_history_last(struct ks_store *s, uint64_t *out) MUST_CHECK;

#endif
