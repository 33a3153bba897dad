/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking, in the order of proto_accounts.h.
 */
#include "gateway/proto_accounts.h"

#include "common/pack.h"

enum err
proto_sign_in_pack(const struct proto_sign_in *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->section);
	pack_str(&p, m->user);
	pack_str(&p, m->password);
	return pack_end(&p);
}

enum err
proto_sign_in_unpack(struct span in, struct arena *a, struct proto_sign_in *out)
{
	struct unpacker u;
	struct proto_sign_in m;

	unpack_begin(&u, in);
	m.section = unpack_u32(&u);
	m.user = unpack_str(&u, a);
	m.password = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

static uint8_t
unpack_verdict(struct unpacker *u)
{
	uint8_t v = unpack_u8(u);

	if (v > PROTO_YES)
		u->err = ERR_IPC;
	return v;
}

enum err
proto_signed_in_pack(const struct proto_signed_in *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, m->verdict);
	pack_str(&p, m->id);
	pack_str(&p, m->from);
	return pack_end(&p);
}

enum err
proto_signed_in_unpack(
    struct span in, struct arena *a, struct proto_signed_in *out)
{
	struct unpacker u;
	struct proto_signed_in m;

	unpack_begin(&u, in);
	m.verdict = unpack_verdict(&u);
	m.id = unpack_str(&u, a);
	m.from = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_listed_pack(const struct proto_listed *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->section);
	pack_str(&p, m->key);
	return pack_end(&p);
}

enum err
proto_listed_unpack(struct span in, struct arena *a, struct proto_listed *out)
{
	struct unpacker u;
	struct proto_listed m;

	unpack_begin(&u, in);
	m.section = unpack_u32(&u);
	m.key = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_verdict_pack(uint8_t verdict, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, verdict);
	return pack_end(&p);
}

enum err
proto_verdict_unpack(struct span in, uint8_t *out)
{
	struct unpacker u;
	uint8_t v;

	unpack_begin(&u, in);
	v = unpack_verdict(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = v;
	return ERR_OK;
}
