/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The cache gives the same certificate again, drops the least recently used,
 * and takes none under a foreign fingerprint.
 */
#include "crypto/cert_cache.h"

#include <criterion/criterion.h>

#include "common/digest.h"
#include "tests/crypto/peer.h"

struct item {
	struct buf der;
	uint8_t fpr[CRYPTO_CERT_FPR_SIZE];
};

static struct item
load(const char *name)
{
	struct item it = {.der = peer_read(peer_data(name))};

	digest_sha256(&(struct span){it.der.data, it.der.len}, 1, it.fpr);
	return it;
}

static struct crypto_cert *
get(struct crypto_cert_cache *cache, const struct item *it)
{
	struct crypto_cert *cert = NULL;
	struct err_why why = {""};

	cr_assert_eq(crypto_cert_cache_get(
			 cache, it->fpr, buf_span(&it->der), &cert, &why),
	    ERR_OK, "%s", why.text);
	return cert;
}

Test(cert_cache, parses_once_and_drops_the_least_recently_used)
{
	struct crypto_cert_cache *cache = crypto_cert_cache_new(2);
	struct item a = load("p256.der"), b = load("p384.der"),
		    c = load("p521.der");
	struct crypto_cert *first = get(cache, &a), *second = get(cache, &b);
	struct crypto_cert *again = get(cache, &a), *third, *back;

	cr_expect_eq(first, again);
	third = get(cache, &c); /* b leaves: a was used after it */
	cr_expect_neq(third, first);
	crypto_cert_unref(again);
	again = get(cache, &a);
	cr_expect_eq(again, first);
	back = get(cache, &b);
	/* second is still held here, so this is another object */
	cr_expect_neq(back, second);
	crypto_cert_unref(first);
	crypto_cert_unref(second);
	crypto_cert_unref(again);
	crypto_cert_unref(third);
	crypto_cert_cache_free(cache);
	/* a reference outlives the cache */
	cr_expect_str_eq(crypto_cert_info(back)->subject, "CN=Cara");
	crypto_cert_unref(back);
	buf_clear(&a.der);
	buf_clear(&b.der);
	buf_clear(&c.der);
}

Test(cert_cache, a_hit_does_not_look_at_the_octets)
{
	struct crypto_cert_cache *cache = crypto_cert_cache_new(0);
	struct item a = load("p256.der");
	struct crypto_cert *first = get(cache, &a), *again = NULL;

	cr_assert_eq(
	    crypto_cert_cache_get(cache, a.fpr, SPAN(NULL, 0), &again, NULL),
	    ERR_OK);
	cr_expect_eq(first, again);
	crypto_cert_unref(first);
	crypto_cert_unref(again);
	crypto_cert_cache_free(cache);
	buf_clear(&a.der);
}

Test(cert_cache, refuses_a_certificate_under_another_fingerprint)
{
	struct crypto_cert_cache *cache = crypto_cert_cache_new(4);
	struct item a = load("p256.der"), b = load("p384.der");
	struct crypto_cert *cert = NULL;
	struct err_why why = {""};

	cr_expect_eq(
	    crypto_cert_cache_get(cache, a.fpr, buf_span(&b.der), &cert, &why),
	    ERR_MALFORMED);
	cr_expect_null(cert);
	cr_expect_eq(
	    crypto_cert_cache_get(cache, a.fpr, SPAN_LIT("junk"), &cert, &why),
	    ERR_MALFORMED);
	cr_expect_null(cert);
	/* and did not keep it */
	cert = get(cache, &a);
	cr_expect_str_eq(crypto_cert_info(cert)->subject, "CN=Bella");
	crypto_cert_unref(cert);
	crypto_cert_cache_free(cache);
	buf_clear(&a.der);
	buf_clear(&b.der);
}

Test(cert_cache, holds_many)
{
	static const char *const names[] = {"ca.der", "rsa2048.der",
	    "rsa3072.der", "p256.der", "p384.der", "p521.der", "ed25519.der",
	    "x25519.der", "rsapss.der", "k256.der"};
	struct crypto_cert_cache *cache = crypto_cert_cache_new(3);

	for (size_t round = 0; round < 50; round++) {
		size_t i = round * 7 % (sizeof(names) / sizeof(names[0]));
		struct item it = load(names[i]);
		struct crypto_cert *cert = get(cache, &it);

		cr_expect_arr_eq(
		    crypto_cert_info(cert)->fpr, it.fpr, sizeof(it.fpr));
		crypto_cert_unref(cert);
		buf_clear(&it.der);
	}
	crypto_cert_cache_free(cache);
}
