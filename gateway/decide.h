/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a recipient gets and why: rules, keys and the walk down the ladder put
 * together. The worker acts on it, `sealgate explain` shows it, the audit log
 * keeps it: one decision, one trace. DESIGN: the ladder.
 */
#ifndef GATEWAY_DECIDE_H
#define GATEWAY_DECIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/signer.h"
#include "gateway/variant.h"
#include "keystore/account.h"
#include "keystore/lookup.h"
#include "policy/policy.h"

struct arena;
struct db;
struct groups;
struct json_t;
struct message;
struct proto_answers;

/* What is the same for all recipients of a message. */
struct decide_facts {
	const struct policy *policy;
	struct ks_store *keys; /* NULL: cannot be opened; every key failed */
	int64_t now_s;
	bool have_portal;
	uint64_t attach_max; /* octets of a message that can be attached */
	/* Sources of keys that are asked (enum ks_source); none: what is in the
	   keystore is all there is. */
	const uint8_t *sources;
	size_t n_sources;
	const char *from_key;		/* "" is the null sender */
	const struct message *message;	/* NULL at RCPT */
	const enum policy_truth *truth; /* facts_find(); NULL: all unsure */
	const struct groups *groups;	/* NULL: all unsure */
	struct signer signer;		/* zeroed: nobody can sign */
	struct db *tls;	  /* what is known of domains; NULL: nothing is */
	enum rung spent;  /* tls or tls-encrypt: was tried long enough; else
			     RUNG_HOLD */
	bool released;	  /* an administrator lets it go on */
	int min_strength; /* of a pending entry: nothing weaker; 0 for none */
	bool answers_sealed; /* it answers mail that arrived encrypted */
};

/* The signature of a recipient's copy. */
struct decide_sign {
	const struct ks_record *key; /* NULL: not signed */
	bool of_domain;		     /* the domain's key, not the sender's */
	bool refused;		     /* it had to be signed and cannot be */
	const char *why;	     /* wanted, but not signed: the reason */
};

/* A message that its sender's software has sealed, for this recipient. */
struct decide_pass {
	enum rung rung;		     /* that it counts as */
	const struct ks_record *key; /* that it is sealed to; NULL: does not
					pass */
	const char *why;	     /* it does not: the reason */
	bool taken;		     /* by the last walk */
};

struct decision {
	const char *to_key;
	/* What it was decided by, borrowed; and the rules that matter. */
	const struct decide_facts *of;
	struct policy_facts facts;
	struct policy_trace *trace;
	size_t n_trace;
	size_t n_lost; /* rules that found no place in the trace */
	enum err err;  /* ERR_OK; ERR_NO_RULE: refused, nothing below is set */
	struct policy_decision rules;
	enum rung_state state[RUNG_COUNT];
	enum err failure[RUNG_COUNT]; /* why a rung failed while sealing */
	/* what is known of tls-encrypt and of tls, a sentence each; or NULL */
	const char *tls_why[2];
	const char *escrow_why; /* why the rung does not hold; or NULL */
	struct ks_result smime;
	struct ks_result pgp;
	struct policy_outcome outcome;
	struct decide_sign sign;
	struct decide_pass pass;    /* zeroed: it is not sealed */
	struct variant_names names; /* how S/MIME does it; the caller's to
				       fill in */
	/* keys that turned out unable to sign this, by kind: the reason */
	const char *cannot_sign[KS_OPENPGP + 1];
	const char *overruled;	  /* why another recipient's fate is this one's
				     (`together`), for administrators; NULL: its
				     own */
	const char *overruled_by; /* name of the rule that says so */
	/* the recipient's account, where the rules ask for one and there is
	   one */
	struct ks_account account;
	bool has_account;
	/* why it waits for a copy for an archive; NULL: it does not */
	const char *archive_why;
	const char *archive_rule; /* that asks for the copy */
};

/* Copies for archives: one for each of policy_archives(), as if it were a
   recipient. Kept as long as the message, so that what has failed stays so. */
struct decide_copies {
	struct decision d[POLICY_ARCHIVES_MAX];
	bool looked[POLICY_ARCHIVES_MAX]; /* for its key */
};

/* Decide for one recipient. answers: what discovery said, NULL if it was not
   asked. ERR_NOMEM; everything else is in *out, borrowed from the arena. */
enum err decide_rcpt(const struct decide_facts *f, const char *to_key,
    const struct proto_answers *answers, struct arena *arena,
    struct decision *out) MUST_CHECK;

/* The strength of the ladder's weakest rung that sends; POLICY_STRENGTH_SEALED
   where none is weaker, or none sends. */
int decide_ladder_floor(const struct policy_ladder *l);
/* The strength of the weakest rung by which the rules would send the message
   if an administrator let it go on: rules that do nothing but hold are passed
   over. POLICY_STRENGTH_SEALED where they would send it by none. */
int decide_floor_released(
    const struct decide_facts *f, const char *to_key, struct arena *arena);

/* The rung that was chosen did not come about: it has failed, walk again. The
   one that has failed is never chosen once more: then it is to wait, or is
   refused if the message itself is what cannot be written. */
void decide_again(
    const struct decide_facts *f, struct decision *d, enum err failure);
/* Does it mean that the key of d->sign cannot sign this, for certain? With one
   engine for signing and sealing in one, what it says of a key may be meant of
   either: unsigned it will say it again of the recipient's. */
bool decide_is_unsigned_by(const struct decision *d, enum err e);
/* The key that was to sign it cannot, for certain: the next one, or what the
   lack of one means. why is kept. */
void decide_unsigned(
    const struct decide_facts *f, struct decision *d, const char *why);
/* Walk again with what is known, as if nobody else got the message. */
void decide_alone(const struct decide_facts *f, struct decision *d);

enum decide_instead {
	DECIDE_NEVER = 0, /* not in the ladder, or does not hold */
	DECIDE_LATER,	  /* a stronger rung has failed: not now */
	DECIDE_TAKEN,
};
/* Take rung instead of what the walk chose, as if no other rung that sends
   held. Without DECIDE_TAKEN the outcome is of no use. */
enum decide_instead decide_instead(
    const struct decide_facts *f, struct decision *d, enum rung rung);
/* Where rules ask for copies: look for the keys, and let those of the n
   recipients wait whose copy cannot be made. Before decide_together(). */
void decide_archive(const struct decide_facts *f, struct decide_copies *c,
    struct decision *const *d, size_t n, struct arena *arena);
/* Can the copy number i be made, as far as is known? */
bool decide_copy_holds(const struct decide_copies *c, size_t i);
/* Does the recipient get something of which archive i is to have a copy? */
bool decide_is_copied(const struct decision *d, size_t i);
/* The copy number i could not be made by its rung: another, or none. */
void decide_copy_again(struct decide_copies *c, size_t i, enum err failure);
/* Where a rule says `together`: let the weakest-placed recipient decide for
   all n of a message, or refuse all. Each comes from its own walk. */
void decide_together(const struct decide_facts *f, struct decision *const *d,
    size_t n, struct arena *arena);

/* May the recipient be promised anything (RCPT)? why gets a sentence for the
   sender when not. ERR_OK, ERR_POLICY_REJECT, ERR_NO_RULE. */
enum err decide_promise(const struct decide_facts *f, const char *to_key,
    struct arena *arena, struct err_why *why) MUST_CHECK;

/* Does the message go on as it is, sealed already? Then the outcome is the rung
   that this counts as. */
bool decide_passes(const struct decision *d);

/* The key that the rung seals to; NULL if there is none, or the rung has no
   keys. Borrowed from d. */
const struct ks_record *decide_key(const struct decision *d, enum rung rung);

/* A sentence for the sender: why the recipient was refused, or what is being
   waited for. It names no other recipient. In the arena. */
const char *decide_reason(const struct decision *d, struct arena *arena);

/* "sealed", "escrowed", "clear", "held", "refused", "dropped", "deferred" */
const char *decide_result_name(const struct decision *d);
/* The trace as JSON (docs/format-trace.md): facts, rules, ladder, steps,
   candidates with source and reason. The caller owns it; NULL when out of
   memory. */
struct json_t *decide_json(const struct decision *d);

/* Would a certificate of its own let this copy be signed, and is one issued for
   the sender where a rule of it says so? */
bool decide_wants_certificate(
    const struct decide_facts *f, const struct decision *d);

#endif
