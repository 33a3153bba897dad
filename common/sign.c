/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Ed25519 through libsodium.
 */
#include "common/sign.h"

#include <sodium.h>

enum err
sign_keypair(uint8_t pub[SIGN_PUB], struct secret **secret)
{
	struct secret *s = secret_new(SIGN_SECRET);

	if (s == NULL)
		return ERR_NOMEM;
	if (crypto_sign_keypair(pub, s->data) != 0) {
		secret_free(s);
		return ERR_CRYPTO;
	}
	*secret = s;
	return ERR_OK;
}

void
sign_public(const struct secret *secret, uint8_t pub[SIGN_PUB])
{
	if (crypto_sign_ed25519_sk_to_pk(pub, secret->data) != 0)
		fatal("Ed25519 failed");
}

void
sign_make(const struct secret *secret, struct span text, uint8_t sig[SIGN_SIZE])
{
	if (crypto_sign_detached(
		sig, NULL, text.data, text.len, secret->data) != 0)
		fatal("Ed25519 failed");
}

bool
sign_is_good(
    const uint8_t pub[SIGN_PUB], struct span text, const uint8_t sig[SIGN_SIZE])
{
	return crypto_sign_verify_detached(sig, text.data, text.len, pub) == 0;
}
