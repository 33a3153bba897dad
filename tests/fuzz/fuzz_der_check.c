/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Any octets through the check in front of the parsers: what it lets through,
 * the element reader takes apart to the last octet.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/limits.h"
#include "crypto/ber.h"
#include "crypto/der_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* All elements in it; how many. */
static size_t
walk(struct span in, unsigned depth)
{
	struct ber b;
	size_t n = 0;

	if (depth > LIMIT_DER_DEPTH)
		abort();
	while (in.len > 0) {
		if (ber_next(&in, &b) != ERR_OK)
			abort();
		n++;
		if ((b.tag & 0x20) != 0)
			n += walk(b.body, depth + 1);
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = SPAN(data, len);
	enum err e = crypto_der_check(in, NULL);

	if (e == ERR_OK && walk(in, 0) > LIMIT_DER_ELEMENTS)
		abort();
	/* a certificate is an element, too */
	if (crypto_der_check_cert(in, NULL) == ERR_OK && e != ERR_OK)
		abort();
	return 0;
}
