/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * A list of inspected OpenPGP certificates as octets, for the way from the
 * process that ran gpg to the one that asked.
 */
#ifndef CRYPTO_OPENPGP_PACK_H
#define CRYPTO_OPENPGP_PACK_H

#include "common/err.h"

struct crypto_pgp_list;
struct packer;
struct unpacker;

/* Write the list; an error shows in pack_end(). */
void crypto_pgp_list_pack(struct packer *p, const struct crypto_pgp_list *list);
/* Read one; the caller clears it, also when unpack_end() then finds an error.
   ERR_IPC, ERR_NOMEM; out is empty then. */
enum err crypto_pgp_list_unpack(
    struct unpacker *u, struct crypto_pgp_list *out) MUST_CHECK;

#endif
