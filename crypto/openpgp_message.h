/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What gpg gets to see of a message that is to be opened: looked through first,
 * and cut down to the session keys that our keys can open. RFC 9580 §5.1,
 * §5.13, §10.3.
 */
#ifndef CRYPTO_OPENPGP_MESSAGE_H
#define CRYPTO_OPENPGP_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/openpgp_kind.h"

/* Key IDs of the primary keys and subkeys of n_keys keys. */
struct crypto_pgp_ids {
	uint8_t (*id)[CRYPTO_PGP_KEY_ID]; /* borrowed */
	size_t n;
	size_t n_keys;
};

/* Write to the empty file fd what blob, binary or armored, is without armor and
   without session keys for others or for passwords. Those with a hidden key ID
   stay, as many as LIMIT_DECRYPT_TRIES allows when each key tries each. Errors
   are those of crypto_pgp_open_message(), *why says which. */
enum err crypto_pgp_message_prepare(struct span blob,
    const struct crypto_pgp_ids *ids, int fd, struct err_why *why) MUST_CHECK;

/* The number of detached signatures in blob, binary or armored, and their
   octets without armor, appended to out. ERR_MALFORMED, ERR_TOO_BIG. */
enum err crypto_pgp_signatures(struct span blob, struct buf *out, size_t *n_out,
    struct err_why *why) MUST_CHECK;

#endif
