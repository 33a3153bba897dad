/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Detached signatures and the multipart/signed around them. The private half
 * of no key is here: an engine is asked for what it does.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_sign.h"
#include "gateway/variant_private.h"
#include "keystore/record.h"

enum { SIGNATURE_MAX = 256 * 1024 }; /* octets, with its certificates */

struct signature {
	struct buf octets;
	char micalg[CRYPTO_PGP_MICALG];
};

static enum err
ask_for_private(
    void *ctx, enum crypto_sign_alg alg, struct span in, struct buf *out)
{
	const struct making *m = ctx;
	const struct variant_cms *cms = &m->engines->cms;

	return cms->sign(cms->arg, m->v->signer->fpr, alg, in, out);
}

static enum err
sign_cms(const struct making *m, struct span entity, struct signature *out)
{
	const struct ks_record *key = m->v->signer;
	struct making self = *m;
	struct crypto_cms_signer s = {
	    .sign = ask_for_private, .ctx = &self, .now = m->v->now_s};
	enum err e;

	if (key->fpr.len != CRYPTO_CERT_FPR_SIZE)
		return ERR_KEY_UNUSABLE;
	e = crypto_cert_cache_get(
	    m->engines->certs, key->fpr.data, key->key, &s.cert, m->why);
	if (e != ERR_OK)
		return e;
	e = crypto_cms_sign_detached(&s, entity, &out->octets, m->why);
	if (e == ERR_OK)
		snprintf(out->micalg, sizeof(out->micalg), "%s",
		    crypto_cms_micalg(s.cert));
	crypto_cert_unref(s.cert);
	return e;
}

static enum err
sign_pgp(const struct making *m, struct span entity, struct signature *out)
{
	const struct variant_pgp *pgp = &m->engines->pgp;
	struct memfd_map armor = {0};
	int fd;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = memfd_write(fd, entity);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = pgp->sign(pgp->arg, m->v->signer->fpr, fd, &armor,
		    out->micalg, m->why);
	close(fd);
	if (e == ERR_OK)
		e = buf_put(&out->octets, armor.data);
	memfd_unmap(&armor);
	return e;
}

/* A key that cannot sign is a fact; everything else is a failure. */
static enum err
definite(enum err e)
{
	switch (e) {
	case ERR_NO_KEY:
	case ERR_KEY_EXPIRED:
	case ERR_KEY_REVOKED:
	case ERR_KEY_UNUSABLE:
		return ERR_CANNOT_SIGN;
	default:
		return e;
	}
}

enum err
variant_put_signed(const struct making *m, struct span outer,
    struct span entity, const struct mime_sink *to)
{
	bool cms = m->v->signer->kind == KS_SMIME;
	struct signature made = {0};
	struct mime_signature sig;
	struct mime_boundary boundary;
	uint8_t seed[16];
	enum err e;

	buf_init(&made.octets, SIGNATURE_MAX);
	e = definite(
	    cms ? sign_cms(m, entity, &made) : sign_pgp(m, entity, &made));
	if (e == ERR_OK) {
		sig.format = cms ? MIME_SIGNATURE_CMS : MIME_SIGNATURE_PGP;
		sig.micalg = made.micalg;
		sig.octets = buf_span(&made.octets);
		random_octets(seed, sizeof(seed));
		boundary = mime_boundary_make(seed);
		e = mime_write_signed(outer, &boundary, entity, &sig, to);
	}
	buf_clear(&made.octets);
	return e;
}
