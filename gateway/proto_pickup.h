/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Messages about the accounts of people who pick up mail: what a browser made
 * goes from portal to store, what store keeps goes back. For proto.h.
 */
#ifndef GATEWAY_PROTO_PICKUP_H
#define GATEWAY_PROTO_PICKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/pickup_account.h"

/* PROTO_ACCOUNT_SET: whoever has this object wants this account. */
struct proto_account_set {
	const char *object;
	const char *digits; /* of the code, those that store made */
	const char *client;
	struct pickup_account account;
};

enum err proto_account_set_pack(
    const struct proto_account_set *m, struct buf *out) MUST_CHECK;
enum err proto_account_set_unpack(
    struct span in, struct arena *a, struct proto_account_set *out) MUST_CHECK;

/* PROTO_ACCOUNT_SAID: what became of it. ERR_OK: durable; ERR_PERMISSION: the
   digits; ERR_EXISTS; ERR_NOT_FOUND: no such object. */
struct proto_account_said {
	uint8_t id[PICKUP_ACCOUNT_ID];
	enum err result;
};

enum err proto_account_said_pack(
    const struct proto_account_said *m, struct buf *out) MUST_CHECK;
enum err proto_account_said_unpack(
    struct span in, struct proto_account_said *out) MUST_CHECK;

/* PROTO_ACCOUNTS: accounts there are. */
struct proto_accounts {
	bool first; /* forget all that was said before */
	bool last;  /* these are all */
	struct pickup_account *account;
	uint32_t n;
};

enum err proto_accounts_pack(
    const struct proto_accounts *m, struct buf *out) MUST_CHECK;
enum err proto_accounts_unpack(
    struct span in, struct arena *a, struct proto_accounts *out) MUST_CHECK;

#endif
