/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Rows of the table of answers: "g" and a name, and "t", the name, 0 and a
 * number for each piece of the text (docs/format-keystore.md).
 */
#include "keystore/group.h"

#include <string.h>

#include "common/pack.h"
#include "keystore/store_private.h"

enum {
	GROUP_VERSION = 1,
	ROW_GROUP = 'g',
	ROW_TEXT = 't',
	PIECE = 64 * 1024, /* octets of text in a row */
	KEY_MAX = KS_GROUP_NAME_MAX + 6,
	HEAD_MAX = 64,
};

static enum err
row_key(uint8_t type, struct span name, struct buf *out)
{
	enum err e;

	if (name.len == 0 || name.len > KS_GROUP_NAME_MAX ||
	    memchr(name.data, 0, name.len) != NULL)
		return ERR_MALFORMED;
	e = buf_put(out, SPAN(&type, 1));
	return e == ERR_OK ? buf_put(out, name) : e;
}

static enum err
piece_key(struct span name, uint32_t piece, struct buf *out)
{
	const uint8_t number[] = {0, (uint8_t)(piece >> 24),
	    (uint8_t)(piece >> 16), (uint8_t)(piece >> 8), (uint8_t)piece};
	enum err e;

	buf_reset(out);
	e = row_key(ROW_TEXT, name, out);
	return e == ERR_OK ? buf_put(out, SPAN(number, sizeof(number))) : e;
}

static enum err
read_head(void *ctx, struct span key, struct span value)
{
	struct ks_group *g = ctx;
	struct unpacker u;
	struct span digest;
	uint8_t version;

	(void)key;
	unpack_begin(&u, value);
	version = unpack_u8(&u);
	g->at = (int64_t)unpack_u64(&u);
	g->size = unpack_u32(&u);
	digest = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || version != GROUP_VERSION ||
	    digest.len != DIGEST_SIZE || g->size > KS_GROUP_TEXT_MAX)
		return ERR_DB_BROKEN;
	memcpy(g->digest, digest.data, DIGEST_SIZE);
	return ERR_OK;
}

enum err
ks_group_get(struct ks_store *s, struct span name, struct ks_group *out)
{
	struct ks_group g;
	struct buf key;
	enum err e;

	buf_init(&key, KEY_MAX);
	e = row_key(ROW_GROUP, name, &key);
	if (e == ERR_OK)
		e = s->ops->row_get(
		    s, KS_ROW_ANSWER, buf_span(&key), read_head, &g);
	buf_clear(&key);
	if (e == ERR_OK)
		*out = g;
	return e;
}

static enum err
put_head(struct ks_store *s, struct span name, const struct ks_group *g)
{
	struct packer p;
	struct buf key, value;
	enum err e;

	buf_init(&key, KEY_MAX);
	buf_init(&value, HEAD_MAX);
	pack_begin(&p, &value);
	pack_u8(&p, GROUP_VERSION);
	pack_u64(&p, (uint64_t)g->at);
	pack_u32(&p, g->size);
	pack_span(&p, SPAN(g->digest, DIGEST_SIZE));
	e = pack_end(&p);
	if (e == ERR_OK)
		e = row_key(ROW_GROUP, name, &key);
	if (e == ERR_OK)
		e = s->ops->row_put(
		    s, KS_ROW_ANSWER, buf_span(&key), buf_span(&value));
	buf_clear(&key);
	buf_clear(&value);
	return e;
}

/* As many pieces as the text has; those that a longer one had before go. */
static enum err
put_text(struct ks_store *s, struct span name, struct span text)
{
	uint32_t piece = 0;
	struct buf key;
	enum err e = ERR_OK;

	buf_init(&key, KEY_MAX);
	for (size_t at = 0; e == ERR_OK && at < text.len; at += PIECE) {
		size_t left = text.len - at;

		e = piece_key(name, piece++, &key);
		if (e == ERR_OK)
			e = s->ops->row_put(s, KS_ROW_ANSWER, buf_span(&key),
			    SPAN(text.data + at, left < PIECE ? left : PIECE));
	}
	while (e == ERR_OK) {
		e = piece_key(name, piece++, &key);
		if (e == ERR_OK)
			e = s->ops->row_del(s, KS_ROW_ANSWER, buf_span(&key));
	}
	buf_clear(&key);
	return e == ERR_NOT_FOUND ? ERR_OK : e;
}

enum err
ks_group_put(struct ks_store *s, struct span name, int64_t at, struct span text)
{
	struct ks_group old, g = {.at = at, .size = (uint32_t)text.len};
	enum err e;

	if (text.len > KS_GROUP_TEXT_MAX)
		return ERR_TOO_BIG;
	digest_sha256(&text, 1, g.digest);
	e = ks_group_get(s, name, &old);
	if (e != ERR_OK && e != ERR_NOT_FOUND && e != ERR_DB_BROKEN)
		return e;
	if (e != ERR_OK || memcmp(old.digest, g.digest, DIGEST_SIZE) != 0)
		e = put_text(s, name, text);
	return e == ERR_OK ? put_head(s, name, &g) : e;
}

static enum err
add_piece(void *ctx, struct span key, struct span value)
{
	(void)key;
	return buf_put(ctx, value);
}

enum err
ks_group_text(struct ks_store *s, struct span name, const struct ks_group *g,
    struct buf *out)
{
	uint8_t digest[DIGEST_SIZE];
	size_t before = out->len;
	struct span text;
	struct buf key;
	enum err e = ERR_OK;

	buf_init(&key, KEY_MAX);
	for (uint32_t piece = 0; e == ERR_OK && out->len - before < g->size;
	     piece++) {
		e = piece_key(name, piece, &key);
		if (e == ERR_OK)
			e = s->ops->row_get(
			    s, KS_ROW_ANSWER, buf_span(&key), add_piece, out);
	}
	buf_clear(&key);
	if (e == ERR_NOT_FOUND)
		return ERR_DB_BROKEN;
	if (e != ERR_OK)
		return e;
	text = out->len == before ? SPAN(NULL, 0)
				  : SPAN(out->data + before, out->len - before);
	digest_sha256(&text, 1, digest);
	return text.len == g->size &&
		       memcmp(digest, g->digest, DIGEST_SIZE) == 0
		   ? ERR_OK
		   : ERR_DB_BROKEN;
}
