/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys of tests/crypto/data behind the function that in the gateway
 * asks another process.
 */
#ifndef TESTS_CRYPTO_KEYRING_H
#define TESTS_CRYPTO_KEYRING_H

#include "crypto/cms_open.h"

enum { KEYRING_MAX = 32 };

struct keyring {
	struct crypto_cms_key keys[KEYRING_MAX];
	struct crypto_private *private[KEYRING_MAX];
	size_t n;
	unsigned asked; /* how often */
	enum err fail;	/* answer this instead, if it is not ERR_OK */
};

/* Add WHO.der and WHO.key. */
void keyring_add(struct keyring *k, const char *who);
/* Add a certificate and a PKCS#8 key from these files. */
void keyring_add_files(
    struct keyring *k, const char *cert, const char *key, const char *addr);
void keyring_clear(struct keyring *k);
/* All of its keys, 100 MiB. */
struct crypto_cms_opener keyring_opener(struct keyring *k);
/* As enum crypto_sign_alg: for crypto_cms_sign; ctx is the keyring, the first
   key signs. */
enum err keyring_sign(
    void *ctx, enum crypto_sign_alg alg, struct span in, struct buf *out);

#endif
