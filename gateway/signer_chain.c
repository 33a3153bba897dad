/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The issuers of a certificate that signs, for sending them along: found by
 * key identifier, told from others by their name. RFC 5280 §4.2.1.1.
 */
#include "common/arena.h"
#include "crypto/cert_cache.h"
#include "gateway/signer.h"
#include "keystore/store.h"

/* octets of a certificate that is worth sending with every message */
enum { CERT_MAX = 16 * 1024 };

struct search {
	struct crypto_cert_cache *certs;
	struct arena *arena;
	const struct crypto_cert_info *issued;
	const struct ks_record *best;
	struct crypto_cert *cert; /* of best */
};

/* Distrusted ones are not handed out in our name. Of several with the same
   key the one that is valid longest. */
static bool
may_be_sent(const struct search *s, const struct ks_record *r)
{
	return r->kind == KS_SMIME && (r->good_for & KS_GOOD_ISSUE) != 0 &&
	       r->trust != KS_DISTRUSTED && r->flaw != KS_FLAW_REVOKED &&
	       r->key.len <= CERT_MAX &&
	       (s->best == NULL || r->not_after > s->best->not_after);
}

static enum err
parse(struct crypto_cert_cache *certs, const struct ks_record *r,
    struct crypto_cert **out)
{
	if (r->fpr.len != CRYPTO_CERT_FPR_SIZE)
		return ERR_MALFORMED;
	return crypto_cert_cache_get(certs, r->fpr.data, r->key, out, NULL);
}

static enum err
visit(void *ctx, const struct ks_record *r)
{
	struct search *s = ctx;
	struct crypto_cert *cert = NULL;
	struct ks_record *copy;
	enum err e;

	if (!may_be_sent(s, r) || parse(s->certs, r, &cert) != ERR_OK)
		return ERR_OK;
	if (!span_eq(
		crypto_cert_info(cert)->subject_der, s->issued->issuer_der)) {
		crypto_cert_unref(cert);
		return ERR_OK;
	}
	e = ks_record_copy(r, true, s->arena, &copy);
	if (e != ERR_OK) {
		crypto_cert_unref(cert);
		return e;
	}
	crypto_cert_unref(s->cert);
	s->cert = cert;
	s->best = copy;
	return ERR_OK;
}

/* A circle of issuers ends here, too. */
static bool
is_there(
    const struct ks_record *const *chain, size_t n, const struct ks_record *r)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(chain[i]->fpr, r->fpr))
			return true;
	return false;
}

enum err
signer_chain(struct ks_store *keys, struct crypto_cert_cache *certs,
    const struct ks_record *leaf, struct arena *arena,
    const struct ks_record *const **out, size_t *n_out)
{
	const struct ks_record **chain =
	    arena_array(arena, SIGNER_CHAIN_MAX, sizeof(*chain));
	struct crypto_cert *cert = NULL;
	enum err e = ERR_OK;
	size_t n = 0;

	if (chain == NULL)
		return ERR_NOMEM;
	/* one that cannot be read will not sign, and that is said then */
	if (parse(certs, leaf, &cert) != ERR_OK)
		cert = NULL;
	while (cert != NULL && n < SIGNER_CHAIN_MAX) {
		struct search s = {.certs = certs,
		    .arena = arena,
		    .issued = crypto_cert_info(cert)};

		if (s.issued->self_signed || s.issued->aki.len == 0)
			break;
		e = ks_find(keys, KS_BY_SKI, s.issued->aki, visit, &s);
		if (s.best == NULL)
			break;
		crypto_cert_unref(cert);
		cert = s.cert;
		if (e != ERR_OK || crypto_cert_info(cert)->self_signed ||
		    is_there(chain, n, s.best))
			break;
		chain[n++] = s.best;
	}
	crypto_cert_unref(cert);
	if (e != ERR_OK)
		return e;
	*out = chain;
	*n_out = n;
	return ERR_OK;
}
