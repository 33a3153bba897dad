/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The certificate that goes into an Autocrypt header: cut down to what a
 * correspondent needs to seal to us. The field itself is mime/autocrypt.h's.
 * Autocrypt Level 1 §2.1.1, RFC 9580 §10.1.
 */
#ifndef CRYPTO_AUTOCRYPT_H
#define CRYPTO_AUTOCRYPT_H

#include <stdint.h>

#include "common/buf.h"

/* Cut a binary certificate with self-signatures only (crypto_pgp_cert.minimal)
   down to the primary key, the user ID of the canonical address addr
   (mime_addr.key), the subkey to seal to at the time now (Unix seconds) and
   their newest self-signatures; appended to out. Nothing is verified: it must
   be from the keystore. ERR_NO_KEY: no such user ID, or nothing to seal to;
   ERR_TOO_BIG: over 10 KiB in base64; ERR_UNSUPPORTED: not version 4;
   ERR_MALFORMED. out is as it was then. */
enum err crypto_autocrypt_keydata(struct span cert, const char *addr,
    int64_t now, struct buf *out, struct err_why *why) MUST_CHECK;

#endif
