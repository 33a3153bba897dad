/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What the files that verify CMS share: a signed-data taken apart, and the
 * algorithms of its signatures.
 */
#ifndef CRYPTO_CMS_VERIFY_PRIVATE_H
#define CRYPTO_CMS_VERIFY_PRIVATE_H

#include <openssl/evp.h>

#include "common/limits.h"
#include "crypto/ber.h"
#include "crypto/cms_verify.h"
#include "crypto/private_key.h"
#include "crypto/verdict.h"

/* --- cms_signed.c: the message taken apart --- */

/* One SignerInfo. Spans are borrowed from the message. */
struct cms_signer {
	struct crypto_cms_rid sid; /* issuer and serial, or ski */
	struct span digest_alg;	   /* content of the identifier */
	struct span attrs;	   /* signed, the element; empty if none */
	struct span sig_alg;
	struct span sig;
	/* From the attributes; empty if it is not there. Values. */
	struct span content_type; /* an object identifier's octets */
	struct span digest;
	struct ber time;
	struct span caps;	  /* SMIMECapabilities, the element */
	struct span encrypt_pref; /* the element */
	struct span encrypt_ias;  /* Outlook's: IssuerAndSerialNumber */
	const char *fault;	  /* what is wrong with it, or NULL */
};

struct cms_signed {
	struct span type;   /* of the content: an object identifier's octets */
	struct ber content; /* the octet string; tag 0 if there is none */
	struct span certs;  /* what is in the field; empty if none */
	struct cms_signer signers[CRYPTO_VERDICT_SIGS];
	size_t n_signers;
};

/* ERR_MALFORMED, ERR_LIMIT: more signers than CRYPTO_VERDICT_SIGS. What is
   wrong with one signer is its fault. */
enum err cms_signed_parse(struct span in, struct cms_signed *out) MUST_CHECK;
/* Is the content of this type? */
bool cms_signed_is_data(const struct cms_signed *s);

/* --- cms_signature.c: one signature --- */

/* What a signature is made with. */
struct cms_sig_alg {
	enum crypto_hash hash;
	bool pss;
	bool ec;
	enum crypto_hash mgf; /* pss */
	int salt;	      /* pss: octets */
};

/* ERR_UNSUPPORTED with the phrase in *why, which is static: a hash that can be
   forged, an algorithm we lack. ERR_MALFORMED: parameters that contradict. */
enum err cms_sig_alg_parse(const struct cms_signer *s, struct cms_sig_alg *out,
    const char **why) MUST_CHECK;
const EVP_MD *cms_hash_md(enum crypto_hash hash);
const char *cms_hash_name(enum crypto_hash hash); /* "SHA-256" */
/* Is it the signature by the key of a digest? */
bool cms_sig_check(EVP_PKEY *key, const struct cms_sig_alg *alg,
    struct span digest, struct span sig);

#endif
