/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages about revocation: what is wanted, what was fetched, what it said.
 * For proto.h.
 */
#ifndef GATEWAY_PROTO_REVOCATION_H
#define GATEWAY_PROTO_REVOCATION_H

#include "common/arena.h"
#include "common/buf.h"
#include "keystore/store_revocation.h"

enum { PROTO_REVOCATION_OTHERS = 4 };

/* PROTO_REVOCATION_WANT, _FETCH, _READ. Of the want only kind, issuer, url,
   serial, request and until travel. */
struct proto_revocation {
	struct ks_want want;
	struct span nonce;  /* of _READ, of an answer: that was sent */
	struct span octets; /* of _READ: what the server said */
	/* Of _FETCH and _READ of a list: other certificates of the issuer's
	   name, which may be of another key that it signs lists with. Nobody
	   has looked who made them. */
	struct span other[PROTO_REVOCATION_OTHERS];
	uint32_t n_others;
};

enum err proto_revocation_pack(
    const struct proto_revocation *m, struct buf *out) MUST_CHECK;
/* The spans are borrowed from in. */
enum err proto_revocation_unpack(
    struct span in, struct proto_revocation *out) MUST_CHECK;

/* PROTO_REVOCATION_SAID. */
struct proto_revocation_said {
	uint8_t id[KS_WANT_ID]; /* of ks_want_id(), by what was verified */
	bool good;		/* else why says why not */
	const char *why;
	struct ks_said said;
};

enum err proto_revocation_said_pack(
    const struct proto_revocation_said *m, struct buf *out) MUST_CHECK;
enum err proto_revocation_said_unpack(struct span in, struct arena *a,
    struct proto_revocation_said *out) MUST_CHECK;

#endif
