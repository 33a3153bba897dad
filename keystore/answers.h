/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What sources of keys answered, for addresses and for whole domains, so that
 * every process takes the same for known: the answer for an address until its
 * time is over, and for a domain whether a source has ever answered. Asking is
 * not done here; what an answer lets mail do is lookup.c's.
 */
#ifndef KEYSTORE_ANSWERS_H
#define KEYSTORE_ANSWERS_H

#include "keystore/lookup.h"

enum {
	KS_ANSWERS_MAX = 16, /* sources that are told of at once */
	/* A source that never answered for a domain and failed so often over
	   so long has nothing there. */
	KS_ANSWER_FAILURES = 3,
	KS_ANSWER_FAILURES_S = 3600,
	/* seconds that an answer whose time is over is kept: what a domain's
	   sources once did must be known long after */
	KS_ANSWERS_KEEP_S = 400 * 24 * 3600,
};

/* What one source said of an address. */
struct ks_answer_note {
	enum ks_source source;
	enum ks_answer answer;
	bool reached; /* the source itself answered, whatever came of it */
	bool domain_failed; /* ... but said nothing of the domain as a whole */
	int64_t at;	    /* Unix seconds */
	int64_t until;	    /* to be believed before this time */
};

/* Keep what n sources said of the canonical address; what others said stays. It
   reads and then writes: call it between ks_begin() and ks_commit().
   ERR_MALFORMED, ERR_LIMIT, ERR_DB_BROKEN. */
enum err ks_answer_put(struct ks_store *s, struct span addr,
    const struct ks_answer_note *note, size_t n) MUST_CHECK;

/* What the n sources said of the address, as it counts at now: the answer as
   long as it may be believed, and as the source said something of the domain as
   a whole, else failed; absent instead of failed where a source never answered
   for the domain and KS_ANSWER_FAILURES say so. out has n
   places, and each is set whatever is returned. ERR_DB_BROKEN and the like:
   everything has failed. */
enum err ks_answers_at(struct ks_store *s, struct span addr, int64_t now,
    const enum ks_source *source, size_t n, struct ks_remote *out) MUST_CHECK;

/* May it count as an absence that the source fails when it is asked for the
   domain of the address as a whole ("_domain")? When it never answered that
   question, and KS_ANSWER_FAILURES say so; what it answers for users does not
   matter. */
bool ks_answer_domain_never_came(
    struct ks_store *s, struct span addr, enum ks_source source);

/* The notes of one address, for people. out has KS_ANSWERS_MAX places.
   ERR_NOT_FOUND, ERR_DB_BROKEN. */
enum err ks_answer_get(struct ks_store *s, struct span addr,
    struct ks_answer_note *out, size_t *n_out) MUST_CHECK;

/* Forget, among max rows from *from on (at least 2), those of addresses whose
   time was over KS_ANSWERS_KEEP_S before now. *from (an empty buffer at first)
   becomes where to go on; it is empty again at the end. Between ks_begin() and
   ks_commit(). */
enum err ks_answers_forget(
    struct ks_store *s, int64_t now, unsigned max, struct buf *from) MUST_CHECK;

#endif
