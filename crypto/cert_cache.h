/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Parsed certificates by fingerprint, the least recently used leaves first:
 * parsing one costs three times what sealing to it does. For one thread.
 */
#ifndef CRYPTO_CERT_CACHE_H
#define CRYPTO_CERT_CACHE_H

#include <stddef.h>

#include "crypto/cert.h"

struct crypto_cert_cache;

/* A cache of at most max certificates (at least one). The caller frees. */
struct crypto_cert_cache *crypto_cert_cache_new(size_t max);
void crypto_cert_cache_free(struct crypto_cert_cache *cache);

/* The certificate with this fingerprint; der is parsed only if it is not here
   yet. The caller unrefs. ERR_MALFORMED also when der is another certificate
   than fpr says. */
enum err crypto_cert_cache_get(struct crypto_cert_cache *cache,
    const uint8_t fpr[CRYPTO_CERT_FPR_SIZE], struct span der,
    struct crypto_cert **out, struct err_why *why) MUST_CHECK;

#endif
