/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking, in the order of proto_pickup.h.
 */
#include "gateway/proto_pickup.h"

#include "gateway/proto_private.h"

enum {
	ACCOUNT_SIZE = PICKUP_ACCOUNT_PUBLIC + PICKUP_ACCOUNT_PROOF +
		       PICKUP_ACCOUNT_WRAPPED,
};

enum err
proto_account_set_pack(const struct proto_account_set *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->object);
	pack_str(&p, m->digits);
	pack_str(&p, m->client);
	pickup_account_pack(&p, &m->account);
	return pack_end(&p);
}

enum err
proto_account_set_unpack(
    struct span in, struct arena *a, struct proto_account_set *out)
{
	struct proto_account_set m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.object = unpack_str(&u, a);
	m.digits = unpack_str(&u, a);
	m.client = unpack_str(&u, a);
	pickup_account_unpack(&u, &m.account);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_account_said_pack(const struct proto_account_said *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_raw(&p, m->id, sizeof(m->id));
	pack_u32(&p, (uint32_t)m->result);
	return pack_end(&p);
}

enum err
proto_account_said_unpack(struct span in, struct proto_account_said *out)
{
	struct proto_account_said m;
	struct unpacker u;

	unpack_begin(&u, in);
	unpack_raw(&u, m.id, sizeof(m.id));
	m.result = proto_as_err(unpack_u32(&u));
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_accounts_pack(const struct proto_accounts *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_bool(&p, m->first);
	pack_bool(&p, m->last);
	pack_u32(&p, m->n);
	for (uint32_t i = 0; i < m->n; i++)
		pickup_account_pack(&p, &m->account[i]);
	return pack_end(&p);
}

enum err
proto_accounts_unpack(
    struct span in, struct arena *a, struct proto_accounts *out)
{
	struct proto_accounts m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.first = unpack_bool(&u);
	m.last = unpack_bool(&u);
	m.account =
	    proto_unpack_array(&u, a, ACCOUNT_SIZE, sizeof(*m.account), &m.n);
	for (uint32_t i = 0; i < m.n; i++)
		pickup_account_unpack(&u, &m.account[i]);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}
