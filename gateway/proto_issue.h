/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages about certificates that the gateway issues itself: who asks for one,
 * how its private key comes to be without leaving keys, what store writes. For
 * proto.h.
 */
#ifndef GATEWAY_PROTO_ISSUE_H
#define GATEWAY_PROTO_ISSUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

/* PROTO_KEY_NEW: a private key for an address that is registered under the
   message's id, or in place of one that speaks for the address already. */
struct proto_key_new {
	uint8_t alg; /* enum crypto_own_alg */
	struct span addr;
	struct span old; /* fingerprint of that one; empty: registered */
};

enum err proto_key_new_pack(
    const struct proto_key_new *m, struct buf *out) MUST_CHECK;
enum err proto_key_new_unpack(
    struct span in, struct proto_key_new *out) MUST_CHECK;

/* PROTO_KEY_MADE. ERR_PERMISSION: for no such address. */
struct proto_key_made {
	enum err result;
	uint64_t handle; /* names it until it is sealed */
	struct span spki;
};

enum err proto_key_made_pack(
    const struct proto_key_made *m, struct buf *out) MUST_CHECK;
enum err proto_key_made_unpack(
    struct span in, struct proto_key_made *out) MUST_CHECK;

/* PROTO_KEY_SEAL: its certificate is there. */
struct proto_key_seal {
	uint64_t handle;
	struct span fpr; /* of the certificate */
	uint64_t added;	 /* Unix seconds */
};

enum err proto_key_seal_pack(
    const struct proto_key_seal *m, struct buf *out) MUST_CHECK;
enum err proto_key_seal_unpack(
    struct span in, struct proto_key_seal *out) MUST_CHECK;

/* PROTO_KEY_SEALED: an error and octets, the row of a private key. */
enum err proto_octets_pack(
    enum err result, struct span octets, struct buf *out) MUST_CHECK;
enum err proto_octets_unpack(
    struct span in, enum err *result, struct span *octets) MUST_CHECK;

/* PROTO_CA_KEEP: what was issued, all of it in one commit. */
struct proto_ca_keep {
	struct span record;  /* ks_record_encode() */
	struct span private; /* the row of the private key */
	struct span ca;	     /* fingerprint of the CA's certificate */
	bool automatic;
};

enum err proto_ca_keep_pack(
    const struct proto_ca_keep *m, struct buf *out) MUST_CHECK;
enum err proto_ca_keep_unpack(
    struct span in, struct proto_ca_keep *out) MUST_CHECK;

/* PROTO_CA_LIST: kept only if it follows the one that is there. */
struct proto_ca_list {
	struct span ca;
	uint64_t number;
	int64_t this_update; /* Unix seconds */
	int64_t next_update;
	struct span crl; /* DER */
};

enum err proto_ca_list_pack(
    const struct proto_ca_list *m, struct buf *out) MUST_CHECK;
enum err proto_ca_list_unpack(
    struct span in, struct proto_ca_list *out) MUST_CHECK;

#endif
