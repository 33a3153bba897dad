/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The store's interface: passes on to the store that was opened.
 */
#include "keystore/store.h"

#include "common/arena.h"
#include "common/digest.h"
#include "keystore/store_private.h"

enum err
ks_open(
    const char *dir, unsigned flags, struct ks_store **out, struct err_why *why)
{
	struct ks_store *s = NULL;
	enum err e = ks_lmdb_open(dir, flags, 0, &s, why);

	if (e != ERR_OK)
		return e;
	s->rules = ks_rules_default;
	*out = s;
	return ERR_OK;
}

void
ks_close(struct ks_store *s)
{
	if (s != NULL)
		s->ops->close(s);
}

enum err
ks_begin(struct ks_store *s)
{
	return s->ops->begin(s);
}

enum err
ks_commit(struct ks_store *s)
{
	return s->ops->commit(s);
}

void
ks_rollback(struct ks_store *s)
{
	s->ops->rollback(s);
}

enum err
ks_put(struct ks_store *s, const struct ks_record *r)
{
	return s->ops->put(s, r);
}

enum err
ks_delete(struct ks_store *s, struct span fpr)
{
	return s->ops->del(s, fpr);
}

enum err
ks_set_trust(struct ks_store *s, struct span fpr, enum ks_trust trust)
{
	return s->ops->set_trust(s, fpr, trust);
}

struct get {
	struct arena *arena;
	struct ks_record *record;
};

static enum err
keep_copy(void *ctx, const struct ks_record *r)
{
	struct get *g = ctx;

	return ks_record_copy(r, true, g->arena, &g->record);
}

enum err
ks_get(struct ks_store *s, struct span fpr, struct arena *arena,
    struct ks_record **out)
{
	struct get g = {.arena = arena};
	enum err e = s->ops->get(s, fpr, keep_copy, &g);

	if (e == ERR_OK)
		*out = g.record;
	return e;
}

enum err
ks_find(struct ks_store *s, enum ks_index index, struct span key,
    ks_visit *visit, void *ctx)
{
	return s->ops->find(s, index, key, visit, ctx);
}

enum err
ks_each(struct ks_store *s, struct span prefix, ks_visit *visit, void *ctx)
{
	return s->ops->each(s, prefix, visit, ctx);
}

enum err
ks_count(struct ks_store *s, size_t *out)
{
	return s->ops->count(s, out);
}

uint64_t
ks_generation(struct ks_store *s)
{
	return s->ops->generation(s);
}

/* An issuer's name can be longer than a key of a database. */
enum err
ks_issuer_serial(struct span issuer, struct span serial, struct buf *out)
{
	uint8_t digest[DIGEST_SIZE];

	if (serial.len > KS_ID_MAX)
		return ERR_LIMIT;
	digest_sha256(&issuer, 1, digest);
	if (buf_put(out, SPAN(digest, sizeof(digest))) != ERR_OK)
		return ERR_NOMEM;
	return buf_put(out, serial);
}

struct twins {
	const struct ks_record *r;
	ks_visit *visit;
	void *ctx;
};

static enum err
show_twin(void *ctx, const struct ks_record *r)
{
	struct twins *t = ctx;

	return r->kind != KS_OPENPGP || span_eq(r->fpr, t->r->fpr)
		   ? ERR_OK
		   : t->visit(t->ctx, r);
}

enum err
ks_same_key_id(
    struct ks_store *s, const struct ks_record *r, ks_visit *visit, void *ctx)
{
	struct twins t = {r, visit, ctx};
	enum err e = ERR_OK;

	for (size_t i = 0;
	     r->kind == KS_OPENPGP && i < r->n_key_ids && e == ERR_OK; i++)
		e = ks_find(s, KS_BY_KEY_ID, r->key_ids[i], show_twin, &t);
	return e;
}
