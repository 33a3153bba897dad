/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The account of a recipient of mail for pick-up, as the recipient's browser
 * makes it: a public key, and the private half sealed under a passphrase that
 * nobody here knows. Octets: docs/format-escrow.md. What it is for is known
 * by crypto/escrow_account.c and the page.
 */
#ifndef COMMON_PICKUP_ACCOUNT_H
#define COMMON_PICKUP_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

struct packer;
struct unpacker;

enum {
	PICKUP_ACCOUNT_ID = 16,	     /* octets */
	PICKUP_ACCOUNT_PUBLIC = 65,  /* a point of P-256, not compressed */
	PICKUP_ACCOUNT_PROOF = 32,   /* of its hash */
	PICKUP_ACCOUNT_WRAPPED = 48, /* private half and tag */
};

struct pickup_account {
	uint8_t public[PICKUP_ACCOUNT_PUBLIC];
	uint8_t proof_hash[PICKUP_ACCOUNT_PROOF]; /* SHA-256 */
	uint8_t wrapped[PICKUP_ACCOUNT_WRAPPED];
};

/* What it is called: made from the public key, so that one id is one key. */
void pickup_account_id(const struct pickup_account *a, uint8_t *id_out);
/* Is the public key a point of the curve? Costs some microseconds. */
bool pickup_account_is_sound(const struct pickup_account *a);
void pickup_account_pack(struct packer *p, const struct pickup_account *a);
/* Whether it is sound was asked when it came. */
void pickup_account_unpack(struct unpacker *u, struct pickup_account *out);

#endif
