/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a blob of OpenPGP is by its packets, not by what is written around it:
 * the whole of it has to be one thing. Nothing is decrypted or verified.
 * RFC 9580 §4, §6, §7, §10.3.
 */
#ifndef CRYPTO_OPENPGP_KIND_H
#define CRYPTO_OPENPGP_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum {
	CRYPTO_PGP_KIND_RECIPIENTS = 256, /* key IDs that are listed */
	CRYPTO_PGP_KEY_ID = 8,		  /* octets */
};

enum crypto_pgp_kind {
	CRYPTO_PGP_KIND_OTHER = 0, /* anything else, also what is damaged or
				      has something before or behind it */
	CRYPTO_PGP_KIND_ENCRYPTED, /* session keys, then encrypted data */
	CRYPTO_PGP_KIND_SIGNED,	   /* a signed message, readable */
	CRYPTO_PGP_KIND_LITERAL,   /* readable data in a packet, perhaps
				      compressed: not protected at all */
	CRYPTO_PGP_KIND_CLEARTEXT, /* cleartext signature framework */
	CRYPTO_PGP_KIND_SIGNATURE, /* detached signatures only */
	CRYPTO_PGP_KIND_KEYS,	   /* certificates or secret keys */
};

struct crypto_pgp_structure {
	enum crypto_pgp_kind kind;
	/* Of an encrypted message: */
	bool authenticated; /* has an integrity check (not packet type 9) */
	unsigned data_tag, data_version; /* of the packet with the data; version
				0 for packet type 9 */
	bool password;			 /* a password opens it, too */
	bool hidden;			 /* some recipient's key ID is hidden */
	size_t n_recipients; /* public keys it is encrypted to, hidden and not
				listed ones included */
	size_t n_key_ids;
	uint8_t key_id[CRYPTO_PGP_KIND_RECIPIENTS][CRYPTO_PGP_KEY_ID]; /* of
				subkeys, as a rule */
};

/* Look at a blob, binary or armored; blanks and empty lines around armor do not
   count. Never fails: what is not understood is CRYPTO_PGP_KIND_OTHER. In time
   linear in its length, without memory of its own. */
void crypto_pgp_structure(struct span blob, struct crypto_pgp_structure *out);

#endif
