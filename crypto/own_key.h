/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys of our own: made here, asked a certificate for (PKCS#10,
 * RFC 2986) and handed out again under a passphrase (PKCS#12, RFC 7292). What
 * is issued by a CA of ours is issue.h's.
 */
#ifndef CRYPTO_OWN_KEY_H
#define CRYPTO_OWN_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_cert;
struct crypto_private;
struct secret;

enum crypto_own_alg {
	CRYPTO_OWN_P256 = 1, /* the numbers are on the wire */
	CRYPTO_OWN_P384 = 2,
	CRYPTO_OWN_RSA3072 = 3,
	CRYPTO_OWN_RSA4096 = 4,
	/* for DKIM alone: records are short (RSA), RFC 8463 */
	CRYPTO_OWN_RSA2048 = 5,
	CRYPTO_OWN_ED25519 = 6,
};

enum {
	CRYPTO_SPKI_SIZE = 32,	   /* SHA-256 of a public key */
	CRYPTO_SPKI_MAX = 4096,	   /* octets of a SubjectPublicKeyInfo */
	CRYPTO_CSR_MAX = 64 << 10, /* octets of a request */
};

/* "p256"; NULL for an unknown number. */
const char *crypto_own_alg_name(enum crypto_own_alg alg);
/* Of a certificate's key. ERR_NOT_FOUND for an unknown word. */
enum err crypto_own_alg_by_name(
    const char *name, enum crypto_own_alg *out) MUST_CHECK;

/* Make a private key: PKCS#8, DER. The caller frees. ERR_UNSUPPORTED for an
   unknown number, ERR_CRYPTO, ERR_NOMEM. */
enum err crypto_own_key_new(
    enum crypto_own_alg alg, struct secret **out) MUST_CHECK;
/* Append its public half as SubjectPublicKeyInfo, DER. */
enum err crypto_own_key_public(
    const struct crypto_private *key, struct buf *out) MUST_CHECK;

bool crypto_own_is_ed25519(const struct crypto_private *key);
/* Append what the DKIM record of a key has: SubjectPublicKeyInfo, DER, of RSA
   (RFC 6376 §3.6.1), the 32 octets themselves of Ed25519 (RFC 8463 §4). */
enum err crypto_own_mail_public(
    const struct crypto_private *key, struct buf *out) MUST_CHECK;
/* Read a private key from PEM that has one and no passphrase, for DKIM: PKCS#8,
   DER. The caller frees. ERR_MALFORMED, ERR_UNSUPPORTED (neither RSA of a
   fitting size nor Ed25519), ERR_NOMEM. */
enum err crypto_own_mail_read(struct span pem, struct secret **out) MUST_CHECK;
/* The same for a key that is not for DKIM: RSA or one of the curves. */
enum err crypto_own_key_read(struct span pem, struct secret **out) MUST_CHECK;

/* SHA-256 of the SubjectPublicKeyInfo: what a private key is filed under until
   there is a certificate for it. */
void crypto_spki_digest(struct span spki, uint8_t out[CRYPTO_SPKI_SIZE]);
enum err crypto_cert_spki_digest(
    const struct crypto_cert *cert, uint8_t out[CRYPTO_SPKI_SIZE]) MUST_CHECK;

/* Append a request for a certificate, DER, signed with the key: the name as
   common name (empty: none), the canonical addresses as alternative names. */
enum err crypto_csr_write(const struct crypto_private *key, const char *name,
    const struct span *addrs, size_t n_addrs, struct buf *out,
    struct err_why *why) MUST_CHECK;
/* Append the public key of a request (PEM or DER) whose signature is good.
   What it says of names is not looked at: who issues says for whom.
   ERR_MALFORMED, ERR_CRYPTO (the signature), ERR_UNSUPPORTED (neither RSA of a
   fitting size nor one of the curves). */
enum err crypto_csr_read(
    struct span in, struct buf *spki_out, struct err_why *why) MUST_CHECK;

/* PEM of DER octets; label is "CERTIFICATE" or the like. */
enum err crypto_pem_put(
    const char *label, struct span der, struct buf *out) MUST_CHECK;

/* Append a PKCS#12 file: the private key (PKCS#8) with its certificate and n
   certificates of CAs, under the passphrase (PBES2, AES-256, SHA-256). The
   caller wipes out. ERR_PASSPHRASE for an empty one, ERR_MALFORMED (the key
   does not fit the certificate), ERR_CRYPTO. */
enum err crypto_pkcs12_write(const struct secret *pkcs8,
    const struct crypto_cert *cert, struct crypto_cert *const *cas, size_t n,
    const struct secret *passphrase, struct buf *out,
    struct err_why *why) MUST_CHECK;

#endif
