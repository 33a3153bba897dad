/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of the sender's word. Whether it is one that there is
 * store looks at.
 */
#include "gateway/proto_order.h"

#include "gateway/proto_private.h"

void
proto_order_pack(struct packer *p, const struct proto_order *o)
{
	pack_u64(p, o->message_id);
	if (o->message_id == 0)
		return;
	pack_u8(p, o->word);
	pack_str(p, o->from);
	pack_str(p, o->from_key);
	pack_u32(p, o->n_only);
	for (uint32_t i = 0; i < o->n_only; i++)
		pack_str(p, o->only[i]);
	pack_str(p, o->reply_to);
}

void
proto_order_unpack(struct unpacker *u, struct arena *a, struct proto_order *out)
{
	struct proto_order o = {.message_id = unpack_u64(u)};

	if (o.message_id != 0) {
		o.word = unpack_u8(u);
		o.from = unpack_str(u, a);
		o.from_key = unpack_str(u, a);
		o.only =
		    proto_unpack_array(u, a, 4, sizeof(*o.only), &o.n_only);
		for (uint32_t i = 0; i < o.n_only; i++)
			o.only[i] = unpack_str(u, a);
		o.reply_to = unpack_str(u, a);
	}
	*out = o;
}
