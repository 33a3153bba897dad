/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which of our keys may open a message, and which keys of its sender verify it:
 * those that the keystore has for an address and for its domain.
 */
#include "gateway/open_pgp.h"

#include "common/arena.h"
#include "crypto/openpgp_kind.h"
#include "crypto/openpgp_packet.h"
#include "keystore/private.h"
#include "keystore/store.h"

enum { KEYS_MAX = 256 }; /* of all recipients */

struct search {
	struct ks_store *store;
	struct arena *arena;
	const char *addr;
	bool domain;
	/* whichever is looked for */
	struct open_pgp_key *key;
	const struct ks_record **sender;
	size_t n;
};

/* Records are found by the primary key's ID; sealed is to a subkey. */
static enum err
list_key_ids(const struct ks_record *from, struct ks_record *r, struct arena *a)
{
	uint8_t(*ids)[CRYPTO_PGP_KEY_ID] =
	    arena_array(a, KS_KEY_IDS_MAX, sizeof(*ids));
	struct span *spans = arena_array(a, KS_KEY_IDS_MAX, sizeof(*spans));

	if (ids == NULL || spans == NULL)
		return ERR_NOMEM;
	r->n_key_ids = crypto_pgp_key_ids(from->key, ids, KS_KEY_IDS_MAX);
	for (size_t i = 0; i < r->n_key_ids; i++)
		spans[i] = SPAN(ids[i], CRYPTO_PGP_KEY_ID);
	r->key_ids = spans;
	return ERR_OK;
}

/* One key may speak for several recipients: each of them has it. */
static bool
has_key(const struct search *s, const struct ks_record *r)
{
	struct span addr = s->domain ? r->domain : span_str(s->addr);

	for (size_t i = 0; i < s->n; i++)
		if (span_eq(s->key[i].record->fpr, r->fpr) &&
		    s->key[i].domain == s->domain &&
		    span_eq_str(addr, s->key[i].addr))
			return true;
	return false;
}

static enum err
visit_key(void *ctx, const struct ks_record *r)
{
	struct search *s = ctx;
	struct ks_private *p;
	struct ks_record *copy;
	enum err e;

	if (r->kind != KS_OPENPGP || s->n == KEYS_MAX || has_key(s, r))
		return ERR_OK;
	e = ks_private_get(s->store, r->fpr, s->arena, &p);
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	if (!ks_private_speaks_for(p, span_str(s->addr)))
		return ERR_OK;
	e = ks_record_copy(r, false, s->arena, &copy);
	if (e == ERR_OK)
		e = list_key_ids(r, copy, s->arena);
	if (e != ERR_OK)
		return e;
	s->key[s->n] = (struct open_pgp_key){copy,
	    s->domain ? arena_span_str(s->arena, r->domain) : s->addr,
	    s->domain};
	return s->key[s->n++].addr == NULL ? ERR_NOMEM : ERR_OK;
}

static enum err
find_by_addr(struct search *s, ks_visit *visit)
{
	enum err e;

	s->domain = false;
	e = ks_find(s->store, KS_BY_ADDR, span_str(s->addr), visit, s);
	s->domain = true;
	return e == ERR_OK ? ks_find(s->store, KS_BY_DOMAIN,
				 ks_addr_domain(span_str(s->addr)), visit, s)
			   : e;
}

enum err
open_pgp_find_keys(struct ks_store *store, const char *const *addrs,
    size_t n_addrs, struct arena *a, struct open_pgp_key **out, size_t *n_out)
{
	struct search s = {.store = store, .arena = a};
	enum err e = ERR_OK;

	s.key = arena_array(a, KEYS_MAX, sizeof(*s.key));
	if (s.key == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n_addrs && e == ERR_OK; i++) {
		s.addr = addrs[i];
		e = find_by_addr(&s, visit_key);
	}
	if (e != ERR_OK)
		return e;
	*out = s.key;
	*n_out = s.n;
	return ERR_OK;
}

/* A key of the domain speaks for each of its addresses. */
static enum err
add_addr(struct ks_record *r, const char *addr, struct arena *a)
{
	struct span *addrs = arena_array(a, r->n_addrs + 1, sizeof(*addrs));

	if (addrs == NULL)
		return ERR_NOMEM;
	addrs[0] = span_str(addr);
	for (size_t i = 0; i < r->n_addrs; i++)
		addrs[i + 1] = r->addrs[i];
	r->addrs = addrs;
	r->n_addrs++;
	return ERR_OK;
}

static enum err
visit_sender(void *ctx, const struct ks_record *r)
{
	struct search *s = ctx;
	struct ks_record *copy;
	enum err e;

	if (r->kind != KS_OPENPGP || s->n == CRYPTO_PGP_OPEN_CERTS)
		return ERR_OK;
	e = ks_record_copy(r, true, s->arena, &copy);
	if (e == ERR_OK && s->domain)
		e = add_addr(copy, s->addr, s->arena);
	if (e == ERR_OK)
		s->sender[s->n++] = copy;
	return e;
}

enum err
open_pgp_find_senders(struct ks_store *store, const char *addr, struct arena *a,
    const struct ks_record *const **out, size_t *n_out)
{
	struct search s = {.store = store, .arena = a, .addr = addr};
	enum err e;

	s.sender = arena_array(a, CRYPTO_PGP_OPEN_CERTS, sizeof(*s.sender));
	if (s.sender == NULL)
		return ERR_NOMEM;
	e = find_by_addr(&s, visit_sender);
	if (e != ERR_OK)
		return e;
	*out = s.sender;
	*n_out = s.n;
	return ERR_OK;
}
