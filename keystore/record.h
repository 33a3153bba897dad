/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The record of one certificate or OpenPGP key: what the keystore knows about
 * it, and its octets on disk (docs/format-keystore.md). Never looks into the
 * key itself: who admits a key fills in what is in it.
 */
#ifndef KEYSTORE_RECORD_H
#define KEYSTORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct arena;

enum {
	KS_FPR_MIN = 16, /* octets of a fingerprint */
	KS_FPR_MAX = 32,
	KS_ADDRS_MAX = 256,   /* addresses in a record */
	KS_ADDR_MAX = 320,    /* octets of an address or domain */
	KS_ID_MAX = 64,	      /* octets of a key ID, SKI, serial number */
	KS_KEY_IDS_MAX = 64,  /* key IDs: primary key and subkeys */
	KS_CAPS_MAX = 64,     /* learned capabilities */
	KS_KEY_MAX = 1 << 20, /* octets of a key */
	KS_TEXT_MAX = 2048,   /* octets of any text */
	KS_RECORD_MAX = KS_KEY_MAX + (1 << 18),
};

/* The numbers of all enums are on disk. */
enum ks_kind {
	KS_SMIME = 1,
	KS_OPENPGP = 2,
};

/* In ascending order. */
enum ks_trust {
	KS_DISTRUSTED = 0,
	KS_CANDIDATE = 1,
	KS_HARVESTED = 2,
	KS_DISCOVERED = 3, /* this and better may be sealed to */
	KS_TRUSTED = 4,
	KS_PINNED = 5,
	KS_TRUST_COUNT
};

/* Where a key came from, the strongest first. */
enum ks_source {
	KS_SOURCE_MANUAL = 1,
	KS_SOURCE_CA = 2,
	KS_SOURCE_WKD = 3,
	KS_SOURCE_DANE = 4,
	KS_SOURCE_VKS = 5,
	KS_SOURCE_HKP = 6,
	KS_SOURCE_LDAP = 7,
	KS_SOURCE_HARVEST = 8,
};

/* What a key is good for by its own word: purpose, algorithm, key size. */
enum {
	KS_GOOD_SEAL = 1,
	KS_GOOD_ISSUE = 2, /* a CA certificate; an anchor when trusted */
};

/* Why a key is never used for sealing although it has been admitted. */
enum ks_flaw {
	KS_FLAW_NONE = 0,
	KS_FLAW_UNSUITABLE = 1,	 /* not meant for sealing, or too weak */
	KS_FLAW_UNSUPPORTED = 2, /* algorithm or version we cannot do */
	KS_FLAW_REVOKED = 3,
};

/* Numbers of learned capabilities; they are on disk, too. */
enum {
	KS_CAP_SMIME = 1, /* SMIMECapabilities (RFC 8551 2.5.2), DER */
};

/* A learned capability: a number and what was learned. */
struct ks_cap {
	uint16_t tag;
	struct span value;
};

/* Every span is borrowed: from the octets it was decoded from, or from whoever
   filled it in. */
struct ks_record {
	enum ks_kind kind;
	struct span fpr; /* SHA-256 of the certificate; OpenPGP's */
	struct span key; /* DER; binary OpenPGP certificate */
	enum ks_trust trust;
	enum ks_source source;
	uint32_t sources; /* every one that has brought it, ks_source_bit() */
	enum ks_flaw flaw;
	struct span flaw_text; /* the reason, for a person */
	uint32_t good_for;
	int64_t not_before; /* Unix seconds */
	int64_t not_after;  /* 0: never ends */
	int64_t added;
	struct span url;     /* where it was found */
	struct span domain;  /* the whole domain it stands for; else empty */
	struct span subject; /* for a person, as is the rest of these */
	struct span alg;     /* "P-256", "RSA 3072" */
	struct span issuer_text;
	/* What it is found by besides fingerprint and address. */
	struct span ski;    /* subject key identifier */
	struct span issuer; /* name of the issuer, DER */
	struct span serial; /* content octets */
	size_t n_addrs;
	struct span *addrs; /* canonical, mime/addr.h */
	size_t n_key_ids;
	struct span *key_ids;
	size_t n_caps;
	struct ks_cap *caps;
};

/* Room for the lists of a record while it is read. */
struct ks_room {
	struct span addrs[KS_ADDRS_MAX];
	struct span key_ids[KS_KEY_IDS_MAX];
	struct ks_cap caps[KS_CAPS_MAX];
};

/* Append the octets of a record. ERR_MALFORMED for one that could not be read
   back (the limits above, no fingerprint, unknown numbers), ERR_TOO_BIG,
   ERR_NOMEM. */
enum err ks_record_encode(
    const struct ks_record *r, struct buf *out) MUST_CHECK;
/* Read the octets of a record; out borrows from in and from room. ERR_DB_BROKEN
   when they are not exactly one record of a version we know. */
enum err ks_record_decode(
    struct span in, struct ks_room *room, struct ks_record *out) MUST_CHECK;
/* Copy what r borrows into the arena. with_key: the key's octets, too (else the
   copy has none). ERR_NOMEM. */
enum err ks_record_copy(const struct ks_record *r, bool with_key,
    struct arena *arena, struct ks_record **out) MUST_CHECK;

/* Words for people and for the command line; "?" for an unknown number. */
const char *ks_kind_name(enum ks_kind k);
const char *ks_trust_name(enum ks_trust t);
const char *ks_source_name(enum ks_source s);
/* ERR_NOT_FOUND for an unknown word. */
enum err ks_trust_by_name(const char *name, enum ks_trust *out) MUST_CHECK;
enum err ks_source_by_name(const char *name, enum ks_source *out) MUST_CHECK;
/* Its bit in a set of sources. */
uint32_t ks_source_bit(enum ks_source s);

/* The part of a canonical address behind its last "@"; empty without one. */
struct span ks_addr_domain(struct span addr);

#endif
