/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys as octets of the store (docs/format-keystore.md): what may be
 * read in front, which the seal covers, and the sealed key behind it.
 */
#include "keystore/private.h"

#include <string.h>

#include "common/arena.h"
#include "common/pack.h"
#include "common/sealed.h"
#include "common/stream.h"
#include "keystore/store_private.h"

enum { PRIVATE_VERSION = 1 };

static bool
is_sound(const struct ks_private *p)
{
	if ((p->kind != KS_SMIME && p->kind != KS_OPENPGP) ||
	    p->fpr.len < KS_FPR_MIN || p->fpr.len > KS_FPR_MAX ||
	    p->domain.len > KS_ADDR_MAX || p->n_addrs > KS_ADDRS_MAX)
		return false;
	for (size_t i = 0; i < p->n_addrs; i++)
		if (p->addrs[i].len == 0 || p->addrs[i].len > KS_ADDR_MAX)
			return false;
	return true;
}

enum err
ks_private_ad(const struct ks_private *p, struct buf *out)
{
	struct packer w;

	if (!is_sound(p))
		return ERR_MALFORMED;
	pack_begin(&w, out);
	pack_u8(&w, PRIVATE_VERSION);
	pack_u8(&w, (uint8_t)p->kind);
	pack_u64(&w, (uint64_t)p->added);
	pack_span(&w, p->fpr);
	pack_span(&w, p->domain);
	pack_u16(&w, (uint16_t)p->n_addrs);
	for (size_t i = 0; i < p->n_addrs; i++)
		pack_span(&w, p->addrs[i]);
	return pack_end(&w);
}

/* Everything that is borrowed from in, which is the arena's. */
static enum err
decode(struct span in, struct arena *arena, struct ks_private **out)
{
	struct ks_private *p = arena_alloc(arena, sizeof(*p));
	struct unpacker u;
	uint8_t version;

	if (p == NULL)
		return ERR_NOMEM;
	unpack_begin(&u, in);
	version = unpack_u8(&u);
	p->kind = (enum ks_kind)unpack_u8(&u);
	p->added = (int64_t)unpack_u64(&u);
	p->fpr = unpack_span(&u);
	p->domain = unpack_span(&u);
	p->n_addrs = unpack_u16(&u);
	if (u.err != ERR_OK || version != PRIVATE_VERSION ||
	    p->n_addrs > KS_ADDRS_MAX)
		return ERR_DB_BROKEN;
	p->addrs = arena_array(arena, p->n_addrs + 1, sizeof(*p->addrs));
	if (p->addrs == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->n_addrs; i++)
		p->addrs[i] = unpack_span(&u);
	p->sealed = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || !is_sound(p))
		return ERR_DB_BROKEN;
	*out = p;
	return ERR_OK;
}

enum err
ks_private_encode(const struct ks_private *p, const struct sealed_pub *pub,
    struct span key, struct buf *out)
{
	struct buf ad, sealed;
	struct packer w;
	enum err e;

	if (pub->purpose != SEALED_PRIVATE || key.len == 0 ||
	    key.len > KS_PRIVATE_TEXT_MAX)
		return ERR_MALFORMED;
	buf_init(&ad, KS_PRIVATE_MAX);
	buf_init(&sealed, KS_PRIVATE_MAX);
	e = ks_private_ad(p, &ad);
	if (e == ERR_OK)
		e = sealed_seal(pub, buf_span(&ad), key, &sealed);
	if (e == ERR_OK)
		e = buf_put(out, buf_span(&ad));
	if (e == ERR_OK) {
		pack_begin(&w, out);
		pack_span(&w, buf_span(&sealed));
		e = pack_end(&w);
	}
	buf_clear(&ad);
	buf_clear(&sealed);
	return e;
}

enum err
ks_private_put(struct ks_store *s, const struct ks_private *p,
    const struct sealed_pub *pub, struct span key)
{
	struct buf all;
	enum err e;

	buf_init(&all, KS_PRIVATE_MAX);
	e = ks_private_encode(p, pub, key, &all);
	if (e == ERR_OK)
		e = s->ops->row_put(s, KS_ROW_PRIVATE, p->fpr, buf_span(&all));
	buf_clear(&all);
	return e;
}

enum err
ks_private_put_octets(struct ks_store *s, struct span fpr, struct span octets)
{
	struct arena *arena = arena_new(KS_PRIVATE_MAX);
	struct ks_private *p = NULL;
	enum err e = arena == NULL ? ERR_NOMEM : decode(octets, arena, &p);

	if (e == ERR_DB_BROKEN || (e == ERR_OK && !span_eq(p->fpr, fpr)))
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = s->ops->row_put(s, KS_ROW_PRIVATE, fpr, octets);
	arena_free(arena);
	return e;
}

struct get {
	struct arena *arena;
	struct span octets;
};

static enum err
keep_octets(void *ctx, struct span key, struct span octets)
{
	struct get *g = ctx;

	(void)key;
	return arena_span(g->arena, octets, &g->octets);
}

enum err
ks_private_get(struct ks_store *s, struct span fpr, struct arena *arena,
    struct ks_private **out)
{
	struct get g = {.arena = arena};
	struct ks_private *p = NULL;
	enum err e = s->ops->row_get(s, KS_ROW_PRIVATE, fpr, keep_octets, &g);

	if (e == ERR_OK)
		e = decode(g.octets, arena, &p);
	/* a row in the wrong place is damage */
	if (e == ERR_OK && !span_eq(p->fpr, fpr))
		e = ERR_DB_BROKEN;
	if (e == ERR_OK)
		*out = p;
	return e;
}

static enum err
look_only(void *ctx, struct span key, struct span octets)
{
	(void)ctx;
	(void)key;
	return octets.len > 0 ? ERR_OK : ERR_DB_BROKEN;
}

enum err
ks_private_has(struct ks_store *s, struct span fpr)
{
	return s->ops->row_get(s, KS_ROW_PRIVATE, fpr, look_only, NULL);
}

enum err
ks_private_delete(struct ks_store *s, struct span fpr)
{
	return s->ops->row_del(s, KS_ROW_PRIVATE, fpr);
}

/* All chunks, each by way of locked memory only. */
static enum err
read_chunks(struct sealed_reader *r, struct secret *chunk, struct secret *out)
{
	size_t at = 0, len = 0;
	enum err e;

	do {
		e = sealed_reader_next(r, chunk->data, &len);
		if (e != ERR_OK)
			return e;
		if (len > out->len - at)
			return ERR_BAD_SEAL;
		memcpy(out->data + at, chunk->data, len);
		at += len;
	} while (len > 0);
	return at == out->len ? ERR_OK : ERR_BAD_SEAL;
}

enum err
ks_private_open(const struct ks_private *p, const struct sealed_pub *pub,
    const struct secret *priv, struct secret **out)
{
	struct secret *content = NULL, *chunk = NULL, *text = NULL;
	struct sealed_reader *reader = NULL;
	uint64_t size = 0;
	struct buf ad;
	enum err e;

	buf_init(&ad, KS_PRIVATE_MAX);
	e = ks_private_ad(p, &ad);
	if (e == ERR_OK)
		e = sealed_text_size(p->sealed, &size);
	if (e == ERR_OK && (size == 0 || size > KS_PRIVATE_TEXT_MAX))
		e = ERR_BAD_SEAL;
	if (e == ERR_OK)
		e = sealed_content_key(pub, priv, p->sealed, &content);
	if (e != ERR_OK)
		goto out;
	reader = sealed_reader_new(content, buf_span(&ad), p->sealed);
	chunk = secret_new(STREAM_CHUNK);
	text = secret_new((size_t)size);
	e = reader == NULL || chunk == NULL || text == NULL
		? ERR_NOMEM
		: read_chunks(reader, chunk, text);
	if (e == ERR_OK) {
		*out = text;
		text = NULL;
	}
out:
	sealed_reader_free(reader);
	secret_free(content);
	secret_free(chunk);
	secret_free(text);
	buf_clear(&ad);
	return e;
}

bool
ks_private_speaks_for(const struct ks_private *p, struct span addr)
{
	struct span domain = ks_addr_domain(addr);

	for (size_t i = 0; i < p->n_addrs; i++)
		if (span_eq(p->addrs[i], addr))
			return true;
	return domain.len > 0 && span_eq(p->domain, domain);
}
