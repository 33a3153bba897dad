/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Shapes of PGP mail. Exchange turns multipart/encrypted into multipart/mixed
 * and its parts into attachments; lists wrap a message to add a footer; old
 * software encrypts text and each attachment on its own.
 */
#include "mime/pgp_shape.h"

#include <string.h>

#include "common/arena.h"
#include "mime/protected.h"
#include "mime/recode.h"
#include "mime/tree_private.h"

enum {
	WRAPPERS_MAX = 4,   /* multiparts with nothing but another in them */
	VERSION_MAX = 1024, /* octets of a part that says "Version: 1" */
};

static bool
is_blank_text(const struct mime_part *p)
{
	return strcmp(p->type, "text") == 0 && p->n_children == 0 &&
	       span_trim(p->body).len == 0;
}

static bool
ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && span_caseeq_str(SPAN(s + n - m, m), end);
}

/* By its name or type it says that it is OpenPGP. */
static bool
is_named_pgp(const struct mime_part *p)
{
	return mime_part_is(p, "application", "pgp-encrypted") ||
	       mime_part_is(p, "application", "pgp") ||
	       (p->filename != NULL && (ends_with(p->filename, ".pgp") ||
					   ends_with(p->filename, ".gpg") ||
					   ends_with(p->filename, ".asc")));
}

static bool
is_ciphertext(const struct mime_part *p)
{
	if (p->n_children > 0)
		return false;
	if (mime_part_is(p, "text", "plain"))
		return protected_is_armor(p);
	return is_named_pgp(p) &&
	       (protected_is_armor(p) || protected_is_packets(p));
}

/* RFC 3156 section 4, the first of the two parts, whatever it was turned
   into. */
static bool
is_version(const struct mime_part *p)
{
	struct mime_sink sink;
	struct buf text;
	enum recode_form form;
	bool is;

	if (p->n_children > 0 || p->body.len > VERSION_MAX ||
	    recode_form_of(p->encoding, &form) != ERR_OK ||
	    (!mime_part_is(p, "application", "pgp-encrypted") &&
		!mime_part_is(p, "application", "octet-stream")))
		return false;
	buf_init(&text, VERSION_MAX);
	sink = mime_sink_buf(&text);
	is = recode_decode(form, p->body, &sink) == ERR_OK &&
	     span_caseeq_str(span_trim(buf_span(&text)), "Version: 1");
	buf_clear(&text);
	return is;
}

/* --- what is closed */

/* Somewhere in it is what somebody may want to have opened. */
static bool
has_ciphertext(const struct mime_part *p)
{
	if (mime_part_is(p, "multipart", "encrypted"))
		return true;
	for (size_t i = 0; i < p->n_children; i++)
		if (has_ciphertext(p->children[i]))
			return true;
	if (p->n_children > 0)
		return false;
	if (strcmp(p->type, "text") == 0 &&
	    span_find(p->body, 0, SPAN_LIT("-----BEGIN PGP MESSAGE-----")) <
		p->body.len)
		return true;
	return is_ciphertext(p);
}

/* A multipart around one part says nothing. */
static const struct mime_part *
unwrap(const struct mime_part *p)
{
	for (int i = 0; i < WRAPPERS_MAX; i++) {
		if (!mime_part_is(p, "multipart", "mixed") ||
		    p->n_children != 1 || !protected_is_all_in_parts(p))
			break;
		p = p->children[0];
	}
	return p;
}

static enum mime_pgp_kind
closed(const struct mime_tree *t, struct mime_pgp *out, const char *reason)
{
	out->reason = reason;
	out->whole = mime_part_is(unwrap(t->root), "multipart", "encrypted");
	return has_ciphertext(t->root) ? MIME_PGP_CLOSED : MIME_PGP_NONE;
}

/* --- what is all of it */

static enum err
set_parts(struct mime_pgp *out, struct arena *a, const struct mime_part *one,
    size_t max)
{
	out->parts = arena_array(a, max, sizeof(struct mime_part *));
	if (out->parts == NULL)
		return ERR_NOMEM;
	if (one != NULL)
		out->parts[out->n++] = one;
	return ERR_OK;
}

/* multipart/encrypted as Exchange hands it on: its two parts as attachments,
   and an empty text before them. */
static const struct mime_part *
find_mangled(const struct mime_part *p)
{
	size_t i = 0;

	if (!mime_part_is(p, "multipart", "mixed") ||
	    !protected_is_all_in_parts(p))
		return NULL;
	while (i < p->n_children && is_blank_text(p->children[i]))
		i++;
	if (p->n_children != i + 2 || !is_version(p->children[i]) ||
	    !mime_part_is(p->children[i + 1], "application", "octet-stream") ||
	    (!protected_is_armor(p->children[i + 1]) &&
		!protected_is_packets(p->children[i + 1])))
		return NULL;
	return p->children[i + 1];
}

/* Every part a ciphertext, one level deep. */
static bool
find_pieces(const struct mime_part *p, struct arena *a, struct mime_pgp *out)
{
	if (is_ciphertext(p))
		return set_parts(out, a, p, 1) == ERR_OK;
	if (!mime_part_is(p, "multipart", "mixed") ||
	    !protected_is_all_in_parts(p) ||
	    set_parts(out, a, NULL, p->n_children) != ERR_OK)
		return false;
	for (size_t i = 0; i < p->n_children; i++) {
		const struct mime_part *child = p->children[i];

		if (is_ciphertext(child))
			out->parts[out->n++] = child;
		else if (!is_blank_text(child))
			return false;
	}
	return out->n > 0;
}

/* The only signed part of several: lists do so to add a footer. */
static bool
find_signed_part(
    const struct mime_part *p, struct arena *a, struct mime_pgp *out)
{
	struct mime_protected found = {0}, one;
	size_t n = 0;

	if (!mime_part_is(p, "multipart", "mixed"))
		return false;
	for (size_t i = 0; i < p->n_children; i++) {
		if (!mime_part_is(p->children[i], "multipart", "signed"))
			continue;
		one = (struct mime_protected){0};
		if (protected_find_signed(p->children[i], &one) !=
		    MIME_PROTECTED_PGP_SIGNED)
			return false;
		found = one;
		n++;
	}
	if (n != 1 || set_parts(out, a, found.part, 1) != ERR_OK)
		return false;
	out->signed_entity = found.signed_entity;
	return true;
}

static enum mime_pgp_kind
find_signed(const struct mime_part *p, struct arena *a, struct mime_pgp *out)
{
	struct mime_protected found = {0};

	if (protected_find_signed(p, &found) != MIME_PROTECTED_PGP_SIGNED ||
	    set_parts(out, a, found.part, 1) != ERR_OK) {
		out->reason = found.reason;
		return MIME_PGP_NONE;
	}
	out->signed_entity = found.signed_entity;
	return MIME_PGP_SIGNED;
}

static enum mime_pgp_kind
find(const struct mime_tree *t, struct arena *a, struct mime_pgp *out)
{
	const struct mime_part *root, *data = NULL;
	struct mime_protected encrypted = {0};

	if (t->ambiguous != NULL)
		return closed(t, out, t->ambiguous);
	root = unwrap(t->root);
	if (mime_part_is(root, "multipart", "signed"))
		return find_signed(root, a, out);
	if (mime_part_is(root, "multipart", "encrypted") &&
	    protected_find_encrypted(root, &encrypted) == MIME_PROTECTED_PGP)
		data = encrypted.part;
	if (data == NULL)
		data = find_mangled(root);
	if (data != NULL)
		return set_parts(out, a, data, 1) == ERR_OK ? MIME_PGP_ENCRYPTED
							    : MIME_PGP_CLOSED;
	if (find_pieces(root, a, out))
		return MIME_PGP_INLINE;
	out->n = 0;
	if (find_signed_part(root, a, out))
		return MIME_PGP_SIGNED_PARTLY;
	return closed(t, out,
	    encrypted.reason != NULL ? encrypted.reason
				     : "there is something beside it");
}

void
mime_pgp_find(const struct mime_tree *t, struct arena *a, struct mime_pgp *out)
{
	struct mime_pgp found = {0};

	found.kind = find(t, a, &found);
	*out = found;
}

enum err
mime_pgp_write_part(const struct mime_part *p, const struct mime_sink *to)
{
	enum recode_form form;
	enum err e = recode_form_of(p->encoding, &form);

	return e == ERR_OK ? recode_decode(form, p->body, to) : e;
}
