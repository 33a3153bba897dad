/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Header: "SGSB" version[1] purpose[1] zero[2] key id[8] text length[8]
 * ephemeral public key[32] salt[32]. Content key: BLAKE2b-256 keyed with the
 * shared secret over label, header and public key, so that a header that was
 * altered gives another key, and its salt makes each key another although an
 * ephemeral pair serves for a while. Chunks: stream.h, associated data
 * BLAKE2b-256 of the caller's.
 */
#include "common/sealed.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/memfd.h"
#include "common/stream.h"

#define MAGIC "SGSB"

enum {
	FORMAT_VERSION = 2,
	KEY_ID = 8,
	EPHEMERAL = 24, /* places in the header */
	SALT = 56,
	/* how long a sender uses an ephemeral pair */
	PAIR_MS = 1000,
	/* what a reader remembers: writers times purposes, more or less */
	AGREED_MAX = 16,
};

static const uint8_t no_prefix[STREAM_PREFIX];

/* What X25519 gave for a recipient and an ephemeral public key. It costs more
   than all the rest of sealing a message of ordinary size. */
struct agreed {
	struct secret *shared; /* NULL: nothing */
	uint8_t pub[SEALED_KEY];
	uint8_t ephemeral[SEALED_KEY];
	uint64_t since_ms;
};

static struct agreed sending[SEALED_PURPOSES];
static struct agreed reading[AGREED_MAX];
static unsigned reading_next;

struct sealed_reader {
	struct stream *stream;
	struct span chunks;
	uint64_t n;
	uint64_t next;
	uintptr_t given; /* pages below are given back; 0: all are kept */
};

enum err
sealed_keypair(
    enum sealed_purpose purpose, struct sealed_pub *pub, struct secret **priv)
{
	struct secret *s = secret_random(SEALED_KEY);

	if (s == NULL)
		return ERR_NOMEM;
	pub->purpose = purpose;
	if (crypto_scalarmult_base(pub->octets, s->data) != 0) {
		secret_free(s);
		return ERR_CRYPTO;
	}
	*priv = s;
	return ERR_OK;
}

uint64_t
sealed_size(uint64_t text_len)
{
	return SEALED_HEADER + stream_sealed_size(text_len);
}

static void
key_id(const uint8_t *pub, uint8_t out[KEY_ID])
{
	uint8_t hash[32];

	crypto_generichash(hash, sizeof(hash), pub, SEALED_KEY, NULL, 0);
	memcpy(out, hash, KEY_ID);
}

static void
put_header(uint8_t *h, enum sealed_purpose purpose, const uint8_t *id,
    uint64_t len, const uint8_t *ephemeral)
{
	memset(h, 0, SEALED_HEADER);
	memcpy(h, MAGIC, 4);
	h[4] = FORMAT_VERSION;
	h[5] = (uint8_t)purpose;
	memcpy(h + 8, id, KEY_ID);
	for (int i = 0; i < 8; i++)
		h[16 + i] = (uint8_t)(len >> (56 - 8 * i));
	memcpy(h + EPHEMERAL, ephemeral, SEALED_KEY);
	random_octets(h + SALT, SEALED_KEY);
}

static bool
header_is(struct span h, enum sealed_purpose purpose, const uint8_t *id)
{
	return h.len >= SEALED_HEADER && memcmp(h.data, MAGIC, 4) == 0 &&
	       h.data[4] == FORMAT_VERSION && h.data[5] == purpose &&
	       h.data[6] == 0 && h.data[7] == 0 &&
	       memcmp(h.data + 8, id, KEY_ID) == 0;
}

static enum err
derive(const uint8_t *shared, const uint8_t *header, const uint8_t *pub,
    struct secret **out)
{
	static const uint8_t label[] = "sealgate sealed 2";
	crypto_generichash_state st;
	struct secret *key = secret_new(STREAM_KEY);

	if (key == NULL)
		return ERR_NOMEM;
	crypto_generichash_init(&st, shared, SEALED_KEY, STREAM_KEY);
	crypto_generichash_update(&st, label, sizeof(label));
	crypto_generichash_update(&st, header, SEALED_HEADER);
	crypto_generichash_update(&st, pub, SEALED_KEY);
	crypto_generichash_final(&st, key->data, STREAM_KEY);
	secret_wipe(&st, sizeof(st));
	*out = key;
	return ERR_OK;
}

/* --- agreeing on a shared secret --- */

static void
forget(struct agreed *a)
{
	secret_free(a->shared);
	*a = (struct agreed){0};
}

static enum err
agree(struct agreed *a, const uint8_t *private_key, const uint8_t *peer)
{
	struct secret *shared = secret_new(SEALED_KEY);

	if (shared == NULL)
		return ERR_NOMEM;
	if (crypto_scalarmult(shared->data, private_key, peer) != 0) {
		secret_free(shared);
		return ERR_CRYPTO;
	}
	forget(a);
	a->shared = shared;
	a->since_ms = clock_steady_ms();
	return ERR_OK;
}

static bool
is_old(const struct agreed *a)
{
	return a->shared != NULL && clock_steady_ms() - a->since_ms >= PAIR_MS;
}

void
sealed_forget_old(void)
{
	for (int i = 0; i < SEALED_PURPOSES; i++)
		if (is_old(&sending[i]))
			forget(&sending[i]);
}

/* The pair of the moment for what is sealed to pub. */
static enum err
agree_to_send(const struct sealed_pub *pub, const struct agreed **out)
{
	uint8_t ephemeral[SEALED_KEY], ephemeral_pub[SEALED_KEY];
	struct agreed *a;
	enum err e = ERR_OK;

	if (pub->purpose >= SEALED_PURPOSES)
		return ERR_INTERNAL;
	a = &sending[pub->purpose];
	if (a->shared == NULL || is_old(a) ||
	    memcmp(a->pub, pub->octets, SEALED_KEY) != 0) {
		random_octets(ephemeral, sizeof(ephemeral));
		e = crypto_scalarmult_base(ephemeral_pub, ephemeral) != 0
			? ERR_CRYPTO
			: agree(a, ephemeral, pub->octets);
		secret_wipe(ephemeral, sizeof(ephemeral));
		if (e != ERR_OK)
			return e;
		memcpy(a->pub, pub->octets, SEALED_KEY);
		memcpy(a->ephemeral, ephemeral_pub, SEALED_KEY);
	}
	*out = a;
	return ERR_OK;
}

/* The same secret from the other side. Nobody learns more from what is kept
   than from the private key itself. */
static enum err
agree_to_read(const struct sealed_pub *pub, const struct secret *priv,
    const uint8_t *ephemeral, const struct agreed **out)
{
	struct agreed *a;
	enum err e;

	for (int i = 0; i < AGREED_MAX; i++) {
		a = &reading[i];
		if (a->shared != NULL &&
		    memcmp(a->ephemeral, ephemeral, SEALED_KEY) == 0 &&
		    memcmp(a->pub, pub->octets, SEALED_KEY) == 0) {
			*out = a;
			return ERR_OK;
		}
	}
	a = &reading[reading_next];
	e = agree(a, priv->data, ephemeral);
	if (e != ERR_OK)
		return e == ERR_CRYPTO ? ERR_BAD_SEAL : e;
	memcpy(a->pub, pub->octets, SEALED_KEY);
	memcpy(a->ephemeral, ephemeral, SEALED_KEY);
	reading_next = (reading_next + 1) % AGREED_MAX;
	*out = a;
	return ERR_OK;
}

/* --- sealing --- */

/* A header for fresh sealed octets, and their content key. */
static enum err
begin_seal(const struct sealed_pub *pub, uint64_t len, uint8_t *header,
    struct secret **key)
{
	const struct agreed *a;
	uint8_t id[KEY_ID];
	enum err e = agree_to_send(pub, &a);

	if (e != ERR_OK)
		return e;
	key_id(pub->octets, id);
	put_header(header, pub->purpose, id, len, a->ephemeral);
	return derive(a->shared->data, header, pub->octets, key);
}

static struct stream *
open_stream(const struct secret *key, struct span ad)
{
	uint8_t hash[32];

	crypto_generichash(hash, sizeof(hash), ad.data, ad.len, NULL, 0);
	return stream_new(key, no_prefix, SPAN(hash, sizeof(hash)));
}

static struct span
chunk_of(struct span s, uint64_t i, size_t size)
{
	size_t from = (size_t)i * size;
	size_t len = s.len - from;

	return SPAN(
	    s.data == NULL ? NULL : s.data + from, len > size ? size : len);
}

/* Seal text chunk by chunk into sink. */
static enum err
seal_chunks(const struct secret *key, struct span ad, struct span text,
    enum err (*sink)(void *, struct span), void *arg)
{
	struct stream *s = open_stream(key, ad);
	uint8_t *out = malloc(STREAM_CHUNK + STREAM_TAG);
	uint64_t n = stream_chunks(text.len);
	struct span c;
	enum err e = s == NULL || out == NULL ? ERR_NOMEM : ERR_OK;

	for (uint64_t i = 0; e == ERR_OK && i < n; i++) {
		c = chunk_of(text, i, STREAM_CHUNK);
		e = stream_seal(s, (uint32_t)i, i + 1 == n, c, out);
		if (e == ERR_OK)
			e = sink(arg, SPAN(out, c.len + STREAM_TAG));
	}
	free(out);
	stream_free(s);
	return e;
}

static enum err
sink_buf(void *arg, struct span sealed)
{
	return buf_put(arg, sealed);
}

static enum err
sink_fd(void *arg, struct span sealed)
{
	return file_write_all(*(int *)arg, sealed);
}

enum err
sealed_seal(const struct sealed_pub *pub, struct span ad, struct span text,
    struct buf *out)
{
	uint8_t header[SEALED_HEADER];
	struct secret *key = NULL;
	size_t before = out->len;
	enum err e = begin_seal(pub, text.len, header, &key);

	if (e == ERR_OK)
		e = buf_put(out, SPAN(header, sizeof(header)));
	if (e == ERR_OK)
		e = seal_chunks(key, ad, text, sink_buf, out);
	if (e != ERR_OK)
		out->len = before;
	secret_free(key);
	return e;
}

enum err
sealed_seal_fd(
    const struct sealed_pub *pub, struct span ad, struct span text, int fd)
{
	uint8_t header[SEALED_HEADER];
	struct secret *key = NULL;
	enum err e = begin_seal(pub, text.len, header, &key);

	if (e == ERR_OK)
		e = file_write_all(fd, SPAN(header, sizeof(header)));
	if (e == ERR_OK)
		e = seal_chunks(key, ad, text, sink_fd, &fd);
	secret_free(key);
	return e;
}

enum err
sealed_content_key(const struct sealed_pub *pub, const struct secret *priv,
    struct span header, struct secret **out)
{
	const struct agreed *a;
	uint8_t id[KEY_ID];
	enum err e;

	key_id(pub->octets, id);
	if (!header_is(header, pub->purpose, id))
		return ERR_BAD_SEAL;
	e = agree_to_read(pub, priv, header.data + EPHEMERAL, &a);
	if (e != ERR_OK)
		return e;
	return derive(a->shared->data, header.data, pub->octets, out);
}

enum err
sealed_text_size(struct span sealed, uint64_t *out)
{
	uint64_t len = 0;

	if (sealed.len < SEALED_HEADER || memcmp(sealed.data, MAGIC, 4) != 0)
		return ERR_BAD_SEAL;
	for (int i = 0; i < 8; i++)
		len = len << 8 | sealed.data[16 + i];
	if (len > sealed.len || sealed_size(len) != sealed.len)
		return ERR_BAD_SEAL;
	*out = len;
	return ERR_OK;
}

struct sealed_reader *
sealed_reader_new(
    const struct secret *content_key, struct span ad, struct span sealed)
{
	struct sealed_reader *r;
	uint64_t len;

	if (sealed_text_size(sealed, &len) != ERR_OK)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->stream = open_stream(content_key, ad);
	r->chunks =
	    SPAN(sealed.data + SEALED_HEADER, sealed.len - SEALED_HEADER);
	r->n = stream_chunks(len);
	if (r->stream == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
sealed_reader_free(struct sealed_reader *r)
{
	if (r == NULL)
		return;
	stream_free(r->stream);
	free(r);
}

void
sealed_reader_give_back(struct sealed_reader *r)
{
	r->given = (uintptr_t)r->chunks.data;
}

/* Whole pages below the chunk that comes next. */
static void
give_back(struct sealed_reader *r, const uint8_t *upto)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t from = (r->given + page - 1) / page * page;
	uintptr_t to = (uintptr_t)upto / page * page;

	if (r->given == 0 || to <= from)
		return;
	(void)madvise((void *)from, to - from, MADV_DONTNEED);
	r->given = to;
}

enum err
sealed_reader_next(struct sealed_reader *r, uint8_t *out, size_t *len)
{
	struct span c;
	enum err e;

	if (r->next == r->n) {
		*len = 0;
		return ERR_OK;
	}
	c = chunk_of(r->chunks, r->next, STREAM_CHUNK + STREAM_TAG);
	e = stream_open(
	    r->stream, (uint32_t)r->next, r->next + 1 == r->n, c, out);
	if (e != ERR_OK)
		return e;
	r->next++;
	give_back(r, c.data + c.len);
	*len = c.len - STREAM_TAG;
	return ERR_OK;
}

static enum err
open_chunks(const struct secret *content_key, struct span ad,
    struct span sealed, bool is_file, enum err (*sink)(void *, struct span),
    void *arg)
{
	struct sealed_reader *r = sealed_reader_new(content_key, ad, sealed);
	uint8_t *chunk = malloc(STREAM_CHUNK);
	size_t len = 1;
	enum err e = r == NULL ? ERR_BAD_SEAL : ERR_OK;

	if (chunk == NULL)
		e = ERR_NOMEM;
	if (e == ERR_OK && is_file)
		sealed_reader_give_back(r);
	while (e == ERR_OK && len > 0) {
		e = sealed_reader_next(r, chunk, &len);
		if (e == ERR_OK && len > 0)
			e = sink(arg, SPAN(chunk, len));
	}
	if (chunk != NULL)
		secret_wipe(chunk, STREAM_CHUNK);
	free(chunk);
	sealed_reader_free(r);
	return e;
}

enum err
sealed_open(const struct secret *content_key, struct span ad,
    struct span sealed, struct buf *out)
{
	size_t before = out->len;
	enum err e = open_chunks(content_key, ad, sealed, false, sink_buf, out);

	if (e != ERR_OK)
		out->len = before;
	return e;
}

enum err
sealed_open_memfd(const struct secret *content_key, struct span ad,
    struct span sealed, bool is_file, int *fd_out)
{
	int fd;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = open_chunks(content_key, ad, sealed, is_file, sink_fd, &fd);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e != ERR_OK) {
		close(fd);
		return e;
	}
	*fd_out = fd;
	return ERR_OK;
}

enum err
sealed_wrap(
    const struct secret *key, struct span ad, struct span text, struct buf *out)
{
	static const uint8_t none[SEALED_KEY];
	uint8_t header[SEALED_HEADER];
	struct secret *content = NULL;
	size_t before = out->len;
	enum err e;

	put_header(header, SEALED_WRAP, none, text.len, none);
	e = derive(key->data, header, none, &content);
	if (e == ERR_OK)
		e = buf_put(out, SPAN(header, sizeof(header)));
	if (e == ERR_OK)
		e = seal_chunks(content, ad, text, sink_buf, out);
	if (e != ERR_OK)
		out->len = before;
	secret_free(content);
	return e;
}

enum err
sealed_unwrap(const struct secret *key, struct span ad, struct span sealed,
    struct secret **out)
{
	static const uint8_t none[SEALED_KEY];
	struct secret *content = NULL, *text = NULL;
	struct stream *s = NULL;
	uint64_t len;
	enum err e = sealed_text_size(sealed, &len);

	/* what the master key wraps are keys: one chunk */
	if (e != ERR_OK || len > STREAM_CHUNK ||
	    !header_is(sealed, SEALED_WRAP, none))
		return ERR_BAD_SEAL;
	e = derive(key->data, sealed.data, none, &content);
	if (e != ERR_OK)
		goto out;
	s = open_stream(content, ad);
	text = secret_new((size_t)len);
	if (s == NULL || text == NULL) {
		e = ERR_NOMEM;
		goto out;
	}
	e = stream_open(s, 0, true,
	    SPAN(sealed.data + SEALED_HEADER, sealed.len - SEALED_HEADER),
	    text->data);
	if (e != ERR_OK)
		goto out;
	*out = text;
	text = NULL;
out:
	stream_free(s);
	secret_free(content);
	secret_free(text);
	return e;
}
