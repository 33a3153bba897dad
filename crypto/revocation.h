/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What issuers say of certificates they take back: revocation lists (CRL) and
 * answers about one certificate (OCSP), read, verified and made small. Where
 * they come from and how long they are kept is keystore/revocation.h's.
 * RFC 5280 §5 and §6.3, RFC 6960.
 */
#ifndef CRYPTO_REVOCATION_H
#define CRYPTO_REVOCATION_H

#include "common/buf.h"
#include "common/err.h"
#include "common/limits.h"
#include "crypto/cert_path.h"

struct arena;

enum {
	CRYPTO_NONCE_SIZE = 16,
	CRYPTO_URLS_MAX = 4, /* of one kind that are looked at */
	/* An entry of a list: 16 octets of SHA-256 of the serial number, u64
	   time of revocation, u8 reason. Sorted, big-endian. */
	CRYPTO_LIST_ENTRY = 25,
	CRYPTO_LIST_DIGEST = 16,
};

/* Where a certificate says that revocation can be asked for. Only http and
   https; the texts are in the arena. */
struct crypto_revocation_urls {
	const char *list[CRYPTO_URLS_MAX];
	size_t n_lists;
	const char *ocsp[CRYPTO_URLS_MAX];
	size_t n_ocsp;
};

void crypto_revocation_urls(const struct crypto_cert *cert, struct arena *arena,
    struct crypto_revocation_urls *out);

/* Which certificates a list speaks of. */
enum {
	CRYPTO_LIST_USERS = 1,
	CRYPTO_LIST_CAS = 2,
};

/* A verified list. */
struct crypto_list {
	int64_t from, until; /* thisUpdate, nextUpdate; Unix seconds */
	unsigned scope;
	struct buf entries;
};

/* Read a list in DER or PEM that issuer is to have signed and that came from
   url, "": from nowhere, and complete. The caller clears. ERR_MALFORMED,
   ERR_TOO_BIG, ERR_LIMIT; ERR_KEY_UNTRUSTED: not signed by issuer; ERR_CRYPTO:
   with too weak a digest; ERR_KEY_EXPIRED: not of this time; ERR_UNSUPPORTED:
   delta, indirect, for some reasons only, an extension we must but do not
   know; ERR_NOT_FOUND: it says that it is for another place. */
enum err crypto_list_read(struct span in, const struct crypto_cert *issuer,
    const char *url, int64_t now, struct crypto_list *out,
    struct err_why *why) MUST_CHECK;
/* Append the name of the issuer of a list (DER). Nothing is verified.
   ERR_MALFORMED, ERR_TOO_BIG. */
enum err crypto_list_issuer(
    struct span in, struct buf *out, struct err_why *why) MUST_CHECK;
void crypto_list_clear(struct crypto_list *l);
/* Look in entries (of a list that is for such a certificate): state, time and
   reason in out. */
void crypto_list_find(
    struct span entries, struct span serial, struct crypto_status *out);

/* A request for the certificate of this serial number (content octets), in DER.
   Its last CRYPTO_NONCE_SIZE octets are the nonce, zero here: whoever sends
   it writes random octets there. ERR_LIMIT (serial number), ERR_NOMEM. */
enum err crypto_ocsp_request(const struct crypto_cert *issuer,
    struct span serial, struct buf *out) MUST_CHECK;
/* Read the answer in DER to such a request, sent with this nonce: the state in
   out, until when it holds, and since when (from). A nonce in it must be the
   request's; it may have none. A responder that says "unknown" is ERR_OK, with
   that state. ERR_MALFORMED, ERR_TOO_BIG; ERR_AGAIN: the responder cannot just
   now, or does not want to; ERR_KEY_UNTRUSTED: not signed by issuer nor by a
   responder it has named; ERR_CRYPTO: with too weak a digest; ERR_KEY_EXPIRED:
   not of this time; ERR_NOT_FOUND: about other certificates only;
   ERR_BAD_SEAL: the nonce of another request. */
enum err crypto_ocsp_read(struct span in, const struct crypto_cert *issuer,
    struct span serial, struct span nonce, int64_t now,
    struct crypto_status *out, int64_t *from, struct err_why *why) MUST_CHECK;

#endif
