/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * An OpenPGP certificate with one of its addresses only, as it is published for
 * that address: who asks for one learns no others of the same person. For
 * certificates that have been admitted. RFC 9580 §10.1.
 */
#ifndef CRYPTO_OPENPGP_UID_H
#define CRYPTO_OPENPGP_UID_H

#include "common/buf.h"
#include "common/err.h"

struct arena;

/* Append the certificate with only those user IDs whose address is the
   canonical addr. arena is for the time of the call. ERR_KEY_ADDR: it has none
   of them. ERR_MALFORMED, ERR_NOMEM. */
enum err crypto_pgp_only_addr(struct span cert, struct span addr,
    struct arena *arena, struct buf *out) MUST_CHECK;

#endif
