/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The one way to decide whether a certificate may be believed: path to an
 * anchor, purpose, address, algorithms, policy, distrust, revocation. Where
 * intermediates, anchors and revocation data are kept is keystore/'s
 * (keystore/path.h asks this with what it has). RFC 5280 §6, RFC 8550 §4,
 * RFC 9598.
 */
#ifndef CRYPTO_CERT_PATH_H
#define CRYPTO_CERT_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/limits.h"
#include "crypto/cert.h"

/* What the certificate is wanted for. */
enum crypto_purpose {
	CRYPTO_FOR_SEAL = 1, /* its key is sealed to */
	CRYPTO_FOR_SIGN,     /* its key verifies a message */
	CRYPTO_FOR_ISSUE,    /* it is a CA, of certificates for mail */
};

/* What is demanded about revocation. */
enum crypto_revocation {
	CRYPTO_REVOCATION_HARD = 0, /* unknown is no */
	CRYPTO_REVOCATION_SOFT,	    /* only "revoked" is no */
	CRYPTO_REVOCATION_OFF,	    /* nobody is asked */
};

enum crypto_revoked {
	CRYPTO_REVOKED_UNKNOWN = 0,
	CRYPTO_REVOKED_YES,
	CRYPTO_REVOKED_NO,
};

/* What is known about the revocation of one certificate. */
struct crypto_status {
	enum crypto_revoked state;
	int64_t at;	/* when it was revoked, Unix seconds */
	uint8_t reason; /* CRLReason, RFC 5280 §5.3.1 */
	int64_t until;	/* good until then; 0: nothing is known */
};

/* What the one who asks knows beside the certificates; a NULL answers "no" and
   "unknown". Both are called for each certificate below the anchor, issuer
   being the next one; distrusted also for the anchor. */
struct crypto_path_asks {
	void *ctx;
	bool (*distrusted)(void *ctx, const struct crypto_cert *cert);
	void (*status)(void *ctx, const struct crypto_cert *cert,
	    const struct crypto_cert *issuer, int64_t now,
	    struct crypto_status *out);
};

/* A certificate that is believed: as a CA for every address, or only for those
   of one domain (exactly that one, canonical) if domain is not empty. */
struct crypto_anchor {
	struct crypto_cert *cert;
	struct span domain;
};

/* The anchors of a PEM file, e.g. of the system, parsed once per process. */
struct crypto_anchors;

/* The caller frees. ERR_NOT_FOUND, ERR_MALFORMED (no certificate in it),
   ERR_LIMIT. */
enum err crypto_anchors_load(const char *file, struct crypto_anchors **out,
    struct err_why *why) MUST_CHECK;
void crypto_anchors_free(struct crypto_anchors *a);
size_t crypto_anchors_count(const struct crypto_anchors *a);

/* Everything is borrowed for the call. */
struct crypto_path_query {
	struct crypto_cert *leaf;
	/* Intermediates in any order, believed in nothing; of more than
	   LIMIT_PATH_POOL the rest is passed over. */
	struct crypto_cert *const *pool;
	size_t n_pool;
	const struct crypto_anchor *anchors;
	size_t n_anchors;
	const struct crypto_anchors *system; /* NULL: none */
	enum crypto_purpose purpose;
	/* Canonical address (mime_addr.key) the leaf must carry; empty: none
	   is asked for, and anchors of one domain do not count. */
	struct span addr;
	int64_t now;  /* Unix seconds; revocation is asked for then */
	int64_t then; /* must have been valid then, too; 0: only now */
	/* Policy OIDs of which one must hold; none: any. */
	const char *const *policies;
	size_t n_policies;
	enum crypto_revocation revocation;
	const struct crypto_path_asks *asks; /* NULL: nothing is known */
};

/* The answer. */
struct crypto_path {
	/* ERR_OK; ERR_KEY_UNTRUSTED (no path to an anchor, distrusted),
	   ERR_KEY_EXPIRED (also not valid yet; the leaf or another),
	   ERR_KEY_REVOKED, ERR_KEY_UNUSABLE (purpose, constraints, weak),
	   ERR_KEY_ADDR, ERR_UNSUPPORTED, ERR_RUNG_FAILED (hard, and its
	   revocation is not known), ERR_NOMEM. */
	enum err err;
	struct err_why why; /* a phrase for a person, also "" if ERR_OK */
	/* Leaf first, anchor last if err is ERR_OK; else as far as it was
	   built. References of the path's own. */
	struct crypto_cert *certs[LIMIT_PATH_LEN];
	size_t n;
	size_t fault;	/* index of the certificate that err speaks of */
	bool by_system; /* the anchor is one of query.system */
	/* The weakest state below the anchor; UNKNOWN if off. What was known of
	   each certificate: status[i]. */
	enum crypto_revoked revoked;
	struct crypto_status status[LIMIT_PATH_LEN];
};

/* Whether the certificate by itself may be used for it; nothing is said of who
   vouches for it. ERR_KEY_UNUSABLE, ERR_UNSUPPORTED, for CRYPTO_FOR_SEAL what
   its info says. */
enum err crypto_cert_check_purpose(const struct crypto_cert *cert,
    enum crypto_purpose purpose, struct err_why *why) MUST_CHECK;

/* Decide. out is filled whatever is returned, which is out->err; the caller
   clears it. Time and memory are bounded whatever the certificates are. */
enum err crypto_path_check(
    const struct crypto_path_query *q, struct crypto_path *out) MUST_CHECK;
void crypto_path_clear(struct crypto_path *p);

#endif
