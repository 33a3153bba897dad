/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What a DKIM signature of a message is made over (RFC 6376, RFC 8463; relaxed
 * for both header and body), and the field that carries it. The private key is
 * elsewhere: it signs a digest. A library that signs itself is of no use for
 * that, so the canonical forms are made here.
 */
#ifndef MIME_DKIM_H
#define MIME_DKIM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/digest.h"
#include "common/err.h"

struct mime_dkim;

enum mime_dkim_alg {
	MIME_DKIM_RSA = 0, /* rsa-sha256 */
	MIME_DKIM_ED25519, /* ed25519-sha256, RFC 8463 */
};

enum {
	MIME_DKIM_NAME_MAX = 253, /* "SELECTOR._domainkey.DOMAIN" */
	MIME_DKIM_FIELD_MAX = 16 * 1024,
};

/* Aborts when out of memory. The caller frees; NULL is fine. */
struct mime_dkim *mime_dkim_new(void);
void mime_dkim_free(struct mime_dkim *d);
/* The octets of the message, lines ending with CRLF. ERR_TOO_BIG: a header
   beyond the limit. */
enum err mime_dkim_put(struct mime_dkim *d, struct span s) MUST_CHECK;
/* That was all of it. ERR_MALFORMED, ERR_LIMIT: no header can be read. */
enum err mime_dkim_finish(struct mime_dkim *d, struct arena *a) MUST_CHECK;

/* After finish: the domain of the first address in From, in A-labels; "" if
   there is none. In the arena. */
const char *mime_dkim_domain(struct mime_dkim *d, struct arena *a);
/* Append the field up to its "b=", and tell the digest that is to be signed.
   From and what is shown beside it are signed once more than they are there:
   none can be added. ERR_NOMEM. */
enum err mime_dkim_begin(struct mime_dkim *d, enum mime_dkim_alg alg,
    const char *domain, const char *selector, uint64_t unix_s, struct buf *out,
    uint8_t digest[DIGEST_SIZE]) MUST_CHECK;
/* Append the signature and the end of the field. */
enum err mime_dkim_end(struct buf *out, struct span signature) MUST_CHECK;

/* The record of a key (RSA: SubjectPublicKeyInfo; Ed25519: its octets), as the
   data of a TXT record in the form of a zone file: several strings in double
   quotes. */
enum err mime_dkim_record(
    enum mime_dkim_alg alg, struct span key, struct buf *out) MUST_CHECK;

#endif
