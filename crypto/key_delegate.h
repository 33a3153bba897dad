/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A key for OpenSSL whose private half is elsewhere: what must be signed is
 * handed to a function, which asks the process that has it. Opening needs no
 * key of OpenSSL (cms_open.h), only the function.
 */
#ifndef CRYPTO_KEY_DELEGATE_H
#define CRYPTO_KEY_DELEGATE_H

#include "common/buf.h"
#include "common/err.h"
#include "crypto/private_key.h"

struct crypto_cert;
struct crypto_key_delegate;
struct evp_pkey_st;
struct secret;

/* Append the signature of in to out. in is as enum crypto_sign_alg says. */
typedef enum err crypto_delegate_sign(
    void *ctx, enum crypto_sign_alg alg, struct span in, struct buf *out);

/* Open a content key, or derive the secret that opens it, as
   crypto_private_decrypt() does, with the private key of the certificate of
   that fingerprint. The caller frees. */
typedef enum err crypto_delegate_decrypt(void *ctx, struct span fpr,
    const struct crypto_decrypt *what, struct secret **out);

/* A key with the public half of the certificate; ctx is for sign and must live
   as long. The caller frees. ERR_UNSUPPORTED: neither RSA nor one of the
   curves. */
enum err crypto_key_delegate_new(const struct crypto_cert *cert,
    crypto_delegate_sign *sign, void *ctx, struct crypto_key_delegate **out,
    struct err_why *why) MUST_CHECK;
void crypto_key_delegate_free(struct crypto_key_delegate *d);

/* For the files of crypto/: borrowed. */
struct evp_pkey_st *crypto_key_delegate_pkey(
    const struct crypto_key_delegate *d);
/* The error that sign returned last, ERR_OK if it never failed. */
enum err crypto_key_delegate_err(const struct crypto_key_delegate *d);

#endif
