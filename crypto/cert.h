/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * X.509 certificates: parse, describe, say whether one may be sealed to at a
 * given time. Chains, revocation and trust are decided in keystore/; sealing
 * is in cms_seal.h. RFC 5280, RFC 8550, RFC 9598.
 */
#ifndef CRYPTO_CERT_H
#define CRYPTO_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

#define CRYPTO_CERT_FPR_SIZE 32 /* SHA-256 of the DER form */

/* A parsed certificate, counted; it never changes after it was made. */
struct crypto_cert;

/* What is in a certificate. Everything is borrowed from it. Texts are UTF-8
   of printable characters, whatever the certificate holds (RFC 4514 escapes).
 */
struct crypto_cert_info {
	uint8_t fpr[CRYPTO_CERT_FPR_SIZE];
	const char *subject;
	const char *issuer;
	const char *serial;	 /* hexadecimal */
	struct span subject_der; /* the names as they are encoded */
	struct span issuer_der;
	struct span serial_raw; /* the serial number's content octets */
	struct span ski;	/* subject key identifier; empty if none */
	struct span aki;	/* the issuer's key identifier; empty if none */
	/* SHA-256 of the key as it is encoded (SubjectPublicKeyInfo). */
	uint8_t key_digest[CRYPTO_CERT_FPR_SIZE];
	/* Addresses as mime_addr.key: subjectAltName (rfc822Name,
	   SmtpUTF8Mailbox); the subject's emailAddress if it names none. */
	const char *const *addrs;
	size_t n_addrs;
	size_t n_bad_addrs; /* not taken: no mail address by our parser */
	int64_t not_before; /* Unix seconds */
	int64_t not_after;
	const char *alg; /* "RSA", "P-256", "Ed25519", ... */
	unsigned bits;
	bool is_ca;
	bool self_signed; /* its own key verifies its signature */
	/* May be sealed to while it is valid. If not, seal_err and seal_why
	   say why: ERR_KEY_UNUSABLE or ERR_UNSUPPORTED. */
	bool can_seal;
	enum err seal_err;
	const char *seal_why;
};

/* Refuse, at run time, an OpenSSL whose CMS has known holes. ERR_UNSUPPORTED
   with the version found and the Debian package wanted. */
enum err crypto_check_library(struct err_why *why) MUST_CHECK;

/* Parse one certificate in DER or PEM. Anything before (DER) or after it is
   refused. The caller unrefs. ERR_MALFORMED, ERR_TOO_BIG. */
enum err crypto_cert_parse(
    struct span in, struct crypto_cert **out, struct err_why *why) MUST_CHECK;
/* Parse all certificates of a DER or PEM input, in its order, into at most
   max places of out. All or none: the caller unrefs each of the *n_out.
   Explanatory text in front of a PEM block is passed over (RFC 7468 §5.2), text
   after the last is refused. ERR_MALFORMED, ERR_LIMIT (more than max),
   ERR_PERMISSION (a private key is among them). */
enum err crypto_cert_parse_all(struct span in, struct crypto_cert **out,
    size_t max, size_t *n_out, struct err_why *why) MUST_CHECK;

/* Is its issuer's name that of `by`, and its signature of the key in it? Says
   nothing of time, purpose or trust. */
bool crypto_cert_is_signed_by(
    const struct crypto_cert *cert, const struct crypto_cert *by);
struct crypto_cert *crypto_cert_ref(struct crypto_cert *cert);
void crypto_cert_unref(struct crypto_cert *cert);

/* Both are borrowed from the certificate. */
const struct crypto_cert_info *crypto_cert_info(const struct crypto_cert *cert);
struct span crypto_cert_der(const struct crypto_cert *cert);

/* May it be sealed to at now (Unix seconds)? ERR_OK; ERR_KEY_EXPIRED (also not
   valid yet: the reason says so), ERR_KEY_UNUSABLE, ERR_UNSUPPORTED. */
enum err crypto_cert_usable_at(const struct crypto_cert *cert, int64_t now,
    struct err_why *why) MUST_CHECK;

#endif
