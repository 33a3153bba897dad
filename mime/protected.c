/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Structure of protected messages: RFC 8551 sections 3.2 to 3.5, RFC 3156
 * sections 4 to 6, RFC 1847. Anything beside the protected part that could
 * hold text makes it something else: what a reader sees must all be in there.
 */
#include "mime/protected.h"

#include <string.h>

#include "mime/recode.h"
#include "mime/tree_private.h"

enum {
	/* octets before the first part: "This is an OpenPGP message" */
	PREAMBLE_MAX = 256,
	/* octets of the header lines of armor, and of a line */
	ARMOR_HEAD = 512,
	ARMOR_LINE = 100,
};

static enum mime_protected_kind
no(struct mime_protected *out, const char *reason)
{
	out->reason = reason;
	return MIME_PROTECTED_NOT;
}

static bool
param_is(const struct mime_part *p, const char *name, const char *value)
{
	const char *v = mime_part_param(p, name);

	return v != NULL && span_caseeq_str(span_str(v), value);
}

bool
protected_is_all_in_parts(const struct mime_part *p)
{
	const struct mime_part *first = p->children[0];
	const struct mime_part *last = p->children[p->n_children - 1];
	size_t mark = strlen(mime_part_param(p, "boundary")) + 2;
	const uint8_t *behind = last->body.data + last->body.len;
	struct span rest =
	    SPAN(behind, (size_t)(p->body.data + p->body.len - behind));
	struct span end = span_trim(rest);

	if ((size_t)(first->header.data - p->body.data) >
	    PREAMBLE_MAX + 2 * mark)
		return false;
	/* only "--boundary--" */
	return end.len == mark + 2;
}

/* --- armor */

static bool
is_base64_line(struct span line)
{
	for (size_t i = 0; i < line.len; i++) {
		uint8_t c = line.data[i];

		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '+' && c != '/' && c != '=')
			return false;
	}
	return line.len > 0 && line.len <= ARMOR_LINE;
}

/* The line at *at, blanks behind it aside; moves *at to the next one. */
static struct span
next_line(struct span s, size_t *at)
{
	size_t end = span_find_chr(s, *at, '\n'), start = *at;

	*at = end + (end < s.len);
	while (end > start && strchr(" \t\r", s.data[end - 1]) != NULL)
		end--;
	return SPAN(s.data + start, end - start);
}

/* Armor from the first line to the last, blank lines around it aside (RFC 9580
   section 6.2): a few header lines, base64, nothing that could be a text. */
static bool
is_all_armor(struct span s)
{
	struct span line;
	size_t at = 0, head;

	s = span_trim(s);
	if (!span_eq_str(next_line(s, &at), "-----BEGIN PGP MESSAGE-----"))
		return false;
	head = at;
	do {
		if (at == s.len || at - head > ARMOR_HEAD)
			return false;
		line = next_line(s, &at);
	} while (line.len > 0);
	do {
		if (at == s.len)
			return false;
		line = next_line(s, &at);
	} while (is_base64_line(line));
	return span_eq_str(line, "-----END PGP MESSAGE-----") && at == s.len;
}

bool
protected_is_armor(const struct mime_part *p)
{
	enum recode_form form;
	struct mime_sink sink;
	struct buf text;
	bool is;

	if (recode_form_of(p->encoding, &form) != ERR_OK)
		return false;
	if (form == RECODE_PLAIN)
		return is_all_armor(p->body);
	buf_init(&text, p->body.len + 1);
	sink = mime_sink_buf(&text);
	is = recode_decode(form, p->body, &sink) == ERR_OK &&
	     is_all_armor(buf_span(&text));
	buf_clear(&text);
	return is;
}

/* Takes the first octet and stops. */
static enum err
put_first(void *ctx, struct span s)
{
	*(uint8_t *)ctx = s.data[0];
	return ERR_CLOSED;
}

bool
protected_is_packets(const struct mime_part *p)
{
	uint8_t first = 0;
	struct mime_sink sink = {put_first, &first};
	enum recode_form form;

	return recode_form_of(p->encoding, &form) == ERR_OK &&
	       recode_decode(form, p->body, &sink) == ERR_CLOSED &&
	       (first & 0x80) != 0;
}

/* --- shapes */

enum mime_protected_kind
protected_find_encrypted(const struct mime_part *p, struct mime_protected *out)
{
	const struct mime_part *version, *data;

	if (!param_is(p, "protocol", "application/pgp-encrypted"))
		return no(out, "multipart/encrypted of another protocol");
	if (p->n_children != 2)
		return no(out, "multipart/encrypted without its two parts");
	version = p->children[0];
	data = p->children[1];
	if (!mime_part_is(version, "application", "pgp-encrypted") ||
	    !span_caseeq_str(span_trim(version->body), "Version: 1"))
		return no(out, "multipart/encrypted without its version");
	if (!mime_part_is(data, "application", "octet-stream"))
		return no(out, "multipart/encrypted around another type");
	if (!protected_is_all_in_parts(p))
		return no(out, "text around the parts of multipart/encrypted");
	if (!protected_is_armor(data) && !protected_is_packets(data))
		return no(out, "multipart/encrypted around something else");
	out->part = data;
	return MIME_PROTECTED_PGP;
}

static bool
is_cms_type(const struct mime_part *p, const char *name)
{
	return mime_part_is(p, "application", name) ||
	       (strncmp(p->subtype, "x-", 2) == 0 &&
		   strcmp(p->type, "application") == 0 &&
		   strcmp(p->subtype + 2, name) == 0);
}

enum mime_protected_kind
protected_find_signed(const struct mime_part *p, struct mime_protected *out)
{
	const struct mime_part *entity, *sig;
	bool cms = param_is(p, "protocol", "application/pkcs7-signature") ||
		   param_is(p, "protocol", "application/x-pkcs7-signature");

	if (!cms && !param_is(p, "protocol", "application/pgp-signature"))
		return no(out, "multipart/signed of another protocol");
	if (p->n_children != 2)
		return no(out, "multipart/signed without its two parts");
	entity = p->children[0];
	sig = p->children[1];
	if (cms ? !is_cms_type(sig, "pkcs7-signature")
		: !mime_part_is(sig, "application", "pgp-signature"))
		return no(out, "multipart/signed without its signature");
	if (span_trim(sig->body).len == 0)
		return no(out, "multipart/signed with an empty signature");
	if (!protected_is_all_in_parts(p))
		return no(out, "text around the parts of multipart/signed");
	out->part = sig;
	out->signed_entity = SPAN(
	    entity->header.data, (size_t)(entity->body.data + entity->body.len -
					  entity->header.data));
	return cms ? MIME_PROTECTED_CMS_SIGNED : MIME_PROTECTED_PGP_SIGNED;
}

static enum mime_protected_kind
find(const struct mime_tree *t, struct mime_protected *out)
{
	const struct mime_part *root = t->root;

	if (t->ambiguous != NULL)
		return no(out, t->ambiguous);
	if (is_cms_type(root, "pkcs7-mime")) {
		if (span_trim(root->body).len == 0)
			return no(out, "an empty application/pkcs7-mime");
		out->part = root;
		return MIME_PROTECTED_CMS;
	}
	if (mime_part_is(root, "multipart", "encrypted"))
		return protected_find_encrypted(root, out);
	if (mime_part_is(root, "multipart", "signed"))
		return protected_find_signed(root, out);
	if (!mime_part_is(root, "text", "plain"))
		return no(out, "no cryptographic type");
	if (!protected_is_armor(root))
		return no(out, "plain text");
	out->part = root;
	return MIME_PROTECTED_PGP_INLINE;
}

void
mime_protected_find(const struct mime_tree *t, struct mime_protected *out)
{
	struct mime_protected p = {0};

	p.kind = find(t, &p);
	*out = p;
}

enum err
mime_protected_write(const struct mime_protected *p, const struct mime_sink *to)
{
	enum recode_form form;
	enum err e;

	if (p->kind == MIME_PROTECTED_NOT)
		return ERR_USAGE;
	e = recode_form_of(p->part->encoding, &form);
	return e == ERR_OK ? recode_decode(form, p->part->body, to) : e;
}
