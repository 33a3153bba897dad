/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A backup as a sealed stream: written and read in any number of pieces, under
 * a passphrase or to a certificate. What is in it is the caller's. A stream
 * that was cut, altered or put together from two does not open.
 * docs/format-backup.md.
 */
#ifndef CRYPTO_BACKUP_H
#define CRYPTO_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_backup;
struct crypto_bundle;
struct crypto_cert;
struct secret;

/* Begin to write to fd, which is borrowed, under one of the two; the other is
   NULL. now: Unix seconds, for the certificate. The caller frees. Errors of
   crypto_cms_seal(), ERR_NOMEM, ERR_IO, ERR_DISK_FULL. */
enum err crypto_backup_create(int fd, const struct secret *passphrase,
    struct crypto_cert *cert, int64_t now, struct crypto_backup **out,
    struct err_why *why) MUST_CHECK;
enum err crypto_backup_put(
    struct crypto_backup *b, struct span octets) MUST_CHECK;
/* Without it the stream was cut. */
enum err crypto_backup_finish(struct crypto_backup *b) MUST_CHECK;

/* Begin to read. *needs_key: it is sealed to a certificate, and bundle has to
   be given, else passphrase. ERR_MALFORMED: no backup; ERR_PASSPHRASE,
   ERR_NO_KEY: needed and NULL, or another one's; ERR_UNSUPPORTED. */
enum err crypto_backup_open(int fd, const struct secret *passphrase,
    const struct crypto_bundle *bundle, bool *needs_key,
    struct crypto_backup **out, struct err_why *why) MUST_CHECK;
/* Exactly len octets into out. ERR_NOT_FOUND: the orderly end is here;
   ERR_BAD_SEAL: wrong passphrase, or altered, or cut. */
enum err crypto_backup_get(
    struct crypto_backup *b, void *out, size_t len) MUST_CHECK;
void crypto_backup_free(struct crypto_backup *b);

#endif
