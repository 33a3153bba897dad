/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of a try at a next hop.
 */
#include "gateway/proto_hop.h"

const struct proto_hop proto_hop_none = {
    false, "", "", "", "", "", "", "", "", ""};

void
proto_hop_pack(struct packer *p, const struct proto_hop *h)
{
	pack_bool(p, h->resumed);
	pack_str(p, h->peer);
	pack_str(p, h->demanded);
	pack_str(p, h->had);
	pack_str(p, h->protocol);
	pack_str(p, h->cipher);
	pack_str(p, h->cert);
	pack_str(p, h->name);
	pack_str(p, h->tlsa);
	pack_str(p, h->sts);
}

void
proto_hop_unpack(struct unpacker *u, struct arena *a, struct proto_hop *out)
{
	out->resumed = unpack_bool(u);
	out->peer = unpack_str(u, a);
	out->demanded = unpack_str(u, a);
	out->had = unpack_str(u, a);
	out->protocol = unpack_str(u, a);
	out->cipher = unpack_str(u, a);
	out->cert = unpack_str(u, a);
	out->name = unpack_str(u, a);
	out->tlsa = unpack_str(u, a);
	out->sts = unpack_str(u, a);
}
