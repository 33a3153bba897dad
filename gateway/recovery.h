/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The certificate that a configuration names for recovery of mail for pick-up.
 */
#ifndef GATEWAY_RECOVERY_H
#define GATEWAY_RECOVERY_H

#include "common/err.h"

struct conf;
struct crypto_cert;

/* Read it; NULL in *out where none is named. Purpose and key are checked, time
   is not. why names the file. The caller unrefs. */
enum err recovery_load(const struct conf *c, struct crypto_cert **out,
    struct err_why *why) MUST_CHECK;

#endif
