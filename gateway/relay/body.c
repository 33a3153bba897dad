/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A sealed reader, a running digest and a check of line ends, in one pass.
 */
#include "gateway/relay/body.h"

#include <stdlib.h>
#include <string.h>

#include "common/digest.h"
#include "common/limits.h"
#include "common/stream.h"
#include "gateway/entry.h"

struct relay_body {
	struct sealed_reader *reader;
	struct secret *key;
	struct digest *digest;
	const struct entry *entry;
	uint64_t left; /* octets not handed out yet */
	uint8_t prev;  /* the octet before */
	bool has_8bit;
	uint8_t *chunk;
	size_t chunk_size;
};

/* The envelope as the body was sealed beside it. */
static enum err
open_reader(struct relay_body *b, const struct sealed_pub *pub,
    const struct secret *priv, struct span sealed)
{
	struct buf ad;
	enum err e;

	buf_init(&ad, LIMIT_IPC_PAYLOAD);
	e = entry_pack_fixed(b->entry, &ad);
	if (e == ERR_OK)
		e = sealed_content_key(pub, priv, sealed, &b->key);
	if (e == ERR_OK) {
		b->reader = sealed_reader_new(b->key, buf_span(&ad), sealed);
		if (b->reader == NULL)
			e = ERR_NOMEM;
		else if (b->entry->file[0] != '\0')
			sealed_reader_give_back(b->reader);
	}
	buf_clear(&ad);
	return e;
}

enum err
relay_body_open(const struct sealed_pub *pub, const struct secret *priv,
    const struct entry *entry, struct span sealed, struct relay_body **out)
{
	struct relay_body *b;
	uint64_t size;
	enum err e = sealed_text_size(sealed, &size);

	if (e != ERR_OK)
		return e;
	if (size != entry->body_size)
		return ERR_BAD_SEAL;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return ERR_NOMEM;
	b->entry = entry;
	b->left = size;
	b->chunk_size = size < STREAM_CHUNK ? (size_t)size + 1 : STREAM_CHUNK;
	b->chunk = malloc(b->chunk_size);
	b->digest = digest_new();
	e = b->chunk == NULL || b->digest == NULL ? ERR_NOMEM : ERR_OK;
	if (e == ERR_OK)
		e = open_reader(b, pub, priv, sealed);
	if (e != ERR_OK) {
		relay_body_free(b);
		return e;
	}
	*out = b;
	return ERR_OK;
}

void
relay_body_free(struct relay_body *b)
{
	if (b == NULL)
		return;
	sealed_reader_free(b->reader);
	secret_free(b->key);
	digest_free(b->digest);
	if (b->chunk != NULL)
		secret_wipe(b->chunk, b->chunk_size);
	free(b->chunk);
	free(b);
}

static bool
is_7bit(struct span s)
{
	uint64_t all = 0, word;

	for (; s.len >= sizeof(word); s.len -= sizeof(word)) {
		memcpy(&word, s.data, sizeof(word));
		all |= word;
		s.data += sizeof(word);
	}
	for (size_t i = 0; i < s.len; i++)
		all |= s.data[i];
	return (all & 0x8080808080808080U) == 0;
}

/* Every LF has its CR before it, every CR its LF behind it, no NUL. A line at
   a time: it looks at every octet that leaves. */
static bool
lines_are_clean(struct relay_body *b, struct span s)
{
	size_t at = 0, cr;

	if (s.len == 0)
		return true;
	if (span_find_chr(s, 0, 0) != s.len)
		return false;
	/* the CR was the last of the chunk before */
	if (b->prev == '\r' && s.data[at++] != '\n')
		return false;
	for (; at < s.len; at = cr + 2) {
		cr = span_find_chr(s, at, '\r');
		if (span_find_chr(SPAN(s.data, cr), at, '\n') != cr)
			return false;
		if (cr + 1 < s.len && s.data[cr + 1] != '\n')
			return false;
	}
	b->prev = s.data[s.len - 1];
	b->has_8bit = b->has_8bit || !is_7bit(s);
	return true;
}

static enum err
check_whole(struct relay_body *b)
{
	uint8_t hash[DIGEST_SIZE];

	digest_end(b->digest, hash);
	if (memcmp(hash, b->entry->body_hash, sizeof(hash)) != 0)
		return ERR_BAD_SEAL;
	return b->prev == '\r' ? ERR_LINE_END : ERR_OK;
}

enum err
relay_body_next(struct relay_body *b, struct span *out, bool *last)
{
	size_t len;
	struct span s;
	enum err e = sealed_reader_next(b->reader, b->chunk, &len);

	if (e != ERR_OK)
		return e;
	if (len > b->left || (len == 0 && b->left > 0))
		return ERR_BAD_SEAL;
	s = SPAN(b->chunk, len);
	b->left -= len;
	digest_add(b->digest, s);
	if (!lines_are_clean(b, s))
		return ERR_LINE_END;
	if (b->left == 0)
		e = check_whole(b);
	if (e != ERR_OK)
		return e;
	*out = s;
	*last = b->left == 0;
	return ERR_OK;
}

bool
relay_body_has_8bit(const struct relay_body *b)
{
	return b->has_8bit;
}
