/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Recovery of escrow objects (docs/format-escrow.md, Recovery): the keys of an
 * object sealed to a certificate whose private key is kept off-line, and what
 * is done with them by who has that key.
 */
#ifndef CRYPTO_ESCROW_RECOVERY_H
#define CRYPTO_ESCROW_RECOVERY_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_bundle;
struct crypto_cert;
struct object_header;
struct secret;

/* May it be a certificate for recovery? Purpose and key count, time does not:
   one that has expired is better than none. ERR_KEY_UNUSABLE, ERR_UNSUPPORTED.
 */
enum err crypto_recovery_check(
    const struct crypto_cert *cert, struct err_why *why) MUST_CHECK;

/* Seal the keys of the object to the certificate; CMS, appended to out.
   Errors of crypto_cms_seal(). */
enum err crypto_recovery_seal(struct crypto_cert *cert, const uint8_t *id,
    const struct secret *proof, const struct secret *content,
    struct buf *out) MUST_CHECK;

/* The content key of the object, by who has the private key. The caller frees.
   ERR_BAD_SEAL: it is of another object; errors of crypto_cms_open_secret().
 */
enum err crypto_recovery_open(struct span cms,
    const struct crypto_bundle *bundle, const uint8_t *id,
    struct secret **content_out, struct err_why *why) MUST_CHECK;

/* The message of a whole object, in a new sealed memfd, which the caller
   closes. ERR_MALFORMED: it is no object; ERR_BAD_SEAL: another key, or
   altered. Nothing comes out before all of it was verified. */
enum err crypto_escrow_open(
    struct span object, const struct secret *content, int *fd_out) MUST_CHECK;

#endif
