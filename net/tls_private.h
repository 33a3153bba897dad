/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Between the files that speak TLS with a certificate of their own.
 */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include <openssl/types.h>

#include "common/err.h"

/* A certificate with its chain and its private key, PEM, from the beginning of
   descriptors that stay the caller's. */
enum err net_tls_load_pair(
    SSL_CTX *ctx, int cert_fd, int key_fd, struct err_why *why) MUST_CHECK;

#endif
