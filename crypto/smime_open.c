/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From the shape of the message to the engine that takes the layer off, and
 * what that means for the verdict. RFC 8551 §3.
 */
#include "crypto/smime_open.h"

#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/cms_kind.h"
#include "crypto/verdict.h"
#include "mime/protected.h"
#include "mime/tree.h"

enum { ARENA_MAX = 4 << 20 }; /* octets of the list of recipients */

/* One call. */
struct peel {
	const struct crypto_smime *s;
	struct crypto_verdict *v;
	struct mime_protected shape;
	struct memfd_map cms; /* the octets of the CMS object */
	struct crypto_smime_layer layer;
};

/* RFC 8551 §3.9: gateways that know no S/MIME make octet-stream of it. */
static bool
is_by_name(const struct mime_part *p)
{
	const char *name = mime_part_filename(p);
	size_t len = name == NULL ? 0 : strlen(name);

	return mime_part_is(p, "application", "octet-stream") && len > 4 &&
	       span_caseeq_str(SPAN(name + len - 4, 4), ".p7m");
}

static bool
find(const struct mime_tree *t, struct mime_protected *out)
{
	mime_protected_find(t, out);
	if (out->kind == MIME_PROTECTED_NOT &&
	    !mime_tree_is_ambiguous(t, NULL) && is_by_name(mime_tree_root(t))) {
		out->kind = MIME_PROTECTED_CMS;
		out->part = mime_tree_root(t);
	}
	return out->kind == MIME_PROTECTED_CMS ||
	       out->kind == MIME_PROTECTED_CMS_SIGNED;
}

static enum err
put_memfd(void *ctx, struct span octets)
{
	return memfd_write(*(int *)ctx, octets);
}

static enum err
decode(struct peel *p)
{
	struct mime_sink sink;
	int fd = -1;
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	sink = (struct mime_sink){put_memfd, &fd};
	e = mime_protected_write(&p->shape, &sink);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, &p->cms);
	close(fd);
	return e;
}

/* Errors of the message, not of the moment. */
static bool
is_final(enum err e)
{
	return e == ERR_NO_KEY || e == ERR_CRYPTO || e == ERR_UNSUPPORTED ||
	       e == ERR_KEY_UNUSABLE || e == ERR_MALFORMED || e == ERR_LIMIT ||
	       e == ERR_TOO_BIG;
}

static void
close_it(struct peel *p, enum err e, const struct err_why *why)
{
	char escaped[sizeof(why->text)];
	const char *kept;

	text_escape(span_str(why->text[0] != '\0' ? why->text : err_text(e)),
	    escaped, sizeof(escaped));
	kept = e == ERR_CRYPTO ? CRYPTO_REASON_CLOSED
			       : arena_strdup(p->v->arena, escaped);
	p->v->sealed = CRYPTO_SEALED_CLOSED;
	p->v->sealed_form = CRYPTO_FORM_SMIME;
	p->v->sealed_reason = kept == NULL ? "" : kept;
}

/* --- what each kind of object needs --- */

static enum err
note_opened(struct peel *p, const struct crypto_cms_opened *opened)
{
	const struct crypto_cms_key *key = &p->s->opener.keys[opened->key];
	const struct crypto_cert_info *info = crypto_cert_info(key->cert);
	struct crypto_verdict *v = p->v;
	char *fpr = arena_alloc(v->arena, 2 * sizeof(info->fpr) + 1);
	const char *addr = arena_strdup(v->arena, key->addr);

	if (fpr == NULL || addr == NULL)
		return ERR_NOMEM;
	text_hex(SPAN(info->fpr, sizeof(info->fpr)), fpr);
	crypto_verdict_opened(v, CRYPTO_FORM_SMIME, opened->authenticated,
	    opened->cipher, fpr, addr, key->domain);
	return ERR_OK;
}

static enum err
peel_sealed(struct peel *p, struct err_why *why)
{
	struct crypto_cms_opened opened;
	enum err e = crypto_verdict_add_layer(
	    p->v, CRYPTO_LAYER_ENCRYPTED, CRYPTO_FORM_SMIME);

	if (e == ERR_OK)
		e = crypto_cms_open(
		    p->cms.data, &p->s->opener, &p->layer.fd, &opened, why);
	else
		err_why(why, e, "more than %d layers", CRYPTO_VERDICT_LAYERS);
	if (is_final(e))
		close_it(p, e, why);
	return e == ERR_OK ? note_opened(p, &opened) : e;
}

/* A signature that cannot even be looked at. */
static enum err
add_bad(struct peel *p, enum err e)
{
	struct crypto_signature *sig;

	if (crypto_verdict_add_signature(p->v, CRYPTO_FORM_SMIME, &sig) ==
	    ERR_OK)
		sig->reason = err_text(e);
	else
		/* there are too many: none of them counts */
		p->v->sigs[0].status = CRYPTO_SIGNED_BAD;
	return e;
}

static enum err
peel_signed(struct peel *p, struct err_why *why)
{
	const struct span *detached = p->shape.kind == MIME_PROTECTED_CMS_SIGNED
					  ? &p->shape.signed_entity
					  : NULL;
	enum err e = crypto_cms_verify(
	    p->cms.data, detached, &p->s->verifier, p->v, why);

	if (is_final(e))
		return add_bad(p, e);
	if (e != ERR_OK)
		return e;
	if (detached != NULL) {
		p->layer.entity = *detached;
		return ERR_OK;
	}
	/* bad or good, this is what there is to read */
	e = crypto_cms_content(
	    p->cms.data, p->s->opener.max, &p->layer.fd, why);
	/* none, or no mail, which the signatures say already */
	return e == ERR_NOT_FOUND ? ERR_MALFORMED : e;
}

static enum err
peel_compressed(struct peel *p, struct err_why *why)
{
	enum err e = crypto_verdict_add_layer(
	    p->v, CRYPTO_LAYER_COMPRESSED, CRYPTO_FORM_SMIME);

	if (e == ERR_OK)
		e = crypto_cms_inflate(
		    p->cms.data, p->s->max_inflated, &p->layer.fd, why);
	if (e != ERR_OK && is_final(e))
		crypto_verdict_note(
		    p->v, "compressed data stays packed: %s", err_text(e));
	return e;
}

static enum err
peel_kind(struct peel *p, enum crypto_cms_kind kind, struct err_why *why)
{
	/* beside a multipart only a signature makes sense */
	if (p->shape.kind == MIME_PROTECTED_CMS_SIGNED &&
	    kind != CRYPTO_CMS_SIGNED)
		return add_bad(
		    p, err_why(why, ERR_MALFORMED, "the signature is none"));
	switch (kind) {
	case CRYPTO_CMS_ENVELOPED:
	case CRYPTO_CMS_AUTH_ENVELOPED:
		return peel_sealed(p, why);
	case CRYPTO_CMS_SIGNED:
		return peel_signed(p, why);
	case CRYPTO_CMS_COMPRESSED:
		return peel_compressed(p, why);
	case CRYPTO_CMS_NONE:
	case CRYPTO_CMS_DATA:
		break;
	}
	return ERR_NOT_FOUND;
}

/* What cannot be read as CMS at all. */
static enum err
peel_fault(struct peel *p, enum err e, struct err_why *why)
{
	if (!is_final(e))
		return e;
	err_why(why, e, "the S/MIME part: %s", err_text(e));
	if (p->shape.kind == MIME_PROTECTED_CMS_SIGNED ||
	    crypto_cms_claims(p->cms.data) == CRYPTO_CMS_SIGNED)
		return add_bad(p, e);
	close_it(p, e, why);
	return e;
}

/* --- what is protected in parts of it --- */

static bool
is_type(const struct mime_part *part, const char *name)
{
	const char *subtype = mime_part_subtype(part);

	if (strncmp(subtype, "x-", 2) == 0)
		subtype += 2;
	return strcmp(mime_part_type(part), "application") == 0 &&
	       strcmp(subtype, name) == 0;
}

/* What the part says it is will do: nothing is believed of it. */
static void
note_part(const struct mime_part *part, bool *sealed, bool *is_signed)
{
	const char *type = mime_part_param(part, "smime-type");

	if (is_type(part, "pkcs7-signature"))
		*is_signed = true;
	if (!is_type(part, "pkcs7-mime"))
		return;
	if (type != NULL && span_caseeq_str(span_str(type), "signed-data"))
		*is_signed = true;
	else if (type == NULL ||
		 (!span_caseeq_str(span_str(type), "certs-only") &&
		     !span_caseeq_str(span_str(type), "compressed-data")))
		*sealed = true;
}

static void
note_parts(const struct mime_part *part, bool *sealed, bool *is_signed)
{
	note_part(part, sealed, is_signed);
	for (size_t i = 0; i < mime_part_child_count(part); i++)
		note_parts(mime_part_child(part, i), sealed, is_signed);
}

/* Nested and beside other parts it stays closed and unverified: a reader would
   take for one what is not (EFAIL, and the wrapping of signed parts). */
static void
look_into_parts(const struct mime_tree *t, struct crypto_verdict *v)
{
	bool sealed = false, is_signed = false;
	struct crypto_signature *sig;

	note_parts(mime_tree_root(t), &sealed, &is_signed);
	if (sealed && v->sealed == CRYPTO_SEALED_NONE) {
		v->sealed = CRYPTO_SEALED_PARTIAL;
		v->sealed_form = CRYPTO_FORM_SMIME;
	}
	if (is_signed && v->n_sigs == 0 &&
	    crypto_verdict_add_signature(v, CRYPTO_FORM_SMIME, &sig) ==
		ERR_OK) {
		sig->status = CRYPTO_SIGNED_PARTIAL;
		sig->partial = true;
		sig->reason = "a part is signed, not the message";
	}
}

enum err
crypto_smime_peel(const struct mime_tree *t, const struct crypto_smime *s,
    struct crypto_verdict *v, struct crypto_smime_layer *out,
    struct err_why *why)
{
	struct peel p = {.s = s, .v = v, .layer = {.fd = -1}};
	struct crypto_cms_shape shape;
	struct err_why own = {""};
	struct arena *a;
	enum err e;

	if (!find(t, &p.shape)) {
		if (!mime_tree_is_ambiguous(t, NULL))
			look_into_parts(t, v);
		return ERR_NOT_FOUND;
	}
	a = arena_new(ARENA_MAX);
	e = a == NULL ? ERR_NOMEM : decode(&p);
	if (e == ERR_OK)
		e = crypto_cms_look(p.cms.data, a, &shape);
	arena_free(a);
	e = e == ERR_OK ? peel_kind(&p, shape.kind, &own)
			: peel_fault(&p, e, &own);
	memfd_unmap(&p.cms);
	if (e == ERR_OK)
		*out = p.layer;
	else if (p.layer.fd >= 0)
		close(p.layer.fd);
	return e == ERR_OK ? e : err_why(why, e, "%s", own.text);
}
