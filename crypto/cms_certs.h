/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates that travel in a CMS structure: PKCS#7 bundles (.p7b, .p7c), the
 * LDAP attribute userSMIMECertificate. Nothing is verified. RFC 5652 §5.1.
 */
#ifndef CRYPTO_CMS_CERTS_H
#define CRYPTO_CMS_CERTS_H

#include <stddef.h>

#include "crypto/cert.h"

/* The certificates of a SignedData in DER, at most max; the caller unrefs each
   of *n_out. ERR_MALFORMED: no such structure; ERR_NO_KEY: without
   certificates; ERR_LIMIT, ERR_TOO_BIG, ERR_NOMEM. One that cannot be read is
   left out. */
enum err crypto_cms_certs(struct span in, struct crypto_cert **out, size_t max,
    size_t *n_out) MUST_CHECK;

#endif
