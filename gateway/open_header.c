/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Which header the reader of an opened message sees. Fields are protected when
 * the payload says so (hp, RFC 9788 section 2.1.1; protected-headers="v1" of
 * those who came before it); then nothing that a person acts on is taken from
 * outside. RFC 9788 sections 2.2, 4.3, 4.4.
 */
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/open_private.h"
#include "mime/addr.h"
#include "mime/payload.h"
#include "mime/tree.h"
#include "mime/verdict_fields.h"
#include "mime/write.h"

/* What a person reads or answers by: from outside it counts for nothing once
   the header is protected (RFC 9788 section 1.1.2). */
static const char *const user_facing[] = {"Subject", "From", "To", "Cc", "Date",
    "Reply-To", "Followup-To", "Mail-Followup-To", "Sender", "Keywords",
    "Comments", "In-Reply-To", "References"};

/* What only those who carried the message write. Within it, it would speak for
   servers that the reader trusts. */
static const char *const of_transport[] = {"Return-Path", "Received",
    "Received-SPF", "Authentication-Results", "ARC-Authentication-Results",
    "ARC-Message-Signature", "ARC-Seal", "DKIM-Signature", "Delivered-To",
    "X-Original-To", "Bcc", "Resent-Bcc", "HP-Outer"};

static bool
is_one_of(struct span name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (span_caseeq_str(name, list[i]))
			return true;
	return false;
}

#define IS_ONE_OF(name, list)                                                  \
	is_one_of((name), (list), sizeof(list) / sizeof((list)[0]))

/* Of the entity, not of the message (RFC 2045 section 3). */
static bool
is_structural(struct span name)
{
	return span_starts_caseeq(name, "Content-") ||
	       span_caseeq_str(name, "MIME-Version");
}

/* Does the payload's field count for the message? */
static bool
is_protected_field(const struct open *o, const struct mime_field *f)
{
	if (is_structural(f->name) || IS_ONE_OF(f->name, of_transport) ||
	    mime_verdict_is_ours(f, o->form.authserv_id))
		return false;
	return o->use_from || !span_caseeq_str(f->name, "From");
}

/* --- addresses --- */

/* The canonical addresses of the one From field; 0 if it is not sure. */
static size_t
from_of(const struct mime_header *h, struct arena *a, const char *const **out)
{
	const struct mime_field *f;
	struct mime_addr_list list;
	const char **keys;

	if (mime_header_unique(h, "From", &f) != ERR_OK ||
	    mime_addr_parse_list(f->value, MIME_ADDR_UTF8, a, &list, NULL) !=
		ERR_OK ||
	    list.n == 0)
		return 0;
	keys = arena_array(a, list.n, sizeof(*keys));
	if (keys == NULL)
		return 0;
	for (size_t i = 0; i < list.n; i++)
		keys[i] = list.addrs[i].key;
	*out = keys;
	return list.n;
}

static enum err
add_shown(struct open *o, const char *name)
{
	const struct mime_field *f = NULL;
	struct mime_addr_list list;

	while ((f = mime_header_find(&o->inner, name, f)) != NULL) {
		if (mime_addr_parse_list(f->value, MIME_ADDR_UTF8, o->arena,
			&list, NULL) != ERR_OK)
			continue;
		for (size_t i = 0; i < list.n && o->n_shown < LIMIT_RECIPIENTS;
		     i++)
			o->shown[o->n_shown++] = list.addrs[i].key;
	}
	return ERR_OK;
}

static enum err
find_shown(struct open *o)
{
	enum err e;

	o->shown = arena_array(o->arena, LIMIT_RECIPIENTS, sizeof(*o->shown));
	if (o->shown == NULL)
		return ERR_NOMEM;
	e = add_shown(o, "To");
	return e == ERR_OK ? add_shown(o, "Cc") : e;
}

bool
open_shows(const struct open *o, const char *key)
{
	for (size_t i = 0; i < o->n_shown; i++)
		if (strcmp(o->shown[i], key) == 0)
			return true;
	return false;
}

/* --- what differs outside --- */

static bool
is_opened(const struct crypto_verdict *v)
{
	return v->sealed == CRYPTO_SEALED_OPENED ||
	       v->sealed == CRYPTO_SEALED_UNAUTHENTICATED;
}

static bool
same_text(struct span a, struct span b)
{
	struct buf x, y;
	bool same;

	buf_init(&x, 4 * LIMIT_HEADER_SIZE);
	buf_init(&y, 4 * LIMIT_HEADER_SIZE);
	same = mime_header_decode(a, &x) == ERR_OK &&
	       mime_header_decode(b, &y) == ERR_OK &&
	       span_eq(buf_span(&x), buf_span(&y));
	buf_clear(&x);
	buf_clear(&y);
	return same;
}

/* Is the outer field one of those that the sender says it wrote outside? RFC
   9788 section 2.2: "HP-Outer: Name: value". */
static bool
was_said_outer(const struct open *o, const struct mime_field *outer)
{
	const struct mime_field *f = NULL;

	/* it is for what was encrypted; in what anybody can read there is
	   nothing to hide, and another outer field is another's work */
	if (!is_opened(&o->verdict))
		return false;
	while ((f = mime_header_find(&o->inner, "HP-Outer", f)) != NULL) {
		struct span v = span_trim(f->value);
		size_t colon = span_find_chr(v, 0, ':');
		struct span name = span_trim(SPAN(v.data, colon));

		if (colon < v.len && name.len == outer->name.len &&
		    span_starts_caseeq(name, "") &&
		    strncasecmp((const char *)name.data,
			(const char *)outer->name.data, name.len) == 0 &&
		    same_text(SPAN(v.data + colon + 1, v.len - colon - 1),
			outer->value))
			return true;
	}
	return false;
}

static bool
is_inside(const struct open *o, const struct mime_field *outer)
{
	for (size_t i = 0; i < o->inner.n; i++) {
		const struct mime_field *f = &o->inner.fields[i];

		if (f->name.len == outer->name.len &&
		    strncasecmp((const char *)f->name.data,
			(const char *)outer->name.data, f->name.len) == 0 &&
		    same_text(f->value, outer->value))
			return true;
	}
	return false;
}

static bool
has_name(const struct mime_header *h, struct span name)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->fields[i].name.len == name.len &&
		    strncasecmp((const char *)h->fields[i].name.data,
			(const char *)name.data, name.len) == 0)
			return true;
	return false;
}

/* Somebody on the way has written a field that a person acts on, or changed
   one that was protected. */
static enum err
find_differing(struct open *o)
{
	const char **names =
	    arena_array(o->arena, o->outer.n + 1, sizeof(*names));
	size_t n = 0;

	if (names == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < o->outer.n; i++) {
		const struct mime_field *f = &o->outer.fields[i];
		const char *name;
		bool known = false;

		if (is_structural(f->name) || is_inside(o, f) ||
		    was_said_outer(o, f) ||
		    (!has_name(&o->inner, f->name) &&
			!IS_ONE_OF(f->name, user_facing)) ||
		    IS_ONE_OF(f->name, of_transport))
			continue;
		for (size_t k = 0; k < n; k++)
			known = known || span_caseeq_str(f->name, names[k]);
		if (known)
			continue;
		name = arena_span_str(o->arena, f->name);
		if (name == NULL)
			return ERR_NOMEM;
		names[n++] = name;
	}
	o->verdict.differing = names;
	o->verdict.n_differing = n;
	return ERR_OK;
}

/* --- binding --- */

static bool
same_author(const char *const *a, size_t n_a, const char *const *b, size_t n_b)
{
	return n_a == 1 && n_b == 1 && strcmp(a[0], b[0]) == 0;
}

static bool
says_protected(const struct mime_part *root)
{
	const char *hp = mime_part_param(root, "hp");
	const char *old = mime_part_param(root, "protected-headers");

	if (hp != NULL)
		return span_caseeq_str(span_str(hp), "clear") ||
		       span_caseeq_str(span_str(hp), "cipher");
	return old != NULL && span_caseeq_str(span_str(old), "v1");
}

/* The protected From is shown when it is the one outside, too, or when its
   signature says so; else a stranger could show any (RFC 9788 section 4.4). */
static void
bind_from(struct open *o)
{
	struct crypto_verdict *v = &o->verdict;
	const char *const *in = NULL, *const *out = NULL;
	size_t n_in = from_of(&o->inner, o->arena, &in);
	size_t n_out = from_of(&o->outer, o->arena, &out);

	if (o->has_fields && n_in > 0) {
		crypto_verdict_bind(v, in, n_in);
		o->use_from = v->signature == CRYPTO_SIGNED_GOOD ||
			      same_author(in, n_in, out, n_out);
		if (o->use_from) {
			o->author = n_in == 1 ? in[0] : NULL;
			return;
		}
		crypto_verdict_note(v, "the protected From is another, and no "
				       "signature vouches for it");
	}
	crypto_verdict_bind(v, out, n_out);
	o->author = n_out == 1 ? out[0] : NULL;
}

/* In what is signed and not encrypted nothing can be taken out: the signature
   would break. It is in no header of the message, and the verdict says so. */
static void
note_forged(struct open *o, const struct mime_tree *payload)
{
	const struct mime_header *h = mime_tree_header(payload);

	if (o->entity.len > 0 || o->verdict.n_layers == 0)
		return;
	for (size_t i = 0; i < h->n; i++)
		if (mime_verdict_is_ours(&h->fields[i], o->form.authserv_id)) {
			crypto_verdict_note(&o->verdict,
			    "a verdict inside of what is signed is not ours");
			o->verdict.forged = true;
			return;
		}
}

static enum crypto_headers
headers_word(const struct open *o)
{
	bool is_signed = o->verdict.signature == CRYPTO_SIGNED_GOOD;

	if (!o->use_fields)
		return CRYPTO_HEADERS_NONE;
	if (is_opened(&o->verdict))
		return is_signed ? CRYPTO_HEADERS_BOTH
				 : CRYPTO_HEADERS_ENCRYPTED;
	return is_signed ? CRYPTO_HEADERS_SIGNED : CRYPTO_HEADERS_NONE;
}

enum err
open_bind(struct open *o, const struct mime_tree *payload)
{
	struct crypto_verdict *v = &o->verdict;
	enum err e = ERR_OK;

	if (payload != NULL && v->n_layers > 0 &&
	    says_protected(mime_tree_root(payload))) {
		o->has_fields = true;
		o->inner = *mime_tree_header(payload);
	}
	if (payload != NULL) {
		note_forged(o, payload);
		if (o->entity.len > 0 &&
		    mime_tree_header(payload)->whole.data == o->entity.data)
			o->payload = payload;
	}
	bind_from(o);
	if (!o->has_fields)
		return ERR_OK;
	e = find_shown(o);
	if (e == ERR_OK)
		e = find_differing(o);
	/* what nobody vouches for is shown only if nobody else wrote it: it
	   came out of the same envelope as the text */
	o->use_fields = is_opened(v) || (v->signature == CRYPTO_SIGNED_GOOD &&
					    v->n_differing > 0);
	v->headers = headers_word(o);
	if (v->signature == CRYPTO_SIGNED_GOOD && v->n_differing == 0 &&
	    !is_opened(v))
		v->headers = CRYPTO_HEADERS_SIGNED;
	return e;
}

/* --- writing --- */

/* Is the outer field replaced by what is inside, or worth nothing? */
static bool
is_superseded(const struct open *o, const struct mime_field *f)
{
	if (o->entity.len > 0 && is_structural(f->name))
		return true;
	if (!o->use_fields || is_structural(f->name) ||
	    IS_ONE_OF(f->name, of_transport))
		return false;
	if (!o->use_from && span_caseeq_str(f->name, "From"))
		return false;
	return has_name(&o->inner, f->name) || IS_ONE_OF(f->name, user_facing);
}

static enum err
put_field(struct buf *out, const struct mime_field *f)
{
	enum err e = buf_put(out, f->whole);

	/* an entity that ends in its header, without a line end */
	if (e == ERR_OK && f->whole.data[f->whole.len - 1] != '\n')
		e = buf_puts(out, "\r\n");
	return e;
}

/* The header of the entity that is delivered: of the payload, or of a
   multipart/signed around it. */
static enum err
put_structural(struct open *o, struct buf *out, struct span *rest)
{
	struct mime_header h;
	enum err e = mime_header_parse(o->entity, o->arena, &h, NULL);

	if (e == ERR_OK)
		e = buf_puts(out, "MIME-Version: 1.0\r\n");
	for (size_t i = 0; e == ERR_OK && i < h.n; i++)
		if (span_starts_caseeq(h.fields[i].name, "Content-"))
			e = put_field(out, &h.fields[i]);
	if (e == ERR_OK)
		*rest = SPAN(
		    o->entity.data + h.whole.len, o->entity.len - h.whole.len);
	return e;
}

static enum err
put_mixed(const struct mime_boundary *b, struct buf *out, struct span *rest)
{
	*rest = SPAN_LIT("\r\n");
	return buf_printf(out,
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/mixed;\r\n boundary=\"%s\"\r\n",
	    b->text);
}

static enum err
put_bare(const struct mime_payload *p, struct buf *out, struct span *rest)
{
	enum err e = buf_puts(out, "MIME-Version: 1.0\r\n");

	*rest = SPAN_LIT("\r\n");
	return e == ERR_OK ? buf_put(out, mime_payload_head(p)) : e;
}

enum err
open_put_fields(struct open *o, const struct mime_boundary *mixed,
    const struct mime_payload *bare, struct buf *out, struct span *rest)
{
	enum err e = ERR_OK;

	*rest = SPAN(
	    o->raw.data + o->outer.whole.len, o->raw.len - o->outer.whole.len);
	for (size_t i = 0; e == ERR_OK && i < o->outer.n; i++)
		if (!is_superseded(o, &o->outer.fields[i]))
			e = put_field(out, &o->outer.fields[i]);
	for (size_t i = 0; e == ERR_OK && o->use_fields && i < o->inner.n; i++)
		if (is_protected_field(o, &o->inner.fields[i]))
			e = put_field(out, &o->inner.fields[i]);
	if (e == ERR_OK && o->entity.len > 0)
		e = mixed != NULL  ? put_mixed(mixed, out, rest)
		    : bare != NULL ? put_bare(bare, out, rest)
				   : put_structural(o, out, rest);
	return e;
}
