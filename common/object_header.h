/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The outer header of a sealed object: a container of two sealed sections
 * (index and body) that is handed out against a proof. It is all that whoever
 * keeps the object knows of it. Octets: docs/format-escrow.md.
 */
#ifndef COMMON_OBJECT_HEADER_H
#define COMMON_OBJECT_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define OBJECT_HEADER_SIZE 96
/* What of it is associated data of every chunk: all but the expiry, which an
   administrator may move without the key. */
#define OBJECT_HEADER_AD_SIZE 88
#define OBJECT_HEADER_VERSION 1
#define OBJECT_ID_SIZE	      16
/* The id as text: base64url, with a NUL. */
#define OBJECT_ID_TEXT_SIZE 23
#define OBJECT_PROOF_SIZE   32 /* octets of the proof and of its hash */

/* When an object expires that somebody has as a file: never. The last second
   of the year 9999. */
#define OBJECT_EXPIRES_NEVER 253402300799

/* What goes into the key beside the link. */
enum object_factor {
	OBJECT_FACTOR_NONE = 0,
	OBJECT_FACTOR_PASSPHRASE = 1, /* the sender chose it */
	OBJECT_FACTOR_GENERATED = 2,
	OBJECT_FACTOR_ANSWER = 3,  /* to a question of the sender's */
	OBJECT_FACTOR_ACCOUNT = 4, /* the key pair of the recipient's account */
	OBJECT_FACTORS
};

/* What the portal asks for beside the proof; no part of the key. */
enum object_door {
	OBJECT_DOOR_OPEN = 0,
	OBJECT_DOOR_CODE = 1, /* that is mailed to the recipient */
	/* the same, and whoever has it may set up the recipient's account */
	OBJECT_DOOR_ACCOUNT = 2,
	OBJECT_DOORS
};

/* Octets of the account's id in a header. */
#define OBJECT_ACCOUNT_TAG_SIZE 4

struct object_header {
	uint8_t id[OBJECT_ID_SIZE];
	enum object_factor factor;
	enum object_door door;
	uint8_t account[OBJECT_ACCOUNT_TAG_SIZE]; /* zero for other factors */
	uint8_t proof_hash[OBJECT_PROOF_SIZE];	  /* SHA-256 of the proof key */
	uint64_t index_size;			  /* octets before sealing */
	uint64_t body_size;
	uint64_t created_s; /* since 1970 */
	uint64_t expires_s; /* first second at which it is gone */
};

/* Write the OBJECT_HEADER_SIZE octets. */
void object_header_format(const struct object_header *h, uint8_t *out);
/* Read a header from the beginning of s. ERR_MALFORMED when it is cut, not a
   header, or has values that no writer of this version makes;
   ERR_UNSUPPORTED for another version. */
enum err object_header_parse(
    struct span s, struct object_header *out) MUST_CHECK;

/* Octets of header and sealed index, where the sealed body begins, and of the
   whole object. */
uint64_t object_body_offset(const struct object_header *h);
uint64_t object_total_size(const struct object_header *h);

/* Does the door want a code? */
bool object_door_has_code(enum object_door d);

/* The id as text; out has OBJECT_ID_TEXT_SIZE octets. */
void object_id_format(const uint8_t *id, char *out);
/* Only the canonical 22 characters; false otherwise, out untouched. */
bool object_id_parse(struct span s, uint8_t *out);

#endif
