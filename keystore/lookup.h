/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which key a message to an address is sealed to, and why no other: trust,
 * validity, purpose, address, what discovery answered. Works on what records
 * say and parses no key. Keys are admitted by admit.c.
 */
#ifndef KEYSTORE_LOOKUP_H
#define KEYSTORE_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "keystore/change.h"
#include "keystore/store.h"

enum {
	KS_TRACE_MAX = 16, /* candidates that a result tells of */
};

/* What a rung is to make of it. The zero value protects most. */
enum ks_state {
	KS_FAILED = 0, /* nothing definite is known */
	KS_LAPSED,     /* there was a usable key, and its time is over */
	KS_ABSENT,     /* definitely no key */
	KS_HOLDS,
};

enum ks_answer {
	KS_ANSWER_FAILED = 0,
	KS_ANSWER_ABSENT,
	KS_ANSWER_FOUND, /* and what was found is in the store by now */
};

/* What one source answered for the address. */
struct ks_remote {
	enum ks_source source;
	enum ks_answer answer;
};

struct ks_candidate {
	const struct ks_record *record; /* only the chosen one has its key */
	enum err verdict; /* ERR_OK: could be used. ERR_KEY_EXPIRED,
			     _REVOKED, _UNTRUSTED, _UNUSABLE, _ADDR,
			     ERR_UNSUPPORTED; ERR_RUNG_FAILED: a stronger
			     source has not answered */
	const char *why;  /* a phrase for a person */
};

struct ks_result {
	enum ks_state state;
	enum err err;			/* ERR_OK when it holds; else the one
					   reason to tell a sender */
	const struct ks_record *chosen; /* with key; NULL unless it holds */
	uint32_t opens; /* S/MIME: what was set for the address, CRYPTO_CAP_*;
			   0: nothing */
	size_t n;
	size_t n_more; /* candidates that found no place in the trace */
	struct ks_candidate candidate[KS_TRACE_MAX];
};

const char *ks_state_name(enum ks_state s);

/* What look-ups in this store go by, until told otherwise; at first it is
   ks_rules_default. */
void ks_use_rules(struct ks_store *s, const struct ks_rules *rules);

/* Who looks into certificates: the chain of a record for the address (empty:
   for its whole domain). ERR_OK: it may be sealed to by its chain, whoever
   brought it. ERR_KEY_REVOKED: it must not be, whoever vouches for it.
   ERR_RUNG_FAILED: not without knowing whether it is revoked. ERR_KEY_EXPIRED:
   it could have been, its time or its issuer's is over. All others: its chain
   says nothing for it. why is a phrase in the arena, "" if ERR_OK. */
struct ks_judge {
	void *ctx;
	enum err (*judge)(void *ctx, const struct ks_record *r,
	    struct span addr, int64_t now, struct arena *arena,
	    const char **why);
};

/* Look-ups in this store ask the judge, which is borrowed; NULL: none, and only
   what records say counts. */
void ks_use_judge(struct ks_store *s, const struct ks_judge *judge);

/* Look for a key of kind for the canonical address at now (Unix seconds): the
   most trusted usable one; of equals the newer one, then that which ends later,
   then the smaller fingerprint. A key of the whole domain if the address has
   none; while one is pinned, no other. What may be sealed to by its level is
   said by the setting of the address or its domain (setting.h), else by the
   rules. A key that every source which brought it has no more has lapsed.
   remote: what the n sources that
   were asked answered. Everything in out is borrowed from the arena. Never
   fails: a database error or too little memory is the state KS_FAILED with the
   reason in err. */
void ks_lookup(struct ks_store *s, struct span addr, enum ks_kind kind,
    int64_t now, const struct ks_remote *remote, size_t n_remote,
    struct arena *arena, struct ks_result *out);

#endif
