/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Files in memory that engines write to, for the tests.
 */
#ifndef TESTS_CRYPTO_OUT_H
#define TESTS_CRYPTO_OUT_H

#include "common/buf.h"

/* A memfd that begins so. The caller closes. */
int out_new(const char *begin);
/* All of it. The caller clears. */
struct buf out_read(int fd);

#endif
