/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The judge of look-ups: keystore/path.h with the rules of the configuration,
 * a cache of parsed certificates and one of what was decided. A decision holds
 * for one state of the keystore, and not for long: certificates end, lists go
 * out of date.
 */
#include "gateway/certs.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/digest.h"
#include "crypto/cert_cache.h"
#include "gateway/conf.h"
#include "keystore/lookup.h"

enum {
	CACHE_CERTS = 512,
	CACHE_SAID = 1024, /* a power of two */
	KEEP_S = 60,	   /* seconds that a decision is remembered */
};

struct said {
	uint8_t of[DIGEST_SIZE]; /* certificate and address */
	uint64_t generation;	 /* of the keystore; 0: nothing is here */
	int64_t at;
	enum err err;
	struct err_why why;
};

struct certs {
	struct crypto_anchors *anchors;
	struct crypto_cert_cache *cache;
	struct ks_path_rules rules;
	struct ks_store *store;
	const struct conf *conf;
	struct ks_judge judge;
	certs_unknown *on_unknown;
	void *arg;
	struct said said[CACHE_SAID];
};

static enum err judge(void *ctx, const struct ks_record *r, struct span addr,
    int64_t now, struct arena *arena, const char **why);

enum err
certs_new(const struct conf *conf, struct certs **out, struct err_why *why)
{
	struct certs *c = calloc(1, sizeof(*c));
	enum err e = ERR_OK;

	if (c == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	c->cache = crypto_cert_cache_new(CACHE_CERTS);
	c->judge = (struct ks_judge){c, judge};
	if (conf->certs.anchors != NULL)
		e = crypto_anchors_load(conf->certs.anchors, &c->anchors, why);
	if (e == ERR_OK)
		*out = c;
	else
		certs_free(c);
	return e;
}

void
certs_free(struct certs *c)
{
	if (c == NULL)
		return;
	crypto_anchors_free(c->anchors);
	crypto_cert_cache_free(c->cache);
	free(c);
}

void
certs_use(struct certs *c, const struct conf *conf, struct ks_store *s)
{
	struct ks_path_rules rules = {.system = c->anchors,
	    .revocation = (enum crypto_revocation)conf->certs.revocation,
	    .policies = conf->certs.policy,
	    .n_policies = conf->certs.n_policy,
	    .distrusted =
		(const uint8_t(*)[CRYPTO_CERT_FPR_SIZE])conf->certs.distrusted,
	    .n_distrusted = conf->certs.n_distrusted};

	/* another configuration may decide otherwise; it may also lie where
	   the one before it did */
	if (conf != c->conf || rules.revocation != c->rules.revocation ||
	    rules.policies != c->rules.policies ||
	    rules.n_policies != c->rules.n_policies ||
	    rules.distrusted != c->rules.distrusted ||
	    rules.n_distrusted != c->rules.n_distrusted)
		memset(c->said, 0, sizeof(c->said));
	c->conf = conf;
	c->store = s;
	c->rules = rules;
	ks_use_judge(s, &c->judge);
}

void
certs_on_unknown(struct certs *c, certs_unknown *cb, void *arg)
{
	c->on_unknown = cb;
	c->arg = arg;
}

/* A path that is good but for what is not known of it. */
static bool
is_unknown(const struct certs *c, const struct crypto_path *p)
{
	return c->rules.revocation != CRYPTO_REVOCATION_OFF && p->n > 1 &&
	       (p->err == ERR_OK || p->err == ERR_RUNG_FAILED) &&
	       p->revoked == CRYPTO_REVOKED_UNKNOWN;
}

enum err
certs_check(
    struct certs *c, const struct ks_path_query *q, struct crypto_path *out)
{
	struct ks_path_query full = *q;
	enum err e;

	full.store = c->store;
	full.rules = &c->rules;
	full.cache = c->cache;
	e = ks_path_check(&full, out);
	if (is_unknown(c, out) && c->on_unknown != NULL)
		c->on_unknown(c->arg, out);
	return e;
}

static enum err
check_record(struct certs *c, const struct ks_record *r, struct span addr,
    int64_t now, struct err_why *why)
{
	struct ks_path_query q = {
	    .purpose = CRYPTO_FOR_SEAL, .addr = addr, .now = now};
	struct crypto_path path;
	enum err e;

	if (r->fpr.len != CRYPTO_CERT_FPR_SIZE)
		return err_why(
		    why, ERR_KEY_UNUSABLE, "its record is no certificate's");
	e = crypto_cert_cache_get(c->cache, r->fpr.data, r->key, &q.leaf, why);
	if (e != ERR_OK)
		return err_why(why, ERR_KEY_UNUSABLE, "%s", why->text);
	e = certs_check(c, &q, &path);
	*why = path.why;
	crypto_path_clear(&path);
	crypto_cert_unref(q.leaf);
	return e;
}

static struct said *
place_of(struct certs *c, const uint8_t of[DIGEST_SIZE])
{
	return &c->said[(of[0] | (size_t)of[1] << 8) & (CACHE_SAID - 1)];
}

static bool
still_holds(const struct said *s, const uint8_t of[DIGEST_SIZE],
    uint64_t generation, int64_t now)
{
	return s->generation != 0 && s->generation == generation &&
	       memcmp(s->of, of, DIGEST_SIZE) == 0 && now >= s->at &&
	       now - s->at < KEEP_S;
}

static enum err
judge(void *ctx, const struct ks_record *r, struct span addr, int64_t now,
    struct arena *arena, const char **why)
{
	struct certs *c = ctx;
	uint64_t generation = ks_generation(c->store);
	struct span both[] = {r->fpr, addr};
	uint8_t of[DIGEST_SIZE];
	struct said *s;

	digest_sha256(both, 2, of);
	s = place_of(c, of);
	if (!still_holds(s, of, generation, now)) {
		memcpy(s->of, of, sizeof(of));
		s->generation = generation;
		s->at = now;
		s->why.text[0] = '\0';
		s->err = check_record(c, r, addr, now, &s->why);
	}
	*why = arena_strdup(arena, s->why.text);
	return *why == NULL ? ERR_NOMEM : s->err;
}
