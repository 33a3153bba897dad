/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files of crypto/ know about a certificate and nobody else does.
 */
#ifndef CRYPTO_CERT_PRIVATE_H
#define CRYPTO_CERT_PRIVATE_H

#include <openssl/x509.h>

#include "crypto/cert.h"

struct arena;

struct crypto_cert {
	X509 *x509;
	unsigned char *der; /* by OpenSSL's allocator */
	size_t der_len;
	struct arena *texts; /* what info points to */
	struct crypto_cert_info info;
	unsigned refs;
};

/* Fill cert->info from cert->x509. ERR_MALFORMED, ERR_TOO_BIG, ERR_NOMEM. */
enum err crypto_cert_describe(
    struct crypto_cert *cert, struct err_why *why) MUST_CHECK;
/* Decide can_seal, seal_err and seal_why from what is already in info. */
void crypto_cert_judge(struct crypto_cert *cert);
/* A time as Unix seconds. ERR_MALFORMED, ERR_NOMEM. */
enum err crypto_cert_time(
    const ASN1_TIME *t, int64_t *out, struct err_why *why) MUST_CHECK;
/* Is the digest of a signature algorithm SHA-1 or worse, or not known? */
bool crypto_digest_is_weak(int signature_nid);
struct crypto_list;
/* crypto_list_read() of a list whose signature was checked. */
enum err crypto_list_take(X509_CRL *crl, const char *url, int64_t now,
    struct crypto_list *out, struct err_why *why) MUST_CHECK;
/* NULL, or why nothing is to be done with an RSA key of this kind: too short,
   too long, or with an exponent that no sound software makes. */
const char *crypto_cert_rsa_flaw(const struct crypto_cert *cert);
/* crypto_check_library() for a given version number. */
enum err crypto_check_library_num(
    unsigned long num, const char *text, struct err_why *why) MUST_CHECK;

#endif
