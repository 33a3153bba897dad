/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The IV is the beginning of the text's MAC; half of the key is for each.
 */
#include "common/siv.h"

#include <sodium.h>

enum { HALF = SIV_KEY / 2 };

_Static_assert(HALF == crypto_auth_hmacsha256_KEYBYTES, "key of the MAC");
_Static_assert(HALF == crypto_stream_xchacha20_KEYBYTES, "key of the cipher");
_Static_assert(SIV_OVERHEAD == crypto_stream_xchacha20_NONCEBYTES, "nonce");

static void
synthetic_iv(
    const struct secret *key, struct span text, uint8_t out[SIV_OVERHEAD])
{
	crypto_auth_hmacsha256_state st;
	uint8_t mac[crypto_auth_hmacsha256_BYTES];

	crypto_auth_hmacsha256_init(&st, key->data, HALF);
	if (text.len > 0)
		crypto_auth_hmacsha256_update(&st, text.data, text.len);
	crypto_auth_hmacsha256_final(&st, mac);
	for (size_t i = 0; i < SIV_OVERHEAD; i++)
		out[i] = mac[i];
	secret_wipe(&st, sizeof(st));
	secret_wipe(mac, sizeof(mac));
}

static void
crypt(const struct secret *key, const uint8_t iv[SIV_OVERHEAD], struct span in,
    uint8_t *out)
{
	if (in.len > 0)
		crypto_stream_xchacha20_xor(
		    out, in.data, in.len, iv, key->data + HALF);
}

enum err
siv_seal(const struct secret *key, struct span text, struct buf *out)
{
	uint8_t iv[SIV_OVERHEAD], *to;
	enum err e = buf_reserve(out, SIV_OVERHEAD + text.len, &to);

	if (e != ERR_OK)
		return e;
	synthetic_iv(key, text, iv);
	for (size_t i = 0; i < SIV_OVERHEAD; i++)
		to[i] = iv[i];
	crypt(key, iv, text, to + SIV_OVERHEAD);
	buf_grow(out, SIV_OVERHEAD + text.len);
	return ERR_OK;
}

enum err
siv_open(const struct secret *key, struct span sealed, struct buf *out)
{
	uint8_t iv[SIV_OVERHEAD], *to;
	size_t len;
	enum err e;

	if (sealed.len < SIV_OVERHEAD)
		return ERR_BAD_SEAL;
	len = sealed.len - SIV_OVERHEAD;
	e = buf_reserve(out, len, &to);
	if (e != ERR_OK)
		return e;
	crypt(key, sealed.data, SPAN(sealed.data + SIV_OVERHEAD, len), to);
	synthetic_iv(key, SPAN(to, len), iv);
	if (!secret_eq_span(
		SPAN(iv, SIV_OVERHEAD), SPAN(sealed.data, SIV_OVERHEAD))) {
		secret_wipe(to, len);
		return ERR_BAD_SEAL;
	}
	buf_grow(out, len);
	return ERR_OK;
}
