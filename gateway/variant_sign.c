/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Signatures: detached with the multipart/signed around them, or the entity
 * inside of a signed-data. The private half of no key is here: an engine is
 * asked for what it does.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/memfd.h"
#include "common/secret.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_sign.h"
#include "gateway/signer.h"
#include "gateway/variant_private.h"
#include "keystore/record.h"
#include "mime/base64.h"

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

/* Who signs, from the records of the variant; to be cleared after a failure,
   too. */
struct cms_signer {
	struct making making; /* for ask_for_private() */
	struct crypto_cms_signer s;
	struct crypto_cert *chain[SIGNER_CHAIN_MAX];
};

static void
cms_signer_clear(struct cms_signer *c)
{
	crypto_cert_unref(c->s.cert);
	for (size_t i = 0; i < c->s.n_chain; i++)
		crypto_cert_unref(c->chain[i]);
}

static enum err
cms_signer_init(struct cms_signer *c, const struct making *m)
{
	struct crypto_cert_cache *cache = m->engines->certs;
	const struct variant *v = m->v;
	enum err e;

	*c = (struct cms_signer){.making = *m,
	    .s = {.sign = ask_for_private,
		.pss = v->form.signature == POLICY_SIGNATURE_PSS,
		.now = v->now_s}};
	c->s.ctx = &c->making;
	c->s.chain = c->chain;
	if (v->signer->fpr.len != CRYPTO_CERT_FPR_SIZE)
		return ERR_KEY_UNUSABLE;
	e = crypto_cert_cache_get(
	    cache, v->signer->fpr.data, v->signer->key, &c->s.cert, m->why);
	for (size_t i = 0;
	     e == ERR_OK && i < v->n_chain && i < SIGNER_CHAIN_MAX; i++) {
		e = crypto_cert_cache_get(cache, v->chain[i]->fpr.data,
		    v->chain[i]->key, &c->chain[i], m->why);
		c->s.n_chain += e == ERR_OK;
	}
	return e;
}

static enum err
sign_cms(const struct making *m, struct span entity, struct signature *out)
{
	struct cms_signer c;
	enum err e = cms_signer_init(&c, m);

	if (e == ERR_OK)
		e = crypto_cms_sign_detached(
		    &c.s, entity, &out->octets, m->why);
	if (e == ERR_OK)
		snprintf(out->micalg, sizeof(out->micalg), "%s",
		    crypto_cms_micalg(c.s.cert));
	cms_signer_clear(&c);
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

static enum err
put_base64(void *arg, struct span octets)
{
	return mime_base64_put(arg, octets);
}

static enum err
put_opaque(const struct making *m, struct span outer, struct span entity,
    const struct mime_sink *to)
{
	struct mime_base64 b64;
	const struct mime_sink der = {put_base64, &b64};
	struct cms_signer c;
	enum err e = cms_signer_init(&c, m);

	if (e == ERR_OK)
		e = mime_write_smime_head(outer, MIME_SMIME_SIGNED, to);
	if (e == ERR_OK) {
		mime_base64_init(&b64, *to);
		e = crypto_cms_sign_opaque(&c.s, entity, &der, m->why);
	}
	cms_signer_clear(&c);
	return e == ERR_OK ? mime_base64_finish(&b64) : e;
}

static enum err
put_detached(const struct making *m, struct span outer, struct span entity,
    const struct mime_sink *to)
{
	bool cms = m->v->signer->kind == KS_SMIME;
	struct signature made = {0};
	struct mime_signature sig;
	struct mime_boundary boundary;
	uint8_t seed[16];
	enum err e;

	buf_init(&made.octets, SIGNATURE_MAX);
	e = cms ? sign_cms(m, entity, &made) : sign_pgp(m, entity, &made);
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

bool
variant_is_opaque(const struct variant *v)
{
	return v->form.signed_as == POLICY_SIGNED_OPAQUE && v->signer != NULL &&
	       v->signer->kind == KS_SMIME;
}

enum err
variant_put_signed(const struct making *m, struct span outer,
    struct span entity, const struct mime_sink *to)
{
	return definite(variant_is_opaque(m->v)
			    ? put_opaque(m, outer, entity, to)
			    : put_detached(m, outer, entity, to));
}
