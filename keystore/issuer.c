/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Intermediates. What strangers bring is bounded by the name of the CA: a
 * path never needs more than a few of one name.
 */
#include "keystore/issuer.h"

bool
ks_is_issuer(const struct ks_record *r)
{
	return r->kind == KS_SMIME && (r->good_for & KS_GOOD_ISSUE) != 0 &&
	       r->n_addrs == 0 && r->domain.len == 0 && r->n_key_ids == 1;
}

struct count {
	struct span fpr;
	size_t n;
	bool here;
};

static enum err
count_one(void *ctx, const struct ks_record *r)
{
	struct count *c = ctx;

	c->n++;
	c->here = c->here || span_eq(r->fpr, c->fpr);
	return ERR_OK;
}

enum err
ks_issuer_keep(struct ks_store *s, const struct ks_record *r, bool *added)
{
	struct count c = {.fpr = r->fpr};
	struct ks_record kept = *r;
	enum err e;

	*added = false;
	if (!ks_is_issuer(r))
		return ERR_MALFORMED;
	if (r->source <= KS_SOURCE_CA)
		return ERR_PERMISSION;
	e = ks_find(s, KS_BY_KEY_ID, r->key_ids[0], count_one, &c);
	if (e != ERR_OK || c.here)
		return e;
	if (c.n >= KS_PER_NAME_MAX)
		return ERR_LIMIT;
	kept.trust = KS_CANDIDATE;
	e = ks_put(s, &kept);
	*added = e == ERR_OK;
	return e;
}
