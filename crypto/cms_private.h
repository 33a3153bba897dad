/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of crypto/cms* share.
 */
#ifndef CRYPTO_CMS_PRIVATE_H
#define CRYPTO_CMS_PRIVATE_H

#include <openssl/cms.h>

#include "common/buf.h"
#include "common/err.h"

struct mime_sink;

/* Run in through the message, which was begun with CMS_STREAM, and write all of
   it to the sink. The first error of the sink ends it. ERR_CRYPTO. */
enum err crypto_cms_write(CMS_ContentInfo *cms, struct span in,
    const struct mime_sink *to, struct err_why *why) MUST_CHECK;

#endif
