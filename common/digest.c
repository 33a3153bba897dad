/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One context per process, fetched once: a fetch costs more than the digest
 * of a small message.
 */
#include "common/digest.h"

#include <openssl/evp.h>

static EVP_MD *sha256, *sha1;
static EVP_MD_CTX *ctx;

void
digest_init(void)
{
	if (ctx != NULL)
		return;
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	ctx = EVP_MD_CTX_new();
	if (sha256 == NULL || ctx == NULL)
		fatal("OpenSSL has no SHA-256");
}

void
digest_sha256(const struct span *parts, size_t n, uint8_t out[DIGEST_SIZE])
{
	unsigned len = 0;
	int ok;

	digest_init();
	ok = EVP_DigestInit_ex(ctx, sha256, NULL);
	for (size_t i = 0; ok && i < n; i++)
		ok = EVP_DigestUpdate(ctx, parts[i].data, parts[i].len);
	if (!ok || !EVP_DigestFinal_ex(ctx, out, &len) || len != DIGEST_SIZE)
		fatal("SHA-256 failed");
}

/* An EVP_MD_CTX under another name. */
struct digest *
digest_new(void)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	digest_init();
	if (c != NULL && EVP_DigestInit_ex(c, sha256, NULL) != 1)
		fatal("SHA-256 failed");
	return (struct digest *)c;
}

void
digest_add(struct digest *d, struct span s)
{
	if (EVP_DigestUpdate((EVP_MD_CTX *)d, s.data, s.len) != 1)
		fatal("SHA-256 failed");
}

void
digest_end(struct digest *d, uint8_t out[DIGEST_SIZE])
{
	unsigned len = 0;

	if (EVP_DigestFinal_ex((EVP_MD_CTX *)d, out, &len) != 1 ||
	    len != DIGEST_SIZE)
		fatal("SHA-256 failed");
}

void
digest_free(struct digest *d)
{
	EVP_MD_CTX_free((EVP_MD_CTX *)d);
}

void
digest_sha1(struct span s, uint8_t out[DIGEST_SHA1_SIZE])
{
	unsigned len = 0;

	digest_init();
	if (sha1 == NULL || !EVP_DigestInit_ex(ctx, sha1, NULL) ||
	    !EVP_DigestUpdate(ctx, s.data, s.len) ||
	    !EVP_DigestFinal_ex(ctx, out, &len) || len != DIGEST_SHA1_SIZE)
		fatal("SHA-1 failed");
}
