/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What one certificate may be used for, as mail software means it: to be sealed
 * to, to sign messages, to issue others. Whether anybody vouches for it is in
 * cert_path.c. RFC 8550 §4.4.
 */
#include <string.h>

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/cert_path.h"
#include "crypto/cert_private.h"

/* RFC 8550 §4.4.4; no extension means no restriction */
static bool
is_for_mail(X509 *x)
{
	return (X509_get_extension_flags(x) & EXFLAG_XKUSAGE) == 0 ||
	       (X509_get_extended_key_usage(x) & (XKU_SMIME | XKU_ANYEKU)) != 0;
}

static enum err
check_extensions(X509 *x, struct err_why *why)
{
	uint32_t flags = X509_get_extension_flags(x);

	if ((flags & EXFLAG_INVALID) != 0)
		return err_why(
		    why, ERR_KEY_UNUSABLE, "an extension is malformed");
	/* RFC 5280 §4.2 */
	if ((flags & EXFLAG_CRITICAL) != 0)
		return err_why(
		    why, ERR_KEY_UNUSABLE, "a critical extension is not known");
	if (!is_for_mail(x))
		return err_why(why, ERR_KEY_UNUSABLE,
		    "its extendedKeyUsage does not allow emailProtection");
	return ERR_OK;
}

static enum err
check_key(const struct crypto_cert *cert, struct err_why *why)
{
	const char *flaw = NULL;

	if (strncmp(cert->info.alg, "RSA", 3) == 0)
		flaw = crypto_cert_rsa_flaw(cert);
	else if (strncmp(cert->info.alg, "EC", 2) == 0)
		return err_why(why, ERR_UNSUPPORTED,
		    "the curve of its key is not supported");
	return flaw == NULL ? ERR_OK
			    : err_why(why, ERR_KEY_UNUSABLE, "%s", flaw);
}

static enum err
check_issuer(const struct crypto_cert *cert, struct err_why *why)
{
	enum err e = check_extensions(cert->x509, why);

	if (e == ERR_OK)
		e = check_key(cert, why);
	if (e != ERR_OK)
		return e;
	/* RFC 8550 §4.4.1: version 1 and keyUsage alone make no CA */
	if (!cert->info.is_ca)
		return err_why(
		    why, ERR_KEY_UNUSABLE, "it is no CA certificate");
	if ((X509_get_key_usage(cert->x509) & KU_KEY_CERT_SIGN) == 0)
		return err_why(why, ERR_KEY_UNUSABLE,
		    "its keyUsage does not allow keyCertSign");
	return ERR_OK;
}

static enum err
check_signer(const struct crypto_cert *cert, struct err_why *why)
{
	enum err e = check_extensions(cert->x509, why);

	if (e == ERR_OK)
		e = check_key(cert, why);
	if (e != ERR_OK)
		return e;
	/* RFC 8550 §4.4.2 */
	if ((X509_get_key_usage(cert->x509) &
		(KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)) == 0)
		return err_why(why, ERR_KEY_UNUSABLE,
		    "its keyUsage does not allow signing messages");
	return ERR_OK;
}

enum err
crypto_cert_check_purpose(const struct crypto_cert *cert,
    enum crypto_purpose purpose, struct err_why *why)
{
	const struct crypto_cert_info *info = &cert->info;

	switch (purpose) {
	case CRYPTO_FOR_SEAL:
		return info->can_seal
			   ? ERR_OK
			   : err_why(why, info->seal_err, "%s", info->seal_why);
	case CRYPTO_FOR_SIGN:
		return check_signer(cert, why);
	case CRYPTO_FOR_ISSUE:
		return check_issuer(cert, why);
	}
	return err_why(why, ERR_INTERNAL, "no purpose is given");
}
