/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What S/MIME needs to take a layer off, from the keystore: the certificates
 * whose private halves may open a message, and whose signatures are believed.
 * The private operation is somebody else's. crypto/smime_open.h does the work.
 */
#ifndef GATEWAY_OPEN_SMIME_H
#define GATEWAY_OPEN_SMIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/digest.h"
#include "crypto/smime_open.h"
#include "crypto/verdict.h"
#include "gateway/open.h"

struct arena;
struct certs;
struct crypto_cert_cache;
struct ks_store;

enum { OPEN_SMIME_KEYS = 256 }; /* certificates of all recipients */

/* Zeroed, filled in by the caller as far as it is not said to be ours. Strings
   and spans are borrowed. */
struct open_smime {
	struct ks_store *store;
	struct crypto_cert_cache *certs;
	struct certs *judge; /* gateway/certs.h */
	struct arena *arena;
	crypto_delegate_decrypt *decrypt;
	void *ctx;	  /* of decrypt */
	const char *from; /* the one address in From; NULL if it is not sure */
	int64_t now_s;	  /* of receipt */
	bool legacy;	  /* 3DES and RC2, too */
	size_t max;	  /* octets that may come out */
	/* ours */
	struct crypto_cms_key keys[OPEN_SMIME_KEYS];
	size_t n_keys;
	/* SHA-256 of signers' certificates that count for `from` alone */
	uint8_t limited[CRYPTO_VERDICT_SIGS][DIGEST_SIZE];
	size_t n_limited;
};

/* Let the keys be tried that speak for these canonical addresses or for their
   domains, expired ones, too. ERR_NOMEM, errors of the store. */
enum err open_smime_add_keys(
    struct open_smime *s, const char *const *addrs, size_t n) MUST_CHECK;
void open_smime_clear(struct open_smime *s);

/* As struct open_engine says. */
enum err open_smime_peel(struct open_smime *s, const struct mime_tree *t,
    struct crypto_verdict *v, struct open_layer *out,
    struct err_why *why) MUST_CHECK;

#endif
