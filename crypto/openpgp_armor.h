/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The armor around messages and signatures, read strictly: one block, nothing
 * before or behind it but blanks. Key blocks in files: openpgp_packet.h.
 * RFC 9580 §6, §7.
 */
#ifndef CRYPTO_OPENPGP_ARMOR_H
#define CRYPTO_OPENPGP_ARMOR_H

#include <stdbool.h>

#include "common/buf.h"

/* Does s, without blanks around it, begin as armor does? */
bool crypto_pgp_armor_is(struct span s);
/* The base64 of a block that is all there is in s, checksum included: behind
   the header lines. Borrowed. false: it is no such block. */
bool crypto_pgp_armor_body(struct span s, struct span *out);
/* Does s begin as the cleartext signature framework does? */
bool crypto_pgp_armor_is_cleartext(struct span s);
/* The signature of such a text, which is the rest of s. Borrowed. */
bool crypto_pgp_armor_cleartext(struct span s, struct span *signature_out);
/* Append the octets of a body to the file fd, up to its checksum. In pieces:
   it may be as large as a message. The body must be one that
   crypto_pgp_structure() understood: ERR_MALFORMED for one that no armor has,
   ERR_IO. */
enum err crypto_pgp_armor_decode(struct span body, int fd) MUST_CHECK;

#endif
