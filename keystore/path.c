/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Collects what can belong to the path of a certificate: from issuer to
 * issuer, by the issuer's name, each found once, no more than a path can use.
 */
#include "keystore/path.h"

#include <string.h>

#include "common/arena.h"
#include "common/digest.h"
#include "crypto/cert_cache.h"
#include "keystore/admit.h"

enum {
	POOL_MAX = LIMIT_PATH_POOL,
	MORE_MAX = LIMIT_PATH_POOL / 2, /* places for what came with it */
};

struct collect {
	const struct ks_path_query *q;
	/* Certificates whose issuers are looked for: the leaf, then whatever
	   was found. The pool's are the ones behind it. */
	struct crypto_cert *pool[POOL_MAX];
	size_t n_pool;
	struct crypto_anchor anchors[POOL_MAX];
	char domains[POOL_MAX][KS_ADDR_MAX];
	size_t n_anchors;
	enum err err; /* of a question in between */
};

static bool
has(struct crypto_cert *const *certs, size_t n, struct span fpr)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(SPAN(crypto_cert_info(certs[i])->fpr,
				CRYPTO_CERT_FPR_SIZE),
			fpr))
			return true;
	return false;
}

static bool
is_anchor(const struct collect *c, struct span fpr)
{
	for (size_t i = 0; i < c->n_anchors; i++)
		if (has(&c->anchors[i].cert, 1, fpr))
			return true;
	return false;
}

static enum err
load(const struct collect *c, const struct ks_record *r,
    struct crypto_cert **out)
{
	struct err_why why;

	if (c->q->cache == NULL || r->fpr.len != CRYPTO_CERT_FPR_SIZE)
		return crypto_cert_parse(r->key, out, &why);
	return crypto_cert_cache_get(
	    c->q->cache, r->fpr.data, r->key, out, &why);
}

static void
add_anchor(struct collect *c, struct crypto_cert *cert, struct span domain)
{
	char *room = c->domains[c->n_anchors];

	if (domain.len > KS_ADDR_MAX)
		return;
	if (domain.len > 0)
		memcpy(room, domain.data, domain.len);
	c->anchors[c->n_anchors++] = (struct crypto_anchor){
	    crypto_cert_ref(cert), SPAN(room, domain.len)};
}

/* A CA record that an administrator trusts is an anchor. */
static enum err
take(void *ctx, const struct ks_record *r)
{
	struct collect *c = ctx;
	struct crypto_cert *cert = NULL;
	enum err e;

	if (r->kind != KS_SMIME || (r->good_for & KS_GOOD_ISSUE) == 0 ||
	    r->trust == KS_DISTRUSTED || is_anchor(c, r->fpr))
		return ERR_OK;
	if (r->trust < KS_TRUSTED && has(c->pool, c->n_pool, r->fpr))
		return ERR_OK;
	if (c->n_pool == POOL_MAX || c->n_anchors == POOL_MAX)
		return ERR_OK;
	e = load(c, r, &cert);
	if (e == ERR_MALFORMED)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	if (r->trust >= KS_TRUSTED)
		add_anchor(c, cert, r->domain);
	else
		c->pool[c->n_pool++] = crypto_cert_ref(cert);
	crypto_cert_unref(cert);
	return ERR_OK;
}

static enum err
find_issuers(struct collect *c, const struct crypto_cert *cert)
{
	const struct crypto_cert_info *info = crypto_cert_info(cert);
	uint8_t name[DIGEST_SIZE];

	ks_admit_name(info->issuer_der, name);
	return ks_find(
	    c->q->store, KS_BY_KEY_ID, SPAN(name, sizeof(name)), take, c);
}

/* A leaf that is itself a trusted CA record is a path of one. */
static enum err
find_itself(struct collect *c)
{
	const struct crypto_cert_info *info = crypto_cert_info(c->q->leaf);
	uint8_t name[DIGEST_SIZE];

	if (!info->is_ca)
		return ERR_OK;
	ks_admit_name(info->subject_der, name);
	return ks_find(
	    c->q->store, KS_BY_KEY_ID, SPAN(name, sizeof(name)), take, c);
}

static enum err
collect(struct collect *c)
{
	enum err e = find_itself(c);

	for (size_t i = 0; i < c->q->n_more && i < MORE_MAX; i++)
		if (c->q->more[i] != c->q->leaf)
			c->pool[c->n_pool++] = crypto_cert_ref(c->q->more[i]);
	if (e == ERR_OK)
		e = find_issuers(c, c->q->leaf);
	/* the pool grows meanwhile */
	for (size_t i = 0; i < c->n_pool && e == ERR_OK; i++)
		e = find_issuers(c, c->pool[i]);
	return e;
}

static void
release(struct collect *c)
{
	for (size_t i = 0; i < c->n_pool; i++)
		crypto_cert_unref(c->pool[i]);
	for (size_t i = 0; i < c->n_anchors; i++)
		crypto_cert_unref(c->anchors[i].cert);
}

/* --- distrust --- */

struct distrust {
	const struct collect *collect;
	const struct crypto_cert_info *info;
	bool found;
};

/* Another certificate of the same key: a new one does not make it better. */
static enum err
compare_key(void *ctx, const struct ks_record *r)
{
	struct distrust *d = ctx;
	struct crypto_cert *cert = NULL;

	if (r->kind != KS_SMIME || r->trust != KS_DISTRUSTED ||
	    load(d->collect, r, &cert) != ERR_OK)
		return ERR_OK;
	if (memcmp(crypto_cert_info(cert)->key_digest, d->info->key_digest,
		CRYPTO_CERT_FPR_SIZE) == 0)
		d->found = true;
	crypto_cert_unref(cert);
	return ERR_OK;
}

static enum err
compare_name(void *ctx, const struct ks_record *r)
{
	struct distrust *d = ctx;

	d->found =
	    d->found || (r->kind == KS_SMIME && r->trust == KS_DISTRUSTED);
	return ERR_OK;
}

static bool
is_listed(const struct ks_path_rules *rules, const uint8_t *fpr)
{
	for (size_t i = 0; i < rules->n_distrusted; i++)
		if (memcmp(rules->distrusted[i], fpr, CRYPTO_CERT_FPR_SIZE) ==
		    0)
			return true;
	return false;
}

static enum err
search_distrust(struct distrust *d, struct ks_store *s)
{
	const struct crypto_cert_info *info = d->info;
	struct buf key;
	enum err e;

	buf_init(&key, DIGEST_SIZE + KS_ID_MAX);
	e = ks_issuer_serial(info->issuer_der, info->serial_raw, &key);
	if (e == ERR_OK)
		e = ks_find(
		    s, KS_BY_ISSUER_SERIAL, buf_span(&key), compare_name, d);
	if (e == ERR_OK && info->ski.len > 0 && info->ski.len <= KS_ID_MAX)
		e = ks_find(s, KS_BY_SKI, info->ski, compare_key, d);
	buf_clear(&key);
	return e == ERR_LIMIT ? ERR_OK : e;
}

/* By fingerprint; issuer and serial number; key. */
static bool
is_distrusted(void *ctx, const struct crypto_cert *cert)
{
	struct collect *c = ctx;
	struct distrust d = {.collect = c, .info = crypto_cert_info(cert)};
	enum err e;

	if (is_listed(c->q->rules, d.info->fpr))
		return true;
	e = search_distrust(&d, c->q->store);
	if (e != ERR_OK)
		c->err = e;
	return d.found || e != ERR_OK;
}

static void
ask_status(void *ctx, const struct crypto_cert *cert,
    const struct crypto_cert *issuer, int64_t now, struct crypto_status *out)
{
	struct collect *c = ctx;

	ks_revocation_of(c->q->store, cert, issuer, now, out);
}

enum err
ks_path_check(const struct ks_path_query *q, struct crypto_path *out)
{
	struct collect c = {.q = q};
	struct crypto_path_asks asks = {&c, is_distrusted, ask_status};
	struct crypto_path_query path = {.leaf = q->leaf,
	    .pool = c.pool,
	    .anchors = c.anchors,
	    .system = q->rules->system,
	    .purpose = q->purpose,
	    .addr = q->addr,
	    .now = q->now,
	    .then = q->then,
	    .policies = q->rules->policies,
	    .n_policies = q->rules->n_policies,
	    .revocation = q->rules->revocation,
	    .asks = &asks};
	enum err e = collect(&c);

	if (e == ERR_OK) {
		path.n_pool = c.n_pool;
		path.n_anchors = c.n_anchors;
		e = crypto_path_check(&path, out);
	} else {
		*out = (struct crypto_path){.err = e};
	}
	/* a question that the store could not answer is no distrust */
	if (c.err != ERR_OK)
		e = c.err;
	if (e != out->err || out->n == 0)
		out->err = err_why(&out->why, e, "%s", err_text(e));
	release(&c);
	return e;
}
