/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The body of a compressed data packet, unpacked. RFC 9580 §5.6, §9.4.
 */
#ifndef CRYPTO_OPENPGP_INFLATE_H
#define CRYPTO_OPENPGP_INFLATE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_pgp_inflate;

/* algorithm: 0 to 3 of RFC 9580 §9.4. What is unpacked goes to the file fd.
   ERR_UNSUPPORTED, ERR_NOMEM. The caller frees. */
enum err crypto_pgp_inflate_new(unsigned algorithm, uint64_t max, int fd,
    struct crypto_pgp_inflate **out) MUST_CHECK;
void crypto_pgp_inflate_free(struct crypto_pgp_inflate *u);
/* Unpack a piece of the body. ERR_TOO_BIG: it becomes more than max octets;
   ERR_MALFORMED, ERR_NOMEM, ERR_IO. Octets behind the end are ignored. */
enum err crypto_pgp_inflate_put(
    struct crypto_pgp_inflate *u, struct span in) MUST_CHECK;
/* ERR_MALFORMED: the body has ended too early. */
enum err crypto_pgp_inflate_end(const struct crypto_pgp_inflate *u) MUST_CHECK;

#endif
