/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One layer of OpenPGP taken off a message from outside, and what is said of
 * it. For the opener and for `sealgate open`: knows nothing of processes,
 * entries or what becomes of the octets. S/MIME: crypto/smime_open.h.
 */
#ifndef GATEWAY_OPEN_PGP_H
#define GATEWAY_OPEN_PGP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/openpgp_open.h"

struct arena;
struct ks_record;
struct ks_store;
struct memfd_map;
struct mime_pgp;

/* A key of ours that may open it. */
struct open_pgp_key {
	const struct ks_record *record;
	const char *addr; /* the address or domain it is kept for */
	bool domain;
};

/* What the engine is asked to open: which secret keys may be used is said by
   fingerprint, what has them decides. */
struct open_pgp_ask {
	const struct span *fprs;
	size_t n_fprs;
	const struct span *certs;
	size_t n_certs;
	uint64_t max;
};

/* The pgp process for an opener, gpg in a scratch home for the command line.
   fd is a sealed memfd. Errors are those of crypto_pgp_open_message() and
   crypto_pgp_verify(), ERR_PERMISSION (no secret key may be had) and
   ERR_CRASHED. */
struct open_pgp_engine {
	enum err (*open)(void *arg, const struct open_pgp_ask *ask, int fd,
	    struct memfd_map *out, struct crypto_pgp_opened *result,
	    struct err_why *why);
	enum err (*verify)(void *arg, struct span signatures, int fd,
	    const struct span *certs, size_t n_certs,
	    struct crypto_pgp_sigs *out, struct err_why *why);
	void *arg;
};

struct open_pgp {
	struct open_pgp_engine engine;
	const struct open_pgp_key *keys; /* open_pgp_find_keys() */
	size_t n_keys;
	/* Keys of the address in From that the keystore has, with their octets:
	   open_pgp_find_senders(). */
	const struct ks_record *const *senders;
	size_t n_senders;
	/* Certificates that came with the mail, not believed: what they verify
	   is signed by an unknown key, which is in crypto_signature.cert then,
	   as is one that the keystore has and nobody vouches for. Binary. */
	const struct span *brought;
	size_t n_brought;
	size_t max;	     /* octets that may come out */
	struct arena *arena; /* the verdict's */
};

/* The keys with a private half of these canonical addresses, and of their
   domains, without key octets. ERR_NOMEM, errors of the store. */
enum err open_pgp_find_keys(struct ks_store *store, const char *const *addrs,
    size_t n_addrs, struct arena *a, struct open_pgp_key **out,
    size_t *n_out) MUST_CHECK;
/* The keys of the canonical address, and of its domain, with their octets. */
enum err open_pgp_find_senders(struct ks_store *store, const char *addr,
    struct arena *a, const struct ks_record *const **out,
    size_t *n_out) MUST_CHECK;

/* What came off. */
struct open_pgp_layer {
	/* The entity that was inside, header and CRLF line ends included (for
	   MIME_PGP_INLINE one that was made of the parts), in a sealed memfd.
	   The caller closes. -1: see entity. */
	int fd;
	/* multipart/signed: the first part, octets of the message that was
	   given. Empty if there is a descriptor. */
	struct span entity;
};

/* Take one layer off: MIME_PGP_ENCRYPTED and MIME_PGP_INLINE are opened,
   MIME_PGP_SIGNED and MIME_PGP_SIGNED_PARTLY verified. All that was learned
   goes to the verdict: sealed, with key and cipher, layers, signatures;
   crypto_verdict_bind() is the caller's.
   ERR_OK: go on with out. ERR_NOT_FOUND: nothing came off; the verdict says so
   where something stays closed or is signed in part. Any other error is ours,
   not the message's: try again later, the verdict is not to be used. */
enum err open_pgp_peel(const struct mime_pgp *shape, const struct open_pgp *o,
    struct crypto_verdict *v, struct open_pgp_layer *out,
    struct err_why *why) MUST_CHECK;

#endif
