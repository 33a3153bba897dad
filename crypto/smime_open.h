/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One layer of S/MIME off a message: the parsed structure of the whole says
 * what it is (mime/protected.h), CMS opens or verifies it, and what is inside
 * is the next entity. Who calls goes on with that, until nothing more comes
 * off: the layers then are the cryptographic envelope (RFC 9787 §4.1) and what
 * is left is the payload, in which nothing is opened.
 */
#ifndef CRYPTO_SMIME_OPEN_H
#define CRYPTO_SMIME_OPEN_H

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "crypto/cms_open.h"
#include "crypto/cms_verify.h"

struct mime_tree;
struct crypto_verdict;

/* Everything is borrowed for the call. */
struct crypto_smime {
	struct crypto_cms_opener opener;
	struct crypto_cms_verifier verifier;
	size_t max_inflated; /* octets that CompressedData may become */
};

/* What came off. */
struct crypto_smime_layer {
	/* The entity inside, in a sealed memfd, when it is somewhere else than
	   in the message: encrypted, opaque signed, compressed. The caller
	   closes. -1: see entity. */
	int fd;
	/* multipart/signed: the first part, octets of the message that was
	   given. Empty if there is a descriptor. */
	struct span entity;
};

/* Take the outermost layer off what was parsed into t: the message by
   mime_tree_parse(), what is inside by mime_tree_parse_entity(). Put what
   was learned into the verdict: v->sealed with cipher and key, or signatures,
   and always the layer. Not thread-safe in v.
   ERR_NOT_FOUND: it has no layer of S/MIME, or the structure is ambiguous.
   What is encrypted or signed in parts of it stays as it is, and is PARTIAL in
   the verdict.
   ERR_OK: go on with out.
   ERR_NO_KEY, ERR_CRYPTO, ERR_UNSUPPORTED, ERR_KEY_UNUSABLE, ERR_MALFORMED,
   ERR_LIMIT, ERR_TOO_BIG: the layer stays on. For encrypted ones v->sealed is
   CLOSED and says why; a signature that cannot be looked at is BAD. The message
   is shown as it is.
   Others (ERR_NOMEM, ERR_IO, ERR_CLOSED, ERR_TIMEOUT...): try again later, the
   verdict is not to be used. */
enum err crypto_smime_peel(const struct mime_tree *t,
    const struct crypto_smime *s, struct crypto_verdict *v,
    struct crypto_smime_layer *out, struct err_why *why) MUST_CHECK;

#endif
