/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Octets of proto_extract.h.
 */
#include "gateway/proto_extract.h"

#include "common/pack.h"

enum err
proto_extract_pack(const struct proto_extract *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, m->kind);
	pack_u32(&p, m->timeout_ms);
	return pack_end(&p);
}

enum err
proto_extract_unpack(struct span in, struct proto_extract *out)
{
	struct unpacker u;
	struct proto_extract m;

	unpack_begin(&u, in);
	m.kind = unpack_u8(&u);
	m.timeout_ms = unpack_u32(&u);
	if (unpack_end(&u) != ERR_OK ||
	    (m.kind != PROTO_EXTRACT_PDF && m.kind != PROTO_EXTRACT_OFFICE))
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}
