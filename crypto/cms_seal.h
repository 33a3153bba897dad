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
#include "crypto/cms_form.h"

struct crypto_cert;
struct mime_sink;

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
