/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages about keys of others: what admission found in what was brought, and
 * what store made of it. Beside gateway/proto.h, for who may see records.
 */
#ifndef GATEWAY_PROTO_KEYSTORE_H
#define GATEWAY_PROTO_KEYSTORE_H

#include "common/buf.h"
#include "keystore/change.h"
#include "keystore/refused.h"

struct arena;

/* PROTO_ADMIT. */
struct proto_admit {
	struct span addr;   /* as in struct ks_proposal */
	struct span record; /* ks_record_encode() */
};

/* PROTO_ADMITTED. */
struct proto_admitted {
	enum ks_change change;
	enum ks_trust trust; /* the level it has now */
	enum err err;	     /* of a refusal, or of the keystore */
	const char *why;
};

/* PROTO_KEY_REFUSED: struct ks_refusal without its time. Borrowed. */
enum err proto_key_refused_pack(
    const struct ks_refusal *m, struct buf *out) MUST_CHECK;
enum err proto_key_refused_unpack(
    struct span in, struct ks_refusal *out) MUST_CHECK;

enum err proto_admit_pack(
    const struct proto_admit *m, struct buf *out) MUST_CHECK;
enum err proto_admit_unpack(struct span in, struct proto_admit *out) MUST_CHECK;
enum err proto_admitted_pack(
    const struct proto_admitted *m, struct buf *out) MUST_CHECK;
enum err proto_admitted_unpack(
    struct span in, struct arena *a, struct proto_admitted *out) MUST_CHECK;

#endif
