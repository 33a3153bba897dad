/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages between processes about keys, signatures, gpg and objects for
 * pick-up. For proto.h.
 */
#ifndef GATEWAY_PROTO_KEYS_H
#define GATEWAY_PROTO_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/pack.h"
#include "common/sealed.h"

/* --- keys --- */

struct proto_keys {
	struct sealed_pub pub[SEALED_PURPOSES]; /* purpose NONE: not there */
	struct span ready_private; /* for relay; empty for others; wipe the
				      message after use */
};

enum err proto_keys_pack(
    const struct proto_keys *m, struct buf *out) MUST_CHECK;
enum err proto_keys_unpack(struct span in, struct proto_keys *out) MUST_CHECK;

/* Canonical addresses (struct mime_addr.key). */
struct proto_register {
	bool open; /* what is sealed to them may be opened; else: signing */
	const char **addr;
	uint32_t n_addr;
};

/* Who may be signed for in mail of this sender: itself, and what addresses
   auth_from (of struct entry) lists one by one. Strings are borrowed or the
   arena's. ERR_NOMEM. */
enum err proto_register_sender(const char *from_key, const char *auth_from,
    struct arena *a, struct proto_register *out) MUST_CHECK;
enum err proto_register_pack(
    const struct proto_register *m, struct buf *out) MUST_CHECK;
enum err proto_register_unpack(
    struct span in, struct arena *a, struct proto_register *out) MUST_CHECK;

struct proto_sign {
	struct span fpr; /* of the certificate */
	uint8_t alg;	 /* enum crypto_sign_alg */
	struct span in;	 /* of the length that the algorithm asks for */
};

enum err proto_sign_pack(
    const struct proto_sign *m, struct buf *out) MUST_CHECK;
enum err proto_sign_unpack(struct span in, struct proto_sign *out) MUST_CHECK;

/* ERR_PERMISSION: the key is for no address that is registered under the
   message's id. ERR_NO_KEY, ERR_UNSUPPORTED, ERR_BAD_SEAL, ERR_CRYPTO. */
struct proto_signed {
	enum err result;
	struct span signature; /* empty unless result is ERR_OK */
};

enum err proto_signed_pack(
    const struct proto_signed *m, struct buf *out) MUST_CHECK;
enum err proto_signed_unpack(
    struct span in, struct proto_signed *out) MUST_CHECK;

struct proto_decrypt {
	struct span fpr; /* of the certificate */
	/* As struct crypto_decrypt has them. */
	uint8_t op;
	uint8_t hash;
	uint8_t mgf;
	uint8_t len;
	struct span in;
};

enum err proto_decrypt_pack(
    const struct proto_decrypt *m, struct buf *out) MUST_CHECK;
enum err proto_decrypt_unpack(
    struct span in, struct proto_decrypt *out) MUST_CHECK;

/* ERR_PERMISSION: the key is for no address whose mail may be opened under the
   id, or too many were asked for. ERR_NO_KEY, ERR_UNSUPPORTED, ERR_MALFORMED,
   ERR_BAD_SEAL. Whether the input opened is not said. */
struct proto_decrypted {
	enum err result;
	struct span key; /* empty unless result is ERR_OK */
};

enum err proto_decrypted_pack(
    const struct proto_decrypted *m, struct buf *out) MUST_CHECK;
enum err proto_decrypted_unpack(
    struct span in, struct proto_decrypted *out) MUST_CHECK;

/* --- pgp --- */

struct proto_pgp_sign {
	struct span fpr;   /* of the primary key that signs */
	struct span *cert; /* to seal to; none for PROTO_PGP_SIGN */
	uint32_t n_certs;
};

enum err proto_pgp_sign_pack(
    const struct proto_pgp_sign *m, struct buf *out) MUST_CHECK;
enum err proto_pgp_sign_unpack(
    struct span in, struct arena *a, struct proto_pgp_sign *out) MUST_CHECK;

struct proto_pgp_signed {
	enum err err;
	const char *why;
	const char *micalg; /* "pgp-sha256"; empty on failure */
};

enum err proto_pgp_signed_pack(
    const struct proto_pgp_signed *m, struct buf *out) MUST_CHECK;
enum err proto_pgp_signed_unpack(
    struct span in, struct arena *a, struct proto_pgp_signed *out) MUST_CHECK;

/* What keys says of a content key or an answer's: u32 err and the key. The
   error that keys had, ERR_BAD_SEAL only if it was that; ERR_IPC for what is
   malformed; ERR_NOMEM. Caller frees, and wipes in. */
enum err proto_key_is_unpack(struct span in, struct secret **out) MUST_CHECK;

/* --- portal --- */

/* An answer that the portal has: descriptor 0 is its file. */
struct proto_answer_came {
	const char *object;
	const char *client; /* address */
};

enum err proto_answer_came_pack(
    const struct proto_answer_came *m, struct buf *out) MUST_CHECK;
enum err proto_answer_came_unpack(
    struct span in, struct arena *a, struct proto_answer_came *out) MUST_CHECK;

/* The same for a worker, with what is known of the object. */
struct proto_answer_open {
	const char *object;
	const char *from; /* the recipient of the object */
	const char *from_key;
	const char **to; /* canonical: whom it may go to */
	uint32_t n_to;
};

enum err proto_answer_open_pack(
    const struct proto_answer_open *m, struct buf *out) MUST_CHECK;
enum err proto_answer_open_unpack(
    struct span in, struct arena *a, struct proto_answer_open *out) MUST_CHECK;

struct proto_opened {
	const char *name;
	const char *client; /* address */
	const char *agent;  /* User-Agent, cut to 200 octets */
	uint64_t at_ms;
};

enum err proto_opened_pack(
    const struct proto_opened *m, struct buf *out) MUST_CHECK;
enum err proto_opened_unpack(
    struct span in, struct arena *a, struct proto_opened *out) MUST_CHECK;

#endif
