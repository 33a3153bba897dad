/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as a revocation list whose signature is taken for checked: what
 * is taken can be searched, and is sorted.
 */
#include <stdlib.h>
#include <string.h>

#include "crypto/cert_private.h"
#include "crypto/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check(const struct crypto_list *list)
{
	struct span all = buf_span(&list->entries);
	struct crypto_status s;

	if (all.len % CRYPTO_LIST_ENTRY != 0 || list->scope == 0)
		abort();
	for (size_t i = CRYPTO_LIST_ENTRY; i < all.len; i += CRYPTO_LIST_ENTRY)
		if (memcmp(all.data + i - CRYPTO_LIST_ENTRY, all.data + i,
			CRYPTO_LIST_DIGEST) > 0)
			abort();
	crypto_list_find(all, SPAN("x", 1), &s);
	if (s.state == CRYPTO_REVOKED_UNKNOWN)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const unsigned char *p = data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)len);
	struct crypto_list list;
	struct err_why why;

	if (crl != NULL && crypto_list_take(crl, "http://x.example/",
			       INT64_C(1800000000), &list, &why) == ERR_OK) {
		check(&list);
		crypto_list_clear(&list);
	}
	X509_CRL_free(crl);
	return 0;
}
