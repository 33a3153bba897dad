/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * From a shape to a verdict. Whatever depends on a secret key is said in the
 * same words; what anybody can see in the packets has words of its own.
 */
#include "gateway/open_pgp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/digest.h"
#include "common/limits.h"
#include "common/memfd.h"
#include "common/text.h"
#include "crypto/openpgp_kind.h"
#include "keystore/store.h"
#include "mime/pgp_shape.h"
#include "mime/sink.h"
#include "mime/utf8.h"

enum {
	SIGNATURE_MAX = 256 * 1024,	 /* octets of a part with signatures */
	PARTS_MAX = LIMIT_DECRYPT_TRIES, /* that are opened one by one */
	UNIQUE = 12,			 /* octets in a boundary */
};

static const char no_memory[] = "out of memory";

static enum err
nomem(struct err_why *why)
{
	return err_why(why, ERR_NOMEM, "%s", no_memory);
}

/* --- signatures --- */

/* What is verified with: the keystore's, then those that came along. */
struct certs {
	struct span *cert;
	size_t n;
};

static enum err
gather(const struct open_pgp *o, struct certs *out)
{
	out->cert =
	    arena_array(o->arena, CRYPTO_PGP_OPEN_CERTS, sizeof(struct span));
	out->n = 0;
	if (out->cert == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < o->n_senders && out->n < CRYPTO_PGP_OPEN_CERTS;
	     i++)
		out->cert[out->n++] = o->senders[i]->key;
	for (size_t i = 0; i < o->n_brought && out->n < CRYPTO_PGP_OPEN_CERTS;
	     i++)
		out->cert[out->n++] = o->brought[i];
	return ERR_OK;
}

/* Without control characters; "" if there is no room. */
static const char *
clean(struct arena *a, struct span s)
{
	struct buf b;
	const char *text = NULL;

	buf_init(&b, 4 * s.len + 16);
	if (mime_utf8_put_clean(&b, s) == ERR_OK)
		text = arena_span_str(a, buf_span(&b));
	buf_clear(&b);
	return text == NULL ? "" : text;
}

static enum err
say_owner(const struct open_pgp *o, const struct ks_record *r,
    struct crypto_signature *out)
{
	const char **addrs = arena_array(o->arena, r->n_addrs, sizeof(char *));

	if (addrs == NULL && r->n_addrs > 0)
		return ERR_NOMEM;
	for (size_t i = 0; i < r->n_addrs; i++) {
		addrs[i] = arena_span_str(o->arena, r->addrs[i]);
		if (addrs[i] == NULL)
			return ERR_NOMEM;
	}
	out->addrs = addrs;
	out->n_addrs = r->n_addrs;
	out->name = clean(o->arena, r->subject);
	if (out->status == CRYPTO_SIGNED_GOOD && r->trust < KS_DISCOVERED) {
		/* it is its owner who signs: worth more than a candidate */
		if (r->trust != KS_DISTRUSTED)
			out->cert = r->key;
		out->status = CRYPTO_SIGNED_UNKNOWN_KEY;
		out->reason = r->trust == KS_DISTRUSTED
				  ? "the key is distrusted"
				  : "nobody has vouched for the key";
	}
	return ERR_OK;
}

static enum err
add_signature(const struct open_pgp *o, const struct crypto_pgp_sig *sig,
    enum crypto_form form, bool partial, struct crypto_verdict *v)
{
	struct crypto_signature *out;
	char hex[2 * sizeof(sig->fpr) + 1];
	enum err e = crypto_verdict_add_signature(v, form, &out);

	if (e != ERR_OK)
		return e;
	text_hex(SPAN(sig->fpr, sig->fpr_len), hex);
	out->status = sig->status;
	out->reason = arena_strdup(o->arena, sig->reason);
	out->fpr = arena_strdup(o->arena, hex);
	out->alg = arena_strdup(o->arena, sig->alg);
	out->made = sig->made;
	out->partial = partial;
	if (out->reason == NULL || out->fpr == NULL || out->alg == NULL)
		return ERR_NOMEM;
	if (sig->cert < o->n_senders)
		return say_owner(o, o->senders[sig->cert], out);
	if (sig->cert - o->n_senders < o->n_brought &&
	    sig->status == CRYPTO_SIGNED_GOOD) {
		out->status = CRYPTO_SIGNED_UNKNOWN_KEY;
		out->reason = "the key came with the mail";
		out->cert = o->brought[sig->cert - o->n_senders];
	} else if (sig->status == CRYPTO_SIGNED_GOOD) {
		out->status = CRYPTO_SIGNED_BAD;
		out->reason = "it is by a key that was not asked about";
	}
	return ERR_OK;
}

/* More than the verdict has room for is as bad as the worst of them: the last
   one says so. */
static enum err
add_signatures(const struct open_pgp *o, const struct crypto_pgp_sigs *sigs,
    enum crypto_form form, bool partial, struct crypto_verdict *v,
    struct err_why *why)
{
	enum err e = ERR_OK;

	for (uint32_t i = 0; i < sigs->n && e == ERR_OK; i++)
		e = add_signature(o, &sigs->sig[i], form, partial, v);
	if (e == ERR_LIMIT) {
		v->sigs[v->n_sigs - 1].status = CRYPTO_SIGNED_BAD;
		v->sigs[v->n_sigs - 1].reason = "there are too many signatures";
		e = ERR_OK;
	}
	return e == ERR_NOMEM ? nomem(why) : e;
}

/* --- opening one message --- */

static enum err
put_memfd(void *ctx, struct span s)
{
	return memfd_write(*(int *)ctx, s);
}

/* The octets of a part in a sealed file, mapped. */
static enum err
decode(const struct mime_part *p, int *fd_out, struct memfd_map *out)
{
	int fd = -1;
	struct mime_sink sink = {put_memfd, &fd};
	enum err e = memfd_new(&fd);

	if (e != ERR_OK)
		return e;
	e = mime_pgp_write_part(p, &sink);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		e = memfd_map(fd, LIMIT_MESSAGE_SIZE_MAX, out);
	if (e == ERR_OK)
		*fd_out = fd;
	else
		close(fd);
	return e;
}

static bool
names_key(const struct crypto_pgp_structure *s, const struct ks_record *r)
{
	for (size_t i = 0; i < s->n_key_ids; i++)
		for (size_t k = 0; k < r->n_key_ids; k++)
			if (span_eq(SPAN(s->key_id[i], CRYPTO_PGP_KEY_ID),
				r->key_ids[k]))
				return true;
	return false;
}

static bool
is_chosen(const struct open_pgp_key *const *keys, size_t n, struct span fpr)
{
	for (size_t i = 0; i < n; i++)
		if (span_eq(keys[i]->record->fpr, fpr))
			return true;
	return false;
}

/* Those that are named first; then the others: recipients may be hidden, and a
   subkey that is gone from the certificate since still opens. */
static size_t
choose_keys(const struct open_pgp *o, const struct crypto_pgp_structure *s,
    const struct open_pgp_key *out[CRYPTO_PGP_OPEN_KEYS])
{
	size_t n = 0;

	for (int named = 1; named >= 0; named--)
		for (size_t i = 0; i < o->n_keys && n < CRYPTO_PGP_OPEN_KEYS;
		     i++)
			if (names_key(s, o->keys[i].record) == (named == 1) &&
			    !is_chosen(out, n, o->keys[i].record->fpr))
				out[n++] = &o->keys[i];
	return n;
}

static void
stay_closed(struct crypto_verdict *v, enum crypto_form form, const char *reason)
{
	v->sealed = CRYPTO_SEALED_CLOSED;
	v->sealed_form = form;
	v->sealed_reason = reason == NULL ? CRYPTO_REASON_CLOSED : reason;
	v->cipher = "";
	v->opened_fpr = "";
	v->opened_for = "";
	v->domain_key = false;
}

/* Is it the message that does not open? Else it is us: try again later. */
static bool
is_closed(enum err e)
{
	return e == ERR_CRYPTO || e == ERR_TOO_BIG || e == ERR_NO_KEY ||
	       e == ERR_PERMISSION || e == ERR_UNSUPPORTED ||
	       e == ERR_MALFORMED || e == ERR_LIMIT;
}

/* What is said of it: how large it becomes, and whether it opens, only whoever
   has the key can know. */
static const char *
reason_of(enum err e, const struct err_why *why, struct arena *a)
{
	if (e == ERR_CRYPTO || e == ERR_TOO_BIG)
		return CRYPTO_REASON_CLOSED;
	if (e == ERR_NO_KEY || e == ERR_PERMISSION)
		return "it is encrypted to none of the keys here";
	return arena_strdup(a, why->text);
}

/* Something encrypted in it, which is not all of it, or which is no message
   whatever its type says. */
static enum err
leave_closed(const char *reason, bool whole, struct crypto_verdict *v)
{
	if (v->sealed == CRYPTO_SEALED_NONE) {
		v->sealed =
		    whole ? CRYPTO_SEALED_CLOSED : CRYPTO_SEALED_PARTIAL;
		v->sealed_form = CRYPTO_FORM_PGP_MIME;
		v->sealed_reason = reason;
	} else {
		crypto_verdict_note(v,
		    "something that is encrypted inside stays closed: %s",
		    reason);
	}
	return ERR_NOT_FOUND;
}

struct layer {
	const struct open_pgp *o;
	struct crypto_verdict *v;
	enum crypto_form form;
	bool partial; /* what is signed in it is not all of the message */
};

/* Open one. ERR_NOT_FOUND: it stays closed, and the verdict says so. */
static enum err
open_one(const struct layer *l, int fd, const struct crypto_pgp_structure *s,
    struct memfd_map *out, struct err_why *why)
{
	const struct open_pgp *o = l->o;
	const struct open_pgp_key *key[CRYPTO_PGP_OPEN_KEYS];
	struct span fpr[CRYPTO_PGP_OPEN_KEYS];
	struct open_pgp_ask ask = {.fprs = fpr, .max = o->max};
	struct crypto_pgp_opened result = {0};
	struct certs certs;
	const char *cipher, *opened_fpr;
	char hex[2 * KS_FPR_MAX + 1];
	enum err e = gather(o, &certs);

	if (e != ERR_OK)
		return nomem(why);
	ask.certs = certs.cert;
	ask.n_certs = certs.n;
	ask.n_fprs = choose_keys(o, s, key);
	for (size_t i = 0; i < ask.n_fprs; i++)
		fpr[i] = key[i]->record->fpr;
	e = ask.n_fprs == 0
		? ERR_NO_KEY
		: o->engine.open(o->engine.arg, &ask, fd, out, &result, why);
	if (is_closed(e)) {
		stay_closed(l->v, l->form, reason_of(e, why, o->arena));
		return ERR_NOT_FOUND;
	}
	/* here it would say that there is nothing to open */
	if (e == ERR_NOT_FOUND)
		e = ERR_ENGINE;
	if (e != ERR_OK)
		return e;
	if (result.secret >= ask.n_fprs)
		return err_why(why, ERR_ENGINE, "a key that was not asked for");
	text_hex(key[result.secret]->record->fpr, hex);
	cipher = arena_strdup(o->arena, result.cipher);
	opened_fpr = arena_strdup(o->arena, hex);
	if (cipher == NULL || opened_fpr == NULL)
		return nomem(why);
	crypto_verdict_opened(l->v, l->form, true, cipher, opened_fpr,
	    key[result.secret]->addr, key[result.secret]->domain);
	return add_signatures(o, &result.sigs, l->form, l->partial, l->v, why);
}

/* --- shapes --- */

/* The parts of a shape, decoded. */
struct parts {
	struct memfd_map in[PARTS_MAX];
	int fd[PARTS_MAX];
	struct crypto_pgp_structure s[PARTS_MAX];
	struct memfd_map text[PARTS_MAX];
	size_t n;
	size_t n_encrypted;
	size_t n_damaged;
};

static void
parts_free(struct parts *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n; i++) {
		memfd_unmap(&p->in[i]);
		memfd_unmap(&p->text[i]);
		close(p->fd[i]);
	}
	free(p);
}

static enum err
parts_read(const struct mime_pgp *shape, struct parts *p)
{
	for (; p->n < shape->n && p->n < PARTS_MAX; p->n++) {
		enum err e =
		    decode(shape->parts[p->n], &p->fd[p->n], &p->in[p->n]);

		if (e != ERR_OK)
			return e;
		crypto_pgp_structure(p->in[p->n].data, &p->s[p->n]);
		p->n_encrypted += p->s[p->n].kind == CRYPTO_PGP_KIND_ENCRYPTED;
		p->n_damaged += p->s[p->n].kind == CRYPTO_PGP_KIND_OTHER;
	}
	return ERR_OK;
}

static bool
is_in_pieces(const struct mime_pgp_piece *pieces, size_t n, const char *unique)
{
	for (size_t i = 0; i < n; i++)
		if (span_find(pieces[i].text, 0, span_str(unique)) <
		    pieces[i].text.len)
			return true;
	return false;
}

/* A word that is in none of the pieces, and the same whenever these are opened:
   each recipient's opening is compared with the first. */
static enum err
make_unique(
    const struct mime_pgp_piece *pieces, size_t n, char unique[2 * UNIQUE + 1])
{
	struct span *texts = calloc(n, sizeof(*texts));
	uint8_t octets[DIGEST_SIZE];

	if (texts == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		texts[i] = pieces[i].text;
	digest_sha256(texts, n, octets);
	free(texts);
	text_hex(SPAN(octets, UNIQUE), unique);
	while (is_in_pieces(pieces, n, unique)) {
		const struct span last = SPAN(octets, sizeof(octets));
		uint8_t next[DIGEST_SIZE];

		digest_sha256(&last, 1, next);
		memcpy(octets, next, sizeof(octets));
		text_hex(SPAN(octets, UNIQUE), unique);
	}
	return ERR_OK;
}

/* Make one entity of what was opened part by part. */
static enum err
join(const struct mime_pgp *shape, const struct parts *p, int *fd_out)
{
	struct mime_pgp_piece *pieces = calloc(p->n, sizeof(*pieces));
	char unique[2 * UNIQUE + 1];
	int fd = -1;
	struct mime_sink sink = {put_memfd, &fd};
	enum err e = pieces == NULL ? ERR_NOMEM : memfd_new(&fd);

	for (size_t i = 0; e == ERR_OK && i < p->n; i++)
		pieces[i] =
		    (struct mime_pgp_piece){shape->parts[i], p->text[i].data};
	if (e == ERR_OK)
		e = make_unique(pieces, p->n, unique);
	if (e == ERR_OK)
		e = mime_pgp_write_pieces(pieces, p->n, unique, &sink);
	if (e == ERR_OK)
		e = memfd_seal(fd);
	if (e == ERR_OK)
		*fd_out = fd;
	else if (fd >= 0)
		close(fd);
	free(pieces);
	return e;
}

static enum err
open_parts(const struct layer *l, const struct mime_pgp *shape, struct parts *p,
    int *fd_out, struct err_why *why)
{
	enum err e = ERR_OK;

	/* by what is written around it ciphertext, and nothing in itself */
	if (p->n_damaged > 0 && p->n_damaged == p->n) {
		stay_closed(l->v, l->form, "it is no whole OpenPGP message");
		return ERR_NOT_FOUND;
	}
	/* what only looks like it is not protected at all */
	if (p->n_encrypted == 0 || p->n == 0)
		return ERR_NOT_FOUND;
	if (p->n_encrypted < p->n)
		return leave_closed(
		    "there is something beside it", false, l->v);
	if (p->n < shape->n) {
		stay_closed(l->v, l->form, "it is in too many pieces");
		return ERR_NOT_FOUND;
	}
	for (size_t i = 0; i < p->n && e == ERR_OK; i++)
		e = open_one(l, p->fd[i], &p->s[i], &p->text[i], why);
	if (e == ERR_OK)
		e = crypto_verdict_add_layer(
		    l->v, CRYPTO_LAYER_ENCRYPTED, l->form);
	if (e == ERR_LIMIT) {
		stay_closed(l->v, l->form, "there are too many layers");
		return ERR_NOT_FOUND;
	}
	if (e != ERR_OK)
		return e;
	e = shape->kind == MIME_PGP_INLINE
		? join(shape, p, fd_out)
		: memfd_from(p->text[0].data, fd_out);
	return e == ERR_OK ? e : err_why(why, e, "%s", err_text(e));
}

static enum err
peel_encrypted(const struct mime_pgp *shape, const struct open_pgp *o,
    struct crypto_verdict *v, struct open_pgp_layer *out, struct err_why *why)
{
	const struct layer l = {.o = o,
	    .v = v,
	    .form = shape->kind == MIME_PGP_INLINE ? CRYPTO_FORM_PGP_INLINE
						   : CRYPTO_FORM_PGP_MIME,
	    .partial = shape->n > 1};
	size_t n_sigs = v->n_sigs;
	struct parts *p = calloc(1, sizeof(*p));
	enum err e = p == NULL ? ERR_NOMEM : parts_read(shape, p);

	if (e == ERR_MALFORMED || e == ERR_UNSUPPORTED) {
		stay_closed(v, l.form, "its transfer encoding is none");
		e = ERR_NOT_FOUND;
	} else if (e != ERR_OK)
		err_why(why, e, "%s", err_text(e));
	else {
		e = open_parts(&l, shape, p, &out->fd, why);
	}
	/* nothing is said of what nobody gets to see */
	if (e == ERR_NOT_FOUND)
		v->n_sigs = n_sigs;
	parts_free(p);
	return e;
}

/* The octets of the part with the signatures. */
static enum err
read_signatures(const struct mime_part *p, struct buf *out)
{
	struct mime_sink sink = mime_sink_buf(out);

	return mime_pgp_write_part(p, &sink);
}

static enum err
verify(const struct mime_pgp *shape, const struct open_pgp *o,
    struct crypto_pgp_sigs *out, struct err_why *why)
{
	struct certs certs;
	struct buf sig;
	int fd = -1;
	enum err e = gather(o, &certs);

	if (e != ERR_OK)
		return nomem(why);
	buf_init(&sig, SIGNATURE_MAX);
	e = read_signatures(shape->parts[0], &sig);
	if (e == ERR_TOO_BIG || e == ERR_UNSUPPORTED)
		e = ERR_MALFORMED;
	if (e == ERR_OK)
		e = memfd_from(shape->signed_entity, &fd);
	if (e != ERR_OK)
		err_why(why, e, "it cannot be read");
	else
		e = o->engine.verify(o->engine.arg, buf_span(&sig), fd,
		    certs.cert, certs.n, out, why);
	if (fd >= 0)
		close(fd);
	buf_clear(&sig);
	/* as in open_one() */
	return e == ERR_NOT_FOUND ? ERR_ENGINE : e;
}

static enum err
peel_signed(const struct mime_pgp *shape, const struct open_pgp *o,
    struct crypto_verdict *v, struct open_pgp_layer *out, struct err_why *why)
{
	bool partial = shape->kind == MIME_PGP_SIGNED_PARTLY;
	struct crypto_pgp_sigs sigs = {0};
	enum err e = verify(shape, o, &sigs, why);

	if (e == ERR_MALFORMED || e == ERR_LIMIT) {
		sigs.n = 1;
		sigs.sig[0] = (struct crypto_pgp_sig){
		    .status = CRYPTO_SIGNED_BAD, .cert = CRYPTO_PGP_NO_CERT};
		snprintf(sigs.sig[0].reason, sizeof(sigs.sig[0].reason),
		    "%.90s", why->text);
	} else if (e != ERR_OK) {
		return e;
	}
	e = add_signatures(o, &sigs, CRYPTO_FORM_PGP_MIME, partial, v, why);
	if (e == ERR_OK && partial)
		return ERR_NOT_FOUND;
	if (e == ERR_OK && crypto_verdict_add_layer(v, CRYPTO_LAYER_SIGNED,
			       CRYPTO_FORM_PGP_MIME) != ERR_OK)
		return ERR_NOT_FOUND;
	if (e == ERR_OK)
		out->entity = shape->signed_entity;
	return e;
}

enum err
open_pgp_peel(const struct mime_pgp *shape, const struct open_pgp *o,
    struct crypto_verdict *v, struct open_pgp_layer *out, struct err_why *why)
{
	struct open_pgp_layer layer = {.fd = -1};
	enum err e = ERR_NOT_FOUND;

	why->text[0] = '\0';
	switch (shape->kind) {
	case MIME_PGP_NONE:
		break;
	case MIME_PGP_CLOSED:
		e = leave_closed(shape->reason, shape->whole, v);
		break;
	case MIME_PGP_ENCRYPTED:
	case MIME_PGP_INLINE:
		e = peel_encrypted(shape, o, v, &layer, why);
		break;
	case MIME_PGP_SIGNED:
	case MIME_PGP_SIGNED_PARTLY:
		e = peel_signed(shape, o, v, &layer, why);
		break;
	}
	if (e == ERR_OK)
		*out = layer;
	return e;
}
