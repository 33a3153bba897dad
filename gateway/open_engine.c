/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One layer: what is S/MIME goes to S/MIME, the rest is looked at for OpenPGP.
 */
#include "gateway/open_engine.h"

#include <string.h>

#include "common/arena.h"
#include "mime/addr.h"
#include "mime/autocrypt.h"
#include "mime/header.h"
#include "mime/pgp_shape.h"
#include "mime/tree.h"

enum err
open_engine_add_keys(
    struct open_engine_both *t, const char *const *addrs, size_t n)
{
	enum err e = open_smime_add_keys(&t->smime, addrs, n);

	return e == ERR_OK ? open_pgp_find_keys(t->smime.store, addrs, n,
				 t->smime.arena, &t->pgp_keys, &t->n_pgp_keys)
			   : e;
}

void
open_engine_clear(struct open_engine_both *t)
{
	open_smime_clear(&t->smime);
}

/* The one address in the one From field, in the arena; NULL if not sure. */
static const char *
author_of(struct arena *a, const struct mime_tree *t)
{
	const struct mime_field *f;
	struct mime_addr_list list;

	if (mime_header_unique(mime_tree_header(t), "From", &f) != ERR_OK ||
	    mime_addr_parse_list(f->value, MIME_ADDR_UTF8, a, &list, NULL) !=
		ERR_OK ||
	    list.n != 1)
		return NULL;
	return list.addrs[0].key;
}

/* Is a key that is kept for what, an address or a domain, to be tried? */
static bool
is_tried(const struct open_engine_both *t, const char *what, bool domain)
{
	const char *at;

	if (t->only == NULL)
		return true;
	at = strrchr(t->only, '@');
	if (t->which == (domain ? OPEN_KEYS_OWN : OPEN_KEYS_DOMAIN))
		return false;
	return domain ? at != NULL && strcmp(what, at + 1) == 0
		      : strcmp(what, t->only) == 0;
}

static void
choose_smime(const struct open_engine_both *t, struct open_smime *out)
{
	*out = t->smime;
	out->n_keys = 0;
	for (size_t i = 0; i < t->smime.n_keys; i++) {
		const struct crypto_cms_key *k = &t->smime.keys[i];

		if (is_tried(t, k->addr, k->domain))
			out->keys[out->n_keys++] = *k;
	}
}

static enum err
peel_pgp(struct open_engine_both *t, const struct mime_tree *tree,
    struct crypto_verdict *v, struct open_layer *out, struct err_why *why)
{
	struct arena *a = t->smime.arena;
	struct open_pgp o = {.engine = t->pgp, .max = t->smime.max, .arena = a};
	struct open_pgp_layer layer;
	struct open_pgp_key *keys =
	    arena_array(a, t->n_pgp_keys + 1, sizeof(*keys));
	struct mime_pgp shape;
	enum err e = ERR_OK;

	if (keys == NULL)
		return ERR_NOMEM;
	mime_pgp_find(tree, a, &shape);
	if (t->autocrypt.len > 0) {
		o.brought = &t->autocrypt;
		o.n_brought = 1;
	}
	for (size_t i = 0; i < t->n_pgp_keys; i++)
		if (is_tried(t, t->pgp_keys[i].addr, t->pgp_keys[i].domain))
			keys[o.n_keys++] = t->pgp_keys[i];
	o.keys = keys;
	if (t->smime.from != NULL)
		e = open_pgp_find_senders(
		    t->smime.store, t->smime.from, a, &o.senders, &o.n_senders);
	if (e == ERR_OK)
		e = open_pgp_peel(&shape, &o, v, &layer, why);
	if (e == ERR_OK)
		*out = (struct open_layer){layer.fd, layer.entity};
	return e;
}

static enum err
peel(void *arg, const struct mime_tree *tree, struct crypto_verdict *v,
    struct open_layer *out, struct err_why *why)
{
	struct open_engine_both *t = arg;
	struct open_smime one;
	struct mime_autocrypt field;
	const char *from = author_of(t->smime.arena, tree);
	size_t n = v->n_layers;
	enum err e;

	/* an entity inside names its own author, if any */
	if (from != NULL)
		t->smime.from = from;
	if (mime_autocrypt_find(tree, t->smime.arena, &field) == ERR_OK)
		t->autocrypt = field.keydata;
	if (t->only != NULL) {
		choose_smime(t, &one);
		e = open_smime_peel(&one, tree, v, out, why);
	} else {
		e = open_smime_peel(&t->smime, tree, v, out, why);
	}
	/* S/MIME has looked at it: nothing for OpenPGP */
	if (e != ERR_NOT_FOUND || v->n_layers != n ||
	    v->sealed == CRYPTO_SEALED_CLOSED)
		return e;
	return peel_pgp(t, tree, v, out, why);
}

struct open_engine
open_engine_both(struct open_engine_both *t)
{
	return (struct open_engine){peel, t};
}
