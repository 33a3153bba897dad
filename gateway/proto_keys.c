/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Packing and unpacking of what concerns keys, in the order of proto_keys.h.
 */
#include "gateway/proto.h"

#include "common/limits.h"
#include "common/secret.h"
#include "gateway/proto_private.h"

/* --- keys --- */

enum err
proto_keys_pack(const struct proto_keys *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	for (int i = 0; i < SEALED_PURPOSES; i++) {
		pack_u8(&p, (uint8_t)m->pub[i].purpose);
		pack_raw(&p, m->pub[i].octets, SEALED_KEY);
	}
	pack_span(&p, m->ready_private);
	return pack_end(&p);
}

enum err
proto_keys_unpack(struct span in, struct proto_keys *out)
{
	struct unpacker u;
	struct proto_keys m;

	unpack_begin(&u, in);
	for (int i = 0; i < SEALED_PURPOSES; i++) {
		m.pub[i].purpose = (enum sealed_purpose)unpack_u8(&u);
		if (m.pub[i].purpose != SEALED_NONE &&
		    (int)m.pub[i].purpose != i)
			u.err = ERR_IPC;
		unpack_raw(&u, m.pub[i].octets, SEALED_KEY);
	}
	m.ready_private = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_register_sender(const char *from_key, const char *auth_from,
    struct arena *a, struct proto_register *out)
{
	struct span all = span_str(auth_from);
	struct proto_register m = {.n_addr = 1};
	size_t max = 2;

	for (size_t i = 0; i < all.len; i++)
		max += all.data[i] == ' ';
	m.addr = arena_array(a, max, sizeof(*m.addr));
	if (m.addr == NULL)
		return ERR_NOMEM;
	m.addr[0] = from_key;
	for (size_t i = 0, end; i < all.len; i = end + 1) {
		end = span_find_chr(all, i, ' ');
		if (end == i || all.data[i] == '@')
			continue;
		m.addr[m.n_addr] =
		    arena_span_str(a, SPAN(all.data + i, end - i));
		if (m.addr[m.n_addr++] == NULL)
			return ERR_NOMEM;
	}
	*out = m;
	return ERR_OK;
}

enum err
proto_register_pack(const struct proto_register *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_bool(&p, m->open);
	pack_u32(&p, m->n_addr);
	for (uint32_t i = 0; i < m->n_addr; i++)
		pack_str(&p, m->addr[i]);
	return pack_end(&p);
}

enum err
proto_register_unpack(
    struct span in, struct arena *a, struct proto_register *out)
{
	struct proto_register m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.open = unpack_bool(&u);
	m.addr = proto_unpack_array(&u, a, 4, sizeof(*m.addr), &m.n_addr);
	for (uint32_t i = 0; i < m.n_addr; i++)
		m.addr[i] = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_sign_pack(const struct proto_sign *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->fpr);
	pack_u8(&p, m->alg);
	pack_span(&p, m->in);
	return pack_end(&p);
}

enum err
proto_sign_unpack(struct span in, struct proto_sign *out)
{
	struct proto_sign m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.fpr = unpack_span(&u);
	m.alg = unpack_u8(&u);
	m.in = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_signed_pack(const struct proto_signed *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->result);
	pack_span(&p, m->signature);
	return pack_end(&p);
}

enum err
proto_signed_unpack(struct span in, struct proto_signed *out)
{
	struct proto_signed m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.result = proto_as_err(unpack_u32(&u));
	m.signature = unpack_span(&u);
	if (u.err == ERR_OK && (m.signature.len > 0) != (m.result == ERR_OK))
		u.err = ERR_IPC;
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_decrypt_pack(const struct proto_decrypt *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->fpr);
	pack_u8(&p, m->op);
	pack_u8(&p, m->hash);
	pack_u8(&p, m->mgf);
	pack_u8(&p, m->len);
	pack_span(&p, m->in);
	return pack_end(&p);
}

enum err
proto_decrypt_unpack(struct span in, struct proto_decrypt *out)
{
	struct proto_decrypt m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.fpr = unpack_span(&u);
	m.op = unpack_u8(&u);
	m.hash = unpack_u8(&u);
	m.mgf = unpack_u8(&u);
	m.len = unpack_u8(&u);
	m.in = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_decrypted_pack(const struct proto_decrypted *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->result);
	pack_span(&p, m->key);
	return pack_end(&p);
}

enum err
proto_decrypted_unpack(struct span in, struct proto_decrypted *out)
{
	struct proto_decrypted m;
	struct unpacker u;

	unpack_begin(&u, in);
	m.result = proto_as_err(unpack_u32(&u));
	m.key = unpack_span(&u);
	if (u.err == ERR_OK && (m.key.len > 0) != (m.result == ERR_OK))
		u.err = ERR_IPC;
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

/* --- pgp --- */

enum err
proto_pgp_sign_pack(const struct proto_pgp_sign *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->fpr);
	pack_u32(&p, m->n_certs);
	for (uint32_t i = 0; i < m->n_certs; i++)
		pack_span(&p, m->cert[i]);
	return pack_end(&p);
}

enum err
proto_pgp_sign_unpack(
    struct span in, struct arena *a, struct proto_pgp_sign *out)
{
	struct unpacker u;
	struct proto_pgp_sign m = {0};

	unpack_begin(&u, in);
	m.fpr = unpack_span(&u);
	m.cert = proto_unpack_array(&u, a, 4, sizeof(*m.cert), &m.n_certs);
	for (uint32_t i = 0; i < m.n_certs; i++)
		m.cert[i] = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if (m.fpr.len == 0 || m.n_certs > LIMIT_RECIPIENTS)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

enum err
proto_pgp_signed_pack(const struct proto_pgp_signed *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->err);
	pack_str(&p, m->why);
	pack_str(&p, m->micalg);
	return pack_end(&p);
}

enum err
proto_pgp_signed_unpack(
    struct span in, struct arena *a, struct proto_pgp_signed *out)
{
	struct unpacker u;
	struct proto_pgp_signed m;

	unpack_begin(&u, in);
	m.err = proto_as_err(unpack_u32(&u));
	m.why = unpack_str(&u, a);
	m.micalg = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if ((m.err == ERR_OK) != (m.micalg[0] != '\0'))
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

/* --- portal --- */

enum err
proto_answer_came_pack(const struct proto_answer_came *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->object);
	pack_str(&p, m->client);
	return pack_end(&p);
}

enum err
proto_answer_came_unpack(
    struct span in, struct arena *a, struct proto_answer_came *out)
{
	struct unpacker u;
	struct proto_answer_came m;

	unpack_begin(&u, in);
	m.object = unpack_str(&u, a);
	m.client = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_key_is_unpack(struct span in, struct secret **out)
{
	struct secret *key;
	struct unpacker u;
	struct span octets;
	uint32_t err;

	unpack_begin(&u, in);
	err = unpack_u32(&u);
	octets = unpack_span(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if (err != ERR_OK)
		return err < ERR_COUNT ? (enum err)err : ERR_IPC;
	if (octets.len != SEALED_KEY)
		return ERR_IPC;
	key = secret_from(octets);
	if (key == NULL)
		return ERR_NOMEM;
	*out = key;
	return ERR_OK;
}

enum err
proto_answer_open_pack(const struct proto_answer_open *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->object);
	pack_str(&p, m->from);
	pack_str(&p, m->from_key);
	pack_u32(&p, m->n_to);
	for (uint32_t i = 0; i < m->n_to; i++)
		pack_str(&p, m->to[i]);
	return pack_end(&p);
}

enum err
proto_answer_open_unpack(
    struct span in, struct arena *a, struct proto_answer_open *out)
{
	struct unpacker u;
	struct proto_answer_open m;

	unpack_begin(&u, in);
	m.object = unpack_str(&u, a);
	m.from = unpack_str(&u, a);
	m.from_key = unpack_str(&u, a);
	m.to = proto_unpack_array(&u, a, 4, sizeof(*m.to), &m.n_to);
	for (uint32_t i = 0; i < m.n_to; i++)
		m.to[i] = unpack_str(&u, a);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}

enum err
proto_opened_pack(const struct proto_opened *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_str(&p, m->name);
	pack_str(&p, m->client);
	pack_str(&p, m->agent);
	pack_u64(&p, m->at_ms);
	return pack_end(&p);
}

enum err
proto_opened_unpack(struct span in, struct arena *a, struct proto_opened *out)
{
	struct unpacker u;
	struct proto_opened m;

	unpack_begin(&u, in);
	m.name = unpack_str(&u, a);
	m.client = unpack_str(&u, a);
	m.agent = unpack_str(&u, a);
	m.at_ms = unpack_u64(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	*out = m;
	return ERR_OK;
}
