/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which protection a recipient gets: rules, the ladder of a recipient, the walk
 * down the ladder. Pure: facts in, decision out; no clock, no file, no network.
 * The zero of every enum is the safest answer. Addresses in facts are the keys
 * that mime/addr.h makes; whether a subject has a tag is mime/subject_tag.h's.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct arena;
struct policy;

enum {
	POLICY_RUNGS_MAX = 8,	  /* in a ladder */
	POLICY_RULES_MAX = 16384, /* in a configuration */
	POLICY_LABELS_MAX = 8,	  /* of one message */
	POLICY_GROUPS_MAX = 256,  /* of addresses, in a configuration */
	POLICY_ARCHIVES_MAX = 4,  /* addresses, in all rules */
};

enum rung {
	RUNG_HOLD = 0, /* quarantined */
	RUNG_REJECT,
	RUNG_DROP,
	RUNG_SMIME,
	RUNG_PGP,
	RUNG_ESCROW,
	RUNG_TLS,
	RUNG_TLS_ENCRYPT,
	RUNG_CLEAR,
	RUNG_COUNT
};

/* What opens an escrowed message beside the link. */
enum policy_escrow {
	POLICY_ESCROW_LINK = 0,	  /* the link alone: the weakest */
	POLICY_ESCROW_NOTICE_TLS, /* the notice travels by the rung tls */
	POLICY_ESCROW_FACTOR,	  /* a second factor that is part of the key */
};

/* What a recipient has to know or show beside the link, in the order in which
   a rule that asks for more wins. All but the first two are part of the key.
   Where the one that is asked for cannot be had for a message - the sender has
   chosen no passphrase, asked no question - it is POLICY_FACTOR_GENERATED, so
   that escrow always holds. An account is asked for by policy_pickup.account:
   it is a factor once it is known that the recipient has one. */
enum policy_factor {
	POLICY_FACTOR_NONE = 0,
	POLICY_FACTOR_CODE,	  /* at the door: a code by mail */
	POLICY_FACTOR_ANSWER,	  /* to a question of the sender's */
	POLICY_FACTOR_PASSPHRASE, /* chosen by the sender */
	POLICY_FACTOR_GENERATED,  /* made here, told to the sender */
	POLICY_FACTOR_ACCOUNT,	  /* the recipient's own key pair */
	POLICY_FACTORS
};
/* "none", "code"; "?" for an unknown one. */
const char *policy_factor_name(enum policy_factor f);
/* ERR_NOT_FOUND for an unknown word. */
enum err policy_factor_by_name(
    const char *name, enum policy_factor *out) MUST_CHECK;
/* Whoever has the link and all that the portal keeps cannot open it. */
bool policy_factor_is_in_key(enum policy_factor f);

/* How strong a rung is; a larger number is stronger. Rungs that send nothing
   are the strongest. An unknown rung is weaker than every other. */
enum {
	POLICY_STRENGTH_NONE = 0,
	POLICY_STRENGTH_CLEAR,
	POLICY_STRENGTH_LINK,
	POLICY_STRENGTH_TLS_ENCRYPT,
	POLICY_STRENGTH_TLS,
	POLICY_STRENGTH_FACTOR,
	POLICY_STRENGTH_SEALED,
	POLICY_STRENGTH_SENDS_NOTHING,
};

/* "smime", "tls-encrypt"; "?" for an unknown one. */
const char *policy_rung_name(enum rung r);
/* ERR_NOT_FOUND for an unknown word. */
enum err policy_rung_by_name(const char *name, enum rung *out) MUST_CHECK;
int policy_strength(enum rung r, enum policy_escrow escrow);
/* Something leaves for the recipient by this rung. */
bool policy_rung_sends(enum rung r);
/* Nothing can keep this rung from holding, so it may end a ladder. */
bool policy_rung_ends(enum rung r);

/* What rules ask for beside the ladder. Of all that match the larger number
   wins, except as said. */
enum policy_sign {
	POLICY_SIGN_NO = 0,
	POLICY_SIGN_IF_POSSIBLE, /* unsigned when there is no key */
	POLICY_SIGN_REQUIRED,	 /* refused when there is no key */
};
enum policy_hp {
	POLICY_HP_UNSET = 0, /* baseline, unless another rule says more */
	POLICY_HP_NONE,
	POLICY_HP_BASELINE,
	POLICY_HP_SHY,
};
/* The least of S/MIME that is good enough; more is used where the recipient is
   known to open it. */
enum policy_cipher {
	POLICY_CIPHER_UNSET = 0, /* AES-256-CBC, unless a rule says more */
	POLICY_CIPHER_AES128_CBC,
	POLICY_CIPHER_AES256_CBC,
	POLICY_CIPHER_AES128_GCM,
	POLICY_CIPHER_AES256_GCM,
};
enum policy_padding {
	POLICY_PADDING_PKCS1 = 0,
	POLICY_PADDING_OAEP,
};
/* How RSA signs, and where the signature of S/MIME stands. */
enum policy_signature {
	POLICY_SIGNATURE_PKCS1 = 0,
	POLICY_SIGNATURE_PSS,
};
enum policy_signed {
	POLICY_SIGNED_DETACHED = 0, /* multipart/signed */
	POLICY_SIGNED_OPAQUE,	    /* the entity is inside of signed-data */
};
/* What becomes of mail that its sender's own software has sealed. */
enum policy_sealed {
	POLICY_SEALED_UNSET = 0, /* ladder */
	POLICY_SEALED_PASS,	 /* goes on as it is where that counts */
	POLICY_SEALED_LADDER,	 /* is sealed like any other */
};
struct policy_form {
	enum policy_sign sign;
	bool sign_as_domain; /* the domain's key may stand in */
	bool auto_issue;     /* a sender without a key gets a certificate */
	enum policy_hp hp;
	enum policy_cipher cipher;
	enum policy_padding padding;
	enum policy_signature signature;
	enum policy_signed signed_as;
	enum policy_sealed sealed;
	bool no_autocrypt;
};
/* Where the sealed message is. Of the rules that match the larger counts: what
   a portal has can be taken back, what was mailed cannot. */
enum policy_delivery {
	POLICY_DELIVERY_UNSET = 0,  /* at the portal, unless another says so */
	POLICY_DELIVERY_ATTACHMENT, /* in a file that comes with the notice */
	POLICY_DELIVERY_PORTAL,
};
/* How mail is picked up. Of all rules that match the strongest counts. */
struct policy_pickup {
	enum policy_delivery delivery;
	bool notice_tls; /* the notice travels as the rung tls goes */
	enum policy_factor factor;
	/* the recipient's account instead, once there is one; until then mail
	   is as strong as the factor makes it */
	bool account;
	/* WORD of a subject tag "[WORD:PASSPHRASE]"; NULL: none is taken. Of
	   several rules that match the first, the one that decides before the
	   others. */
	const char *passphrase_tag;
};
/* How strong the rung escrow is with it. */
enum policy_escrow policy_pickup_escrow(const struct policy_pickup *k);
/* The sealed message goes with the notice: the second factor is one that was
   made here, whatever the rules say of it. */
bool policy_pickup_is_attached(const struct policy_pickup *k);
/* Does any rule say so? */
bool policy_attaches(const struct policy *p);
/* Make a what a and b together ask for. An account that one of them asks for is
   instead of what both do: it is part of the key. */
void policy_pickup_raise(
    struct policy_pickup *a, const struct policy_pickup *b);

/* What the hop that a message leaves by must have at least, whatever its rung:
   each level is also all of those before it. */
enum policy_tls {
	POLICY_TLS_OPPORTUNISTIC = 0,
	POLICY_TLS_ENCRYPT,
	POLICY_TLS_VERIFY,
	POLICY_TLS_STS,
	POLICY_TLS_DANE,
};
/* "mta-sts" */
const char *policy_tls_name(enum policy_tls t);

/* What is beside the ladder and the form. */
struct policy_extra {
	enum policy_tls tls;
	bool anonymise; /* no client, no path, no software in the header */
	bool notify;	/* the sender is told how it was sent */
};
/* Where copies go. */
struct policy_archive {
	const char *addr; /* as it is written on an envelope */
	const char *key;  /* canonical */
};
const char *policy_hp_name(enum policy_hp h);
/* Make a what a and b together ask for. */
void policy_form_raise(struct policy_form *a, const struct policy_form *b);

/* --- the rules --- */

/* What is known of a condition. Unsure counts as a match for a rule that
   raises, as none for one that may lower; a rule for all mail of an envelope
   that is unsure raises, too, and leaves deciding to the next. */
enum policy_truth {
	POLICY_UNSURE = 0,
	POLICY_NO,
	POLICY_YES,
};

/* Conditions beside addresses and tags. What a text means is the business of
   who finds the facts; here two of the same kind and text are one. */
enum policy_kind {
	/* of the envelope */
	POLICY_CLIENT = 0,
	POLICY_TIME,
	/* of the message */
	POLICY_HEADER,
	POLICY_SENSITIVITY,
	POLICY_CLASSIFICATION,
	POLICY_SIZE,
	POLICY_ATTACHMENT,
	POLICY_CONTENT,
	POLICY_REPLY,
	POLICY_AUTOMATIC,
	POLICY_CALENDAR,
	POLICY_KINDS
};
/* The option that says it: "client", "reply-to-protected". */
const char *policy_kind_name(enum policy_kind k);
bool policy_kind_is_envelope(enum policy_kind k);

struct policy_condition {
	enum policy_kind kind;
	const char *text;
	bool excludes; /* of a rule: "!"; else false */
};

/* One rule as the configuration says it. Lists are of n strings. An address
   pattern is "user@example.com", "@example.com", "@*.example.com" (everything
   below example.com, not itself), "<>" (the null sender), "file:PATH" or
   "ldap:NAME" (a group of addresses); with "!" before it it excludes. An empty
   list is no condition. Of the conditions of one kind one must hold and none
   that excludes. */
struct policy_spec {
	const char *name;
	unsigned line;
	const char *const *from;
	size_t n_from;
	const char *const *to;
	size_t n_to;
	const char *const
	    *subject_tag; /* any of them, anywhere, case ignored */
	size_t n_subject_tag;
	const struct policy_condition *when;
	size_t n_when;
	const enum rung *ladder; /* `try` */
	size_t n_ladder;
	struct policy_pickup pickup;
	struct policy_form form;
	struct policy_extra extra;
	const char *label;   /* `classify`; NULL: none */
	uint64_t expires_s;  /* of what waits for pick-up; 0: as configured */
	const char *archive; /* address that gets a sealed copy; NULL: none */
	bool together;
	bool on_error_weaker;
	bool may_lower;
};

/* Caller frees. */
struct policy *policy_new(void);
void policy_free(struct policy *p);
/* Add a rule behind those before it; everything is copied. ERR_CONFIG with the
   reason (without the line) when a pattern, tag or ladder is malformed. */
enum err policy_add_rule(struct policy *p, const struct policy_spec *spec,
    struct err_why *why) MUST_CHECK;
size_t policy_n_rules(const struct policy *p);
/* The distinct subject tags of all rules, for who looks at messages. Borrowed
   from the policy. */
const char *const *policy_tags(const struct policy *p, size_t *n_out);
/* The distinct words of subject tags with a passphrase, for who takes them out
   of every subject. Borrowed from the policy. */
const char *const *policy_passphrase_tags(
    const struct policy *p, size_t *n_out);
/* The distinct archives of all rules, POLICY_ARCHIVES_MAX at most. Borrowed
   from the policy. */
const struct policy_archive *policy_archives(
    const struct policy *p, size_t *n_out);
/* The distinct conditions of all rules, in the order of struct policy_facts's
   truth. Borrowed from the policy. */
const struct policy_condition *policy_conditions(
    const struct policy *p, size_t *n_out);
/* Has any rule a condition of this kind? */
bool policy_has_kind(const struct policy *p, enum policy_kind k);
/* The distinct groups of addresses, as "file:PATH" or "ldap:NAME". Borrowed
   from the policy. */
const char *const *policy_groups(const struct policy *p, size_t *n_out);
/* Where mail with a null sender or an automatic answer goes instead of to
   `escrow`: hold (unless set), reject or drop. ERR_CONFIG for another rung. */
enum err policy_set_auto_rung(struct policy *p, enum rung r) MUST_CHECK;

struct policy_finding {
	unsigned line; /* of the rule; 0: the configuration as a whole */
	bool fatal;    /* the configuration is refused */
	const char *text;
};

/* What is wrong (fatal) or worth saying about the rules, in file order.
   Borrowed from the arena. ERR_NOMEM. */
enum err policy_check(const struct policy *p, bool have_portal,
    struct arena *arena, struct policy_finding **out, size_t *n_out) MUST_CHECK;

/* Is the rung in any ladder, or the one for automatic mail? */
bool policy_has_rung(const struct policy *p, enum rung r);
/* Does any rule sign? */
bool policy_signs(const struct policy *p);
/* Does any rule have the sender told how mail was sent? */
bool policy_notifies(const struct policy *p);

/* --- deciding --- */

struct policy_facts {
	struct span from; /* canonical; empty: the null sender */
	struct span to;	  /* canonical */
	/* Facts of the message; at RCPT there are none. */
	const bool *has_tag; /* for each of policy_tags(); NULL: none */
	bool ambiguous;	     /* parsers would disagree about the message */
	/* An administrator lets it go on: rules that do nothing but hold have
	   had their say. */
	bool released;
	/* for each of policy_conditions(); NULL: all unsure */
	const enum policy_truth *truth;
	/* Is the address in number group of policy_groups()? NULL: unsure. */
	enum policy_truth (*in_group)(
	    const void *groups, size_t group, struct span addr);
	const void *groups;
};

struct policy_ladder {
	enum rung rung[POLICY_RUNGS_MAX];
	size_t n;
	enum policy_escrow escrow; /* by what all rules that match ask for */
};

/* What the rules say for one recipient. Names are borrowed from the policy, the
   list of raising rules from the arena. */
/* The strongest ladder, and whose it is. */
struct policy_choice {
	struct policy_ladder ladder;
	const char *from_rule;
	unsigned from_line;
};

struct policy_decision {
	struct policy_ladder ladder;
	enum rung auto_rung;
	const char *decider; /* name of the rule that decided */
	unsigned decider_line;
	const char *from_rule; /* name of the rule whose ladder it is */
	unsigned from_line;
	const char **raising; /* names of the raising rules that matched */
	size_t n_raising;
	struct policy_form form; /* nothing in it is unset */
	struct policy_pickup pickup;
	/* In place of ladder and from_rule where pickup asks for an account
	   and there is one: escrow is stronger then, and another rule's ladder
	   may be the strongest. */
	struct policy_choice with_account;
	struct policy_extra extra;
	const char *label[POLICY_LABELS_MAX];
	size_t n_labels;
	uint64_t expires_s; /* the shortest; 0: as configured */
	/* For each of policy_archives() the first rule that matches and asks
	   for a copy there; NULL: none does. */
	const char *archive_rule[POLICY_ARCHIVES_MAX];
	const char *sign_rule; /* the first that signs; NULL: none */
	bool together;
	const char *together_rule; /* the first that says so; else NULL */
	bool on_error_weaker;	   /* only if every rule that matched says so */
};

/* ERR_NO_RULE if no rule decides (out is untouched), ERR_NOMEM. */
enum err policy_decide(const struct policy *p, const struct policy_facts *f,
    struct arena *arena, struct policy_decision *out) MUST_CHECK;

/* The recipient has an account: where the rules ask for it, it is the factor.
   Before policy_decision_raise(). */
void policy_decision_use_account(struct policy_decision *d);

/* Take every rung weaker than floor out, hold if none is left: a pending entry
   may only be decided at least as strictly as its record says. */
void policy_decision_raise(struct policy_decision *d, int floor);

/* --- walking --- */

enum rung_state {
	RUNG_FAILED = 0, /* nothing definite: time-out, outage, engine error */
	RUNG_LAPSED,	 /* there was a key and it has expired or vanished:
			    failed, except that escrow may be used meanwhile */
	RUNG_ABSENT,	 /* a definite no */
	RUNG_HOLDS,
	RUNG_SPENT, /* failed for as long as it is tried: what is as strong, or
		       sends nothing, may follow */
};
const char *rung_state_name(enum rung_state s);

enum {
	POLICY_AUTO_MAIL = 1, /* null sender, automatic answer or MDN */
	/* only policy_could_leave() looks at these */
	POLICY_UNSIGNABLE = 2, /* nobody can sign for the sender */
	POLICY_KEYLESS = 4,    /* nobody can as long as it has no key */
};

enum policy_result {
	POLICY_DEFER = 0, /* 451 before acceptance, pending after it */
	POLICY_CHOSEN,
};

/* What became of one rung of the ladder. */
enum policy_step {
	POLICY_STEP_NOT_REACHED = 0,
	POLICY_STEP_FAILED,
	POLICY_STEP_ABSENT,
	POLICY_STEP_TOO_WEAK,  /* a stronger rung before it failed */
	POLICY_STEP_NOT_AFTER, /* clear, reject, drop, hold: not by failure */
	POLICY_STEP_NOT_AUTO,  /* escrow, for automatic mail */
	POLICY_STEP_CHOSEN,
};
/* A phrase for a person. */
const char *policy_step_text(enum policy_step s);

struct policy_outcome {
	enum policy_result result;
	enum rung rung;	    /* when chosen; else RUNG_HOLD */
	int strength;	    /* of the rung chosen; deferred: what the rung of
			       a later try must have, policy_decision_raise() */
	bool lapsed_escrow; /* escrow stands in for a lapsed key: alarm, and a
			       word to the sender */
	size_t n;
	struct {
		enum rung rung;
		enum rung_state state;
		enum policy_step step;
	} trace[2 * POLICY_RUNGS_MAX + 1];
};

/* Walk down the ladder. state has RUNG_COUNT members; those of hold, reject,
   drop and clear are not looked at: they always hold. */
void policy_walk(const struct policy_decision *d, const enum rung_state *state,
    unsigned flags, struct policy_outcome *out);

enum policy_rcpt {
	POLICY_RCPT_GO_ON =
	    0,		    /* the message will tell, or nothing is definite */
	POLICY_RCPT_REJECT, /* whatever the message says: 550 */
	POLICY_RCPT_UNSIGNED, /* the same, for want of a signature */
	POLICY_RCPT_NO_RULE,  /* no rule can decide: 550 5.7.1 */
};

/* Whether any rule that could still match leaves more than a refusal, by the
   envelope facts alone. States that are not definite never refuse. */
enum policy_rcpt policy_could_leave(const struct policy *p,
    const struct policy_facts *envelope, const enum rung_state *state,
    unsigned flags);

/* --- mail from outside --- */

/* What mail must be protected by. */
enum policy_require {
	POLICY_REQUIRE_NOTHING = 0,
	POLICY_REQUIRE_EITHER, /* "protected": one of the two below */
	POLICY_REQUIRE_SIGNED,
	POLICY_REQUIRE_ENCRYPTED,
};
const char *policy_require_name(enum policy_require r);

/* A rule with `direction = inbound`; patterns as in struct policy_spec. */
struct policy_inbound_spec {
	const char *name;
	unsigned line;
	const char *const *from;
	size_t n_from;
	const char *const *to;
	size_t n_to;
	enum policy_require require;
};

/* Add a rule; everything is copied. ERR_CONFIG with the reason, ERR_NOMEM. */
enum err policy_add_inbound(struct policy *p,
    const struct policy_inbound_spec *spec, struct err_why *why) MUST_CHECK;
size_t policy_n_inbound(const struct policy *p);

struct policy_inbound_facts {
	/* Who it says it is from: sender of the envelope and addresses in From,
	   canonical. */
	const struct span *from;
	size_t n_from;
	bool unsure; /* From cannot be read for sure: every rule matches */
	struct span to;
	/* as in struct policy_facts: unsure counts as a match */
	enum policy_truth (*in_group)(
	    const void *groups, size_t group, struct span addr);
	const void *groups;
};

/* What all rules that match ask for together; zeroed: nothing. */
struct policy_inbound {
	bool is_signed;
	bool is_encrypted;
	bool either;
	const char *rule; /* the first that matched; NULL: none */
};

void policy_inbound(const struct policy *p,
    const struct policy_inbound_facts *f, struct policy_inbound *out);

/* --- explaining --- */

enum policy_role {
	POLICY_NO_MATCH = 0,
	POLICY_DECIDES,
	POLICY_RAISES,
	POLICY_SHADOWED, /* matches, but an earlier rule has decided */
};
const char *policy_role_name(enum policy_role r);

/* One rule before the facts. Borrowed from the policy. */
struct policy_trace {
	const char *name;
	unsigned line;
	enum policy_role role;
	/* The first condition that failed, or made the rule unsure, as the
	   option is called: "to", "subject-tag"; NULL: none. */
	const char *condition;
	const char *why; /* a phrase for a person */
	struct policy_ladder ladder;
};

/* What rule number i (0 to policy_n_rules() - 1) does with these facts. */
void policy_explain(const struct policy *p, size_t i,
    const struct policy_facts *f, struct policy_trace *out);
/* The rules that matter for these facts, in file order, max at most: all that
   apply, and before the one that decides those that do not match, the last of
   them if there is no room. lost gets how many were left out. ERR_NOMEM. */
enum err policy_trace_all(const struct policy *p, const struct policy_facts *f,
    size_t max, struct arena *arena, struct policy_trace **out, size_t *n_out,
    size_t *lost) MUST_CHECK;

/* --- proof --- */

/* A way by which mail can leave readable, or by a key that travels with it. */
struct policy_path {
	const char *rule;
	unsigned line;
	enum rung rung;
	size_t at;	  /* number of the rule */
	bool by_failure;  /* on-error = weaker leads there */
	const char *how;  /* a phrase for a person */
	const char *from; /* who it concerns: "*" or a list of patterns */
	const char *to;
	const char *when; /* further conditions; "" for none */
};

/* Every such way that the rules have, in file order; an empty list proves that
   there is none. Borrowed from the arena and the policy. ERR_NOMEM. */
enum err policy_paths(const struct policy *p, struct arena *arena,
    struct policy_path **out, size_t *n_out) MUST_CHECK;
/* Does rule number i concern only recipients in domains that is_own() says yes
   to? Of everything below a domain it is asked by "*.domain". */
bool policy_rule_stays_in(const struct policy *p, size_t i,
    bool (*is_own)(const void *arg, struct span domain), const void *arg);

#endif
