/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates made while a test runs: a table of names, issuers and
 * extensions becomes a PKI, so that a test says what is wrong with each.
 */
#ifndef TESTS_CRYPTO_PKI_H
#define TESTS_CRYPTO_PKI_H

#include <stdint.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/cert.h"

/* The time of the tests; certificates hold a year before and after. */
#define PKI_NOW	 INT64_C(1800000000)
#define PKI_YEAR INT64_C(31536000)

struct pki_spec {
	const char *name;
	const char *issuer;  /* a row above; NULL: itself */
	const char *subject; /* common name; NULL: the name */
	const char *ext;     /* openssl.cnf lines; NULL: none */
	const char *key;   /* "RSA 1024", a curve; NULL: P-256. "=ROW": the key
			      of that row */
	const char *md;	   /* of the signature; NULL: SHA256 */
	int64_t from, to;  /* 0: a year before, a year after */
	int64_t serial;	   /* 0: its number in the table */
	int version;	   /* 0: 3 */
	const char *email; /* emailAddress in the subject */
};

struct pki_cert {
	const struct pki_spec *spec;
	X509 *x509;
	EVP_PKEY *key;
	struct crypto_cert *cert;
};

/* Lines of extensions that many need. */
#define PKI_CA                                                                 \
	"basicConstraints=critical,CA:TRUE\n"                                  \
	"keyUsage=critical,keyCertSign,cRLSign\n"                              \
	"subjectKeyIdentifier=hash\n"
#define PKI_LEAF                                                               \
	"basicConstraints=critical,CA:FALSE\n"                                 \
	"keyUsage=critical,digitalSignature,keyAgreement\n"                    \
	"extendedKeyUsage=emailProtection\n"                                   \
	"subjectKeyIdentifier=hash\n"

/* Make n certificates; the caller clears. The test fails if one cannot be
   made. */
void pki_make(const struct pki_spec *specs, size_t n, struct pki_cert *out);
void pki_clear(struct pki_cert *certs, size_t n);
/* The row of this name; the test fails if there is none. */
struct pki_cert *pki_find(struct pki_cert *certs, size_t n, const char *name);

#endif
