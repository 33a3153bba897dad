/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing of the messages about certificates that the gateway issues.
 */
#include "gateway/proto_issue.h"

#include "gateway/proto_private.h"

enum err
proto_key_new_pack(const struct proto_key_new *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, m->alg);
	pack_span(&p, m->addr);
	pack_span(&p, m->old);
	return pack_end(&p);
}

enum err
proto_key_new_unpack(struct span in, struct proto_key_new *out)
{
	struct proto_key_new m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.alg = unpack_u8(&u);
	m.addr = unpack_span(&u);
	m.old = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_key_made_pack(const struct proto_key_made *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, (uint32_t)m->result);
	pack_u64(&p, m->handle);
	pack_span(&p, m->spki);
	return pack_end(&p);
}

enum err
proto_key_made_unpack(struct span in, struct proto_key_made *out)
{
	struct proto_key_made m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.result = proto_as_err(unpack_u32(&u));
	m.handle = unpack_u64(&u);
	m.spki = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_key_seal_pack(const struct proto_key_seal *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u64(&p, m->handle);
	pack_span(&p, m->fpr);
	pack_u64(&p, m->added);
	return pack_end(&p);
}

enum err
proto_key_seal_unpack(struct span in, struct proto_key_seal *out)
{
	struct proto_key_seal m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.handle = unpack_u64(&u);
	m.fpr = unpack_span(&u);
	m.added = unpack_u64(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_octets_pack(enum err result, struct span octets, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, (uint32_t)result);
	pack_span(&p, octets);
	return pack_end(&p);
}

enum err
proto_octets_unpack(struct span in, enum err *result, struct span *octets)
{
	struct unpacker u;
	struct span s;
	uint32_t r;

	unpack_begin(&u, in);
	r = unpack_u32(&u);
	s = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*result = proto_as_err(r);
	*octets = s;
	return ERR_OK;
}

enum err
proto_ca_keep_pack(const struct proto_ca_keep *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->record);
	pack_span(&p, m->private);
	pack_span(&p, m->ca);
	pack_bool(&p, m->automatic);
	return pack_end(&p);
}

enum err
proto_ca_keep_unpack(struct span in, struct proto_ca_keep *out)
{
	struct proto_ca_keep m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.record = unpack_span(&u);
	m.private = unpack_span(&u);
	m.ca = unpack_span(&u);
	m.automatic = unpack_bool(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_ca_list_pack(const struct proto_ca_list *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->ca);
	pack_u64(&p, m->number);
	pack_u64(&p, (uint64_t)m->this_update);
	pack_u64(&p, (uint64_t)m->next_update);
	pack_span(&p, m->crl);
	return pack_end(&p);
}

enum err
proto_ca_list_unpack(struct span in, struct proto_ca_list *out)
{
	struct proto_ca_list m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.ca = unpack_span(&u);
	m.number = unpack_u64(&u);
	m.this_update = (int64_t)unpack_u64(&u);
	m.next_update = (int64_t)unpack_u64(&u);
	m.crl = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}
