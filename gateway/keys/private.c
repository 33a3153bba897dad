/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The row of a key is read anew each time, so that a key that was deleted or
 * replaced is not used any longer; what is kept is the parsed key, whose
 * numbers are in locked memory (crypto/private_key.h), and what its row's seal
 * began with: a sealing has no second of its kind.
 */
#include "gateway/keys/private.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/sealed.h"
#include "crypto/private_key.h"
#include "gateway/dkim.h"
#include "gateway/keys/purpose.h"
#include "gateway/keys/registered.h"

enum {
	CACHE = 64,
	ROW_MEMORY = 4 << 20, /* octets of one row: sealed key and addresses */
};

struct kept {
	uint8_t header[SEALED_HEADER];
	struct crypto_private *key; /* NULL: free */
	uint64_t used;
};

struct keys_private {
	struct ks_store *store;
	const struct keys_set *set;
	const struct keys_registered *registered;
	struct arena *arena; /* of the row that is looked at */
	struct kept kept[CACHE];
	uint64_t clock;
};

struct keys_private *
keys_private_new(struct ks_store *store, const struct keys_set *set,
    const struct keys_registered *registered)
{
	struct keys_private *p = calloc(1, sizeof(*p));

	if (p == NULL || (p->arena = arena_new(ROW_MEMORY)) == NULL)
		fatal("out of memory");
	p->store = store;
	p->set = set;
	p->registered = registered;
	return p;
}

void
keys_private_free(struct keys_private *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < CACHE; i++)
		crypto_private_free(p->kept[i].key);
	arena_free(p->arena);
	free(p);
}

static bool
speaks_for(const void *ctx, const char *addr)
{
	return ks_private_speaks_for(ctx, span_str(addr));
}

/* The row, if it may be used for the message; lives until the next call. */
static enum err
find(struct keys_private *p, uint64_t id, bool open, struct span fpr,
    enum ks_kind kind, struct ks_private **out)
{
	struct ks_private *row;
	enum err e;

	arena_reset(p->arena);
	e = ks_private_get(p->store, fpr, p->arena, &row);
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_NO_KEY : e;
	if (row->kind != kind)
		return ERR_NO_KEY;
	if (keys_registered_find(p->registered, id, open, speaks_for, row) ==
	    NULL)
		return ERR_PERMISSION;
	*out = row;
	return ERR_OK;
}

static enum err
unseal(
    struct keys_private *p, const struct ks_private *row, struct secret **out)
{
	return ks_private_open(row, &p->set->pub[SEALED_PRIVATE],
	    p->set->priv[SEALED_PRIVATE], out);
}

enum err
keys_private_get(struct keys_private *p, uint64_t id, bool open,
    struct span fpr, enum ks_kind kind, struct secret **out)
{
	struct ks_private *row;
	enum err e = find(p, id, open, fpr, kind, &row);

	return e == ERR_OK ? unseal(p, row, out) : e;
}

/* The place of the row's key, or the one used longest ago. */
static struct kept *
place_of(struct keys_private *p, const struct ks_private *row)
{
	struct kept *oldest = &p->kept[0];

	for (size_t i = 0; i < CACHE; i++) {
		struct kept *k = &p->kept[i];

		if (k->key != NULL &&
		    memcmp(k->header, row->sealed.data, SEALED_HEADER) == 0)
			return k;
		if (k->used < oldest->used)
			oldest = k;
	}
	crypto_private_free(oldest->key);
	memset(oldest, 0, sizeof(*oldest));
	return oldest;
}

static enum err
parsed(struct keys_private *p, const struct ks_private *row,
    const struct crypto_private **out)
{
	struct secret *text = NULL;
	struct kept *k;
	enum err e;

	if (row->sealed.len < SEALED_HEADER)
		return ERR_BAD_SEAL;
	k = place_of(p, row);
	if (k->key == NULL) {
		e = unseal(p, row, &text);
		if (e == ERR_OK)
			e = dkim_is_name(row->domain)
				? crypto_private_parse_mail(
				      secret_span(text), &k->key)
				: crypto_private_parse(
				      secret_span(text), &k->key);
		secret_free(text);
		if (e != ERR_OK)
			return e;
		memcpy(k->header, row->sealed.data, SEALED_HEADER);
	}
	k->used = ++p->clock;
	*out = k->key;
	return ERR_OK;
}

enum err
keys_private_sign(struct keys_private *p, uint64_t id, struct span fpr,
    uint8_t alg, struct span in, struct buf *out)
{
	const struct crypto_private *key;
	struct ks_private *row;
	enum err e = find(p, id, false, fpr, KS_SMIME, &row);

	if (e == ERR_OK)
		e = parsed(p, row, &key);
	if (e == ERR_OK)
		e = crypto_private_sign(
		    key, (enum crypto_sign_alg)alg, in, out);
	return e;
}

enum err
keys_private_decrypt(struct keys_private *p, uint64_t id, struct span fpr,
    const struct crypto_decrypt *what, struct secret **out)
{
	const struct crypto_private *key;
	struct ks_private *row;
	enum err e = find(p, id, true, fpr, KS_SMIME, &row);

	if (e == ERR_OK)
		e = parsed(p, row, &key);
	if (e == ERR_OK)
		e = crypto_private_decrypt(key, what, out);
	return e;
}

/* With a row that speaks for no address, of our CA or of mail that leaves. */
static enum err
sign_for_nobody(struct keys_private *p, bool mail, struct span fpr, uint8_t alg,
    struct span in, struct buf *out)
{
	const struct crypto_private *key;
	struct ks_private *row;
	enum err e;

	arena_reset(p->arena);
	e = ks_private_get(p->store, fpr, p->arena, &row);
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_NO_KEY : e;
	if (row->kind != KS_SMIME || row->n_addrs > 0 ||
	    (mail ? !dkim_is_name(row->domain) : row->domain.len > 0))
		return ERR_PERMISSION;
	e = parsed(p, row, &key);
	return e == ERR_OK ? crypto_private_sign(
				 key, (enum crypto_sign_alg)alg, in, out)
			   : e;
}

enum err
keys_private_sign_as_ca(struct keys_private *p, struct span fpr, uint8_t alg,
    struct span in, struct buf *out)
{
	return sign_for_nobody(p, false, fpr, alg, in, out);
}

enum err
keys_private_sign_mail(struct keys_private *p, struct span fpr, uint8_t alg,
    struct span in, struct buf *out)
{
	return alg == DKIM_SIGN_RSA || alg == DKIM_SIGN_ED25519
		   ? sign_for_nobody(p, true, fpr, alg, in, out)
		   : ERR_UNSUPPORTED;
}
