/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What records are found by: the words in a record that a search may name.
 * Writing the index and looking at a line use the same. Reads what anybody may
 * have written into a file; RFC 8259.
 */
#ifndef GATEWAY_STORE_AUDIT_TERMS_H
#define GATEWAY_STORE_AUDIT_TERMS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

enum store_term {
	STORE_TERM_TYPE = 0,
	STORE_TERM_ID,	    /* of the message */
	STORE_TERM_ENTRY,   /* of the queue */
	STORE_TERM_OBJECT,  /* for pick-up */
	STORE_TERM_MESSAGE, /* Message-ID */
	STORE_TERM_FROM,
	STORE_TERM_RCPT,
	STORE_TERM_ADDR, /* any address: sender, recipient, of a key */
	STORE_TERM_RULE, /* one that applied */
	STORE_TERM_RUNG,
	STORE_TERM_RESULT,
	STORE_TERM_KEY, /* fingerprint */
	STORE_TERM_COUNT
};

/* "message-id": the option that asks for it. */
const char *store_term_name(enum store_term t);

/* A string in a record. */
struct store_value {
	struct span member; /* whose value it is, or of whose list */
	struct span within; /* of which member's object; empty: the record */
	bool deeper;	    /* further in than that */
	struct span text;   /* as it stands in JSON, without quotes */
};
/* Call on_value for each string of the record; false when it is malformed, of
   which only the beginning was looked at. */
bool store_values_each(struct span rec,
    void (*on_value)(void *arg, const struct store_value *v), void *arg);

/* Call on_term for each term of the record; value is the text as it stands in
   JSON, without quotes. Stops where the record is malformed. */
void store_terms_each(struct span rec,
    void (*on_term)(void *arg, enum store_term t, struct span value),
    void *arg);

/* Letters of ASCII count as equal in both cases: the domain of an address is
   written in either. */
bool store_term_eq(struct span a, struct span b);
/* The same for all that are equal. */
uint64_t store_term_hash(enum store_term t, struct span value);

#endif
