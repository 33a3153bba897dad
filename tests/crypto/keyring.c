/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys of tests/crypto/data, used in the process itself.
 */
#include "tests/crypto/keyring.h"

#include <criterion/criterion.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "crypto/cert.h"
#include "tests/crypto/peer.h"

static struct crypto_private *
load_private(const char *path)
{
	struct crypto_private *out = NULL;
	FILE *f = fopen(path, "r");
	unsigned char *der = NULL;
	PKCS8_PRIV_KEY_INFO *p8;
	EVP_PKEY *pkey;
	int len;

	cr_assert_not_null(f, "%s", path);
	pkey = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	cr_assert_not_null(pkey, "%s", path);
	p8 = EVP_PKEY2PKCS8(pkey);
	len = i2d_PKCS8_PRIV_KEY_INFO(p8, &der);
	cr_assert_gt(len, 0);
	cr_assert_eq(
	    crypto_private_parse(SPAN(der, (size_t)len), &out), ERR_OK);
	OPENSSL_free(der);
	PKCS8_PRIV_KEY_INFO_free(p8);
	EVP_PKEY_free(pkey);
	return out;
}

void
keyring_add_files(
    struct keyring *k, const char *cert, const char *key, const char *addr)
{
	struct buf b = peer_read(cert);
	struct crypto_cert *c = NULL;

	cr_assert_lt(k->n, KEYRING_MAX);
	cr_assert_eq(
	    crypto_cert_parse(buf_span(&b), &c, NULL), ERR_OK, "%s", cert);
	buf_clear(&b);
	k->keys[k->n].cert = c;
	k->keys[k->n].addr = addr;
	k->private[k->n++] = load_private(key);
}

void
keyring_add(struct keyring *k, const char *who)
{
	char cert[32], key[32];

	snprintf(cert, sizeof(cert), "%s.der", who);
	snprintf(key, sizeof(key), "%s.key", who);
	keyring_add_files(k, peer_data(cert), peer_data(key), who);
}

void
keyring_clear(struct keyring *k)
{
	for (size_t i = 0; i < k->n; i++) {
		crypto_cert_unref(
		    (struct crypto_cert *)(uintptr_t)k->keys[i].cert);
		crypto_private_free(k->private[i]);
	}
	*k = (struct keyring){0};
}

static enum err
keyring_decrypt(void *ctx, struct span fpr, const struct crypto_decrypt *what,
    struct secret **out)
{
	struct keyring *k = ctx;

	k->asked++;
	if (k->fail != ERR_OK)
		return k->fail;
	for (size_t i = 0; i < k->n; i++) {
		const struct crypto_cert_info *info =
		    crypto_cert_info(k->keys[i].cert);

		if (span_eq(fpr, SPAN(info->fpr, sizeof(info->fpr))))
			return crypto_private_decrypt(k->private[i], what, out);
	}
	return ERR_NO_KEY;
}

struct crypto_cms_opener
keyring_opener(struct keyring *k)
{
	return (struct crypto_cms_opener){
	    .keys = k->keys,
	    .n_keys = k->n,
	    .decrypt = keyring_decrypt,
	    .ctx = k,
	    .max = 100 << 20,
	};
}

enum err
keyring_sign(
    void *ctx, enum crypto_sign_alg alg, struct span in, struct buf *out)
{
	struct keyring *k = ctx;

	return crypto_private_sign(k->private[0], alg, in, out);
}
