/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Pack and unpack what an opener and its pgp process tell each other. An answer
 * comes from a process that has parsed what strangers wrote: nothing in it is
 * taken on trust.
 */
#include "gateway/proto_open.h"

#include <stdio.h>
#include <string.h>

#include "gateway/proto_private.h"

enum {
	SIG_SIZE_MIN = 4 + 4 + 4 + 4 + 8 + 4, /* octets of an empty one */
};

static void
pack_spans(struct packer *p, const struct span *s, uint32_t n)
{
	pack_u32(p, n);
	for (uint32_t i = 0; i < n; i++)
		pack_span(p, s[i]);
}

static struct span *
unpack_spans(struct unpacker *u, struct arena *a, uint32_t *n)
{
	struct span *s = proto_unpack_array(u, a, 4, sizeof(*s), n);

	for (uint32_t i = 0; i < *n; i++)
		s[i] = unpack_span(u);
	return s;
}

/* Text of the other side into an array; a longer one is malformed. */
static void
unpack_text(struct unpacker *u, struct arena *a, char *out, size_t size)
{
	const char *text = unpack_str(u, a);

	if (strlen(text) >= size) {
		u->err = ERR_IPC;
		return;
	}
	snprintf(out, size, "%s", text);
}

/* --- asking --- */

enum err
proto_pgp_open_pack(const struct proto_pgp_open *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_spans(&p, m->fpr, m->n_fprs);
	pack_spans(&p, m->cert, m->n_certs);
	pack_u64(&p, m->max);
	return pack_end(&p);
}

enum err
proto_pgp_open_unpack(
    struct span in, struct arena *a, struct proto_pgp_open *out)
{
	struct unpacker u;
	struct proto_pgp_open m = {0};

	unpack_begin(&u, in);
	m.fpr = unpack_spans(&u, a, &m.n_fprs);
	m.cert = unpack_spans(&u, a, &m.n_certs);
	m.max = unpack_u64(&u);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if (m.n_fprs > CRYPTO_PGP_OPEN_KEYS ||
	    m.n_certs > CRYPTO_PGP_OPEN_CERTS)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

enum err
proto_pgp_verify_pack(const struct proto_pgp_verify *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_span(&p, m->signatures);
	pack_spans(&p, m->cert, m->n_certs);
	return pack_end(&p);
}

enum err
proto_pgp_verify_unpack(
    struct span in, struct arena *a, struct proto_pgp_verify *out)
{
	struct unpacker u;
	struct proto_pgp_verify m = {0};

	unpack_begin(&u, in);
	m.signatures = unpack_span(&u);
	m.cert = unpack_spans(&u, a, &m.n_certs);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if (m.n_certs > CRYPTO_PGP_OPEN_CERTS)
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

/* --- answers --- */

static void
pack_sigs(struct packer *p, const struct crypto_pgp_sigs *sigs)
{
	pack_u32(p, sigs->n);
	for (uint32_t i = 0; i < sigs->n; i++) {
		const struct crypto_pgp_sig *s = &sigs->sig[i];

		pack_u32(p, s->status);
		pack_str(p, s->reason);
		pack_u32(p, s->cert);
		pack_span(p, SPAN(s->fpr, s->fpr_len));
		pack_u64(p, (uint64_t)s->made);
		pack_str(p, s->alg);
	}
}

/* The statuses that gpg's word can lead to; anything else is no answer. */
static bool
is_status(uint32_t status)
{
	return status == CRYPTO_SIGNED_BAD ||
	       status == CRYPTO_SIGNED_UNSUPPORTED ||
	       status == CRYPTO_SIGNED_UNKNOWN_KEY ||
	       status == CRYPTO_SIGNED_KEY_REVOKED ||
	       status == CRYPTO_SIGNED_KEY_EXPIRED ||
	       status == CRYPTO_SIGNED_KEY_UNUSABLE ||
	       status == CRYPTO_SIGNED_GOOD;
}

static void
unpack_sig(struct unpacker *u, struct arena *a, struct crypto_pgp_sig *s)
{
	uint32_t status = unpack_u32(u);
	struct span fpr;

	unpack_text(u, a, s->reason, sizeof(s->reason));
	s->cert = unpack_u32(u);
	fpr = unpack_span(u);
	s->made = (int64_t)unpack_u64(u);
	unpack_text(u, a, s->alg, sizeof(s->alg));
	if (u->err != ERR_OK)
		return;
	if (!is_status(status) || fpr.len > sizeof(s->fpr) ||
	    (status == CRYPTO_SIGNED_GOOD && s->cert == CRYPTO_PGP_NO_CERT)) {
		u->err = ERR_IPC;
		return;
	}
	s->status = (enum crypto_signed)status;
	s->fpr_len = (uint32_t)fpr.len;
	if (fpr.len > 0)
		memcpy(s->fpr, fpr.data, fpr.len);
}

static void
unpack_sigs(struct unpacker *u, struct arena *a, struct crypto_pgp_sigs *out)
{
	uint32_t n = unpack_count(u, SIG_SIZE_MIN);

	if (n > CRYPTO_PGP_SIGS)
		u->err = ERR_IPC;
	for (uint32_t i = 0; i < n && u->err == ERR_OK; i++)
		unpack_sig(u, a, &out->sig[i]);
	out->n = u->err == ERR_OK ? n : 0;
}

enum err
proto_pgp_opened_pack(const struct proto_pgp_opened *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->err);
	pack_str(&p, m->why);
	pack_u32(&p, m->result.secret);
	pack_str(&p, m->result.cipher);
	pack_sigs(&p, &m->result.sigs);
	return pack_end(&p);
}

enum err
proto_pgp_opened_unpack(
    struct span in, struct arena *a, struct proto_pgp_opened *out)
{
	struct unpacker u;
	struct proto_pgp_opened m = {0};

	unpack_begin(&u, in);
	m.err = proto_as_err(unpack_u32(&u));
	m.why = unpack_str(&u, a);
	m.result.secret = unpack_u32(&u);
	unpack_text(&u, a, m.result.cipher, sizeof(m.result.cipher));
	unpack_sigs(&u, a, &m.result.sigs);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	if (m.result.secret >= CRYPTO_PGP_OPEN_KEYS ||
	    (m.err == ERR_OK) != (m.result.cipher[0] != '\0'))
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}

enum err
proto_pgp_verified_pack(const struct proto_pgp_verified *m, struct buf *out)
{
	struct packer p;

	pack_begin(&p, out);
	pack_u32(&p, m->err);
	pack_str(&p, m->why);
	pack_sigs(&p, &m->sigs);
	return pack_end(&p);
}

enum err
proto_pgp_verified_unpack(
    struct span in, struct arena *a, struct proto_pgp_verified *out)
{
	struct unpacker u;
	struct proto_pgp_verified m = {0};

	unpack_begin(&u, in);
	m.err = proto_as_err(unpack_u32(&u));
	m.why = unpack_str(&u, a);
	unpack_sigs(&u, a, &m.sigs);
	if (unpack_end(&u) != ERR_OK)
		return u.err;
	/* no signature at all is no verification */
	if ((m.err == ERR_OK) != (m.sigs.n > 0))
		return ERR_IPC;
	*out = m;
	return ERR_OK;
}
