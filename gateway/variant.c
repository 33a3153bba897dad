/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Variants: payload, signature, seal, shape. What is signed is written once,
 * and every step after works on these octets. What is to be sealed is made
 * aside; only what the engines return goes to the sink.
 */
#include "gateway/variant.h"

#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_seal.h"
#include "gateway/spill.h"
#include "gateway/variant_private.h"
#include "keystore/record.h"
#include "mime/base64.h"
#include "mime/payload.h"

/* octets: re-encoding 8-bit parts makes them larger, up to three times */
#define PAYLOAD_MAX (3 * (uint64_t)LIMIT_MESSAGE_SIZE_MAX)

/* --- the payload --- */

static enum mime_hp
hp_of(const struct variant *v)
{
	switch (v->form.hp) {
	case POLICY_HP_NONE:
		return MIME_HP_NONE;
	case POLICY_HP_UNSET:
	case POLICY_HP_BASELINE:
		return MIME_HP_BASELINE;
	case POLICY_HP_SHY:
		return MIME_HP_SHY;
	}
	return MIME_HP_SHY;
}

static enum mime_transport
transport_of(const struct variant *v)
{
	if (v->signer == NULL)
		return MIME_TRANSPORT_ANY;
	/* RFC 3156 section 6.2 wants it of what is signed and sealed in one,
	   too */
	return v->signer->kind == KS_OPENPGP ? MIME_TRANSPORT_PGP
					     : MIME_TRANSPORT_7BIT;
}

static enum err
make_payload(const struct making *m, struct mime_payload **out)
{
	const struct variant *v = m->v;
	struct mime_payload_form form = {.edit = v->edit,
	    .hp = hp_of(v),
	    .sealed = v->rung != RUNG_CLEAR,
	    .transport = transport_of(v)};

	return mime_payload_make(v->tree, &form, m->arena, out, m->why);
}

static enum err
write_payload(
    const struct mime_payload *p, struct spill *s, struct span *octets)
{
	struct mime_sink sink = spill_sink(s);
	enum err e = mime_payload_write(p, &sink);

	return e == ERR_OK ? spill_finish(s, octets) : e;
}

/* --- readable --- */

static enum err
write_signed(const struct making *m)
{
	const char *reason = "it is not fit for every transport";
	struct mime_payload *p;
	struct spill spill;
	struct span entity;
	enum err e = make_payload(m, &p);

	if (e != ERR_OK)
		return e;
	/* base64 around it: no transport changes what is inside */
	if (!variant_is_opaque(m->v) && !mime_payload_is_fit(p, &reason))
		return err_why(m->why, ERR_CANNOT_SIGN, "%s", reason);
	spill_init(&spill, PAYLOAD_MAX);
	e = write_payload(p, &spill, &entity);
	if (e == ERR_OK)
		e = variant_put_signed(m, mime_payload_outer(p), entity, m->to);
	spill_clear(&spill);
	return e;
}

/* --- S/MIME --- */

static enum err
put_base64(void *arg, struct span octets)
{
	return mime_base64_put(arg, octets);
}

static enum err
seal_to(const struct making *m, struct crypto_cert **certs, struct span outer,
    struct span entity)
{
	struct crypto_cms_form form;
	struct mime_base64 b64;
	const struct mime_sink sealed = {put_base64, &b64};
	enum err e = variant_form(m->v, certs, m->arena, &form);

	if (e == ERR_OK)
		e = mime_write_smime_head(
		    outer, variant_smime_type(&form), m->to);
	if (e == ERR_OK) {
		mime_base64_init(&b64, *m->to);
		e = crypto_cms_seal(certs, m->v->n_keys, &form, m->v->now_s,
		    entity, &sealed, m->why);
	}
	return e == ERR_OK ? mime_base64_finish(&b64) : e;
}

static enum err
seal_smime(const struct making *m, struct span outer, struct span entity)
{
	size_t n = m->v->n_keys;
	struct crypto_cert **certs = arena_array(m->arena, n, sizeof(*certs));
	enum err e;

	if (certs == NULL)
		return ERR_NOMEM;
	e = variant_certs(m->v, m->engines->certs, certs, m->why);
	if (e == ERR_OK)
		e = seal_to(m, certs, outer, entity);
	for (size_t i = 0; i < n; i++)
		crypto_cert_unref(certs[i]);
	return e;
}

/* Signed inside: what is sealed is a multipart/signed or a signed-data (RFC
   8551 section 3.7). */
static enum err
sign_inside(const struct making *m, struct span *entity, struct spill *s)
{
	struct mime_sink sink = spill_sink(s);
	enum err e = variant_put_signed(m, SPAN(NULL, 0), *entity, &sink);

	return e == ERR_OK ? spill_finish(s, entity) : e;
}

static enum err
write_smime(const struct making *m)
{
	struct mime_payload *p;
	struct spill plain, with_signature;
	struct span entity;
	enum err e = make_payload(m, &p);

	if (e != ERR_OK)
		return e;
	spill_init(&plain, PAYLOAD_MAX);
	spill_init(&with_signature, PAYLOAD_MAX);
	e = write_payload(p, &plain, &entity);
	if (e == ERR_OK && m->v->signer != NULL) {
		e = sign_inside(m, &entity, &with_signature);
		/* large messages are not held more often than needed */
		spill_clear(&plain);
	}
	if (e == ERR_OK)
		e = seal_smime(m, mime_payload_outer(p), entity);
	spill_clear(&with_signature);
	spill_clear(&plain);
	return e;
}

/* --- PGP/MIME --- */

static enum err
put_memfd(void *arg, struct span octets)
{
	return memfd_write(*(int *)arg, octets);
}

/* The payload in a memfd of its own, for another process. */
static enum err
payload_memfd(const struct mime_payload *p, int *fd_out)
{
	int fd;
	struct mime_sink sink = {put_memfd, &fd};
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = mime_payload_write(p, &sink);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e != ERR_OK) {
		close(fd);
		return e;
	}
	*fd_out = fd;
	return ERR_OK;
}

static enum err
seal_pgp(const struct making *m, int fd, struct memfd_map *armor)
{
	const struct variant_pgp *pgp = &m->engines->pgp;
	const struct variant *v = m->v;
	struct span *keys = arena_array(m->arena, v->n_keys, sizeof(*keys));

	if (keys == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->n_keys; i++) {
		if (v->key[i] == NULL)
			return ERR_KEY_UNUSABLE;
		keys[i] = v->key[i]->key;
	}
	return v->signer == NULL
		   ? pgp->seal(pgp->arg, keys, v->n_keys, fd, armor, m->why)
		   : pgp->seal_sign(pgp->arg, v->signer->fpr, keys, v->n_keys,
			 fd, armor, m->why);
}

static enum err
write_pgp(const struct making *m)
{
	struct memfd_map armor = {0};
	struct mime_boundary boundary;
	struct mime_payload *p;
	uint8_t seed[16];
	int fd;
	enum err e = make_payload(m, &p);

	if (e == ERR_OK)
		e = payload_memfd(p, &fd);
	if (e != ERR_OK)
		return e;
	e = variant_of_key(seal_pgp(m, fd, &armor));
	close(fd);
	if (e == ERR_OK) {
		random_octets(seed, sizeof(seed));
		boundary = mime_boundary_make(seed);
		e = mime_write_pgp(
		    mime_payload_outer(p), &boundary, armor.data, m->to);
	}
	memfd_unmap(&armor);
	return e;
}

/* --- */

enum err
variant_write(const struct variant *v, const struct variant_engines *engines,
    struct arena *arena, const struct mime_sink *to, struct err_why *why)
{
	struct making m = {v, engines, arena, to, why};

	if (v->as_is)
		return mime_write_plain(v->raw, &v->edit, to, why);
	if (v->rung == RUNG_SMIME)
		return write_smime(&m);
	if (v->rung == RUNG_PGP)
		return write_pgp(&m);
	if (v->rung != RUNG_CLEAR)
		return ERR_UNSUPPORTED;
	return v->signer != NULL ? write_signed(&m)
				 : mime_write_plain(v->raw, &v->edit, to, why);
}

bool
variant_is_rung_failure(enum err e)
{
	return err_class(e) == ERR_CLASS_CRYPTO || e == ERR_TIMEOUT ||
	       e == ERR_CRASHED || e == ERR_ENGINE || e == ERR_UNSUPPORTED ||
	       e == ERR_AMBIGUOUS || e == ERR_CANNOT_SIGN;
}
