/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The octets of an account: three fields of fixed size, one behind the other.
 * The point is looked at by OpenSSL.
 */
#include "common/pickup_account.h"

#include <openssl/ec.h>
#include <openssl/obj_mac.h>
#include <string.h>

#include "common/digest.h"
#include "common/pack.h"

enum { POINT_UNCOMPRESSED = 4 }; /* SEC 1, 2.3.3 */

void
pickup_account_id(const struct pickup_account *a, uint8_t *id_out)
{
	struct span octets = SPAN(a->public, sizeof(a->public));
	uint8_t digest[DIGEST_SIZE];

	digest_sha256(&octets, 1, digest);
	memcpy(id_out, digest, PICKUP_ACCOUNT_ID);
}

bool
pickup_account_is_sound(const struct pickup_account *a)
{
	EC_GROUP *curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *point = curve != NULL ? EC_POINT_new(curve) : NULL;
	/* refuses what does not lie on the curve */
	bool sound = a->public[0] == POINT_UNCOMPRESSED && point != NULL &&
		     EC_POINT_oct2point(
			 curve, point, a->public, sizeof(a->public), NULL) == 1;

	EC_POINT_free(point);
	EC_GROUP_free(curve);
	return sound;
}

void
pickup_account_pack(struct packer *p, const struct pickup_account *a)
{
	pack_raw(p, a->public, sizeof(a->public));
	pack_raw(p, a->proof_hash, sizeof(a->proof_hash));
	pack_raw(p, a->wrapped, sizeof(a->wrapped));
}

void
pickup_account_unpack(struct unpacker *u, struct pickup_account *out)
{
	unpack_raw(u, out->public, sizeof(out->public));
	unpack_raw(u, out->proof_hash, sizeof(out->proof_hash));
	unpack_raw(u, out->wrapped, sizeof(out->wrapped));
}
