/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of the messages about revocation.
 */
#include "gateway/proto_revocation.h"

#include "common/limits.h"
#include "gateway/proto_private.h"

enum { NONCE_MAX = 32, REQUEST_MAX = 1024 };

enum err
proto_revocation_pack(const struct proto_revocation *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, (uint8_t)m->want.kind);
	pack_span(&p, m->want.issuer);
	pack_span(&p, m->want.url);
	pack_span(&p, m->want.serial);
	pack_span(&p, m->want.request);
	pack_u64(&p, (uint64_t)m->want.until);
	pack_span(&p, m->nonce);
	pack_span(&p, m->octets);
	pack_u8(&p, (uint8_t)m->n_others);
	for (uint32_t i = 0; i < m->n_others; i++)
		pack_span(&p, m->other[i]);
	return pack_end(&p);
}

enum err
proto_revocation_unpack(struct span in, struct proto_revocation *out)
{
	struct proto_revocation m = {.want = {.due = 0}};
	struct unpacker u;

	unpack_begin(&u, in);
	m.want.kind = (enum ks_want_kind)unpack_u8(&u);
	m.want.issuer = unpack_span(&u);
	m.want.url = unpack_span(&u);
	m.want.serial = unpack_span(&u);
	m.want.request = unpack_span(&u);
	m.want.until = (int64_t)unpack_u64(&u);
	m.nonce = unpack_span(&u);
	m.octets = unpack_span(&u);
	m.n_others = unpack_u8(&u);
	if (m.n_others > PROTO_REVOCATION_OTHERS)
		return ERR_IPC;
	for (uint32_t i = 0; i < m.n_others; i++)
		m.other[i] = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK ||
	    (m.want.kind != KS_WANT_LIST && m.want.kind != KS_WANT_ANSWER) ||
	    m.want.issuer.len == 0 || m.want.issuer.len > LIMIT_CERT_SIZE ||
	    m.want.url.len > LIMIT_REVOCATION_URL ||
	    m.want.serial.len > LIMIT_SERIAL ||
	    m.want.request.len > REQUEST_MAX || m.nonce.len > NONCE_MAX ||
	    m.octets.len > LIMIT_CRL_SIZE)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

enum err
proto_revocation_said_pack(
    const struct proto_revocation_said *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_raw(&p, m->id, KS_WANT_ID);
	pack_bool(&p, m->good);
	pack_str(&p, m->why);
	pack_u64(&p, (uint64_t)m->said.from);
	pack_u64(&p, (uint64_t)m->said.until);
	pack_u8(&p, m->said.state);
	pack_u8(&p, m->said.reason);
	pack_u64(&p, (uint64_t)m->said.at);
	pack_u8(&p, m->said.scope);
	pack_span(&p, m->said.entries);
	return pack_end(&p);
}

enum err
proto_revocation_said_unpack(
    struct span in, struct arena *a, struct proto_revocation_said *out)
{
	struct proto_revocation_said m = {.good = false};
	struct unpacker u;

	unpack_begin(&u, in);
	unpack_raw(&u, m.id, KS_WANT_ID);
	m.good = unpack_bool(&u);
	m.why = unpack_str(&u, a);
	m.said.from = (int64_t)unpack_u64(&u);
	m.said.until = (int64_t)unpack_u64(&u);
	m.said.state = unpack_u8(&u);
	m.said.reason = unpack_u8(&u);
	m.said.at = (int64_t)unpack_u64(&u);
	m.said.scope = unpack_u8(&u);
	m.said.entries = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK || m.said.entries.len > LIMIT_CRL_SIZE)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}
