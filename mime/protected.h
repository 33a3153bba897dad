/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Has somebody protected the message already? Told by the parsed structure of
 * the whole of it, never by a substring or a Content-Type alone. What the
 * octets inside are worth (CMS content type, OpenPGP packets) is for crypto/
 * to say: until it has, nothing here means "encrypted".
 */
#ifndef MIME_PROTECTED_H
#define MIME_PROTECTED_H

#include "mime/sink.h"

struct mime_part;
struct mime_tree;

enum mime_protected_kind {
	MIME_PROTECTED_NOT,
	MIME_PROTECTED_CMS, /* application/pkcs7-mime: sealed or signed */
	MIME_PROTECTED_PGP, /* multipart/encrypted of RFC 3156 */
	MIME_PROTECTED_PGP_INLINE, /* armor is all of a text/plain message */
	MIME_PROTECTED_CMS_SIGNED, /* multipart/signed, both of its parts */
	MIME_PROTECTED_PGP_SIGNED,
};

struct mime_protected {
	enum mime_protected_kind kind;
	/* the part with the CMS object, the OpenPGP message or the signature */
	const struct mime_part *part;
	struct span signed_entity; /* of the two signed kinds: its octets */
	const char *reason;	   /* MIME_PROTECTED_NOT: why, for a person */
};

/* Never fails: what is in doubt is MIME_PROTECTED_NOT. Points into the tree. */
void mime_protected_find(const struct mime_tree *t, struct mime_protected *out);
/* Write the octets of the part, its transfer encoding removed: DER, armor or
   binary packets. A sink that has seen enough stops it by an error of its own,
   which is returned. ERR_USAGE for MIME_PROTECTED_NOT. */
enum err mime_protected_write(
    const struct mime_protected *p, const struct mime_sink *to) MUST_CHECK;

#endif
