/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Sign octets as a CMS message (RFC 5652 §5, RFC 8551 §3.5): detached, for
 * multipart/signed, or with the octets inside. The octets are signed as they
 * are: canonical line ends and the MIME wrapper are mime/'s.
 */
#ifndef CRYPTO_CMS_SIGN_H
#define CRYPTO_CMS_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/key_delegate.h"

struct crypto_cert;
struct mime_sink;

/* Who signs, and how. Everything is borrowed for the call. */
struct crypto_cms_signer {
	struct crypto_cert *cert;
	crypto_delegate_sign *sign; /* does the private operation */
	void *ctx;		    /* for sign */
	/* Certificates sent along, those of the issuers: what others need to
	   build the chain. A root among them is left out. */
	struct crypto_cert *const *chain;
	size_t n_chain;
	/* What answers should be sealed to; NULL: the signer's certificate, if
	   it can be. It is sent along. */
	struct crypto_cert *encrypt;
	bool pss;    /* RSA: PSS instead of PKCS#1 v1.5 */
	int64_t now; /* signing time, Unix seconds */
};

/* May the certificate sign at now? ERR_OK; ERR_KEY_EXPIRED (also not valid
   yet), ERR_KEY_UNUSABLE (keyUsage, size), ERR_UNSUPPORTED (Ed25519, ...). */
enum err crypto_cms_can_sign(const struct crypto_cert *cert, int64_t now,
    struct err_why *why) MUST_CHECK;
/* The micalg parameter (RFC 8551 §3.5.3.2) of what it signs: "sha-256". */
const char *crypto_cms_micalg(const struct crypto_cert *cert);
/* What it signs with: "rsa-pss-sha256", "ecdsa-p384-sha384"; "?" if nothing. */
const char *crypto_cms_signature_name(const struct crypto_cert *cert, bool pss);

/* The signature of in, DER, appended to out; out is as it was after a failure.
   Errors: those of crypto_cms_can_sign(), those of sign, ERR_CRYPTO,
   ERR_TOO_BIG. */
enum err crypto_cms_sign_detached(const struct crypto_cms_signer *s,
    struct span in, struct buf *out, struct err_why *why) MUST_CHECK;
/* A signed-data with in inside goes to the sink in pieces (BER of indefinite
   length). After a failure what the sink got is a useless fragment. */
enum err crypto_cms_sign_opaque(const struct crypto_cms_signer *s,
    struct span in, const struct mime_sink *to, struct err_why *why) MUST_CHECK;

#endif
