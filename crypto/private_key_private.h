/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files that use private keys share.
 */
#ifndef CRYPTO_PRIVATE_KEY_PRIVATE_H
#define CRYPTO_PRIVATE_KEY_PRIVATE_H

#include <openssl/evp.h>

#include "crypto/private_key.h"

struct crypto_private {
	EVP_PKEY *pkey;
	bool is_rsa;
	bool is_ed25519;
	size_t bits;
};

#endif
