/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Seal octets to certificates as a CMS message (RFC 5652, RFC 5083). The MIME
 * wrapper and base64 are mime/'s; which certificate may be used for whom is
 * keystore/'s. Opening is not done here.
 */
#ifndef CRYPTO_CMS_SEAL_H
#define CRYPTO_CMS_SEAL_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_cert;
struct mime_sink;

enum crypto_cms_cipher {
	CRYPTO_CMS_AES256_CBC, /* EnvelopedData: every client opens it */
	CRYPTO_CMS_AES256_GCM, /* AuthEnvelopedData (RFC 5083, RFC 5084) */
};

enum crypto_cms_rsa {
	CRYPTO_CMS_RSA_PKCS1, /* v1.5: every client opens it */
	CRYPTO_CMS_RSA_OAEP,  /* SHA-256 (RFC 3560) */
};

/* What to seal with; zeroed, it is the form that everybody opens. */
struct crypto_cms_form {
	enum crypto_cms_cipher cipher;
	enum crypto_cms_rsa rsa;
};

/* Seal in to every one of the n certificates, each checked to be usable at
   now. The result (BER of indefinite length, the DER subset otherwise) goes to
   the sink as it is made, in pieces. Whatever is wrong with a recipient is
   found before the first octet; after a later failure (the sink's own, no
   memory) what the sink got is a useless fragment of ciphertext. Errors: those
   of crypto_cert_usable_at(), ERR_NO_KEY when n is 0, ERR_MALFORMED when in is
   empty, ERR_TOO_BIG, ERR_CRYPTO, the sink's. */
enum err crypto_cms_seal(struct crypto_cert *const *certs, size_t n,
    const struct crypto_cms_form *form, int64_t now, struct span in,
    const struct mime_sink *to, struct err_why *why) MUST_CHECK;
/* The same, appended to out; out is as it was after a failure. */
enum err crypto_cms_seal_buf(struct crypto_cert *const *certs, size_t n,
    const struct crypto_cms_form *form, int64_t now, struct span in,
    struct buf *out, struct err_why *why) MUST_CHECK;

#endif
