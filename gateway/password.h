/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Passwords that the gateway logs in with elsewhere, in files of their own.
 */
#ifndef GATEWAY_PASSWORD_H
#define GATEWAY_PASSWORD_H

#include "common/buf.h"
#include "common/err.h"

struct secret;

enum { PASSWORD_MAX = 255 }; /* octets */

/* Read the password from an open file; path is for why. The caller frees it.
   ERR_CONFIG: it cannot be read (fd may be -1), or there is none in it. */
enum err password_read(int fd, const char *path, struct secret **out,
    struct err_why *why) MUST_CHECK;

#endif
