/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys in the store: sealed to the process that holds them
 * (SEALED_PRIVATE), beside the addresses they may speak for. The seal covers
 * these, so that no key can be given to another address. What is inside the
 * seal only keys/ and pgp/ look at (docs/format-keystore.md).
 */
#ifndef KEYSTORE_PRIVATE_H
#define KEYSTORE_PRIVATE_H

#include "keystore/store.h"

struct arena;
struct sealed_pub;
struct secret;

enum {
	KS_PRIVATE_TEXT_MAX = 1 << 20, /* octets of a private key */
	KS_PRIVATE_MAX = KS_PRIVATE_TEXT_MAX + (1 << 18),
};

/* Every span is borrowed. */
struct ks_private {
	enum ks_kind kind;
	struct span fpr;    /* of its record: certificate or OpenPGP key */
	int64_t added;	    /* Unix seconds */
	struct span domain; /* speaks for the whole domain; else empty */
	size_t n_addrs;
	struct span *addrs; /* speaks for these; canonical, mime/addr.h */
	struct span sealed; /* common/sealed.h; ks_private_ad() beside it */
};

/* Append what the seal covers besides the key: all but `sealed`.
   ERR_MALFORMED, ERR_NOMEM. */
enum err ks_private_ad(const struct ks_private *p, struct buf *out) MUST_CHECK;
/* Seal the key's octets and put it into the store, replacing one of the same
   fingerprint. p->sealed is not looked at. S/MIME: PKCS#8, DER; OpenPGP: the
   transferable secret key, binary, without a passphrase. */
enum err ks_private_put(struct ks_store *s, const struct ks_private *p,
    const struct sealed_pub *pub, struct span key) MUST_CHECK;
/* The same as octets, appended, for who writes the store elsewhere; and such
   octets into the store: ERR_MALFORMED unless they are a row of fpr. */
enum err ks_private_encode(const struct ks_private *p,
    const struct sealed_pub *pub, struct span key, struct buf *out) MUST_CHECK;
enum err ks_private_put_octets(
    struct ks_store *s, struct span fpr, struct span octets) MUST_CHECK;
/* In the arena. ERR_NOT_FOUND, ERR_DB_BROKEN. */
enum err ks_private_get(struct ks_store *s, struct span fpr,
    struct arena *arena, struct ks_private **out) MUST_CHECK;
/* ERR_OK or ERR_NOT_FOUND: is there one? */
enum err ks_private_has(struct ks_store *s, struct span fpr) MUST_CHECK;
/* ERR_NOT_FOUND. ks_delete() of the record deletes it, too. */
enum err ks_private_delete(struct ks_store *s, struct span fpr) MUST_CHECK;
/* The key's octets, with the private half of what it is sealed to, by way of
   locked memory only. The caller frees. ERR_BAD_SEAL, ERR_NOMEM. */
enum err ks_private_open(const struct ks_private *p,
    const struct sealed_pub *pub, const struct secret *priv,
    struct secret **out) MUST_CHECK;
/* May it speak for the canonical address? */
bool ks_private_speaks_for(const struct ks_private *p, struct span addr);

#endif
