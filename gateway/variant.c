/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Variants: split, seal, shape. The text to be sealed is made aside; only what
 * the engines return goes to the sink.
 */
#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_seal.h"
#include "gateway/spill.h"
#include "gateway/variant.h"
#include "keystore/record.h"
#include "mime/base64.h"

/* One call's worth of what all its steps need. */
struct making {
	const struct variant *v;
	const struct variant_engines *engines;
	struct arena *arena;
	const struct mime_split *split;
	const struct mime_sink *to;
	struct err_why *why;
};

/* --- S/MIME --- */

static enum err
put_base64(void *arg, struct span octets)
{
	return mime_base64_put(arg, octets);
}

/* The entity that is sealed, in one piece. */
static enum err
whole_inner(const struct mime_split *split, struct spill *s, struct span *out)
{
	struct mime_sink sink = spill_sink(s);
	enum err e = mime_put(&sink, buf_span(&split->inner_head));

	if (e == ERR_OK)
		e = mime_put(&sink, split->inner_body);
	return e == ERR_OK ? spill_finish(s, out) : e;
}

static enum err
get_certs(const struct making *m, struct crypto_cert **certs)
{
	const struct variant *v = m->v;
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < v->n_keys; i++) {
		const struct ks_record *key = v->key[i];

		if (key == NULL || key->fpr.len != CRYPTO_CERT_FPR_SIZE)
			return ERR_KEY_UNUSABLE;
		e = crypto_cert_cache_get(m->engines->certs, key->fpr.data,
		    key->key, &certs[i], m->why);
	}
	return e;
}

static enum err
smime_from(const struct making *m, struct crypto_cert **certs)
{
	static const struct crypto_cms_form form; /* what everybody opens */
	struct mime_base64 b64;
	struct spill inner;
	struct span octets;
	enum err e;

	spill_init(&inner, LIMIT_MESSAGE_SIZE_MAX);
	e = whole_inner(m->split, &inner, &octets);
	if (e == ERR_OK)
		e = mime_write_smime_head(
		    buf_span(&m->split->outer), MIME_SMIME_ENVELOPED, m->to);
	if (e == ERR_OK) {
		const struct mime_sink sealed = {put_base64, &b64};

		mime_base64_init(&b64, *m->to);
		e = crypto_cms_seal(certs, m->v->n_keys, &form, m->v->now_s,
		    octets, &sealed, m->why);
	}
	if (e == ERR_OK)
		e = mime_base64_finish(&b64);
	spill_clear(&inner);
	return e;
}

static enum err
write_smime(const struct making *m)
{
	size_t n = m->v->n_keys;
	struct crypto_cert **certs = arena_array(m->arena, n, sizeof(*certs));
	enum err e;

	if (certs == NULL)
		return ERR_NOMEM;
	e = get_certs(m, certs);
	if (e == ERR_OK)
		e = smime_from(m, certs);
	for (size_t i = 0; i < n; i++)
		crypto_cert_unref(certs[i]);
	return e;
}

/* --- PGP/MIME --- */

/* The inner entity in a memfd of its own, for another process. */
static enum err
inner_memfd(const struct mime_split *split, int *fd_out)
{
	int fd;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = memfd_write(fd, buf_span(&split->inner_head));
	if (e == ERR_OK)
		e = memfd_write(fd, split->inner_body);
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
pgp_from(const struct making *m, struct span armor)
{
	struct mime_boundary boundary;
	uint8_t seed[16];

	random_octets(seed, sizeof(seed));
	boundary = mime_boundary_make(seed);
	return mime_write_pgp(
	    buf_span(&m->split->outer), &boundary, armor, m->to);
}

static enum err
write_pgp(const struct making *m)
{
	const struct variant_pgp *pgp = &m->engines->pgp;
	size_t n = m->v->n_keys;
	struct span *keys = arena_array(m->arena, n, sizeof(*keys));
	struct memfd_map armor = {0};
	int fd;
	enum err e;

	if (keys == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		if (m->v->key[i] == NULL)
			return ERR_KEY_UNUSABLE;
		keys[i] = m->v->key[i]->key;
	}
	e = inner_memfd(m->split, &fd);
	if (e != ERR_OK)
		return e;
	e = pgp->seal(pgp->arg, keys, n, fd, &armor, m->why);
	close(fd);
	if (e == ERR_OK)
		e = pgp_from(m, armor.data);
	memfd_unmap(&armor);
	return e;
}

/* --- */

enum err
variant_write(const struct variant *v, const struct variant_engines *engines,
    struct arena *arena, const struct mime_sink *to, struct err_why *why)
{
	struct mime_split split;
	struct making m = {v, engines, arena, &split, to, why};
	enum err e;

	if (v->rung == RUNG_CLEAR)
		return mime_write_plain(v->raw, &v->edit, to, why);
	if (v->rung != RUNG_SMIME && v->rung != RUNG_PGP)
		return ERR_UNSUPPORTED;
	e = mime_split_for_sealing(v->raw, &v->edit, &split, why);
	if (e != ERR_OK)
		return e;
	e = v->rung == RUNG_SMIME ? write_smime(&m) : write_pgp(&m);
	mime_split_clear(&split);
	return e;
}

bool
variant_is_rung_failure(enum err e)
{
	return err_class(e) == ERR_CLASS_CRYPTO || e == ERR_TIMEOUT ||
	       e == ERR_CRASHED || e == ERR_ENGINE || e == ERR_UNSUPPORTED ||
	       e == ERR_AMBIGUOUS;
}
