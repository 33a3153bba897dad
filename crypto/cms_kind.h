/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What octets are as a CMS message, by their structure alone (RFC 5652,
 * RFC 5083, RFC 3274): signed, sealed, to whom. Nothing is opened or verified.
 */
#ifndef CRYPTO_CMS_KIND_H
#define CRYPTO_CMS_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/ber.h"

struct arena;
struct crypto_cert_info;

enum crypto_cms_kind {
	CRYPTO_CMS_NONE = 0, /* no content type of these */
	CRYPTO_CMS_DATA,
	CRYPTO_CMS_SIGNED,
	CRYPTO_CMS_ENVELOPED,
	CRYPTO_CMS_AUTH_ENVELOPED,
	CRYPTO_CMS_COMPRESSED,
};

/* How a message names one of its recipients: either issuer and serial number,
   or the subject key identifier; the other spans are empty. As struct
   crypto_cert_info has them. */
struct crypto_cms_rid {
	struct span issuer;
	struct span serial;
	struct span ski;
	/* What it opens with. alg: content of its AlgorithmIdentifier; point,
	   ukm: of key agreement, the originator's public key as an element and
	   what goes into the derivation (empty: none). */
	bool agree;
	struct span alg;
	struct span key;
	struct span point;
	struct span ukm;
};

/* Everything is borrowed from the input, the list from the arena. */
struct crypto_cms_shape {
	enum crypto_cms_kind kind;
	/* SIGNED: without signers it only carries certificates. */
	size_t n_signers;
	bool has_content; /* inside; else detached or missing */
	/* ENVELOPED, AUTH_ENVELOPED */
	struct crypto_cms_rid *rids;
	size_t n_rids;
	size_t n_others;    /* recipients with a password or a shared key */
	struct span cipher; /* the object identifier's content octets */
	struct span alg;    /* the whole identifier's content */
	struct span inner;  /* type of the content: an object identifier's */
	struct ber text;    /* the ciphertext, for ber_octets_each() */
	struct span attrs; /* authenticated attributes, the element; or empty */
	struct span mac;   /* AUTH_ENVELOPED: the tag */
};

/* What it says it is, by its first octets; for what crypto_cms_look() refuses.
 */
enum crypto_cms_kind crypto_cms_claims(struct span in);
/* Read the content of an IssuerAndSerialNumber; the serial number without the
   zeros that keep it positive, as OpenSSL has it. Other fields of out are left
   alone. ERR_MALFORMED. */
enum err crypto_cms_rid_parse(
    struct span in, struct crypto_cms_rid *out) MUST_CHECK;
/* Does the message mean this certificate? */
bool crypto_cms_rid_is(
    const struct crypto_cms_rid *rid, const struct crypto_cert_info *cert);

/* Look at all of in, DER or BER, which crypto_der_check() takes. ERR_MALFORMED:
   it is not exactly one ContentInfo, or not what its type says (an
   enveloped-data without recipients or without ciphertext is none). ERR_LIMIT:
   more recipients or signers than LIMIT_RECIPIENTS, more elements than
   LIMIT_DER_ELEMENTS. ERR_NOMEM. */
enum err crypto_cms_look(
    struct span in, struct arena *a, struct crypto_cms_shape *out) MUST_CHECK;

#endif
