/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Verify the signatures of a SignedData (RFC 5652 §5, RFC 8551 §2.4.2). Whether
 * a certificate is believed is asked of the caller, who has anchors, revocation
 * data and the keystore; binding to From is verdict.h's.
 */
#ifndef CRYPTO_CMS_VERIFY_H
#define CRYPTO_CMS_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/cms_kind.h"

struct crypto_cert;
struct crypto_verdict;

/* Everything is borrowed for the call. */
struct crypto_cms_verifier {
	void *ctx;
	/* Is the certificate believed, for signing mail, at the time of receipt
	   and at `made` (Unix seconds; 0: only receipt)? pool: the other
	   certificates of the message, believed in nothing. ERR_OK,
	   ERR_KEY_UNTRUSTED, ERR_KEY_EXPIRED, ERR_KEY_REVOKED,
	   ERR_KEY_UNUSABLE, ERR_UNSUPPORTED; anything else ends the
	   verification with this error. */
	enum err (*judge)(void *ctx, struct crypto_cert *leaf,
	    struct crypto_cert *const *pool, size_t n_pool, int64_t made,
	    struct err_why *why);
	/* Find a certificate that the message names and does not bring. The
	   caller unrefs. ERR_NOT_FOUND. NULL: there is none. */
	enum err (*find)(void *ctx, const struct crypto_cms_rid *rid,
	    struct crypto_cert **out);
	int64_t now; /* time of receipt */
};

/* Verify in, a ContentInfo in BER, over the detached content, or over its own
   if detached is NULL: one of the two must be there, both are "bad". Adds a
   layer and, for each signer, a signature to the verdict: its status, who it
   is, what it can. All is one decision (crypto_verdict_bind()). A signed-data
   without signers adds neither, and is ERR_NOT_FOUND: it signs nothing.
   ERR_MALFORMED, ERR_LIMIT: not a signed-data within limits; nothing was
   added. ERR_NOMEM, and errors of judge and find: try again later. Whatever is
   wrong with a signature is ERR_OK and stands in the verdict. */
enum err crypto_cms_verify(struct span in, const struct span *detached,
    const struct crypto_cms_verifier *verifier, struct crypto_verdict *v,
    struct err_why *why) MUST_CHECK;

/* The content of a signed-data into a new memfd, sealed; the caller closes.
   Whether it is believed is another question. ERR_NOT_FOUND: it has none.
   ERR_MALFORMED, ERR_UNSUPPORTED (not id-data), ERR_TOO_BIG (over max),
   ERR_NOMEM, ERR_IO. */
enum err crypto_cms_content(
    struct span in, size_t max, int *fd_out, struct err_why *why) MUST_CHECK;

#endif
