/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a CA of ours signs: its own certificate, certificates for mail, and the
 * list of those it takes back; and what signs itself to be known by a
 * fingerprint. Who may have one, and where they are kept, is decided in
 * gateway/. RFC 5280, RFC 8550, RFC 8551 §2.5.2, RFC 9598.
 */
#ifndef CRYPTO_ISSUE_H
#define CRYPTO_ISSUE_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct crypto_cert;
struct evp_pkey_st;

enum crypto_profile {
	CRYPTO_PROFILE_NONE = 0,
	CRYPTO_PROFILE_CA,   /* issues certificates for mail, no CAs */
	CRYPTO_PROFILE_BOTH, /* signs and is sealed to */
	CRYPTO_PROFILE_SIGN,
	CRYPTO_PROFILE_ENCRYPT,
	/* for TLS between two machines that go by its fingerprint alone */
	CRYPTO_PROFILE_LINK,
};

enum {
	CRYPTO_SERIAL_SIZE = 20,      /* octets, 159 of its bits random */
	CRYPTO_ISSUED_MAX = 64 << 10, /* octets of a certificate made here */
	CRYPTO_CRL_MAX = 16 << 20,
	CRYPTO_CN_MAX = 64, /* octets (RFC 5280 appendix A.1: characters) */
};

/* "both"; NULL for an unknown number. */
const char *crypto_profile_name(enum crypto_profile p);
/* Of those that can be issued: both, sign, encrypt. ERR_NOT_FOUND. */
enum err crypto_profile_by_name(
    const char *name, enum crypto_profile *out) MUST_CHECK;

/* A certificate that is asked for. */
struct crypto_issue {
	enum crypto_profile profile;
	struct span spki;	  /* the public key, SubjectPublicKeyInfo */
	const char *name;	  /* common name; NULL: the first address, where
				     it fits */
	const struct span *addrs; /* canonical; none for a CA or a link */
	size_t n_addrs;
	int64_t not_before;  /* Unix seconds */
	int64_t not_after;   /* never beyond the issuer's */
	const char *crl_url; /* where its issuer's list is; NULL: nowhere */
};

/* Who signs. key is borrowed from crypto_private_pkey() or
   crypto_key_delegate_pkey(). */
struct crypto_issuer {
	const struct crypto_cert *cert; /* NULL: what is issued signs itself,
					   as a CA and a link do */
	struct evp_pkey_st *key;
};

/* Append the certificate, DER. Its serial number is random. ERR_KEY_EXPIRED:
   the issuer's certificate is not valid at not_before. ERR_MALFORMED: the key
   or an address cannot be put into one. ERR_CRYPTO: could not be signed. */
enum err crypto_issue_cert(const struct crypto_issue *what,
    const struct crypto_issuer *by, struct buf *out,
    struct err_why *why) MUST_CHECK;

/* RFC 5280 §5.3.1; the numbers are in the list and on disk. */
enum crypto_reason {
	CRYPTO_REASON_UNSPECIFIED = 0,
	CRYPTO_REASON_KEY_COMPROMISE = 1,
	CRYPTO_REASON_AFFILIATION_CHANGED = 3,
	CRYPTO_REASON_SUPERSEDED = 4,
	CRYPTO_REASON_CESSATION = 5,
	CRYPTO_REASON_PRIVILEGE_WITHDRAWN = 9,
};

/* "key-compromise"; NULL for an unknown number. */
const char *crypto_reason_name(enum crypto_reason r);
/* ERR_NOT_FOUND for an unknown word. */
enum err crypto_reason_by_name(
    const char *name, enum crypto_reason *out) MUST_CHECK;

struct crypto_revoked {
	struct span serial; /* content octets */
	int64_t at;	    /* Unix seconds */
	enum crypto_reason reason;
};

struct crypto_crl {
	const struct crypto_revoked *revoked;
	size_t n;
	uint64_t number; /* greater than that of the list before */
	int64_t this_update;
	int64_t next_update;
};

/* Append the list, DER, signed. by->cert must be there. ERR_MALFORMED,
   ERR_CRYPTO. */
enum err crypto_issue_crl(const struct crypto_crl *list,
    const struct crypto_issuer *by, struct buf *out,
    struct err_why *why) MUST_CHECK;

#endif
