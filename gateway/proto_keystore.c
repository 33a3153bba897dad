/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of the messages about keys of others.
 */
#include "gateway/proto_keystore.h"

#include "gateway/proto_private.h"

enum err
proto_key_refused_pack(const struct ks_refusal *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, (uint8_t)m->source);
	pack_span(&p, m->addr);
	pack_span(&p, m->fpr);
	pack_span(&p, m->what);
	pack_span(&p, m->url);
	pack_span(&p, m->why);
	return pack_end(&p);
}

enum err
proto_key_refused_unpack(struct span in, struct ks_refusal *out)
{
	struct ks_refusal m = {0};
	struct unpacker u;
	uint8_t source;

	unpack_begin(&u, in);
	source = unpack_u8(&u);
	m.source = (enum ks_source)source;
	m.addr = unpack_span(&u);
	m.fpr = unpack_span(&u);
	m.what = unpack_span(&u);
	m.url = unpack_span(&u);
	m.why = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || source < KS_SOURCE_MANUAL ||
	    source > KS_SOURCE_HARVEST)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

enum err
proto_admit_pack(const struct proto_admit *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->addr);
	pack_span(&p, m->record);
	return pack_end(&p);
}

enum err
proto_admit_unpack(struct span in, struct proto_admit *out)
{
	struct proto_admit m = {0};
	struct unpacker u;

	unpack_begin(&u, in);
	m.addr = unpack_span(&u);
	m.record = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || m.addr.len > KS_ADDR_MAX ||
	    m.record.len == 0 || m.record.len > KS_RECORD_MAX)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

enum err
proto_admitted_pack(const struct proto_admitted *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, (uint8_t)m->change);
	pack_u8(&p, (uint8_t)m->trust);
	pack_u32(&p, (uint32_t)m->err);
	pack_str(&p, m->why);
	return pack_end(&p);
}

enum err
proto_admitted_unpack(
    struct span in, struct arena *a, struct proto_admitted *out)
{
	struct proto_admitted m = {0};
	struct unpacker u;
	uint8_t change, trust;

	unpack_begin(&u, in);
	change = unpack_u8(&u);
	trust = unpack_u8(&u);
	m.err = proto_as_err(unpack_u32(&u));
	m.why = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK || change >= KS_CHANGE_COUNT ||
	    trust >= KS_TRUST_COUNT)
		return ERR_IPC;
	m.change = (enum ks_change)change;
	m.trust = (enum ks_trust)trust;
	*out = m;
	return ERR_OK;
}
