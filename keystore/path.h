/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * May a certificate be believed, by what the keystore has: trusted CA records
 * are anchors (for one domain if the record has one), other CA records are
 * intermediates, distrusted ones end every path, and what is known of
 * revocation counts. The decision itself is crypto/cert_path.h's.
 */
#ifndef KEYSTORE_PATH_H
#define KEYSTORE_PATH_H

#include "crypto/cert_path.h"
#include "keystore/store_revocation.h"

struct arena;
struct crypto_cert_cache;

/* What an administrator configures; borrowed as long as it is used. */
struct ks_path_rules {
	const struct crypto_anchors *system; /* NULL: only our own count */
	enum crypto_revocation revocation;
	const char *const *policies; /* OIDs; none: any */
	size_t n_policies;
	/* Fingerprints (SHA-256) of certificates that nothing may lead
	   through, whatever the keystore says. */
	const uint8_t (*distrusted)[CRYPTO_CERT_FPR_SIZE];
	size_t n_distrusted;
};

/* Everything is borrowed for the call. */
struct ks_path_query {
	struct ks_store *store;
	const struct ks_path_rules *rules;
	/* For the CA certificates of the store; NULL: each is parsed anew. */
	struct crypto_cert_cache *cache;
	struct crypto_cert *leaf;
	/* Certificates that came with it (of a signed message): as
	   intermediates, never as anchors. */
	struct crypto_cert *const *more;
	size_t n_more;
	enum crypto_purpose purpose;
	struct span addr;  /* canonical; empty: of no address */
	int64_t now, then; /* as in struct crypto_path_query */
};

/* Decide as crypto_path_check() does; the caller clears out. What cannot be
   read in the store is ERR_DB or the like, never a yes. */
enum err ks_path_check(
    const struct ks_path_query *q, struct crypto_path *out) MUST_CHECK;

/* What has to be fetched, now and then, so that the revocation of every
   certificate of a path is known. Lists and answers that are known to be
   wanted are told, too. Borrowed for the call; anything but ERR_OK ends it. */
typedef enum err ks_path_wants_visit(void *ctx, const struct ks_want *w);
enum err ks_path_wants(const struct crypto_path *path,
    ks_path_wants_visit *visit, void *ctx) MUST_CHECK;

/* What the store knows of the revocation of one certificate. */
void ks_revocation_of(struct ks_store *s, const struct crypto_cert *cert,
    const struct crypto_cert *issuer, int64_t now, struct crypto_status *out);

#endif
