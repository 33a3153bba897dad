/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the keystore knows of our own keys besides their records: the CAs that
 * issue here with their last list of revoked certificates, every certificate
 * they issued, and which keys are published. The private halves are
 * private.h's.
 */
#ifndef KEYSTORE_OWN_H
#define KEYSTORE_OWN_H

#include "keystore/store.h"

struct arena;

enum {
	KS_CRL_MAX = 16 << 20, /* octets of a list */
	KS_REASON_MAX = 10,    /* RFC 5280 §5.3.1 */
};

/* A CA whose private key is here. Every span is borrowed. */
struct ks_ca {
	struct span fpr;     /* of its certificate, 32 octets */
	int64_t added;	     /* Unix seconds */
	uint64_t crl_number; /* of the list; 0 while there is none */
	int64_t this_update; /* of the list */
	int64_t next_update;
	struct span crl; /* DER; empty while there is none */
};

/* A certificate that such a CA issued. */
struct ks_issued {
	struct span ca;	    /* fingerprint of the CA's certificate */
	struct span serial; /* content octets */
	struct span fpr;    /* fingerprint of the certificate */
	int64_t not_after;
	int64_t revoked_at; /* 0: it is not */
	uint8_t reason;	    /* RFC 5280 §5.3.1 */
	bool automatic;	    /* on first use, or in place of such a one */
};

/* Add it or replace the one with its fingerprint. ERR_MALFORMED. */
enum err ks_ca_put(struct ks_store *s, const struct ks_ca *ca) MUST_CHECK;
/* In the arena. ERR_NOT_FOUND, ERR_DB_BROKEN. */
enum err ks_ca_get(struct ks_store *s, struct span fpr, struct arena *arena,
    struct ks_ca **out) MUST_CHECK;

/* Called for each row found; it is borrowed for the call, in which the store
   must not be changed. Anything but ERR_OK ends it and is what is returned. */
typedef enum err ks_ca_visit(void *ctx, const struct ks_ca *ca);
typedef enum err ks_issued_visit(void *ctx, const struct ks_issued *i);
typedef enum err ks_published_visit(void *ctx, struct span fpr);

enum err ks_ca_each(
    struct ks_store *s, ks_ca_visit *visit, void *ctx) MUST_CHECK;

/* Add it or replace the one with its CA and serial number. ERR_MALFORMED. */
enum err ks_issued_put(
    struct ks_store *s, const struct ks_issued *i) MUST_CHECK;
/* What is known of the one with this serial number, whichever of our CAs issued
   it: *revoked_at and *reason. ERR_NOT_FOUND. */
enum err ks_issued_state(struct ks_store *s, struct span serial,
    int64_t *revoked_at, uint8_t *reason) MUST_CHECK;
/* Every certificate of the CA, by serial number. */
enum err ks_issued_each(struct ks_store *s, struct span ca,
    ks_issued_visit *visit, void *ctx) MUST_CHECK;

/* Anybody may ask us for the key with this fingerprint, or no more. Off again
   is ERR_NOT_FOUND when it was not on. */
enum err ks_published_put(struct ks_store *s, struct span fpr) MUST_CHECK;
enum err ks_published_delete(struct ks_store *s, struct span fpr) MUST_CHECK;
/* ERR_OK or ERR_NOT_FOUND. */
enum err ks_published_has(struct ks_store *s, struct span fpr) MUST_CHECK;
enum err ks_published_each(
    struct ks_store *s, ks_published_visit *visit, void *ctx) MUST_CHECK;

#endif
