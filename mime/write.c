/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The S/MIME (RFC 8551 sections 3.3 to 3.5) and PGP/MIME (RFC 3156 sections 4
 * and 5) shapes, and the message without its Bcc. Bodies are never copied:
 * heads are built in a buffer, the rest goes from the message to the sink.
 * Octets are copied from the message, never made anew from a parse.
 */
#include "mime/write.h"

#include <stdio.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "mime/anonymise.h"
#include "mime/base64.h"
#include "mime/header.h"
#include "mime/utf8.h"

enum {
	FIELDS_MEMORY = 1024 * 1024, /* the index of LIMIT_HEADER_FIELDS */
	/* trace fields, a subject encoded afresh, MIME fields */
	HEAD_MAX = LIMIT_HEADER_SIZE * 2,
};

static const char crlf[] = "\r\n";

static bool
is_subject(const struct mime_field *f)
{
	return span_caseeq_str(f->name, "Subject");
}

static enum err
put_field(struct buf *out, const struct mime_field *f)
{
	enum err e = buf_put(out, f->whole);

	/* a message that ends in its header, without a line end */
	if (e == ERR_OK && f->whole.data[f->whole.len - 1] != '\n')
		e = buf_puts(out, crlf);
	return e;
}

/* All fields, edited. */
static enum err
put_fields(
    const struct mime_header *h, const struct mime_edit *edit, struct buf *out)
{
	bool subject_done = false;
	enum err e = buf_put(out, edit->trace);

	for (size_t i = 0; i < h->n && e == ERR_OK; i++) {
		const struct mime_field *f = &h->fields[i];

		/* P8: nothing tells of hidden recipients. A topic repeats the
		   subject with the tags that were taken out of it. */
		if (mime_field_is_private(f) ||
		    (edit->anonymise && mime_field_tells(f)) ||
		    (edit->subject.len > 0 &&
			span_caseeq_str(f->name, "Thread-Topic")))
			continue;
		if (edit->anonymise && span_caseeq_str(f->name, "Received"))
			e = mime_received_short(f, out);
		else if (edit->subject.len == 0 || !is_subject(f)) {
			e = put_field(out, f);
		} else if (!subject_done) {
			e = buf_put(out, edit->subject);
			subject_done = true;
		}
	}
	return e == ERR_OK ? buf_put(out, edit->add) : e;
}

static enum err
put_base64(struct span s, const struct mime_sink *to)
{
	struct mime_base64 b64;
	enum err e;

	mime_base64_init(&b64, *to);
	e = mime_base64_put(&b64, s);
	return e == ERR_OK ? mime_base64_finish(&b64) : e;
}

/* Outer fields and what follows them. */
static enum err
put_head(struct span outer, const char *rest, const struct mime_sink *to)
{
	enum err e = mime_put(to, outer);

	if (e == ERR_OK && outer.len > 0)
		e = mime_puts(to, "MIME-Version: 1.0\r\n");
	return e == ERR_OK ? mime_puts(to, rest) : e;
}

static const char *
smime_type_name(enum mime_smime_type type)
{
	switch (type) {
	case MIME_SMIME_ENVELOPED:
		return "enveloped-data";
	case MIME_SMIME_AUTH_ENVELOPED:
		return "authEnveloped-data";
	case MIME_SMIME_SIGNED:
		return "signed-data";
	}
	return "enveloped-data";
}

enum err
mime_write_smime_head(
    struct span outer, enum mime_smime_type type, const struct mime_sink *to)
{
	char rest[512];

	snprintf(rest, sizeof(rest),
	    "Content-Type: application/pkcs7-mime; smime-type=%s;\r\n"
	    " name=\"smime.p7m\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n"
	    "Content-Disposition: attachment; filename=\"smime.p7m\"\r\n"
	    "Content-Description: S/MIME %s message\r\n"
	    "\r\n",
	    smime_type_name(type),
	    type == MIME_SMIME_SIGNED ? "signed" : "encrypted");
	return put_head(outer, rest, to);
}

enum err
mime_write_smime(struct span outer, enum mime_smime_type type, struct span der,
    const struct mime_sink *to)
{
	enum err e = mime_write_smime_head(outer, type, to);

	return e == ERR_OK ? put_base64(der, to) : e;
}

struct mime_boundary
mime_boundary_make(const uint8_t random[16])
{
	struct mime_boundary b;
	int n = snprintf(b.text, sizeof(b.text), "=_sg");

	for (int i = 0; i < 16; i++)
		n += snprintf(
		    b.text + n, sizeof(b.text) - (size_t)n, "%02x", random[i]);
	return b;
}

static bool
has_boundary(struct span s, const struct mime_boundary *boundary)
{
	return span_find(s, 0, span_str(boundary->text)) < s.len;
}

enum err
mime_write_pgp_head(struct span outer, const struct mime_boundary *boundary,
    const struct mime_sink *to)
{
	char rest[1024];

	snprintf(rest, sizeof(rest),
	    "Content-Type: multipart/encrypted;\r\n"
	    " protocol=\"application/pgp-encrypted\";\r\n"
	    " boundary=\"%s\"\r\n"
	    "\r\n"
	    "This is an OpenPGP/MIME encrypted message (RFC 3156).\r\n"
	    "--%s\r\n"
	    "Content-Type: application/pgp-encrypted\r\n"
	    "Content-Description: PGP/MIME version identification\r\n"
	    "\r\n"
	    "Version: 1\r\n"
	    "\r\n"
	    "--%s\r\n"
	    "Content-Type: application/octet-stream; name=\"encrypted.asc\"\r\n"
	    "Content-Description: OpenPGP encrypted message\r\n"
	    "Content-Disposition: inline; filename=\"encrypted.asc\"\r\n"
	    "\r\n",
	    boundary->text, boundary->text, boundary->text);
	return put_head(outer, rest, to);
}

enum err
mime_write_pgp_tail(
    const struct mime_boundary *boundary, const struct mime_sink *to)
{
	char tail[sizeof(boundary->text) + 16];

	snprintf(tail, sizeof(tail), "\r\n--%s--\r\n", boundary->text);
	return mime_puts(to, tail);
}

enum err
mime_write_pgp(struct span outer, const struct mime_boundary *boundary,
    struct span armor, const struct mime_sink *to)
{
	enum err e;

	if (has_boundary(armor, boundary))
		return ERR_AMBIGUOUS;
	e = mime_write_pgp_head(outer, boundary, to);
	if (e == ERR_OK)
		e = mime_put_crlf(to, armor);
	return e == ERR_OK ? mime_write_pgp_tail(boundary, to) : e;
}

/* RFC 2045 section 5.1: it stands unquoted in a field that we write. */
static bool
is_token(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' ||
		    strchr("()<>@,;:\\\"/[]?=", *s) != NULL)
			return false;
	return true;
}

static enum err
put_signed_head(struct span outer, const struct mime_boundary *boundary,
    bool is_8bit, const struct mime_signature *sig, const struct mime_sink *to)
{
	bool cms = sig->format == MIME_SIGNATURE_CMS;
	char rest[1024];

	snprintf(rest, sizeof(rest),
	    "Content-Type: multipart/signed; micalg=%s;\r\n"
	    " protocol=\"application/%s-signature\";\r\n"
	    " boundary=\"%s\"\r\n"
	    "%s"
	    "\r\n"
	    "This is %s signed message (RFC %s).\r\n"
	    "--%s\r\n",
	    sig->micalg, cms ? "pkcs7" : "pgp", boundary->text,
	    is_8bit ? "Content-Transfer-Encoding: 8bit\r\n" : "",
	    cms ? "an S/MIME" : "an OpenPGP/MIME", cms ? "8551" : "3156",
	    boundary->text);
	return put_head(outer, rest, to);
}

static enum err
put_signature(const struct mime_boundary *boundary,
    const struct mime_signature *sig, const struct mime_sink *to)
{
	bool cms = sig->format == MIME_SIGNATURE_CMS;
	char head[512];
	enum err e;

	/* the line end before the boundary is not signed (RFC 1847 2.1) */
	snprintf(head, sizeof(head),
	    "\r\n--%s\r\n"
	    "Content-Type: application/%s-signature; name=\"%s\"\r\n"
	    "%s"
	    "Content-Disposition: attachment; filename=\"%s\"\r\n"
	    "Content-Description: %s\r\n"
	    "\r\n",
	    boundary->text, cms ? "pkcs7" : "pgp",
	    cms ? "smime.p7s" : "signature.asc",
	    cms ? "Content-Transfer-Encoding: base64\r\n" : "",
	    cms ? "smime.p7s" : "signature.asc",
	    cms ? "S/MIME signature" : "OpenPGP digital signature");
	e = mime_puts(to, head);
	if (e != ERR_OK)
		return e;
	return cms ? put_base64(sig->octets, to)
		   : mime_put_crlf(to, sig->octets);
}

enum err
mime_write_signed(struct span outer, const struct mime_boundary *boundary,
    struct span entity, const struct mime_signature *sig,
    const struct mime_sink *to)
{
	enum err e;

	if (!is_token(sig->micalg))
		return ERR_USAGE;
	if (has_boundary(entity, boundary) ||
	    (sig->format == MIME_SIGNATURE_PGP &&
		has_boundary(sig->octets, boundary)))
		return ERR_AMBIGUOUS;
	e = put_signed_head(outer, boundary, !mime_is_ascii(entity), sig, to);
	if (e == ERR_OK)
		e = mime_put(to, entity);
	if (e == ERR_OK)
		e = put_signature(boundary, sig, to);
	return e == ERR_OK ? mime_write_pgp_tail(boundary, to) : e;
}

/* The edited header in out; what follows it, empty line first, in *rest.
   to_its_end: not if a line that is no field cuts it short. */
static enum err
edit_header(struct span msg, const struct mime_edit *edit, bool to_its_end,
    struct buf *out, struct span *rest, struct err_why *why)
{
	struct arena *a = arena_new(FIELDS_MEMORY);
	struct mime_header h;
	enum err e;

	e = mime_header_parse(msg, a, &h, why);
	if (e == ERR_OK && to_its_end && h.no_end)
		e = err_why(why, ERR_AMBIGUOUS,
		    "a line in the header is no header field");
	if (e == ERR_OK) {
		e = put_fields(&h, edit, out);
		if (e != ERR_OK)
			err_why(
			    why, e, "the header does not fit: %s", err_text(e));
	}
	if (e == ERR_OK)
		*rest = msg.len == 0 ? msg
				     : SPAN(msg.data + h.whole.len,
					   msg.len - h.whole.len);
	arena_free(a);
	return e;
}

enum err
mime_write_plain(struct span msg, const struct mime_edit *edit,
    const struct mime_sink *to, struct err_why *why)
{
	struct buf head;
	struct span rest;
	enum err e;

	buf_init(&head, HEAD_MAX);
	e = edit_header(msg, edit, true, &head, &rest, why);
	if (e == ERR_OK)
		e = mime_put(to, buf_span(&head));
	if (e == ERR_OK)
		e = mime_put(to, rest);
	buf_clear(&head);
	return e;
}

enum err
mime_write_outer_header(struct span msg, const struct mime_edit *edit,
    struct buf *out, struct err_why *why)
{
	size_t mark = out->len;
	struct span rest;
	enum err e = edit_header(msg, edit, false, out, &rest, why);

	if (e != ERR_OK)
		out->len = mark;
	return e;
}
