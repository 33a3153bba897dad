/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * In which form of S/MIME a group is sealed, and who may be in one group: what
 * the recipients' software is known to open, never below what rules ask for.
 */
#include "common/arena.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_sign.h"
#include "gateway/variant_private.h"
#include "keystore/lookup.h"

static enum crypto_cms_cipher
floor_of(enum policy_cipher c)
{
	switch (c) {
	case POLICY_CIPHER_AES128_CBC:
		return CRYPTO_CMS_AES128_CBC;
	case POLICY_CIPHER_UNSET:
	case POLICY_CIPHER_AES256_CBC:
		return CRYPTO_CMS_AES256_CBC;
	case POLICY_CIPHER_AES128_GCM:
		return CRYPTO_CMS_AES128_GCM;
	case POLICY_CIPHER_AES256_GCM:
		return CRYPTO_CMS_AES256_GCM;
	}
	return CRYPTO_CMS_AES256_GCM;
}

bool
variant_cipher_holds(enum crypto_cms_cipher c, enum policy_cipher floor)
{
	return crypto_cms_cipher_holds(c, floor_of(floor));
}

/* What was set of the recipient's software goes before what was learned of it,
   and that before what its certificate says. */
static struct crypto_cms_recipient
recipient(
    const struct ks_record *key, const struct crypto_cert *cert, uint32_t opens)
{
	struct crypto_cms_recipient r = {
	    .cert = cert, .known = opens != 0, .caps = opens};

	for (size_t i = 0; i < key->n_caps && !r.known; i++)
		r.known = key->caps[i].tag == KS_CAP_SMIME &&
			  crypto_cms_caps_parse(key->caps[i].value, &r.caps) ==
			      ERR_OK;
	if (!r.known)
		r.known = crypto_cms_caps_of_cert(cert, &r.caps) == ERR_OK;
	return r;
}

enum err
variant_of_key(enum err e)
{
	return err_class(e) == ERR_CLASS_MALFORMED ? ERR_KEY_UNUSABLE : e;
}

enum err
variant_certs(const struct variant *v, struct crypto_cert_cache *cache,
    struct crypto_cert **certs, struct err_why *why)
{
	enum err e = ERR_OK;

	for (size_t i = 0; e == ERR_OK && i < v->n_keys; i++) {
		const struct ks_record *key = v->key[i];

		if (key == NULL || key->fpr.len != CRYPTO_CERT_FPR_SIZE)
			return ERR_KEY_UNUSABLE;
		e = variant_of_key(crypto_cert_cache_get(
		    cache, key->fpr.data, key->key, &certs[i], why));
	}
	return e;
}

enum err
variant_form(const struct variant *v, struct crypto_cert *const *certs,
    struct arena *arena, struct crypto_cms_form *out)
{
	struct crypto_cms_recipient *r =
	    arena_array(arena, v->n_keys, sizeof(*r));

	if (r == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->n_keys; i++)
		r[i] = recipient(
		    v->key[i], certs[i], v->opens == NULL ? 0 : v->opens[i]);
	*out = crypto_cms_form_for(r, v->n_keys, floor_of(v->form.cipher));
	if (v->form.padding == POLICY_PADDING_OAEP)
		out->rsa = CRYPTO_CMS_RSA_OAEP;
	return ERR_OK;
}

enum mime_smime_type
variant_smime_type(const struct crypto_cms_form *form)
{
	switch (form->cipher) {
	case CRYPTO_CMS_AES128_CBC:
	case CRYPTO_CMS_AES256_CBC:
		return MIME_SMIME_ENVELOPED;
	case CRYPTO_CMS_AES128_GCM:
	case CRYPTO_CMS_AES256_GCM:
		break;
	}
	return MIME_SMIME_AUTH_ENVELOPED;
}

static bool
get(struct crypto_cert_cache *certs, const struct ks_record *key,
    struct crypto_cert **out)
{
	return key != NULL && key->fpr.len == CRYPTO_CERT_FPR_SIZE &&
	       crypto_cert_cache_get(
		   certs, key->fpr.data, key->key, out, NULL) == ERR_OK;
}

bool
variant_may_share(struct crypto_cert_cache *certs, const struct ks_result *a,
    const struct ks_result *b)
{
	struct crypto_cert *ca = NULL, *cb = NULL;
	struct crypto_cms_recipient pair[2];
	bool may = get(certs, a->chosen, &ca) && get(certs, b->chosen, &cb);

	if (may) {
		pair[0] = recipient(a->chosen, ca, a->opens);
		pair[1] = recipient(b->chosen, cb, b->opens);
		may = crypto_cms_may_share(pair, 2);
	}
	crypto_cert_unref(ca);
	crypto_cert_unref(cb);
	return may;
}

static void
name_seal(const struct variant *v, struct crypto_cert_cache *cache,
    struct arena *arena, size_t i, struct variant_names *out)
{
	struct crypto_cert **certs =
	    arena_array(arena, v->n_keys, sizeof(*certs));
	struct crypto_cms_form form;

	if (certs == NULL)
		return;
	if (variant_certs(v, cache, certs, NULL) == ERR_OK &&
	    variant_form(v, certs, arena, &form) == ERR_OK) {
		out->cipher = crypto_cms_cipher_name(form.cipher);
		out->key = crypto_cms_key_name(certs[i], form.rsa);
	}
	for (size_t k = 0; k < v->n_keys; k++)
		crypto_cert_unref(certs[k]);
}

static void
name_signature(const struct variant *v, struct crypto_cert_cache *cache,
    struct variant_names *out)
{
	struct crypto_cert *cert;

	if (!get(cache, v->signer, &cert))
		return;
	out->signature = crypto_cms_signature_name(
	    cert, v->form.signature == POLICY_SIGNATURE_PSS);
	out->shape = variant_is_opaque(v) ? "opaque" : "detached";
	crypto_cert_unref(cert);
}

void
variant_name(const struct variant *v, struct crypto_cert_cache *certs,
    struct arena *arena, size_t i, struct variant_names *out)
{
	*out = (struct variant_names){0};
	if (v->as_is)
		return;
	if (v->rung == RUNG_SMIME)
		name_seal(v, certs, arena, i, out);
	if (v->signer != NULL && v->signer->kind == KS_SMIME)
		name_signature(v, certs, out);
}
