/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One context per process, fetched once: a fetch costs more than the digest
 * of a small message.
 */
#include "common/digest.h"

#include <openssl/evp.h>

static EVP_MD *sha256;
static EVP_MD_CTX *ctx;

void
digest_init(void)
{
	if (ctx != NULL)
		return;
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
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
