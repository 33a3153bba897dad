/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates of strangers. What is left of one is nothing but packets, is
 * not larger, and is what is left of it again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "crypto/openpgp_strip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct span addr = {(const uint8_t *)"a@b.example", 11};
	struct crypto_pgp_stripped counts;
	struct buf once, twice;
	struct err_why why;

	buf_init(&once, 1 << 20);
	buf_init(&twice, 1 << 20);
	if (crypto_pgp_strip(SPAN(data, len), addr, &once, &counts, &why) ==
	    ERR_OK) {
		if (once.len > len || counts.n_certs == 0)
			abort();
		if (crypto_pgp_strip(buf_span(&once), addr, &twice, &counts,
			&why) != ERR_OK ||
		    !span_eq(buf_span(&once), buf_span(&twice)))
			abort();
	}
	buf_clear(&once);
	buf_clear(&twice);
	return 0;
}
