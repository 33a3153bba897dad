/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Passwords as crypt(3) hashes them: yescrypt, bcrypt, SHA-2 and what else the
 * system calls strong; never DES and MD5.
 */
#ifndef GATEWAY_PASSWORD_HASH_H
#define GATEWAY_PASSWORD_HASH_H

#include <stdbool.h>

#include "common/err.h"

enum { PASSWORD_HASH_SIZE = 384 };

/* ERR_OK: passwords can be compared with it. ERR_UNSUPPORTED for what is weak,
   unknown or no hash. */
enum err password_hash_check(const char *hash) MUST_CHECK;
/* Takes as long as the hash wants, tens of milliseconds; the result is compared
   in constant time. */
bool password_matches(const char *hash, const char *password);
/* A new hash of the system's preferred kind. ERR_CRYPTO. */
enum err password_hash(
    const char *password, char out[PASSWORD_HASH_SIZE]) MUST_CHECK;

#endif
