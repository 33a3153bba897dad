/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Bundles of certificates as directories of strangers hand them out.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "crypto/cms_certs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum { MAX = 4 };
	struct crypto_cert *certs[MAX] = {NULL};
	size_t n = 0;

	if (crypto_cms_certs(SPAN(data, len), certs, MAX, &n) != ERR_OK)
		return 0;
	if (n == 0 || n > MAX)
		abort();
	for (size_t i = 0; i < n; i++) {
		if (crypto_cert_info(certs[i]) == NULL)
			abort();
		crypto_cert_unref(certs[i]);
	}
	return 0;
}
