/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * STREAM over OpenSSL's AES-256-GCM.
 */
#include "common/stream.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { AD_MAX = 256 };

struct stream {
	EVP_CIPHER_CTX *ctx;
	uint8_t nonce[12];
	uint8_t ad[AD_MAX];
	size_t ad_len;
	const struct secret *key; /* borrowed */
};

static EVP_CIPHER *gcm;

void
stream_init(void)
{
	if (gcm == NULL)
		gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (gcm == NULL)
		fatal("OpenSSL has no AES-256-GCM");
}

struct stream *
stream_new(const struct secret *key, const uint8_t prefix[STREAM_PREFIX],
    struct span ad)
{
	struct stream *s;

	stream_init();
	if (key->len != STREAM_KEY || ad.len > AD_MAX)
		fatal("stream_new: wrong key or associated data size");
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->ctx = EVP_CIPHER_CTX_new();
	if (s->ctx == NULL) {
		free(s);
		return NULL;
	}
	memcpy(s->nonce, prefix, STREAM_PREFIX);
	if (ad.len > 0)
		memcpy(s->ad, ad.data, ad.len);
	s->ad_len = ad.len;
	s->key = key;
	return s;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	EVP_CIPHER_CTX_free(s->ctx);
	free(s);
}

static bool
begin_chunk(struct stream *s, uint32_t index, bool last, int seal)
{
	int n;

	for (int i = 0; i < 4; i++)
		s->nonce[STREAM_PREFIX + i] = (uint8_t)(index >> (24 - 8 * i));
	s->nonce[11] = last ? 1 : 0;
	if (!EVP_CipherInit_ex2(
		s->ctx, gcm, s->key->data, s->nonce, seal, NULL))
		return false;
	return s->ad_len == 0 ||
	       EVP_CipherUpdate(s->ctx, NULL, &n, s->ad, (int)s->ad_len);
}

static bool
size_is_right(uint32_t index, bool last, size_t len)
{
	if (!last)
		return len == STREAM_CHUNK && index != UINT32_MAX;
	return len <= STREAM_CHUNK && (len > 0 || index == 0);
}

enum err
stream_seal(
    struct stream *s, uint32_t index, bool last, struct span text, uint8_t *out)
{
	int n = 0, m = 0;

	if (!size_is_right(index, last, text.len))
		return ERR_INTERNAL;
	if (!begin_chunk(s, index, last, 1) ||
	    (text.len > 0 &&
		!EVP_CipherUpdate(s->ctx, out, &n, text.data, (int)text.len)) ||
	    !EVP_CipherFinal_ex(s->ctx, out + n, &m) ||
	    !EVP_CIPHER_CTX_ctrl(
		s->ctx, EVP_CTRL_AEAD_GET_TAG, STREAM_TAG, out + text.len))
		return ERR_CRYPTO;
	return ERR_OK;
}

enum err
stream_open(struct stream *s, uint32_t index, bool last, struct span sealed,
    uint8_t *out)
{
	uint8_t tag[STREAM_TAG];
	size_t len;
	int n = 0, m = 0;

	if (sealed.len < STREAM_TAG)
		return ERR_BAD_SEAL;
	len = sealed.len - STREAM_TAG;
	if (!size_is_right(index, last, len))
		return ERR_BAD_SEAL;
	memcpy(tag, sealed.data + len, STREAM_TAG);
	if (!begin_chunk(s, index, last, 0) ||
	    (len > 0 &&
		!EVP_CipherUpdate(s->ctx, out, &n, sealed.data, (int)len)) ||
	    !EVP_CIPHER_CTX_ctrl(
		s->ctx, EVP_CTRL_AEAD_SET_TAG, STREAM_TAG, tag) ||
	    EVP_CipherFinal_ex(s->ctx, out + n, &m) != 1) {
		secret_wipe(out, len);
		return ERR_BAD_SEAL;
	}
	return ERR_OK;
}

uint64_t
stream_chunks(uint64_t len)
{
	return len == 0 ? 1 : (len + STREAM_CHUNK - 1) / STREAM_CHUNK;
}

uint64_t
stream_sealed_size(uint64_t len)
{
	return len + stream_chunks(len) * STREAM_TAG;
}
