/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * In which form of S/MIME a group is sealed, and who may be in one group: what
 * the recipients' software is known to open, never below what rules ask for.
 */
#include "common/arena.h"
#include "crypto/cert_cache.h"
#include "gateway/variant_private.h"
#include "keystore/record.h"

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

/* What was learned of the recipient's software goes before what its
   certificate says. */
static struct crypto_cms_recipient
recipient(const struct ks_record *key, const struct crypto_cert *cert)
{
	struct crypto_cms_recipient r = {.cert = cert};

	for (size_t i = 0; i < key->n_caps && !r.known; i++)
		r.known = key->caps[i].tag == KS_CAP_SMIME &&
			  crypto_cms_caps_parse(key->caps[i].value, &r.caps) ==
			      ERR_OK;
	if (!r.known)
		r.known = crypto_cms_caps_of_cert(cert, &r.caps) == ERR_OK;
	return r;
}

enum err
variant_form(const struct making *m, struct crypto_cert *const *certs,
    struct crypto_cms_form *out)
{
	const struct variant *v = m->v;
	struct crypto_cms_recipient *r =
	    arena_array(m->arena, v->n_keys, sizeof(*r));

	if (r == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->n_keys; i++)
		r[i] = recipient(v->key[i], certs[i]);
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
variant_may_share(struct crypto_cert_cache *certs, const struct ks_record *a,
    const struct ks_record *b)
{
	struct crypto_cert *ca = NULL, *cb = NULL;
	struct crypto_cms_recipient pair[2];
	bool may = get(certs, a, &ca) && get(certs, b, &cb);

	if (may) {
		pair[0] = recipient(a, ca);
		pair[1] = recipient(b, cb);
		may = crypto_cms_may_share(pair, 2);
	}
	crypto_cert_unref(ca);
	crypto_cert_unref(cb);
	return may;
}
