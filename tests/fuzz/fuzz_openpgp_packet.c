/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets as a blob of OpenPGP keys: armor and packets are read within
 * their bounds, and the pieces make up the whole.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/limits.h"
#include "crypto/autocrypt.h"
#include "crypto/openpgp_component.h"
#include "crypto/openpgp_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
ignore(void *ctx, const struct crypto_pgp_component *c)
{
	(void)ctx;
	(void)c;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct crypto_pgp_piece pieces[8];
	struct err_why why;
	struct buf binary;
	size_t n = 0, sum = 0, fpr_len;
	uint8_t fpr[32] = {0};

	buf_init(&binary, LIMIT_KEYS_SIZE);
	if (crypto_pgp_dearmor(SPAN(data, len), &binary, &why) == ERR_OK &&
	    crypto_pgp_split(buf_span(&binary), pieces, 8, &n, &why) ==
		ERR_OK) {
		for (size_t i = 0; i < n; i++) {
			sum += pieces[i].octets.len;
			if (crypto_pgp_fpr(pieces[i].key, fpr, &fpr_len) !=
			    ERR_OK)
				abort();
		}
		if (n == 0 || sum != binary.len)
			abort();
	}
	buf_reset(&binary);
	if (crypto_pgp_dearmor_secret(SPAN(data, len), &binary, &why) ==
		ERR_OK &&
	    crypto_pgp_split_secret(buf_span(&binary), pieces, 8, &n, &why) ==
		ERR_OK) {
		sum = 0;
		for (size_t i = 0; i < n; i++)
			sum += pieces[i].octets.len;
		if (n == 0 || sum != binary.len)
			abort();
	}
	buf_reset(&binary);
	if (crypto_autocrypt_keydata(SPAN(data, len), "bob@example.org",
		1790000000, &binary, &why) == ERR_OK &&
	    binary.len > len)
		abort();
	buf_clear(&binary);
	/* nothing can be sealed to where there is no certificate */
	if (crypto_pgp_seals_to(SPAN(data, len), fpr, 1790000000) &&
	    crypto_pgp_components(SPAN(data, len), ignore, NULL, NULL) !=
		ERR_OK)
		abort();
	return 0;
}
