/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Binding and printing of the verdict. The words are the ones of verdict.h; the
 * results are those of RFC 8601 §2.7 as RFC 7281 §2 uses them for S/MIME. No
 * engine is called here, so that what is printed cannot depend on one.
 */
#include "crypto/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/arena.h"
#include "common/text.h"

enum { TEXT_MAX = 512 }; /* octets of one value that is printed, escaped */

void
crypto_verdict_init(struct crypto_verdict *v, struct arena *a)
{
	*v = (struct crypto_verdict){
	    .arena = a,
	    .sealed_reason = "",
	    .cipher = "",
	    .opened_fpr = "",
	    .opened_for = "",
	    .signer = "",
	};
}

void
crypto_verdict_opened(struct crypto_verdict *v, enum crypto_form form,
    bool authenticated, const char *cipher, const char *fpr, const char *addr,
    bool domain_key)
{
	bool first = v->sealed != CRYPTO_SEALED_OPENED &&
		     v->sealed != CRYPTO_SEALED_UNAUTHENTICATED;

	if (!first && (strcmp(v->opened_fpr, fpr) != 0 ||
			  strcmp(v->opened_for, addr) != 0))
		v->several_keys = true;
	v->domain_key = domain_key || (!first && v->domain_key);
	v->opened_fpr = fpr;
	v->opened_for = addr;
	if (!first && v->sealed == CRYPTO_SEALED_UNAUTHENTICATED)
		return;
	v->sealed = authenticated ? CRYPTO_SEALED_OPENED
				  : CRYPTO_SEALED_UNAUTHENTICATED;
	v->sealed_form = form;
	v->cipher = cipher;
}

enum err
crypto_verdict_add_layer(struct crypto_verdict *v, enum crypto_layer_kind kind,
    enum crypto_form form)
{
	if (v->n_layers == CRYPTO_VERDICT_LAYERS)
		return ERR_LIMIT;
	v->layer[v->n_layers].kind = kind;
	v->layer[v->n_layers++].form = form;
	return ERR_OK;
}

enum err
crypto_verdict_add_signature(struct crypto_verdict *v, enum crypto_form form,
    struct crypto_signature **out)
{
	if (v->n_sigs == CRYPTO_VERDICT_SIGS)
		return ERR_LIMIT;
	*out = &v->sigs[v->n_sigs++];
	**out = (struct crypto_signature){
	    .form = form,
	    .status = CRYPTO_SIGNED_BAD,
	    .reason = "",
	    .fpr = "",
	    .name = "",
	    .issuer = "",
	    .serial = "",
	    .alg = "",
	};
	return ERR_OK;
}

void
crypto_verdict_note(struct crypto_verdict *v, const char *fmt, ...)
{
	char plain[TEXT_MAX], escaped[TEXT_MAX];
	const char *kept;
	va_list ap;

	if (v->n_notes == CRYPTO_VERDICT_NOTES)
		return;
	va_start(ap, fmt);
	vsnprintf(plain, sizeof(plain), fmt, ap);
	va_end(ap);
	text_escape(span_str(plain), escaped, sizeof(escaped));
	kept = arena_strdup(v->arena, escaped);
	if (kept != NULL)
		v->notes[v->n_notes++] = kept;
}

/* --- who signed for whom --- */

/* The first of the key's addresses that is the one in From. */
static const char *
find_from(const struct crypto_signature *sig, const char *from)
{
	for (size_t i = 0; i < sig->n_addrs; i++)
		if (strcmp(sig->addrs[i], from) == 0)
			return sig->addrs[i];
	return NULL;
}

static enum crypto_signed
bind_one(struct crypto_signature *sig, const char *from, const char **signer)
{
	const char *addr = from == NULL ? NULL : find_from(sig, from);

	if (addr != NULL)
		*signer = addr;
	if (sig->status != CRYPTO_SIGNED_GOOD &&
	    sig->status != CRYPTO_SIGNED_OTHER &&
	    sig->status != CRYPTO_SIGNED_PARTIAL)
		return sig->status;
	if (sig->partial)
		sig->status = CRYPTO_SIGNED_PARTIAL;
	else
		sig->status =
		    addr != NULL ? CRYPTO_SIGNED_GOOD : CRYPTO_SIGNED_OTHER;
	return sig->status;
}

void
crypto_verdict_bind(
    struct crypto_verdict *v, const char *const *from, size_t n_from)
{
	enum crypto_signed least = CRYPTO_SIGNED_NONE, s;
	const char *signer = NULL;
	bool good = false, partial = false;

	for (size_t i = 0; i < v->n_sigs; i++) {
		/* several in From: which of them the reader takes for the
		   author is not ours to guess (RFC 5322 §3.6.2) */
		s = bind_one(
		    &v->sigs[i], n_from == 1 ? from[0] : NULL, &signer);
		if (s == CRYPTO_SIGNED_NONE)
			s = CRYPTO_SIGNED_BAD;
		if (s == CRYPTO_SIGNED_PARTIAL) {
			partial = true;
			continue;
		}
		good = good || s == CRYPTO_SIGNED_GOOD;
		if (least == CRYPTO_SIGNED_NONE || s < least)
			least = s;
	}
	if (least == CRYPTO_SIGNED_NONE && partial)
		least = CRYPTO_SIGNED_PARTIAL;
	/* who signs beside the author takes nothing away */
	if (least == CRYPTO_SIGNED_OTHER && good)
		least = CRYPTO_SIGNED_GOOD;
	for (size_t i = 0; i < v->n_sigs && signer == NULL; i++)
		if (v->sigs[i].n_addrs > 0)
			signer = v->sigs[i].addrs[0];
	v->signature = least;
	v->signer = signer == NULL ? "" : signer;
}

/* --- words --- */

const char *
crypto_sealed_word(enum crypto_sealed s)
{
	switch (s) {
	case CRYPTO_SEALED_NONE:
		break;
	case CRYPTO_SEALED_PARTIAL:
		return "partial";
	case CRYPTO_SEALED_CLOSED:
		return "undecryptable";
	case CRYPTO_SEALED_UNAUTHENTICATED:
		return "encrypted-unauthenticated";
	case CRYPTO_SEALED_OPENED:
		return "encrypted";
	}
	return "none";
}

const char *
crypto_signed_word(enum crypto_signed s)
{
	switch (s) {
	case CRYPTO_SIGNED_NONE:
		break;
	case CRYPTO_SIGNED_BAD:
		return "signed-bad";
	case CRYPTO_SIGNED_UNSUPPORTED:
		return "signed-unsupported";
	case CRYPTO_SIGNED_UNKNOWN_KEY:
		return "signed-unknown-key";
	case CRYPTO_SIGNED_KEY_REVOKED:
		return "signed-revoked-key";
	case CRYPTO_SIGNED_KEY_EXPIRED:
		return "signed-expired-key";
	case CRYPTO_SIGNED_KEY_UNUSABLE:
		return "signed-unusable-key";
	case CRYPTO_SIGNED_PARTIAL:
		return "partial";
	case CRYPTO_SIGNED_OTHER:
		return "signed-by-other";
	case CRYPTO_SIGNED_GOOD:
		return "signed-good";
	}
	return "none";
}

const char *
crypto_headers_word(enum crypto_headers h)
{
	switch (h) {
	case CRYPTO_HEADERS_NONE:
		break;
	case CRYPTO_HEADERS_SIGNED:
		return "signed";
	case CRYPTO_HEADERS_ENCRYPTED:
		return "encrypted";
	case CRYPTO_HEADERS_BOTH:
		return "signed-encrypted";
	}
	return "none";
}

const char *
crypto_form_word(enum crypto_form f)
{
	switch (f) {
	case CRYPTO_FORM_NONE:
		break;
	case CRYPTO_FORM_SMIME:
		return "smime";
	case CRYPTO_FORM_PGP_MIME:
		return "openpgp";
	case CRYPTO_FORM_PGP_INLINE:
		return "openpgp-inline";
	}
	return "none";
}

const char *
crypto_signed_result(enum crypto_signed s)
{
	switch (s) {
	case CRYPTO_SIGNED_NONE:
		break;
	case CRYPTO_SIGNED_GOOD:
		return "pass";
	case CRYPTO_SIGNED_PARTIAL:
	case CRYPTO_SIGNED_OTHER:
	case CRYPTO_SIGNED_KEY_UNUSABLE:
		return "policy";
	case CRYPTO_SIGNED_BAD:
	case CRYPTO_SIGNED_KEY_REVOKED:
	case CRYPTO_SIGNED_KEY_EXPIRED:
		return "fail";
	case CRYPTO_SIGNED_UNSUPPORTED:
	case CRYPTO_SIGNED_UNKNOWN_KEY:
		return "neutral";
	}
	return "none";
}

static const char *
layer_word(enum crypto_layer_kind kind)
{
	switch (kind) {
	case CRYPTO_LAYER_NONE:
		break;
	case CRYPTO_LAYER_ENCRYPTED:
		return "encrypted";
	case CRYPTO_LAYER_SIGNED:
		return "signed";
	case CRYPTO_LAYER_COMPRESSED:
		return "compressed";
	}
	return "none";
}

/* --- the header field --- */

static bool
is_bare(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || strchr("\"();\\,<>", *s) != NULL)
			return false;
	return true;
}

static enum err
put_value(struct buf *out, const char *name, const char *value)
{
	char escaped[TEXT_MAX];

	if (value[0] == '\0')
		return ERR_OK;
	if (is_bare(value))
		return buf_printf(out, "; %s=%s", name, value);
	text_escape(span_str(value), escaped, sizeof(escaped));
	return buf_printf(out, "; %s=\"%s\"", name, escaped);
}

/* The signature that the verdict speaks of: the one of the signer, else the
   first. */
static const struct crypto_signature *
main_signature(const struct crypto_verdict *v)
{
	for (size_t i = 0; i < v->n_sigs; i++)
		if (v->sigs[i].status == v->signature &&
		    (v->signer[0] == '\0' ||
			find_from(&v->sigs[i], v->signer) != NULL))
			return &v->sigs[i];
	for (size_t i = 0; i < v->n_sigs; i++)
		if (v->sigs[i].status == v->signature)
			return &v->sigs[i];
	return v->n_sigs > 0 ? &v->sigs[0] : NULL;
}

static enum err
put_words(const struct crypto_verdict *v, struct buf *out)
{
	enum err e;

	/* both in part is one word */
	if (v->sealed == CRYPTO_SEALED_NONE ||
	    (v->sealed == CRYPTO_SEALED_PARTIAL &&
		v->signature == CRYPTO_SIGNED_PARTIAL))
		return buf_puts(out, crypto_signed_word(v->signature));
	e = buf_puts(out, crypto_sealed_word(v->sealed));
	if (e == ERR_OK && v->signature != CRYPTO_SIGNED_NONE)
		e = buf_printf(out, ", %s", crypto_signed_word(v->signature));
	return e;
}

enum err
crypto_verdict_text(const struct crypto_verdict *v, struct buf *out)
{
	const struct crypto_signature *sig = main_signature(v);
	size_t before = out->len;
	enum crypto_form form = v->sealed_form;
	enum err e = put_words(v, out);

	if (form == CRYPTO_FORM_NONE && sig != NULL)
		form = sig->form;
	if (e == ERR_OK && form != CRYPTO_FORM_NONE)
		e = put_value(out, "form", crypto_form_word(form));
	if (e == ERR_OK)
		e = put_value(out, "cipher", v->cipher);
	if (e == ERR_OK)
		e = put_value(out, "signer", v->signer);
	if (e == ERR_OK && sig != NULL)
		e = put_value(out, "fingerprint", sig->fpr);
	if (e == ERR_OK && (sig != NULL || form != CRYPTO_FORM_NONE))
		e = put_value(
		    out, "protected-headers", crypto_headers_word(v->headers));
	if (e == ERR_OK)
		e = put_value(out, "reason",
		    v->sealed_reason[0] != '\0' || sig == NULL
			? v->sealed_reason
			: sig->reason);
	if (e == ERR_OK && v->forged)
		e = put_value(out, "forged-verdict", "inside");
	if (e != ERR_OK)
		out->len = before;
	return e;
}

/* --- JSON --- */

/* All of these give NULL when out of memory, which json_pack() and the _new
   functions take for failure of the whole. */
static json_t *
json_strings(const char *const *s, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		if (json_array_append_new(list, json_string(s[i])) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *
json_signature(const struct crypto_signature *s)
{
	return json_pack("{ss ss ss ss so ss ss ss ss sI sb}", "form",
	    crypto_form_word(s->form), "status", crypto_signed_word(s->status),
	    "reason", s->reason, "fingerprint", s->fpr, "addresses",
	    json_strings(s->addrs, s->n_addrs), "name", s->name, "issuer",
	    s->issuer, "serial", s->serial, "algorithm", s->alg, "made",
	    (json_int_t)s->made, "partial", s->partial);
}

static json_t *
json_signatures(const struct crypto_verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n_sigs; i++)
		if (json_array_append_new(list, json_signature(&v->sigs[i])) !=
		    0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *
json_layers(const struct crypto_verdict *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->n_layers; i++)
		if (json_array_append_new(
			list, json_pack("{ss ss}", "kind",
				  layer_word(v->layer[i].kind), "form",
				  crypto_form_word(v->layer[i].form))) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

enum err
crypto_verdict_json(const struct crypto_verdict *v, struct buf *out)
{
	json_t *all = json_pack("{ss ss ss s{ss ss ss ss sb} so so ss so so}",
	    "encryption", crypto_sealed_word(v->sealed), "signature",
	    crypto_signed_word(v->signature), "signer", v->signer, "opening",
	    "form", crypto_form_word(v->sealed_form), "cipher", v->cipher,
	    "fingerprint", v->opened_fpr, "for", v->opened_for, "domain_key",
	    v->domain_key, "signatures", json_signatures(v), "layers",
	    json_layers(v), "protected_headers",
	    crypto_headers_word(v->headers), "differing",
	    json_strings(v->differing, v->n_differing), "notes",
	    json_strings(v->notes, v->n_notes));
	enum err e = ERR_NOMEM;
	char *text = NULL;

	if (all != NULL && v->sealed_reason[0] != '\0' &&
	    json_object_set_new(all, "reason", json_string(v->sealed_reason)) !=
		0)
		goto out;
	if (all != NULL)
		text = json_dumps(all, JSON_COMPACT | JSON_ENSURE_ASCII);
	if (text != NULL)
		e = buf_puts(out, text);
out:
	free(text);
	json_decref(all);
	return e;
}
