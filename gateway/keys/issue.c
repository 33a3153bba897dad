/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Whom a new key is for is not the word of who asks: the listener has
 * registered the address, or a sealed row that is there speaks for it. What is
 * sealed beside the key is that address.
 */
#include "gateway/keys/issue.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/secret.h"
#include "crypto/own_key.h"
#include "crypto/private_key.h"
#include "gateway/keys/purpose.h"
#include "gateway/keys/registered.h"
#include "gateway/proto_issue.h"
#include "keystore/private.h"

enum {
	WAITING = 8, /* keys at once without a certificate */
	ROW_MEMORY = 4 << 20,
};

struct waiting {
	uint64_t handle; /* 0: free */
	struct secret *key;
	char addr[KS_ADDR_MAX];
	size_t addr_len;
	char domain[KS_ADDR_MAX]; /* it stands for all of it */
	size_t domain_len;
};

struct keys_issue {
	struct ks_store *store;
	const struct keys_set *set;
	const struct keys_registered *registered;
	struct arena *arena;
	struct waiting waiting[WAITING];
	size_t turn;
	uint64_t last; /* handle */
	struct buf spki;
};

struct keys_issue *
keys_issue_new(struct ks_store *store, const struct keys_set *set,
    const struct keys_registered *registered)
{
	struct keys_issue *k = calloc(1, sizeof(*k));

	if (k == NULL || (k->arena = arena_new(ROW_MEMORY)) == NULL)
		fatal("out of memory");
	k->store = store;
	k->set = set;
	k->registered = registered;
	buf_init(&k->spki, CRYPTO_SPKI_MAX);
	return k;
}

static void
forget(struct waiting *w)
{
	secret_free(w->key);
	memset(w, 0, sizeof(*w));
}

void
keys_issue_free(struct keys_issue *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < WAITING; i++)
		forget(&k->waiting[i]);
	buf_clear(&k->spki);
	arena_free(k->arena);
	free(k);
}

static bool
is_it(const void *ctx, const char *addr)
{
	const struct span *wanted = ctx;

	return span_eq(span_str(addr), *wanted);
}

static bool
names(const struct ks_private *row, struct span addr)
{
	for (size_t i = 0; i < row->n_addrs; i++)
		if (span_eq(row->addrs[i], addr))
			return true;
	return false;
}

/* domain: what the old one stands for besides the address, if that is its own;
   borrowed until the next call. */
static bool
may_have(struct keys_issue *k, uint64_t id, const struct proto_key_new *m,
    struct span *domain)
{
	struct ks_private *row;

	if (m->addr.len == 0 || m->addr.len > KS_ADDR_MAX)
		return false;
	if (m->old.len == 0)
		return keys_registered_find(
			   k->registered, id, false, is_it, &m->addr) != NULL;
	arena_reset(k->arena);
	if (ks_private_get(k->store, m->old, k->arena, &row) != ERR_OK ||
	    row->kind != KS_SMIME || !ks_private_speaks_for(row, m->addr))
		return false;
	if (names(row, m->addr) && row->domain.len <= KS_ADDR_MAX)
		*domain = row->domain;
	return true;
}

static enum err
public_of(struct keys_issue *k, const struct secret *octets)
{
	struct crypto_private *key = NULL;
	enum err e = crypto_private_parse(secret_span(octets), &key);

	buf_reset(&k->spki);
	if (e == ERR_OK)
		e = crypto_own_key_public(key, &k->spki);
	crypto_private_free(key);
	return e;
}

enum err
keys_issue_make(struct keys_issue *k, uint64_t id,
    const struct proto_key_new *m, struct proto_key_made *out)
{
	struct waiting *w = &k->waiting[k->turn % WAITING];
	struct span domain = {NULL, 0};
	struct secret *key = NULL;
	enum err e;

	if (!may_have(k, id, m, &domain))
		return ERR_PERMISSION;
	e = crypto_own_key_new((enum crypto_own_alg)m->alg, &key);
	if (e == ERR_OK)
		e = public_of(k, key);
	if (e != ERR_OK) {
		secret_free(key);
		return e;
	}
	forget(w);
	k->turn++;
	w->handle = ++k->last;
	w->key = key;
	memcpy(w->addr, m->addr.data, m->addr.len);
	w->addr_len = m->addr.len;
	if (domain.len > 0)
		memcpy(w->domain, domain.data, domain.len);
	w->domain_len = domain.len;
	out->handle = w->handle;
	out->spki = buf_span(&k->spki);
	return ERR_OK;
}

enum err
keys_issue_seal(
    struct keys_issue *k, const struct proto_key_seal *m, struct buf *out)
{
	for (size_t i = 0; m->handle != 0 && i < WAITING; i++) {
		struct waiting *w = &k->waiting[i];
		struct span addr = SPAN(w->addr, w->addr_len);
		const struct ks_private row = {.kind = KS_SMIME,
		    .fpr = m->fpr,
		    .added = (int64_t)m->added,
		    .domain = SPAN(w->domain, w->domain_len),
		    .addrs = &addr,
		    .n_addrs = 1};
		enum err e;

		if (w->handle != m->handle)
			continue;
		e = ks_private_encode(&row, &k->set->pub[SEALED_PRIVATE],
		    secret_span(w->key), out);
		forget(w);
		return e;
	}
	return ERR_NOT_FOUND;
}
