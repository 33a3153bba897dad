/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Finding lines of the audit log: by the index where there is one, by reading
 * where there is none. What is found is what the lines themselves say.
 */
#ifndef GATEWAY_STORE_AUDIT_SEARCH_H
#define GATEWAY_STORE_AUDIT_SEARCH_H

#include "gateway/store/audit_line.h"
#include "gateway/store/audit_terms.h"

struct store_search {
	/* As they stand in JSON, store_rec_quote(); empty: any. All hold. */
	struct span term[STORE_TERM_COUNT];
	/* What may stand in its place: the pseudonym of an address. */
	struct span alias[STORE_TERM_COUNT];
	/* Times as in a line, or the beginning of one ("2026-11"); empty: any.
	   Lines at or after `since`, and before `until`. */
	struct span since, until;
	uint64_t number; /* this line only; 0: any */
	uint64_t from;	 /* lines from this one on; 0: any */
	uint64_t last;	 /* so many from the end; 0: all */
	/* Each line that was found, in order, without its newline. Borrowed for
	   the call. */
	void (*on_line)(
	    void *arg, struct span line, const struct store_line *l);
	void *arg;
};

struct store_searched {
	uint64_t found;
	uint64_t octets_read;	   /* of the log */
	uint64_t octets_unindexed; /* of these, for want of an index */
	uint64_t malformed;	   /* lines that are none, of those read */
};

/* Search the log in this directory. Errors of reading. */
enum err store_audit_search(int dir_fd, const struct store_search *q,
    struct store_searched *out) MUST_CHECK;

#endif
