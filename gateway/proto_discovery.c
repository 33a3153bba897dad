/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of what concerns keys of strangers.
 */
#include "gateway/proto.h"

#include "gateway/proto_private.h"

void
proto_answers_pack(struct packer *p, const struct proto_answers *m)
{
	pack_str(p, m->key);
	pack_bool(p, m->complete);
	pack_u32(p, m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		pack_u8(p, m->answer[i].source);
		pack_u8(p, m->answer[i].status);
		pack_bool(p, m->answer[i].reached);
		pack_bool(p, m->answer[i].domain_failed);
		pack_u32(p, m->answer[i].ttl_s);
	}
}

void
proto_answers_unpack(
    struct unpacker *u, struct arena *a, struct proto_answers *out)
{
	struct proto_answers m = {0};

	m.key = unpack_str(u, a);
	m.complete = unpack_bool(u);
	m.answer = proto_unpack_array(u, a, 8, sizeof(*m.answer), &m.n);
	for (uint32_t i = 0; i < m.n; i++) {
		m.answer[i].source = unpack_u8(u);
		m.answer[i].status = unpack_u8(u);
		m.answer[i].reached = unpack_bool(u);
		m.answer[i].domain_failed = unpack_bool(u);
		m.answer[i].ttl_s = unpack_u32(u);
		if (m.answer[i].status > PROTO_ANSWER_FOUND)
			u->err = ERR_IPC;
	}
	*out = m;
}

/* --- proposals --- */

enum err
proto_propose_pack(const struct proto_propose *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u8(&p, m->source);
	pack_u8(&p, m->trust);
	pack_bool(&p, m->asserted);
	pack_bool(&p, m->openpgp);
	pack_str(&p, m->key);
	pack_str(&p, m->url);
	pack_span(&p, m->caps);
	pack_u32(&p, m->n);
	for (uint32_t i = 0; i < m->n; i++)
		pack_span(&p, m->blob[i]);
	return pack_end(&p);
}

enum err
proto_propose_unpack(struct span in, struct arena *a, struct proto_propose *out)
{
	struct unpacker u;
	struct proto_propose m = {0};

	unpack_begin(&u, in);
	m.source = unpack_u8(&u);
	m.trust = unpack_u8(&u);
	m.asserted = unpack_bool(&u);
	m.openpgp = unpack_bool(&u);
	m.key = unpack_str(&u, a);
	m.url = unpack_str(&u, a);
	m.caps = unpack_span(&u);
	m.blob = proto_unpack_array(&u, a, 4, sizeof(*m.blob), &m.n);
	if (m.n > PROTO_BLOBS_MAX)
		return ERR_IPC;
	for (uint32_t i = 0; i < m.n; i++)
		m.blob[i] = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_proposed_pack(const struct proto_proposed *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_bool(&p, m->failed);
	pack_str(&p, m->why);
	pack_u32(&p, m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		pack_u8(&p, m->key[i].fate);
		pack_u64(&p, (uint64_t)m->key[i].ends);
		pack_span(&p, m->key[i].fpr);
		pack_str(&p, m->key[i].what);
		pack_str(&p, m->key[i].why);
	}
	return pack_end(&p);
}

enum err
proto_proposed_unpack(
    struct span in, struct arena *a, struct proto_proposed *out)
{
	struct unpacker u;
	struct proto_proposed m = {0};

	unpack_begin(&u, in);
	m.failed = unpack_bool(&u);
	m.why = unpack_str(&u, a);
	m.key = proto_unpack_array(&u, a, 21, sizeof(*m.key), &m.n);
	if (m.n > PROTO_BLOBS_MAX)
		return ERR_IPC;
	for (uint32_t i = 0; i < m.n; i++) {
		m.key[i].fate = unpack_u8(&u);
		m.key[i].ends = (int64_t)unpack_u64(&u);
		m.key[i].fpr = unpack_span(&u);
		m.key[i].what = unpack_str(&u, a);
		m.key[i].why = unpack_str(&u, a);
		if (m.key[i].fate > PROTO_FATE_FAILED)
			u.err = ERR_IPC;
	}
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_group_pack(const struct proto_group *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->name);
	pack_span(&p, m->text);
	return pack_end(&p);
}

enum err
proto_group_unpack(struct span in, struct arena *a, struct proto_group *out)
{
	struct unpacker u;
	struct proto_group m;

	unpack_begin(&u, in);
	m.name = unpack_str(&u, a);
	m.text = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}
