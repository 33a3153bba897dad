/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The certificates of a SignedData, each read by our own reader of
 * certificates.
 */
#include "crypto/cms_certs.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "common/limits.h"

static enum err
read_all(STACK_OF(X509) * all, struct crypto_cert **out, size_t max, size_t *n)
{
	for (int i = 0; i < sk_X509_num(all); i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(sk_X509_value(all, i), &der);
		enum err e = ERR_MALFORMED;

		if (len > 0 && *n < max)
			e = crypto_cert_parse(
			    SPAN(der, (size_t)len), &out[*n], NULL);
		OPENSSL_free(der);
		if (*n == max)
			return ERR_LIMIT;
		if (e == ERR_NOMEM)
			return e;
		*n += e == ERR_OK;
	}
	return *n == 0 ? ERR_NO_KEY : ERR_OK;
}

enum err
crypto_cms_certs(
    struct span in, struct crypto_cert **out, size_t max, size_t *n_out)
{
	const unsigned char *p = in.data;
	STACK_OF(X509) *all = NULL;
	CMS_ContentInfo *cms = NULL;
	size_t n = 0;
	enum err e = ERR_MALFORMED;

	if (in.len > LIMIT_KEYS_SIZE)
		return ERR_TOO_BIG;
	cms = d2i_CMS_ContentInfo(NULL, &p, (long)in.len);
	if (cms != NULL && p == in.data + in.len)
		all = CMS_get1_certs(cms);
	if (cms != NULL && p == in.data + in.len)
		e = all == NULL ? ERR_NO_KEY : read_all(all, out, max, &n);
	sk_X509_pop_free(all, X509_free);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	if (e == ERR_OK) {
		*n_out = n;
		return e;
	}
	while (n > 0)
		crypto_cert_unref(out[--n]);
	return e;
}
