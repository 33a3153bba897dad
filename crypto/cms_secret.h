/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A few secret octets that were sealed to a certificate as a CMS message, for
 * who has its private key in a file: keys of backups and of escrow objects.
 */
#ifndef CRYPTO_CMS_SECRET_H
#define CRYPTO_CMS_SECRET_H

#include "common/buf.h"
#include "common/err.h"

struct crypto_bundle;
struct secret;

/* Open cms, which has exactly size octets in it, by the first certificate of
   the bundle that has its private key. The caller frees. Errors of
   crypto_cms_open(); ERR_BAD_SEAL for other contents or without a tag,
   ERR_NO_KEY for a bundle without such a certificate. */
enum err crypto_cms_open_secret(struct span cms,
    const struct crypto_bundle *bundle, size_t size, struct secret **out,
    struct err_why *why) MUST_CHECK;

#endif
