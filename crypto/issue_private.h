/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What certificates and requests for them have in common.
 */
#ifndef CRYPTO_ISSUE_PRIVATE_H
#define CRYPTO_ISSUE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "common/buf.h"

/* Put the common name into a name; NULL and "" put nothing. */
bool crypto_issue_name(X509_NAME *name, const char *cn);
/* The addresses as alternative names (RFC 5280 §4.2.1.6, RFC 9598 §3). NULL
   when one cannot be. The caller frees. */
GENERAL_NAMES *crypto_issue_names(const struct span *addrs, size_t n);
/* The hash that goes with a key. */
const EVP_MD *crypto_issue_hash(EVP_PKEY *key);

#endif
