/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * CMS through OpenSSL, streaming: the message is never a second time in
 * memory. Everything that can be wrong with a recipient is found before the
 * first octet leaves. RFC 5652, RFC 5083, RFC 5753, RFC 3560.
 */
#include "crypto/cms_seal.h"

#include <limits.h>
#include <string.h>

#include <openssl/cms.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "common/limits.h"
#include "crypto/cert.h"
#include "crypto/cert_private.h"
#include "crypto/cms_private.h"
#include "mime/sink.h"

#define SEAL_FLAGS (CMS_BINARY | CMS_PARTIAL | CMS_STREAM)

/* The KDF's hash as strong as the curve (RFC 5753 §7.1.4); OpenSSL would take
   SHA-1. */
static const EVP_MD *
kdf_hash(const struct crypto_cert *cert)
{
	switch (cert->info.bits) {
	case 384:
		return EVP_sha384();
	case 521:
		return EVP_sha512();
	}
	return EVP_sha256();
}

static bool
set_key_transport(EVP_PKEY_CTX *ctx, const struct crypto_cms_form *form)
{
	switch (form->rsa) {
	case CRYPTO_CMS_RSA_PKCS1:
		return true;
	case CRYPTO_CMS_RSA_OAEP:
		return EVP_PKEY_CTX_set_rsa_padding(
			   ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) > 0 &&
		       EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) > 0;
	}
	return false;
}

static bool
add_recipient(CMS_ContentInfo *cms, struct crypto_cert *cert,
    const struct crypto_cms_form *form)
{
	CMS_RecipientInfo *ri;
	EVP_PKEY_CTX *ctx;

	/* not CMS_USE_KEYID: fails for certificates without an SKI */
	ri = CMS_add1_recipient_cert(
	    cms, cert->x509, SEAL_FLAGS | CMS_KEY_PARAM);
	ctx = ri == NULL ? NULL : CMS_RecipientInfo_get0_pkey_ctx(ri);
	if (ctx == NULL)
		return false;
	switch (CMS_RecipientInfo_type(ri)) {
	case CMS_RECIPINFO_TRANS:
		return set_key_transport(ctx, form);
	case CMS_RECIPINFO_AGREE:
		return EVP_PKEY_CTX_set_ecdh_kdf_md(ctx, kdf_hash(cert)) > 0;
	}
	return false;
}

static const EVP_CIPHER *
cipher_of(const struct crypto_cms_form *form)
{
	switch (form->cipher) {
	case CRYPTO_CMS_AES256_CBC:
		return EVP_aes_256_cbc();
	case CRYPTO_CMS_AES256_GCM:
		return EVP_aes_256_gcm();
	case CRYPTO_CMS_AES128_CBC:
		return EVP_aes_128_cbc();
	case CRYPTO_CMS_AES128_GCM:
		return EVP_aes_128_gcm();
	}
	return NULL;
}

static enum err
add_recipients(struct crypto_cert *const *certs, size_t n,
    const struct crypto_cms_form *form, CMS_ContentInfo **out,
    struct err_why *why)
{
	const EVP_CIPHER *cipher = cipher_of(form);
	CMS_ContentInfo *cms = NULL;

	if (cipher == NULL)
		return err_why(why, ERR_INTERNAL, "unknown cipher");
	cms = CMS_encrypt(NULL, NULL, cipher, SEAL_FLAGS);
	if (cms == NULL)
		return err_why(why, ERR_CRYPTO, "no CMS structure: %s",
		    ERR_reason_error_string(ERR_peek_last_error()));
	for (size_t i = 0; i < n; i++) {
		if (!add_recipient(cms, certs[i], form)) {
			CMS_ContentInfo_free(cms);
			return err_why(why, ERR_CRYPTO,
			    "cannot seal to the certificate of \"%.100s\": %s",
			    certs[i]->info.subject,
			    ERR_reason_error_string(ERR_peek_last_error()));
		}
	}
	*out = cms;
	return ERR_OK;
}

enum err
crypto_cms_seal(struct crypto_cert *const *certs, size_t n,
    const struct crypto_cms_form *form, int64_t now, struct span in,
    const struct mime_sink *to, struct err_why *why)
{
	CMS_ContentInfo *cms = NULL;
	enum err e = ERR_OK;

	if (n == 0)
		return err_why(why, ERR_NO_KEY, "no certificate to seal to");
	if (n > LIMIT_RECIPIENTS)
		return err_why(why, ERR_LIMIT, "more than %u certificates",
		    LIMIT_RECIPIENTS);
	/* OpenSSL cannot stream an empty GCM message, and mail is never empty
	 */
	if (in.len == 0)
		return err_why(why, ERR_MALFORMED, "nothing to seal");
	if (in.len > INT_MAX)
		return err_why(why, ERR_TOO_BIG, "%s", err_text(ERR_TOO_BIG));
	for (size_t i = 0; i < n && e == ERR_OK; i++)
		e = crypto_cert_usable_at(certs[i], now, why);
	if (e != ERR_OK)
		return e;
	ERR_clear_error();
	e = add_recipients(certs, n, form, &cms, why);
	if (e == ERR_OK)
		e = crypto_cms_write(cms, in, to, why);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return e;
}

enum err
crypto_cms_seal_buf(struct crypto_cert *const *certs, size_t n,
    const struct crypto_cms_form *form, int64_t now, struct span in,
    struct buf *out, struct err_why *why)
{
	struct mime_sink to = mime_sink_buf(out);
	size_t before = out->len;
	enum err e = crypto_cms_seal(certs, n, form, now, in, &to, why);

	if (e != ERR_OK)
		out->len = before;
	return e;
}
