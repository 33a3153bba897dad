/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Admission: from what crypto/ has read in a certificate or OpenPGP key to the
 * record that is kept, and what becomes of one that is there already. Trust for
 * what nobody vouched for is evaluated elsewhere.
 */
#ifndef KEYSTORE_ADMIT_H
#define KEYSTORE_ADMIT_H

#include <stdint.h>

#include "keystore/store.h"

struct arena;
struct crypto_cert;
struct crypto_pgp_cert;

/* Who brings the key. */
struct ks_origin {
	enum ks_source source;
	enum ks_trust trust; /* what it is worth by its source */
	struct span url;
	int64_t now; /* Unix seconds */
};

/* The record of a certificate or key. Borrows from the certificate and from
   the arena. ERR_NO_KEY: an OpenPGP certificate without anything that could be
   kept; ERR_LIMIT, ERR_NOMEM. */
enum err ks_admit_cert(const struct crypto_cert *cert,
    const struct ks_origin *origin, struct arena *arena, struct ks_record **out,
    struct err_why *why) MUST_CHECK;
enum err ks_admit_pgp(const struct crypto_pgp_cert *key,
    const struct ks_origin *origin, struct arena *arena, struct ks_record **out,
    struct err_why *why) MUST_CHECK;

/* The key under which KS_BY_KEY_ID finds the CA certificates of a name (DER):
   its SHA-256. */
enum { KS_NAME_SIZE = 32 };
void ks_admit_name(struct span name, uint8_t out[KS_NAME_SIZE]);

enum ks_admitted {
	KS_REFUSED = 0,
	KS_ADDED,
	KS_UPDATED,	     /* its fingerprint was there, the rest is new */
	KS_STAYS_DISTRUSTED, /* updated; only `trust` makes it usable again */
	KS_STAYS_REVOKED,    /* an older copy does not undo a revocation */
};

/* Put the record into the store. One that is there keeps its time, a better
   trust, and what must not be undone by bringing the key again: distrust and
   revocation. A record of the same fingerprint and another kind is ERR_EXISTS.
   It reads and then writes: call it between ks_begin() and ks_commit(). */
enum err ks_admit(struct ks_store *s, const struct ks_record *r,
    struct arena *arena, enum ks_admitted *out) MUST_CHECK;

#endif
