/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is inside of an encrypted message: one text, perhaps compressed, perhaps
 * with signatures, and nothing else. gpg would go on with whatever packets
 * there are, and print keys among the text. RFC 9580 §5.6, §5.9, §10.3.
 */
#ifndef CRYPTO_OPENPGP_INSIDE_H
#define CRYPTO_OPENPGP_INSIDE_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_pgp_inside {
	struct buf signatures; /* their packets, one behind the other; the
				  caller inits and clears */
	size_t n_signatures;
};

/* Write the octets of the text to the empty file fd and its signatures to out:
   those are detached ones over these octets. ERR_MALFORMED: it is something
   else, or a compression inside of another; ERR_LIMIT: too many signatures;
   ERR_TOO_BIG: a text of more than max octets; ERR_NOMEM, ERR_IO. */
enum err crypto_pgp_inside_write(struct span packets, uint64_t max, int fd,
    struct crypto_pgp_inside *out) MUST_CHECK;

#endif
