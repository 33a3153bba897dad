/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Opening a sealed secret by a private key that is in a file.
 */
#include "crypto/cms_secret.h"

#include <string.h>
#include <unistd.h>

#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/cms_open.h"
#include "crypto/pkcs12.h"
#include "crypto/private_key.h"

static enum err
open_one(void *ctx, struct span fpr, const struct crypto_decrypt *what,
    struct secret **out)
{
	(void)fpr;
	return crypto_private_decrypt(ctx, what, out);
}

static enum err
open_cms(struct span cms, const struct crypto_cert *cert,
    struct crypto_private *private, size_t size, struct secret **out,
    struct err_why *why)
{
	const struct crypto_cms_key key = {.cert = cert, .addr = ""};
	const struct crypto_cms_opener o = {.keys = &key,
	    .n_keys = 1,
	    .decrypt = open_one,
	    .ctx = private,
	    .max = size};
	struct crypto_cms_opened opened = {0};
	struct secret *s = secret_new(size);
	struct memfd_map text = {0};
	int fd = -1;
	enum err e = s == NULL ? ERR_NOMEM : crypto_cms_open_init(false, why);

	if (e == ERR_OK)
		e = crypto_cms_open(cms, &o, &fd, &opened, why);
	if (e == ERR_OK)
		e = memfd_map(fd, size, &text);
	if (e == ERR_OK && (!opened.authenticated || text.data.len != size))
		e = ERR_BAD_SEAL;
	if (e == ERR_OK)
		memcpy(s->data, text.data.data, size);
	memfd_unmap(&text);
	if (fd >= 0)
		close(fd);
	if (e == ERR_OK)
		*out = s;
	else
		secret_free(s);
	return e;
}

enum err
crypto_cms_open_secret(struct span cms, const struct crypto_bundle *bundle,
    size_t size, struct secret **out, struct err_why *why)
{
	struct crypto_private *private;
	enum err e = crypto_private_init();

	for (size_t i = 0; e == ERR_OK && i < bundle->n_certs; i++) {
		if (bundle->key_of[i] < 0 ||
		    crypto_private_parse(
			secret_span(bundle->keys[bundle->key_of[i]]),
			&private) != ERR_OK)
			continue;
		e = open_cms(cms, bundle->certs[i], private, size, out, why);
		crypto_private_free(private);
		return e;
	}
	return e != ERR_OK ? e
			   : err_why(why, ERR_NO_KEY,
				 "no certificate with its private key");
}
