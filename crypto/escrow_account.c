/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The factor that is the recipient's account: a key pair of the gateway's own
 * for each object, ECDH (NIST P-256) with the account's public key, and HKDF
 * over what that gives. docs/format-escrow.md, Accounts.
 */
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/secret.h"
#include "crypto/escrow_private.h"

static const char info_factor[] = "sealgate account v1 factor";

enum { SHARED_SIZE = 32, INFO_SIZE = sizeof(info_factor) - 1 };

/* The x coordinate that both sides find. */
static enum err
agree(EVP_PKEY *ours, const struct pickup_account *account, struct secret **out)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ours, NULL);
	EVP_PKEY *peer = EVP_PKEY_new();
	struct secret *shared = secret_new(SHARED_SIZE);
	size_t len = SHARED_SIZE;
	enum err e = shared == NULL ? ERR_NOMEM : ERR_CRYPTO;

	/* a point that is not on the curve is refused */
	if (shared != NULL && ctx != NULL && peer != NULL &&
	    EVP_PKEY_copy_parameters(peer, ours) == 1 &&
	    EVP_PKEY_set1_encoded_public_key(
		peer, account->public, sizeof(account->public)) == 1 &&
	    EVP_PKEY_derive_init(ctx) == 1 &&
	    EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
	    EVP_PKEY_derive(ctx, shared->data, &len) == 1 && len == SHARED_SIZE)
		e = ERR_OK;
	if (e == ERR_OK) {
		*out = shared;
		shared = NULL;
	}
	secret_free(shared);
	EVP_PKEY_free(peer);
	EVP_PKEY_CTX_free(ctx);
	return e;
}

/* Both points belong to the factor, so that it is of this object and of these
   two keys. */
static enum err
make_factor(EVP_PKEY *ours, const struct pickup_account *account,
    const uint8_t *id, uint8_t *point_out, struct secret **out)
{
	uint8_t info[INFO_SIZE + 2 * PICKUP_ACCOUNT_PUBLIC];
	struct secret *shared = NULL;
	unsigned char *point = NULL;
	size_t len = EVP_PKEY_get1_encoded_public_key(ours, &point);
	enum err e = ERR_CRYPTO;

	if (len == PICKUP_ACCOUNT_PUBLIC)
		e = agree(ours, account, &shared);
	if (e == ERR_OK) {
		memcpy(info, info_factor, INFO_SIZE);
		memcpy(info + INFO_SIZE, point, len);
		memcpy(info + INFO_SIZE + len, account->public, len);
		e = crypto_escrow_hkdf(
		    shared, id, SPAN(info, sizeof(info)), out);
	}
	if (e == ERR_OK)
		memcpy(point_out, point, len);
	secret_free(shared);
	OPENSSL_free(point);
	return e;
}

enum err
crypto_escrow_account(const struct pickup_account *account, const uint8_t *id,
    uint8_t point_out[PICKUP_ACCOUNT_PUBLIC], struct secret **out)
{
	EVP_PKEY *ours = EVP_EC_gen("P-256");
	enum err e = ours == NULL
			 ? ERR_CRYPTO
			 : make_factor(ours, account, id, point_out, out);

	EVP_PKEY_free(ours);
	return e;
}

/* The pair of a private half: its point is that times the generator. */
static enum err
pair_of(const struct secret *private, EVP_PKEY **out)
{
	EC_GROUP *curve = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *point = curve != NULL ? EC_POINT_new(curve) : NULL;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BIGNUM *n = BN_bin2bn(private->data, (int)private->len, NULL);
	uint8_t octets[PICKUP_ACCOUNT_PUBLIC], native[SHARED_SIZE];
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(
		OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t) "P-256", 0),
	    OSSL_PARAM_construct_BN(
		OSSL_PKEY_PARAM_PRIV_KEY, native, sizeof(native)),
	    OSSL_PARAM_construct_octet_string(
		OSSL_PKEY_PARAM_PUB_KEY, octets, sizeof(octets)),
	    OSSL_PARAM_construct_end(),
	};
	enum err e = ERR_CRYPTO;

	if (point != NULL && ctx != NULL && n != NULL &&
	    private->len == SHARED_SIZE &&
	    EC_POINT_mul(curve, point, n, NULL, NULL, NULL) == 1 &&
	    EC_POINT_point2oct(curve, point, POINT_CONVERSION_UNCOMPRESSED,
		octets, sizeof(octets), NULL) == sizeof(octets) &&
	    BN_bn2nativepad(n, native, sizeof(native)) == sizeof(native) &&
	    EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, out, EVP_PKEY_KEYPAIR, params) == 1)
		e = ERR_OK;
	secret_wipe(native, sizeof(native));
	BN_clear_free(n);
	EC_POINT_free(point);
	EC_GROUP_free(curve);
	EVP_PKEY_CTX_free(ctx);
	return e;
}

enum err
crypto_escrow_account_with(const struct pickup_account *account,
    const uint8_t *id, const struct secret *private,
    uint8_t point_out[PICKUP_ACCOUNT_PUBLIC], struct secret **out)
{
	EVP_PKEY *ours = NULL;
	enum err e = pair_of(private, &ours);

	if (e == ERR_OK)
		e = make_factor(ours, account, id, point_out, out);
	EVP_PKEY_free(ours);
	return e;
}
