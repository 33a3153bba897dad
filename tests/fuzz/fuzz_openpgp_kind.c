/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as a blob of OpenPGP: what is found out about it holds together.
 */
#include <stdlib.h>

#include "crypto/openpgp_kind.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct crypto_pgp_structure s;

	crypto_pgp_structure(SPAN(data, len), &s);
	if (s.n_key_ids > CRYPTO_PGP_KIND_RECIPIENTS ||
	    s.n_key_ids > s.n_recipients)
		abort();
	/* only what somebody can open counts as encrypted */
	if (s.kind == CRYPTO_PGP_KIND_ENCRYPTED && s.n_recipients == 0 &&
	    !s.password)
		abort();
	if (s.kind != CRYPTO_PGP_KIND_ENCRYPTED && s.n_recipients != 0 &&
	    s.kind != CRYPTO_PGP_KIND_OTHER)
		abort();
	return 0;
}
