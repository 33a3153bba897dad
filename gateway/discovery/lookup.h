/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Look-ups: one for an address at a time, however many wait for it; all sources
 * at once, also for the key of its domain as a whole; answers remembered for
 * their time. What was fetched goes to admission before anybody hears that it
 * was found.
 */
#ifndef GATEWAY_DISCOVERY_LOOKUP_H
#define GATEWAY_DISCOVERY_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/discovery/source.h"

struct ipc;
struct discovery_lookups;
struct discovery_measures;
struct discovery_waiter;

enum {
	DISCOVERY_SOURCES = 8, /* of a configuration, at most */
	DISCOVERY_TOLD = 8,    /* keys of one source that are told of */
};

/* What became of one key that a source had. */
struct discovery_told {
	enum proto_fate fate;
	char *fpr;  /* hexadecimal */
	char *what; /* "OpenPGP Ed25519 alice@example.org" */
	char *why;
};

struct discovery_answer {
	enum ks_source source;
	bool known; /* the rest says something */
	enum proto_answer_status status;
	bool reached;
	bool domain_failed; /* nothing is known of its domain as a whole */
	bool cached;	    /* it was there before this look-up */
	int64_t at;	    /* Unix seconds */
	uint64_t until_ms;  /* steady clock */
	char *url;	    /* NULL: none */
	char *why;	    /* NULL: nothing to say */
	struct discovery_told told[DISCOVERY_TOLD];
	size_t n_told;
};

/* Borrowed for the call. */
struct discovery_report {
	const char *key;
	bool complete; /* every source has answered */
	const struct discovery_answer *answer;
	size_t n;
};

/* For those in other processes. */
struct proto_answer discovery_said(const struct discovery_answer *a);

typedef void discovery_report_fn(void *arg, const struct discovery_report *r);

struct discovery_lookups *discovery_lookups_new(struct discovery_env *env);
/* Nobody hears of what is under way. NULL is fine. */
void discovery_lookups_free(struct discovery_lookups *l);

/* Look for keys of the canonical address; cb is called once: at once if all is
   known, else when all sources have answered or budget_ms is over. fresh: what
   is remembered does not count. NULL when cb has been called already. */
struct discovery_waiter *discovery_lookup(struct discovery_lookups *l,
    const char *key, uint64_t budget_ms, bool fresh, discovery_report_fn *cb,
    void *arg);
/* cb will not be called. NULL is fine. */
void discovery_waiter_cancel(struct discovery_waiter *w);

/* How sources answered; borrowed. */
const struct discovery_measures *discovery_lookups_measures(
    const struct discovery_lookups *l);

/* The channels, as they come and go; NULL: it is gone. They stay the
   caller's. */
void discovery_lookups_admission(
    struct discovery_lookups *l, struct ipc *admission);
void discovery_lookups_store(struct discovery_lookups *l, struct ipc *store);
/* PROTO_PROPOSED from admission. */
void discovery_lookups_proposed(
    struct discovery_lookups *l, uint64_t id, struct span payload);
/* Before the configuration changes: what is under way ends unanswered, what is
   remembered is forgotten. */
void discovery_lookups_reset(struct discovery_lookups *l);

#endif
