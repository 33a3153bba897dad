/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * X25519, HKDF-SHA-256 (RFC 5869) and chunks of stream.h, because that is what
 * every browser can do.
 */
#include "common/answer.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/stream.h"

static const char magic[] = "SGANSWER";
static const char label[] = "sealgate answer v1";
static const char pair_label[] = "sealgate answers 1";
static const uint8_t prefix[STREAM_PREFIX] = {0, 0, 0, 0, 0, 0, 3};

enum { AT_OBJECT = 8, AT_EPHEMERAL = 24, AT_SIZE = 56 };

uint64_t
answer_total_size(uint64_t size)
{
	return ANSWER_HEADER_SIZE + stream_sealed_size(size);
}

enum err
answer_header_parse(struct span s, struct answer_header *out)
{
	struct answer_header h = {.size = 0};

	if (s.len < ANSWER_HEADER_SIZE ||
	    memcmp(s.data, magic, sizeof(magic) - 1) != 0)
		return ERR_MALFORMED;
	memcpy(h.object, s.data + AT_OBJECT, sizeof(h.object));
	memcpy(h.ephemeral, s.data + AT_EPHEMERAL, sizeof(h.ephemeral));
	for (unsigned i = 0; i < 8; i++)
		h.size = h.size << 8 | s.data[AT_SIZE + i];
	if (h.size == 0 || h.size > LIMIT_MESSAGE_SIZE_MAX)
		return ERR_MALFORMED;
	*out = h;
	return ERR_OK;
}

enum err
answer_pair(
    const struct secret *from, struct sealed_pub *pub, struct secret **priv)
{
	struct secret *s = secret_new(SEALED_KEY);

	if (s == NULL)
		return ERR_NOMEM;
	if (crypto_generichash(s->data, s->len, (const uint8_t *)pair_label,
		sizeof(pair_label), from->data, from->len) != 0 ||
	    crypto_scalarmult_base(pub->octets, s->data) != 0) {
		secret_free(s);
		return ERR_CRYPTO;
	}
	pub->purpose = SEALED_ANSWER;
	*priv = s;
	return ERR_OK;
}

static void
hmac(struct span key, struct span a, struct span b, uint8_t *out)
{
	crypto_auth_hmacsha256_state st;

	crypto_auth_hmacsha256_init(&st, key.data, key.len);
	crypto_auth_hmacsha256_update(&st, a.data, a.len);
	crypto_auth_hmacsha256_update(&st, b.data, b.len);
	crypto_auth_hmacsha256_final(&st, out);
	secret_wipe(&st, sizeof(st));
}

enum err
answer_key(const struct sealed_pub *pub, const struct secret *priv,
    struct span header, struct secret **out)
{
	uint8_t salt[ANSWER_HEADER_SIZE + SEALED_KEY], prk[32];
	static const uint8_t one = 1;
	struct secret *shared = secret_new(SEALED_KEY);
	struct secret *key = secret_new(STREAM_KEY);
	struct answer_header h;
	enum err e = shared == NULL || key == NULL
			 ? ERR_NOMEM
			 : answer_header_parse(header, &h);

	if (e == ERR_OK &&
	    crypto_scalarmult(shared->data, priv->data, h.ephemeral) != 0)
		e = ERR_BAD_SEAL;
	if (e == ERR_OK) {
		memcpy(salt, header.data, ANSWER_HEADER_SIZE);
		memcpy(salt + ANSWER_HEADER_SIZE, pub->octets, SEALED_KEY);
		hmac(SPAN(salt, sizeof(salt)), secret_span(shared),
		    SPAN(NULL, 0), prk);
		hmac(SPAN(prk, sizeof(prk)), SPAN(label, sizeof(label) - 1),
		    SPAN(&one, 1), key->data);
		secret_wipe(prk, sizeof(prk));
		*out = key;
		key = NULL;
	}
	secret_free(shared);
	secret_free(key);
	return e;
}

static enum err
open_chunks(struct stream *s, uint64_t size, struct span sealed, int fd)
{
	uint8_t *text = malloc(STREAM_CHUNK);
	uint64_t n = stream_chunks(size);
	enum err e = text == NULL ? ERR_NOMEM : ERR_OK;

	for (uint64_t i = 0; e == ERR_OK && i < n; i++) {
		size_t left =
		    sealed.len - (size_t)i * (STREAM_CHUNK + STREAM_TAG);
		size_t len = i + 1 < n ? STREAM_CHUNK + STREAM_TAG : left;

		e = stream_open(s, (uint32_t)i, i + 1 == n,
		    SPAN(sealed.data + i * (STREAM_CHUNK + STREAM_TAG), len),
		    text);
		if (e == ERR_OK)
			e = memfd_write(fd, SPAN(text, len - STREAM_TAG));
	}
	if (text != NULL)
		secret_wipe(text, STREAM_CHUNK);
	free(text);
	return e;
}

enum err
answer_open(const struct secret *key, struct span sealed, int *fd_out)
{
	struct answer_header h;
	struct stream *s = NULL;
	int fd = -1;
	enum err e = answer_header_parse(sealed, &h);

	if (e == ERR_OK && sealed.len != answer_total_size(h.size))
		e = ERR_MALFORMED;
	if (e == ERR_OK) {
		s = stream_new(
		    key, prefix, SPAN(sealed.data, ANSWER_HEADER_SIZE));
		e = s == NULL ? ERR_NOMEM : memfd_new(&fd);
	}
	if (e == ERR_OK)
		e = open_chunks(s, h.size,
		    SPAN(sealed.data + ANSWER_HEADER_SIZE,
			sealed.len - ANSWER_HEADER_SIZE),
		    fd);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	stream_free(s);
	if (e == ERR_OK)
		*fd_out = fd;
	else if (fd >= 0)
		close(fd);
	return e;
}
