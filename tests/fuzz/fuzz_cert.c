/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as certificates: whatever is taken can be described, and its
 * texts and addresses hold no control characters.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/arena.h"
#include "crypto/cert.h"
#include "crypto/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_text(const char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
}

static void
check_urls(const struct crypto_cert *cert)
{
	struct arena *arena = arena_new(1 << 16);
	struct crypto_revocation_urls urls;

	crypto_revocation_urls(cert, arena, &urls);
	for (size_t i = 0; i < urls.n_lists; i++)
		check_text(urls.list[i]);
	for (size_t i = 0; i < urls.n_ocsp; i++)
		check_text(urls.ocsp[i]);
	arena_free(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct crypto_cert *certs[8];
	struct err_why why;
	size_t n = 0;

	if (crypto_cert_parse_all(SPAN(data, len), certs, 8, &n, &why) !=
	    ERR_OK)
		return 0;
	for (size_t i = 0; i < n; i++) {
		const struct crypto_cert_info *info =
		    crypto_cert_info(certs[i]);
		enum err e = crypto_cert_usable_at(certs[i], 1800000000, &why);

		if (e == ERR_OK && !info->can_seal)
			abort();
		check_text(info->subject);
		check_text(info->issuer);
		check_text(info->serial);
		for (size_t k = 0; k < info->n_addrs; k++)
			check_text(info->addrs[k]);
		check_urls(certs[i]);
		crypto_cert_unref(certs[i]);
	}
	return 0;
}
