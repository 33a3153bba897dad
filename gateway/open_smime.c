/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which keys may open, and who is believed. A certificate is believed if a path
 * leads to an anchor (keystore/path.h), or if an administrator said so of this
 * very certificate; its time and purpose count in both cases.
 */
#include "gateway/open_smime.h"

#include <string.h>

#include "common/arena.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/cert_cache.h"
#include "crypto/verdict.h"
#include "gateway/certs.h"
#include "keystore/private.h"

/* --- keys --- */

struct found {
	struct open_smime *s;
	const char *addr; /* the address or domain it is looked for by */
	bool domain;
	struct ks_record **record; /* in the arena, with their keys */
	size_t n;
};

static enum err
on_record(void *ctx, const struct ks_record *r)
{
	struct found *f = ctx;

	if (r->kind != KS_SMIME || f->n == OPEN_SMIME_KEYS)
		return ERR_OK;
	return ks_record_copy(r, true, f->s->arena, &f->record[f->n++]);
}

static bool
has_key(const struct open_smime *s, struct span fpr, const char *addr)
{
	for (size_t i = 0; i < s->n_keys; i++)
		if (memcmp(crypto_cert_info(s->keys[i].cert)->fpr, fpr.data,
			CRYPTO_CERT_FPR_SIZE) == 0 &&
		    strcmp(s->keys[i].addr, addr) == 0)
			return true;
	return false;
}

/* A record without a private half opens nothing. */
static enum err
add_record(struct open_smime *s, const struct ks_record *r, const char *addr,
    bool domain)
{
	struct crypto_cert *cert;
	enum err e;

	if (s->n_keys == OPEN_SMIME_KEYS ||
	    r->fpr.len != CRYPTO_CERT_FPR_SIZE || has_key(s, r->fpr, addr))
		return ERR_OK;
	e = ks_private_has(s->store, r->fpr);
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	e = crypto_cert_cache_get(s->certs, r->fpr.data, r->key, &cert, NULL);
	if (e != ERR_OK)
		return e == ERR_NOMEM ? e : ERR_OK;
	s->keys[s->n_keys++] = (struct crypto_cms_key){cert, addr, domain};
	return ERR_OK;
}

static enum err
add_from(struct open_smime *s, enum ks_index index, const char *what)
{
	struct found f = {
	    .s = s, .addr = what, .domain = index == KS_BY_DOMAIN};
	enum err e;

	f.record = arena_array(s->arena, OPEN_SMIME_KEYS, sizeof(*f.record));
	if (f.record == NULL)
		return ERR_NOMEM;
	e = ks_find(s->store, index, span_str(what), on_record, &f);
	for (size_t i = 0; e == ERR_OK && i < f.n; i++)
		e = add_record(s, f.record[i], what, f.domain);
	return e;
}

enum err
open_smime_add_keys(struct open_smime *s, const char *const *addrs, size_t n)
{
	enum err e = ERR_OK;

	/* a person's own key goes before the one that stands for all */
	for (size_t i = 0; e == ERR_OK && i < n; i++)
		e = add_from(s, KS_BY_ADDR, addrs[i]);
	for (size_t i = 0; e == ERR_OK && i < n; i++) {
		const char *domain = strrchr(addrs[i], '@');

		if (domain != NULL)
			e = add_from(s, KS_BY_DOMAIN, domain + 1);
	}
	return e;
}

void
open_smime_clear(struct open_smime *s)
{
	for (size_t i = 0; i < s->n_keys; i++)
		crypto_cert_unref(
		    (struct crypto_cert *)(uintptr_t)s->keys[i].cert);
	s->n_keys = 0;
}

/* --- who is believed --- */

/* The address that has to be behind the signature, if the certificate is for
   it: anchors that stand for one domain count for that alone. */
static struct span
wanted_addr(const struct open_smime *s, const struct crypto_cert_info *info)
{
	for (size_t i = 0; s->from != NULL && i < info->n_addrs; i++)
		if (strcmp(info->addrs[i], s->from) == 0)
			return span_str(s->from);
	return SPAN(NULL, 0);
}

/* Did an administrator say that he trusts this very certificate? */
static bool
is_trusted_itself(struct open_smime *s, const struct crypto_cert_info *info)
{
	struct ks_record *r;

	return ks_get(s->store, SPAN(info->fpr, sizeof(info->fpr)), s->arena,
		   &r) == ERR_OK &&
	       r->kind == KS_SMIME && r->trust >= KS_TRUSTED &&
	       r->flaw == KS_FLAW_NONE;
}

/* A path of one: its time and its purpose. */
static enum err
judge_itself(struct open_smime *s, struct crypto_cert *leaf, int64_t made,
    struct err_why *why)
{
	const struct crypto_anchor anchor = {.cert = leaf};
	const struct crypto_path_query q = {.leaf = leaf,
	    .anchors = &anchor,
	    .n_anchors = 1,
	    .purpose = CRYPTO_FOR_SIGN,
	    .now = s->now_s,
	    .then = made,
	    .revocation = CRYPTO_REVOCATION_OFF};
	struct crypto_path path;
	enum err e = crypto_path_check(&q, &path);

	if (e != ERR_OK)
		err_why(why, e, "%s", path.why.text);
	crypto_path_clear(&path);
	return e;
}

/* A CA that counts for one domain only vouches for no other address that it
   wrote into the same certificate. */
static enum err
limit_addrs(struct open_smime *s, struct ks_path_query q)
{
	const struct crypto_cert_info *info = crypto_cert_info(q.leaf);
	struct crypto_path path;
	bool limited;

	if (info->n_addrs < 2 || q.addr.len == 0)
		return ERR_OK;
	q.addr = SPAN(NULL, 0);
	limited = certs_check(s->judge, &q, &path) != ERR_OK;
	crypto_path_clear(&path);
	if (!limited)
		return ERR_OK;
	if (s->n_limited == CRYPTO_VERDICT_SIGS)
		return ERR_KEY_UNTRUSTED;
	memcpy(s->limited[s->n_limited++], info->fpr, sizeof(info->fpr));
	return ERR_OK;
}

static enum err
judge(void *ctx, struct crypto_cert *leaf, struct crypto_cert *const *pool,
    size_t n_pool, int64_t made, struct err_why *why)
{
	struct open_smime *s = ctx;
	const struct crypto_cert_info *info = crypto_cert_info(leaf);
	const struct ks_path_query q = {.leaf = leaf,
	    .more = pool,
	    .n_more = n_pool,
	    .purpose = CRYPTO_FOR_SIGN,
	    .addr = wanted_addr(s, info),
	    .now = s->now_s,
	    .then = made};
	struct crypto_path path;
	enum err e = certs_check(s->judge, &q, &path);

	if (e == ERR_OK)
		e = limit_addrs(s, q);
	else if (e == ERR_KEY_UNTRUSTED && is_trusted_itself(s, info))
		e = judge_itself(s, leaf, made, why);
	else if (e != ERR_OK)
		err_why(why, e, "%s", path.why.text);
	/* revocation that must be known and is not: nobody to believe */
	if (e == ERR_RUNG_FAILED || e == ERR_KEY_ADDR)
		e = ERR_KEY_UNTRUSTED;
	crypto_path_clear(&path);
	return e;
}

struct search {
	struct ks_record *record;
	struct arena *arena;
};

static enum err
on_named(void *ctx, const struct ks_record *r)
{
	struct search *f = ctx;

	return r->kind != KS_SMIME || f->record != NULL
		   ? ERR_OK
		   : ks_record_copy(r, true, f->arena, &f->record);
}

/* A certificate that the message names and does not bring. */
static enum err
find(void *ctx, const struct crypto_cms_rid *rid, struct crypto_cert **out)
{
	struct open_smime *s = ctx;
	struct search f = {.arena = s->arena};
	struct buf key;
	enum err e;

	buf_init(&key, 512);
	if (rid->ski.len > 0) {
		e = ks_find(s->store, KS_BY_SKI, rid->ski, on_named, &f);
	} else {
		e = ks_issuer_serial(rid->issuer, rid->serial, &key);
		if (e == ERR_OK)
			e = ks_find(s->store, KS_BY_ISSUER_SERIAL,
			    buf_span(&key), on_named, &f);
	}
	buf_clear(&key);
	if (e == ERR_OK && f.record == NULL)
		e = ERR_NOT_FOUND;
	if (e == ERR_LIMIT)
		e = ERR_NOT_FOUND;
	if (e != ERR_OK)
		return e;
	e = crypto_cert_cache_get(
	    s->certs, f.record->fpr.data, f.record->key, out, NULL);
	return e == ERR_OK || e == ERR_NOMEM ? e : ERR_NOT_FOUND;
}

/* --- one layer --- */

static bool
is_limited(const struct open_smime *s, const char *fpr)
{
	char hex[2 * DIGEST_SIZE + 1];

	for (size_t i = 0; i < s->n_limited; i++) {
		text_hex(SPAN(s->limited[i], DIGEST_SIZE), hex);
		if (strcmp(hex, fpr) == 0)
			return true;
	}
	return false;
}

/* The message's fault: the layer stays on, and the verdict says so. */
static bool
is_of_the_message(enum err e)
{
	switch (e) {
	case ERR_NOT_FOUND:
	case ERR_NO_KEY:
	case ERR_CRYPTO:
	case ERR_UNSUPPORTED:
	case ERR_KEY_UNUSABLE:
	case ERR_MALFORMED:
	case ERR_LIMIT:
	case ERR_TOO_BIG:
		return true;
	default:
		return false;
	}
}

/* The checked address is the only one that its signature is for. */
static void
limit_to(const struct open_smime *s, struct crypto_signature *sig)
{
	for (size_t i = 0; i < sig->n_addrs; i++)
		if (strcmp(sig->addrs[i], s->from) == 0) {
			sig->addrs += i;
			sig->n_addrs = 1;
			return;
		}
	sig->n_addrs = 0;
}

enum err
open_smime_peel(struct open_smime *s, const struct mime_tree *t,
    struct crypto_verdict *v, struct open_layer *out, struct err_why *why)
{
	const struct crypto_smime smime = {.opener = {.keys = s->keys,
					       .n_keys = s->n_keys,
					       .decrypt = s->decrypt,
					       .ctx = s->ctx,
					       .legacy = s->legacy,
					       .max = s->max},
	    .verifier = {.ctx = s,
		.judge = judge,
		.find = find,
		.now = s->now_s},
	    .max_inflated = s->max};
	struct crypto_smime_layer layer;
	size_t n_sigs = v->n_sigs;
	enum err e = crypto_smime_peel(t, &smime, v, &layer, why);

	for (size_t i = n_sigs; i < v->n_sigs; i++)
		if (is_limited(s, v->sigs[i].fpr))
			limit_to(s, &v->sigs[i]);
	if (e == ERR_OK)
		*out = (struct open_layer){layer.fd, layer.entity};
	return is_of_the_message(e) ? ERR_NOT_FOUND : e;
}
