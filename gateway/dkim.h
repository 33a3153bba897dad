/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * DKIM keys: their names, and what they are filed under in the keystore. They
 * are private keys that speak for no address: the domain of their row is the
 * name of their record in the DNS, which no mail domain is called.
 */
#ifndef GATEWAY_DKIM_H
#define GATEWAY_DKIM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/digest.h"

enum {
	DKIM_NAME_SIZE = 254, /* of a name with its NUL */
	/* of crypto/private_key.h, which not everybody may include */
	DKIM_SIGN_RSA = 1,	/* CRYPTO_SIGN_RSA_SHA256 */
	DKIM_SIGN_ED25519 = 10, /* CRYPTO_SIGN_ED25519_SHA256 */
};

/* "SELECTOR._domainkey.DOMAIN", cut where it is too long for the DNS. */
void dkim_name(
    const char *selector, const char *domain, char out[DKIM_NAME_SIZE]);
/* What the key of that name is filed under. */
void dkim_key_id(const char *name, uint8_t out[DIGEST_SIZE]);
/* Is it the domain of such a row? */
bool dkim_is_name(struct span domain);

#endif
