/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The verdict in words: Authentication-Results (RFC 8601; smime as in RFC 7281,
 * openpgp in its image), Sealgate-Verdict, and the tag in the subject.
 */
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "gateway/open_private.h"
#include "mime/verdict_fields.h"

#define TAG_CLOSED    "[undecryptable]"
#define TAG_ENCRYPTED "[encrypted]"
#define TAG_SIGNED    "[signed]"
#define TAG_BOTH      "[encrypted, signed]"
#define TAG_DOUBTFUL  "[signature not valid]"

const char *const open_tags[] = {
    TAG_BOTH, TAG_ENCRYPTED, TAG_SIGNED, TAG_CLOSED, TAG_DOUBTFUL};
const size_t open_n_tags = sizeof(open_tags) / sizeof(open_tags[0]);

/* A value of RFC 8601's pvalue that needs no quotes; else it is left out. */
static bool
is_plain(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || strchr("()<>,;:\\\"[]?=", *s))
			return false;
	return true;
}

/* One result for each signature; those of one message share From, so that
   what all of them together are worth counts. */
static enum err
put_result(const struct crypto_verdict *v, const struct crypto_signature *s,
    struct buf *out)
{
	bool smime = s->form == CRYPTO_FORM_SMIME;
	/* by RFC 8601 section 2.2 a comment: words of ours */
	enum err e = buf_printf(out, "; %s=%s (%s)",
	    smime ? "smime" : "openpgp", crypto_signed_result(v->signature),
	    crypto_signed_word(v->signature));

	if (e == ERR_OK && s->n_addrs > 0 && is_plain(s->addrs[0]))
		e = buf_printf(out, " body.%s-identifier=%s",
		    smime ? "smime" : "openpgp", s->addrs[0]);
	if (e == ERR_OK && smime && is_plain(s->serial))
		e = buf_printf(out, " body.smime-serial=%s", s->serial);
	if (e == ERR_OK && !smime && is_plain(s->fpr))
		e = buf_printf(out, " body.openpgp-fingerprint=%s", s->fpr);
	return e;
}

static enum err
put_results(
    const struct open *o, const struct crypto_verdict *v, struct buf *out)
{
	struct buf text;
	enum err e;

	if (v->n_sigs == 0)
		return ERR_OK;
	buf_init(&text, LIMIT_HEADER_SIZE);
	e = buf_puts(&text, o->form.authserv_id);
	for (size_t i = 0; e == ERR_OK && i < v->n_sigs; i++)
		e = put_result(v, &v->sigs[i], &text);
	if (e == ERR_OK)
		e = buf_putc(&text, '\0');
	if (e == ERR_OK)
		e = mime_verdict_put(
		    out, "Authentication-Results", (const char *)text.data);
	buf_clear(&text);
	return e;
}

enum err
open_put_verdict(
    const struct open *o, const struct crypto_verdict *v, struct buf *out)
{
	struct buf text;
	enum err e;

	buf_init(&text, LIMIT_HEADER_SIZE);
	e = put_results(o, v, out);
	if (e == ERR_OK)
		e = crypto_verdict_text(v, &text);
	if (e == ERR_OK)
		e = buf_putc(&text, '\0');
	if (e == ERR_OK)
		e = mime_verdict_put(
		    out, "Sealgate-Verdict", (const char *)text.data);
	/* who has the link has written it: more is not known of who it is */
	if (e == ERR_OK && o->form.by_portal)
		e = mime_verdict_put(out, "Sealgate-Received",
		    "through the portal, from who had the link");
	buf_clear(&text);
	return e;
}

static const char *
tag_of(const struct crypto_verdict *v)
{
	bool sealed = v->sealed == CRYPTO_SEALED_OPENED ||
		      v->sealed == CRYPTO_SEALED_UNAUTHENTICATED;

	if (v->sealed == CRYPTO_SEALED_CLOSED)
		return TAG_CLOSED;
	if (v->signature == CRYPTO_SIGNED_GOOD)
		return sealed ? TAG_BOTH : TAG_SIGNED;
	if (v->signature != CRYPTO_SIGNED_NONE)
		return TAG_DOUBTFUL;
	return sealed ? TAG_ENCRYPTED : NULL;
}

enum err
open_put_tag(const struct crypto_verdict *v, struct buf *head)
{
	const char *tag = tag_of(v);
	struct arena *a = tag == NULL ? NULL : arena_new(1024 * 1024);
	struct mime_header h;
	const struct mime_field *f = NULL;
	struct buf text, out;
	enum err e;

	if (a == NULL)
		return tag == NULL ? ERR_OK : ERR_NOMEM;
	buf_init(&text, 4 * LIMIT_HEADER_SIZE);
	buf_init(&out, head->max);
	e = mime_header_parse(buf_span(head), a, &h, NULL);
	if (e == ERR_OK)
		f = mime_header_find(&h, "Subject", NULL);
	if (e == ERR_OK)
		e = buf_printf(&text, "%s ", tag);
	if (e == ERR_OK && f != NULL)
		e = mime_header_decode(f->value, &text);
	for (size_t i = 0; e == ERR_OK && i < h.n; i++)
		e = &h.fields[i] == f
			? mime_header_put(&out, "Subject", buf_span(&text))
			: buf_put(&out, h.fields[i].whole);
	if (e == ERR_OK && f == NULL)
		e = mime_header_put(&out, "Subject", buf_span(&text));
	if (e == ERR_OK)
		e = buf_put(&out, h.body);
	if (e == ERR_OK) {
		buf_reset(head);
		e = buf_put(head, buf_span(&out));
	}
	buf_clear(&text);
	buf_clear(&out);
	arena_free(a);
	return e;
}
