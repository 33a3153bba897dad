/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A request for a certificate: what is read of it is one public key that can be
 * put into a certificate, or nothing.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "crypto/own_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err_why why = {""};
	struct buf spki;
	enum err e;

	buf_init(&spki, CRYPTO_SPKI_MAX);
	e = crypto_csr_read(SPAN(data, size), &spki, &why);
	if ((e == ERR_OK) != (spki.len > 0) ||
	    (e != ERR_OK && why.text[0] == '\0'))
		abort();
	buf_clear(&spki);
	return 0;
}
