/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An issuer, the request whose end is the nonce, and an answer, each behind two
 * octets of length: nothing that is not signed by the certificate says
 * anything.
 */
#include <stdlib.h>

#include "crypto/revocation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct span
next(const uint8_t **data, size_t *len)
{
	struct span s = SPAN(NULL, 0);

	if (*len < 2)
		return s;
	s = SPAN(*data + 2, (size_t)(*data)[0] << 8 | (*data)[1]);
	if (s.len > *len - 2)
		s.len = *len - 2;
	*data += 2 + s.len;
	*len -= 2 + s.len;
	return s;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span der = next(&data, &len), request = next(&data, &len);
	struct span answer = next(&data, &len);
	struct crypto_status s = {.state = CRYPTO_REVOKED_UNKNOWN};
	struct crypto_cert *issuer = NULL;
	struct err_why why;
	int64_t from = 0;
	size_t n = request.len < 16 ? request.len : 16;
	enum err e;

	if (crypto_cert_parse(der, &issuer, &why) != ERR_OK)
		return 0;
	e = crypto_ocsp_read(answer, issuer, SPAN("\x06", 1),
	    SPAN(request.data + request.len - n, n), INT64_C(1800000000), &s,
	    &from, &why);
	if (e != ERR_OK && s.state != CRYPTO_REVOKED_UNKNOWN)
		abort();
	if (e == ERR_OK && s.until <= INT64_C(1800000000))
		abort();
	crypto_cert_unref(issuer);
	return 0;
}
