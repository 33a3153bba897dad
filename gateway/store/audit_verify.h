/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Check the files of the audit log without the gateway: every line's digest,
 * the chain, the signatures, and that what was shown before is still there.
 * docs/format-audit.md says what this proves and what it does not.
 */
#ifndef GATEWAY_STORE_AUDIT_VERIFY_H
#define GATEWAY_STORE_AUDIT_VERIFY_H

#include <stdbool.h>

#include "gateway/store/audit_line.h"

struct store_verify {
	uint64_t from; /* the line it must begin with; 0: the first */
	/* What was noted elsewhere: this line had this digest. 0: nothing. */
	uint64_t head_seq;
	uint8_t head_hash[DIGEST_SIZE];
	/* A key of the log that was noted elsewhere: it must have signed
	   something here. NULL: none. */
	const uint8_t *key;
	/* Each thing that is wrong, one phrase. May be NULL. */
	void (*on_problem)(
	    void *arg, const char *file, uint64_t seq, const char *text);
	void *arg;
};

struct store_verified {
	uint64_t problems;
	uint64_t first, last; /* lines; 0 when there are none */
	uint64_t lines;
	uint8_t hash[DIGEST_SIZE]; /* of the last line */
	/* The last good signature: everything up to it is proven. */
	uint64_t signed_seq;
	char signed_time[32];
	uint64_t signatures;
	uint8_t first_key[SIGN_PUB]; /* the one that vouches for all others */
	bool has_key;
};

/* Read all of the log in this directory. ERR_IO and the like when it cannot be
   read; what is wrong with it is counted in out->problems. */
enum err store_audit_verify(const char *dir, const struct store_verify *v,
    struct store_verified *out) MUST_CHECK;

#endif
