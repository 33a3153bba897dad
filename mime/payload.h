/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The cryptographic payload: the entity that is signed or encrypted, made from
 * the message as received. Header protection (RFC 9788) and what transport
 * forces on signed parts (RFC 8551 section 3.1, RFC 3156 sections 3 and 5) are
 * decided here, once; written, it is the same octets every time.
 */
#ifndef MIME_PAYLOAD_H
#define MIME_PAYLOAD_H

#include "mime/sink.h"
#include "mime/write.h"

struct arena;
struct mime_payload;
struct mime_tree;

/* Which header fields stay readable outside of what is encrypted, and whether
   they are protected inside. RFC 9788 section 3.2. */
enum mime_hp {
	MIME_HP_BASELINE, /* Subject is hidden, Keywords and Comments go */
	MIME_HP_SHY,	  /* display names go too, and the time zone */
	MIME_HP_NONE,	  /* the header is left alone */
};

/* What the parts must look like inside. */
enum mime_transport {
	MIME_TRANSPORT_ANY,  /* as they came: nobody re-encodes it on the way */
	MIME_TRANSPORT_7BIT, /* 7-bit, lines of at most 998 octets; UTF-8 in the
				header of a message that came with SMTPUTF8 */
	MIME_TRANSPORT_PGP,  /* and no trailing blanks, no "From " */
};

struct mime_payload_form {
	struct mime_edit edit;
	enum mime_hp hp;
	bool sealed; /* it is encrypted: hp="cipher", else hp="clear" */
	enum mime_transport transport;
};

/* Make the payload of a message that mime_tree_parse() took. It lives in the
   arena and points into the tree and its message; all parts that need no change
   are the same octets. An ambiguous message gets no change but in its header.
   Bcc is nowhere. ERR_NOMEM, ERR_TOO_BIG. */
enum err mime_payload_make(const struct mime_tree *tree,
    const struct mime_payload_form *form, struct arena *a,
    struct mime_payload **out, struct err_why *why) MUST_CHECK;

/* What header protection it gets: as the form says, but none around an entity
   that somebody has signed or sealed already. Readers look for protected
   fields inside of all layers, and there nothing may be changed: hidden
   outside, the subject would be seen by nobody. */
enum mime_hp mime_payload_hp(
    const struct mime_tree *tree, const struct mime_payload_form *form);

/* The fields that stay outside, for the writers of write.h. */
struct span mime_payload_outer(const struct mime_payload *p);
/* Does it meet the transport that was asked for? reason (may be NULL) gets
   why not: an existing signature is never broken, an ambiguous message never
   re-encoded. Then it must not be signed with multipart/signed. */
bool mime_payload_is_fit(const struct mime_payload *p, const char **reason);
/* Write the entity: its header, the empty line, its body, CRLF line ends. What
   is to be signed is written to memory once, and these octets are handed to
   the engine and to mime_write_signed(). */
enum err mime_payload_write(
    const struct mime_payload *p, const struct mime_sink *to) MUST_CHECK;

/* --- opened --- */

/* What is delivered of a payload whose header was encrypted, once its fields
   are shown: its Content-* fields and its body without the legacy display
   elements (RFC 9788 section 4.5.3). Never inside of a signed part. *out is
   NULL when there is none. */
enum err mime_payload_bare(const struct mime_tree *tree, struct arena *a,
    struct mime_payload **out) MUST_CHECK;
/* The fields, without the empty line; and the body behind that. */
struct span mime_payload_head(const struct mime_payload *p);
enum err mime_payload_write_body(
    const struct mime_payload *p, const struct mime_sink *to) MUST_CHECK;

#endif
