/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages between an opener and its pgp process: opening and verifying
 * OpenPGP. Their types stand in proto.h.
 */
#ifndef GATEWAY_PROTO_OPEN_H
#define GATEWAY_PROTO_OPEN_H

#include "common/arena.h"
#include "common/buf.h"
#include "crypto/openpgp_open.h"

/* PROTO_PGP_OPEN. Which of the secret keys may be had keys decides; those that
   may not are left out. */
struct proto_pgp_open {
	struct span *fpr; /* of primary keys, at most CRYPTO_PGP_OPEN_KEYS */
	uint32_t n_fprs;
	struct span *cert; /* at most CRYPTO_PGP_OPEN_CERTS */
	uint32_t n_certs;
	uint64_t max; /* octets that may come out */
};

enum err proto_pgp_open_pack(
    const struct proto_pgp_open *m, struct buf *out) MUST_CHECK;
enum err proto_pgp_open_unpack(
    struct span in, struct arena *a, struct proto_pgp_open *out) MUST_CHECK;

/* PROTO_PGP_OPENED. result.secret is the place among the fingerprints. */
struct proto_pgp_opened {
	enum err err;
	const char *why;
	struct crypto_pgp_opened result; /* zeroed unless err is ERR_OK */
};

enum err proto_pgp_opened_pack(
    const struct proto_pgp_opened *m, struct buf *out) MUST_CHECK;
enum err proto_pgp_opened_unpack(
    struct span in, struct arena *a, struct proto_pgp_opened *out) MUST_CHECK;

/* PROTO_PGP_VERIFY */
struct proto_pgp_verify {
	struct span signatures;
	struct span *cert;
	uint32_t n_certs;
};

enum err proto_pgp_verify_pack(
    const struct proto_pgp_verify *m, struct buf *out) MUST_CHECK;
enum err proto_pgp_verify_unpack(
    struct span in, struct arena *a, struct proto_pgp_verify *out) MUST_CHECK;

/* PROTO_PGP_VERIFIED */
struct proto_pgp_verified {
	enum err err;
	const char *why;
	struct crypto_pgp_sigs sigs; /* none unless err is ERR_OK */
};

enum err proto_pgp_verified_pack(
    const struct proto_pgp_verified *m, struct buf *out) MUST_CHECK;
enum err proto_pgp_verified_unpack(
    struct span in, struct arena *a, struct proto_pgp_verified *out) MUST_CHECK;

#endif
