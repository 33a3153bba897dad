/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A hash table with chains beside a list in order of use. Fingerprints are
 * hashes already: their first octets choose the chain.
 */
#include "crypto/cert_cache.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	struct crypto_cert *cert;
	struct entry *chain;	     /* next with the same hash */
	struct entry *newer, *older; /* by use */
};

struct crypto_cert_cache {
	struct entry **table;
	size_t mask; /* table has mask + 1 places, a power of two */
	struct entry *newest, *oldest;
	size_t n, max;
};

struct crypto_cert_cache *
crypto_cert_cache_new(size_t max)
{
	struct crypto_cert_cache *cache = calloc(1, sizeof(*cache));
	size_t places = 16;

	if (cache == NULL)
		fatal("out of memory");
	cache->max = max == 0 ? 1 : max;
	while (places < cache->max && places < SIZE_MAX / 4)
		places *= 2;
	cache->table = calloc(places, sizeof(*cache->table));
	if (cache->table == NULL)
		fatal("out of memory");
	cache->mask = places - 1;
	return cache;
}

void
crypto_cert_cache_free(struct crypto_cert_cache *cache)
{
	struct entry *next;

	if (cache == NULL)
		return;
	for (struct entry *en = cache->newest; en != NULL; en = next) {
		next = en->older;
		crypto_cert_unref(en->cert);
		free(en);
	}
	free(cache->table);
	free(cache);
}

static const uint8_t *
fpr_of(const struct entry *en)
{
	return crypto_cert_info(en->cert)->fpr;
}

static struct entry **
place_of(struct crypto_cert_cache *cache, const uint8_t *fpr)
{
	size_t hash;

	memcpy(&hash, fpr, sizeof(hash));
	return &cache->table[hash & cache->mask];
}

static void
list_remove(struct crypto_cert_cache *cache, struct entry *en)
{
	if (en->newer != NULL)
		en->newer->older = en->older;
	else
		cache->newest = en->older;
	if (en->older != NULL)
		en->older->newer = en->newer;
	else
		cache->oldest = en->newer;
}

static void
list_add(struct crypto_cert_cache *cache, struct entry *en)
{
	en->newer = NULL;
	en->older = cache->newest;
	if (cache->newest != NULL)
		cache->newest->newer = en;
	else
		cache->oldest = en;
	cache->newest = en;
}

static void
drop_oldest(struct crypto_cert_cache *cache)
{
	struct entry *en = cache->oldest;
	struct entry **at = place_of(cache, fpr_of(en));

	while (*at != en)
		at = &(*at)->chain;
	*at = en->chain;
	list_remove(cache, en);
	crypto_cert_unref(en->cert);
	free(en);
	cache->n--;
}

/* The cache takes a reference of its own. */
static enum err
add(struct crypto_cert_cache *cache, struct crypto_cert *cert)
{
	struct entry *en = calloc(1, sizeof(*en));
	struct entry **at;

	if (en == NULL)
		return ERR_NOMEM;
	while (cache->n >= cache->max)
		drop_oldest(cache);
	en->cert = crypto_cert_ref(cert);
	at = place_of(cache, fpr_of(en));
	en->chain = *at;
	*at = en;
	list_add(cache, en);
	cache->n++;
	return ERR_OK;
}

enum err
crypto_cert_cache_get(struct crypto_cert_cache *cache,
    const uint8_t fpr[CRYPTO_CERT_FPR_SIZE], struct span der,
    struct crypto_cert **out, struct err_why *why)
{
	struct crypto_cert *cert = NULL;
	enum err e;

	for (struct entry *en = *place_of(cache, fpr); en != NULL;
	     en = en->chain) {
		if (memcmp(fpr_of(en), fpr, CRYPTO_CERT_FPR_SIZE) != 0)
			continue;
		list_remove(cache, en);
		list_add(cache, en);
		*out = crypto_cert_ref(en->cert);
		return ERR_OK;
	}
	e = crypto_cert_parse(der, &cert, why);
	if (e != ERR_OK)
		return e;
	if (memcmp(crypto_cert_info(cert)->fpr, fpr, CRYPTO_CERT_FPR_SIZE) != 0)
		e = err_why(why, ERR_MALFORMED,
		    "the certificate is not the one of its fingerprint");
	if (e == ERR_OK)
		e = add(cache, cert);
	if (e == ERR_OK)
		*out = cert;
	else
		crypto_cert_unref(cert);
	return e;
}
