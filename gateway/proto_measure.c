/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Measures as octets.
 */
#include "gateway/proto_measure.h"

#include "common/pack.h"
#include "gateway/proto_private.h"

enum { MIN_MEASURE = 10 };

void
proto_measures_pack(struct packer *p, const struct proto_measures *m)
{
	pack_u32(p, m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		pack_u8(p, m->list[i].kind);
		pack_bool(p, m->list[i].failed);
		pack_u64(p, m->list[i].value);
	}
}

void
proto_measures_unpack(
    struct unpacker *u, struct arena *a, struct proto_measures *out)
{
	out->list =
	    proto_unpack_array(u, a, MIN_MEASURE, sizeof(*out->list), &out->n);
	for (uint32_t i = 0; i < out->n; i++) {
		out->list[i].kind = unpack_u8(u);
		out->list[i].failed = unpack_bool(u);
		out->list[i].value = unpack_u64(u);
		if (out->list[i].kind >= PROTO_MEASURES)
			u->err = ERR_IPC;
	}
}
