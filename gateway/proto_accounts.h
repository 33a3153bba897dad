/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the listener asks the process accounts: is this the password of the
 * user, is there such an address? For proto.h.
 */
#ifndef GATEWAY_PROTO_ACCOUNTS_H
#define GATEWAY_PROTO_ACCOUNTS_H

#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"

enum proto_verdict {
	PROTO_UNKNOWN = 0, /* cannot be told now */
	PROTO_NO,
	PROTO_YES,
};

struct proto_sign_in {
	uint32_t section; /* of conf.listen */
	const char *user;
	const char *password; /* wiped by both */
};

enum err proto_sign_in_pack(
    const struct proto_sign_in *m, struct buf *out) MUST_CHECK;
enum err proto_sign_in_unpack(
    struct span in, struct arena *a, struct proto_sign_in *out) MUST_CHECK;

struct proto_signed_in {
	uint8_t verdict;  /* enum proto_verdict */
	const char *id;	  /* auth_id and auth_from of struct entry; "" unless */
	const char *from; /* the verdict is yes */
};

enum err proto_signed_in_pack(
    const struct proto_signed_in *m, struct buf *out) MUST_CHECK;
enum err proto_signed_in_unpack(
    struct span in, struct arena *a, struct proto_signed_in *out) MUST_CHECK;

struct proto_listed {
	uint32_t section;
	const char *key; /* canonical address */
};

enum err proto_listed_pack(
    const struct proto_listed *m, struct buf *out) MUST_CHECK;
enum err proto_listed_unpack(
    struct span in, struct arena *a, struct proto_listed *out) MUST_CHECK;

enum err proto_verdict_pack(uint8_t verdict, struct buf *out) MUST_CHECK;
enum err proto_verdict_unpack(struct span in, uint8_t *out) MUST_CHECK;

#endif
