/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What becomes of a key that somebody brings: the trust rules as one pure
 * function. Records that are there and a proposal in, a decision out; nothing
 * is read or written. Who may propose what, levels per source, renewal of
 * certificates, change of OpenPGP keys, pinning, agreement of sources. What
 * level may be sealed to is decided in lookup.c.
 */
#ifndef KEYSTORE_CHANGE_H
#define KEYSTORE_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "keystore/record.h"

enum {
	/* records of one kind that an address may have from sources; what an
	   administrator imports is not counted */
	KS_PER_ADDR_MAX = 16,
};

/* What policy says of levels. */
struct ks_rules {
	enum ks_trust seal_from; /* the lowest level that is sealed to */
	/* by source: what an OpenPGP key of it is worth at most */
	enum ks_trust level[KS_SOURCE_HARVEST + 1];
	/* so many independent sources that bring the same key make it
	   KS_DISCOVERED; 0: never */
	unsigned agree;
};

/* DESIGN section 6: WKD, DANE, VKS `discovered`; HKP, LDAP `candidate`;
   harvested at most `harvested`. Agreement raises nothing. */
extern const struct ks_rules ks_rules_default;

/* What an administrator has set for an address or its domain; zeroed: nothing
   is set. */
struct ks_setting {
	enum ks_trust seal_from; /* instead of the rules'; 0: as they say */
	bool by_hand;		 /* takes no key from any source */
	/* what its software opens of S/MIME, CRYPTO_CAP_*; 0: as it says */
	uint32_t opens;
};

/* Who asks for the change. */
enum ks_maker {
	KS_MAKER_ADMISSION = 0, /* for discovery or harvest: never above the
				   level of the source */
	KS_MAKER_ADMIN,		/* the command line */
};

struct ks_proposal {
	enum ks_maker maker;
	/* As admission made it: source, and as trust what it is worth by what
	   was checked. A certificate is KS_DISCOVERED only if its chain,
	   purpose and address were found good. */
	const struct ks_record *record;
	/* The canonical address that was looked up or signed with. Empty when
	   the key is proposed for the whole of record->domain, or by an
	   administrator. */
	struct span addr;
	int64_t now; /* Unix seconds */
};

/* What there is already. */
struct ks_known {
	/* The record of the proposal's fingerprint; NULL if there is none. */
	const struct ks_record *same;
	/* All others of its kind for the address (or domain). */
	const struct ks_record *const *others;
	size_t n_others;
	const struct ks_setting *setting; /* of address or domain */
};

/* The numbers are on the wire (PROTO_ADMITTED) and on disk (history). The zero
   value changes nothing. */
enum ks_change {
	KS_CHANGE_REFUSE = 0, /* err and why say the reason */
	KS_CHANGE_NOTHING,    /* known already, or must not be undone */
	KS_CHANGE_WAIT,	      /* kept aside until an administrator approves */
	KS_CHANGE_ADD,
	KS_CHANGE_UPDATE, /* its fingerprint was there, something is new */
	KS_CHANGE_RENEW,  /* used beside an older one of the address */
	KS_CHANGE_COUNT
};

struct ks_decision {
	enum ks_change change;
	enum err err; /* of a refusal */
	/* For a person: why it is refused, waits, or is a renewal. */
	struct err_why why;
	/* The level it gets. */
	enum ks_trust trust;
	/* WAIT: until then it is kept as a candidate, too, so that a chain to
	   a configured anchor, which is looked at with every use (lookup.h),
	   makes it good beside the old one. */
	bool by_chain;
	/* ADD, RENEW, WAIT: only the proposal's address is taken from the
	   record, not the others it claims. */
	bool only_addr;
	/* The key it stands beside or against; borrowed from what is known. */
	const struct ks_record *old;
};

/* "add", "renew"; "?" for an unknown number. */
const char *ks_change_name(enum ks_change c);

/* Decide. Never fails: what is not understood is refused. */
void ks_change_decide(const struct ks_rules *rules,
    const struct ks_known *known, const struct ks_proposal *p,
    struct ks_decision *out);

/* A key that a source brings for "_domain" at a domain stands for all of it.
   What the record becomes by the decision (ADD, UPDATE, RENEW, WAIT): the
   proposal's, with what has to stay of the one that was there. out borrows from
   both and from addrs, which has room for KS_ADDRS_MAX. */
void ks_change_merge(const struct ks_known *known, const struct ks_proposal *p,
    const struct ks_decision *d, struct span *addrs, struct ks_record *out);

/* The level at most that source gives to a key of kind. */
enum ks_trust ks_source_level(
    const struct ks_rules *rules, enum ks_source source, enum ks_kind kind);

/* Is its time over at now? RFC 5280 section 4.1.2.5 includes the last second,
   RFC 9580 section 5.2.3.13 does not. */
bool ks_record_is_over(const struct ks_record *r, int64_t now);

#endif
