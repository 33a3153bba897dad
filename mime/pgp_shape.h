/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Where the OpenPGP of a message is, and whether it is all of the message: as
 * sent, as Exchange and mailing lists hand it on, inline. Opened is only what
 * has nothing readable beside it; told by structure, what the octets are worth
 * is for crypto/ to say. RFC 3156, RFC 9787 §4.4.
 */
#ifndef MIME_PGP_SHAPE_H
#define MIME_PGP_SHAPE_H

#include "mime/sink.h"

struct arena;
struct mime_part;
struct mime_tree;

enum mime_pgp_kind {
	MIME_PGP_NONE = 0,
	/* Something encrypted inside of, or beside, something else: it stays
	   closed, or text around it would be taken for a part of it (EFAIL). */
	MIME_PGP_CLOSED,
	/* One encrypted message, which is an entity with a header (PGP/MIME).
	   parts: it alone. */
	MIME_PGP_ENCRYPTED,
	/* Every part is an encrypted message of its own, without a header:
	   text, attachments. parts: all, in order. */
	MIME_PGP_INLINE,
	/* multipart/signed, all of the message. parts: the signature. */
	MIME_PGP_SIGNED,
	/* The same with something beside it, such as the footer of a list. */
	MIME_PGP_SIGNED_PARTLY,
};

struct mime_pgp {
	enum mime_pgp_kind kind;
	const struct mime_part **parts; /* in the arena */
	size_t n;
	struct span signed_entity; /* the octets that are signed */
	bool whole;	    /* of CLOSED: by its type all of it is encrypted */
	const char *reason; /* of NONE and CLOSED, for a person */
};

/* Look at a parsed message or entity. Never fails: what is in doubt is NONE, or
   CLOSED if something in it is encrypted. Points into the tree. */
void mime_pgp_find(
    const struct mime_tree *t, struct arena *a, struct mime_pgp *out);
/* Write the octets of a part, its transfer encoding removed. */
enum err mime_pgp_write_part(
    const struct mime_part *p, const struct mime_sink *to) MUST_CHECK;

/* What was opened from a part of MIME_PGP_INLINE. */
struct mime_pgp_piece {
	const struct mime_part *part;
	struct span text;
};

/* Write what was inside of the parts as one entity, header included: a text as
   text/plain, attachments for saving only and never as HTML, for whoever made
   one part may not have made the other. unique: a word that is in none of the
   texts, for the boundary. */
enum err mime_pgp_write_pieces(const struct mime_pgp_piece *pieces, size_t n,
    const char *unique, const struct mime_sink *to) MUST_CHECK;

#endif
