/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a sender says of mail for pick-up, from the worker that has read it to
 * store. For proto_mail.h.
 */
#ifndef GATEWAY_PROTO_ORDER_H
#define GATEWAY_PROTO_ORDER_H

#include "common/arena.h"
#include "common/pack.h"

/* What the sender of mail for pick-up wants done with it. */
struct proto_order {
	uint8_t word;	     /* enum pickup_word */
	uint64_t message_id; /* 0: there is no order */
	const char *from;    /* who says it, */
	const char *from_key;
	const char **only; /* of which recipients, canonical; none: of all */
	uint32_t n_only;
	const char *reply_to; /* the address that it was said to */
};

void proto_order_pack(struct packer *p, const struct proto_order *o);
void proto_order_unpack(
    struct unpacker *u, struct arena *a, struct proto_order *out);

#endif
