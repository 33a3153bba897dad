/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The outermost layer of OpenPGP: armor, packet headers, where a certificate
 * begins and which version it is. What is inside is GnuPG's. RFC 9580 §4, §6.
 */
#ifndef CRYPTO_OPENPGP_PACKET_H
#define CRYPTO_OPENPGP_PACKET_H

#include "common/buf.h"
#include "common/err.h"

/* Packet types (RFC 9580 §5). */
enum {
	CRYPTO_PGP_TAG_PKESK = 1,
	CRYPTO_PGP_TAG_SIGNATURE = 2,
	CRYPTO_PGP_TAG_SKESK = 3,
	CRYPTO_PGP_TAG_SECRET_KEY = 5,
	CRYPTO_PGP_TAG_PUBLIC_KEY = 6,
	CRYPTO_PGP_TAG_SECRET_SUBKEY = 7,
	CRYPTO_PGP_TAG_MARKER = 10,
	CRYPTO_PGP_TAG_TRUST = 12,
	CRYPTO_PGP_TAG_USER_ID = 13,
	CRYPTO_PGP_TAG_PUBLIC_SUBKEY = 14,
	CRYPTO_PGP_TAG_ATTRIBUTE = 17,
	CRYPTO_PGP_TAG_SEIPD = 18,
	CRYPTO_PGP_TAG_PADDING = 21,
};

struct crypto_pgp_packet {
	unsigned tag;
	struct span body;
	size_t size; /* header and body */
};

/* The packet at the start of in, borrowed from it. Partial and indeterminate
   lengths, which no key has, are refused. ERR_MALFORMED. */
enum err crypto_pgp_packet_next(
    struct span in, struct crypto_pgp_packet *out) MUST_CHECK;

/* One certificate of a sequence, borrowed. */
struct crypto_pgp_piece {
	struct span octets;
	struct span key; /* body of the primary key packet, never empty */
};

/* The binary octets of all key blocks in in, appended to out; binary input is
   appended as it is. ERR_PERMISSION for a private key block, ERR_MALFORMED,
   ERR_NO_KEY if nothing in it looks like a key, ERR_TOO_BIG. */
enum err crypto_pgp_dearmor(
    struct span in, struct buf *out, struct err_why *why) MUST_CHECK;

/* The same for secret keys: ERR_MALFORMED for a public key block among them. */
enum err crypto_pgp_dearmor_secret(
    struct span in, struct buf *out, struct err_why *why) MUST_CHECK;

/* Cut binary octets into certificates. ERR_PERMISSION if a secret key is
   among them, ERR_MALFORMED for anything that belongs to no certificate,
   ERR_TOO_BIG (one over LIMIT_KEY_SIZE), ERR_LIMIT (more than max), ERR_NO_KEY.
 */
enum err crypto_pgp_split(struct span in, struct crypto_pgp_piece *out,
    size_t max, size_t *n_out, struct err_why *why) MUST_CHECK;
/* The same for secret keys: ERR_MALFORMED for a public key among them. */
enum err crypto_pgp_split_secret(struct span in, struct crypto_pgp_piece *out,
    size_t max, size_t *n_out, struct err_why *why) MUST_CHECK;

/* The fingerprint of a primary key by its version (RFC 9580 §5.5.4; v5:
   RFC 4880bis); 0 octets for a version that has none here. */
enum err crypto_pgp_fpr(
    struct span key, uint8_t out[32], size_t *len_out) MUST_CHECK;

/* The key IDs of the primary key and the subkeys of a binary certificate, of
   version 4, up to max of them; how many there are. */
size_t crypto_pgp_key_ids(struct span cert, uint8_t (*out)[8], size_t max);

/* The address of a user ID "Name (comment) <address>", or of one that is a bare
   address, borrowed; empty if it cannot be told. Not yet parsed. */
struct span crypto_pgp_uid_addr(struct span uid);

#endif
