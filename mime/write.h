/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Make the message that leaves from the message as received: the shapes around
 * what was sealed or signed (RFC 8551, RFC 3156, RFC 1847), and the message
 * that leaves readable. What is sealed, and what stays outside, is payload.h.
 */
#ifndef MIME_WRITE_H
#define MIME_WRITE_H

#include "mime/sink.h"

/* What is changed on the way. All spans may be empty. */
struct mime_edit {
	struct span trace;   /* whole fields, CRLF included, put first */
	struct span subject; /* a whole Subject field that takes the place of
				the first one (mime_subject_strip() makes it);
				further ones are dropped then */
	struct span add; /* whole fields, CRLF included, put last and treated
			    as if they had come with the message */
	bool anonymise;	 /* fields that tell of the sender's machine go */
};

/* Which CMS content the application/pkcs7-mime part holds. */
enum mime_smime_type {
	MIME_SMIME_ENVELOPED,
	MIME_SMIME_AUTH_ENVELOPED,
	MIME_SMIME_SIGNED, /* opaque: the signed entity is inside */
};

/* All shapes begin with the fields that stay outside. Without any the shape is
   an entity to be protected once more and has no MIME-Version. */

/* The S/MIME message around der. For an engine that streams: the head, then
   struct mime_base64 on the same sink. */
enum err mime_write_smime(struct span outer, enum mime_smime_type type,
    struct span der, const struct mime_sink *to) MUST_CHECK;
enum err mime_write_smime_head(struct span outer, enum mime_smime_type type,
    const struct mime_sink *to) MUST_CHECK;

/* A multipart boundary of its own from 16 random octets. "=_" keeps it out of
   base64 and quoted-printable text. */
struct mime_boundary {
	char text[48];
};
struct mime_boundary mime_boundary_make(const uint8_t random[16]);

/* The PGP/MIME message around armor, whose line ends may be LF or CRLF.
   ERR_AMBIGUOUS if the boundary occurs in it. For an engine that streams:
   head, armor with CRLF, tail. */
enum err mime_write_pgp(struct span outer, const struct mime_boundary *boundary,
    struct span armor, const struct mime_sink *to) MUST_CHECK;
enum err mime_write_pgp_head(struct span outer,
    const struct mime_boundary *boundary,
    const struct mime_sink *to) MUST_CHECK;
enum err mime_write_pgp_tail(const struct mime_boundary *boundary,
    const struct mime_sink *to) MUST_CHECK;

/* A detached signature of either format. */
struct mime_signature {
	enum mime_signature_format {
		MIME_SIGNATURE_CMS, /* octets are DER */
		MIME_SIGNATURE_PGP, /* octets are armor, LF or CRLF */
	} format;
	const char *micalg; /* "sha-256", "pgp-sha256": a token, RFC 1847 */
	struct span octets;
};

/* multipart/signed (RFC 1847) around entity: the very octets that were signed,
   header, empty line and body, written as they are, labelled 8bit if they are
   (a header with SMTPUTF8). ERR_AMBIGUOUS if the
   boundary occurs in them, ERR_USAGE for a micalg that is no token. */
enum err mime_write_signed(struct span outer,
    const struct mime_boundary *boundary, struct span entity,
    const struct mime_signature *sig, const struct mime_sink *to) MUST_CHECK;

/* The message as received, with the edits and without Bcc: the rungs that
   leave the text readable (tls, clear), and what escrow seals. ERR_AMBIGUOUS
   if a line that is no field ends the header: a Bcc may hide behind it. */
enum err mime_write_plain(struct span msg, const struct mime_edit *edit,
    const struct mime_sink *to, struct err_why *why) MUST_CHECK;

/* The outer fields of a message for a DSN: all but Bcc and Resent-Bcc, with
   the edits, body never. */
enum err mime_write_outer_header(struct span msg, const struct mime_edit *edit,
    struct buf *out, struct err_why *why) MUST_CHECK;

#endif
