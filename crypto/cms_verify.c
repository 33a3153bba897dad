/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Verifying, in the order: apart (cms_signed.c), digests of the content in one
 * pass, then each signer: attributes, certificate, signature (cms_signature.c),
 * belief. What a signature says is only taken from it after it was good.
 */
#include "crypto/cms_verify.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "common/arena.h"
#include "common/memfd.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "crypto/cert_private.h"
#include "crypto/cms_form.h"
#include "crypto/cms_verify_private.h"
#include "crypto/der_check.h"

enum {
	HASHES = CRYPTO_HASH_SHA224 + 1,
	/* seconds that the signer's clock may be ahead */
	CLOCK_SKEW = 15 * 60,
};

/* One verification. */
struct work {
	const struct crypto_cms_verifier *verifier;
	struct crypto_verdict *v;
	struct cms_signed signed_data;
	struct span first; /* the first octets of the content */
	struct {
		EVP_MD_CTX *ctx;
		uint8_t octets[EVP_MAX_MD_SIZE];
		unsigned len; /* 0: not wanted */
	} digest[HASHES];
	struct crypto_cert *certs[LIMIT_CMS_CERTS];
	size_t n_certs;
};

/* --- digests of the content --- */

static enum err
digest_put(void *ctx, struct span piece)
{
	struct work *w = ctx;

	if (w->first.len == 0)
		w->first = piece;
	for (size_t i = 0; i < HASHES; i++)
		if (w->digest[i].ctx != NULL &&
		    EVP_DigestUpdate(w->digest[i].ctx, piece.data, piece.len) !=
			1)
			return ERR_NOMEM;
	return ERR_OK;
}

/* All that some signer names, in one pass. */
static enum err
digest_content(struct work *w, const struct span *detached)
{
	enum err e = ERR_OK;

	for (size_t i = 0; i < w->signed_data.n_signers; i++) {
		struct cms_sig_alg alg;
		const char *why;

		if (w->signed_data.signers[i].fault != NULL ||
		    cms_sig_alg_parse(&w->signed_data.signers[i], &alg, &why) !=
			ERR_OK ||
		    w->digest[alg.hash].ctx != NULL)
			continue;
		w->digest[alg.hash].ctx = EVP_MD_CTX_new();
		if (w->digest[alg.hash].ctx == NULL ||
		    EVP_DigestInit_ex(w->digest[alg.hash].ctx,
			cms_hash_md(alg.hash), NULL) != 1)
			return ERR_NOMEM;
	}
	if (detached != NULL)
		e = digest_put(w, *detached);
	else
		e = ber_octets_each(&w->signed_data.content, digest_put, w);
	for (size_t i = 0; i < HASHES && e == ERR_OK; i++)
		if (w->digest[i].ctx != NULL &&
		    EVP_DigestFinal_ex(w->digest[i].ctx, w->digest[i].octets,
			&w->digest[i].len) != 1)
			e = ERR_NOMEM;
	return e;
}

/* --- certificates --- */

/* What does not parse is passed over: it signs nothing. */
static void
read_certs(struct work *w)
{
	struct span in = w->signed_data.certs;
	struct crypto_cert *cert;
	struct ber b;

	while (in.len > 0 && w->n_certs < LIMIT_CMS_CERTS) {
		if (ber_next(&in, &b) != ERR_OK)
			return;
		if (b.tag == BER_SEQUENCE &&
		    crypto_der_check_cert(b.all, NULL) == ERR_OK &&
		    crypto_cert_parse(b.all, &cert, NULL) == ERR_OK)
			w->certs[w->n_certs++] = cert;
	}
}

/* The certificate that is meant; *out with a reference of the caller's own. */
static enum err
find_cert(
    struct work *w, const struct crypto_cms_rid *rid, struct crypto_cert **out)
{
	for (size_t i = 0; i < w->n_certs; i++)
		if (crypto_cms_rid_is(rid, crypto_cert_info(w->certs[i]))) {
			*out = crypto_cert_ref(w->certs[i]);
			return ERR_OK;
		}
	if (w->verifier->find == NULL)
		return ERR_NOT_FOUND;
	return w->verifier->find(w->verifier->ctx, rid, out);
}

/* --- what is said of one signer --- */

static void
say(struct crypto_signature *sig, enum crypto_signed status, const char *reason)
{
	sig->status = status;
	sig->reason = reason;
}

static const char *
keep(struct work *w, const char *text)
{
	const char *kept = arena_strdup(w->v->arena, text);

	return kept == NULL ? "" : kept;
}

static const char *
keep_hex(struct work *w, struct span octets)
{
	char *hex = arena_alloc(w->v->arena, 2 * octets.len + 1);

	if (hex == NULL)
		return "";
	text_hex(octets, hex);
	return hex;
}

/* Who it is: all of it copied, the certificate may go. */
static enum err
describe(struct work *w, const struct crypto_cert *cert,
    const struct cms_sig_alg *alg, struct crypto_signature *sig)
{
	const struct crypto_cert_info *info = crypto_cert_info(cert);
	const char **addrs =
	    arena_array(w->v->arena, info->n_addrs + 1, sizeof(*addrs));
	const char *name;

	if (addrs == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < info->n_addrs; i++) {
		addrs[i] = arena_strdup(w->v->arena, info->addrs[i]);
		if (addrs[i] == NULL)
			return ERR_NOMEM;
	}
	sig->addrs = addrs;
	sig->n_addrs = info->n_addrs;
	sig->fpr = keep_hex(w, SPAN(info->fpr, sizeof(info->fpr)));
	sig->name = keep(w, info->subject);
	sig->issuer = keep(w, info->issuer);
	sig->serial = keep(w, info->serial);
	name = alg->ec ? arena_printf(w->v->arena, "%s %s", info->alg,
			     cms_hash_name(alg->hash))
		       : arena_printf(w->v->arena, "RSA-%u %s%s", info->bits,
			     alg->pss ? "PSS " : "", cms_hash_name(alg->hash));
	sig->alg = name == NULL ? "" : name;
	return arena_span(w->v->arena, crypto_cert_der(cert), &sig->cert);
}

/* UTCTime or GeneralizedTime; 0 if there is none, or no time. */
static int64_t
time_of(const struct ber *b)
{
	ASN1_TIME *t;
	int64_t out = 0;

	if (b->body.len == 0 || b->body.len > 32)
		return 0;
	t = ASN1_STRING_type_new(
	    b->tag == V_ASN1_UTCTIME ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME);
	if (t == NULL ||
	    ASN1_STRING_set(t, b->body.data, (int)b->body.len) != 1 ||
	    crypto_cert_time(t, &out, NULL) != ERR_OK)
		out = 0;
	ASN1_STRING_free(t);
	return out;
}

/* --- for harvest: what it wants to be answered with (RFC 8551 §2.5) --- */

/* Which certificate: SMIMEEncryptionKeyPreference (issuer and serial number, or
   key identifier), or the attribute that Outlook had first. */
static bool
preferred(const struct cms_signer *s, struct crypto_cms_rid *rid)
{
	struct span in = s->encrypt_pref;
	struct ber b, id;

	if (s->encrypt_ias.len > 0)
		return crypto_cms_rid_parse(s->encrypt_ias, rid) == ERR_OK;
	if (in.len == 0 || ber_next(&in, &b) != ERR_OK)
		return false;
	if (b.tag == BER_OPTION_CONSTRUCTED)
		return crypto_cms_rid_parse(b.body, rid) == ERR_OK;
	/* [1] RecipientKeyIdentifier, [2] the identifier itself */
	if (b.tag == BER_OPTION_CONSTRUCTED + 1 &&
	    ber_expect(&b.body, BER_OCTETS, &id) == ERR_OK)
		rid->ski = id.body;
	else if (b.tag == BER_OPTION + 2)
		rid->ski = b.body;
	return rid->ski.len > 0;
}

/* The one that is preferred; else the signer's own, else another of the same
   name that can be sealed to (RFC 8551 §2.5.3.1). */
static struct crypto_cert *
answer_with(
    struct work *w, const struct cms_signer *s, struct crypto_cert *signer)
{
	const struct crypto_cert_info *mine = crypto_cert_info(signer), *info;
	struct crypto_cms_rid rid = {0};

	if (preferred(s, &rid)) {
		if (crypto_cms_rid_is(&rid, mine))
			return signer;
		for (size_t i = 0; i < w->n_certs; i++)
			if (crypto_cms_rid_is(
				&rid, crypto_cert_info(w->certs[i])))
				return w->certs[i];
		return NULL;
	}
	if (mine->can_seal)
		return signer;
	for (size_t i = 0; i < w->n_certs; i++) {
		info = crypto_cert_info(w->certs[i]);
		if (info->can_seal && strcmp(info->subject, mine->subject) == 0)
			return w->certs[i];
	}
	return NULL;
}

/* Who has issued it, of those that the message brings. */
static struct crypto_cert *
issuer_in(struct work *w, const struct crypto_cert *cert)
{
	for (size_t i = 0; i < w->n_certs; i++)
		if (w->certs[i] != cert &&
		    crypto_cert_info(w->certs[i])->is_ca &&
		    crypto_cert_is_signed_by(cert, w->certs[i]))
			return w->certs[i];
	return NULL;
}

/* Whoever seals to the signer needs them again, without this message. */
static enum err
collect_issuers(
    struct work *w, struct crypto_cert *cert, struct crypto_signature *sig)
{
	enum err e = ERR_OK;

	while (e == ERR_OK && sig->n_issuers < CRYPTO_SIG_ISSUERS &&
	       (cert = issuer_in(w, cert)) != NULL &&
	       !crypto_cert_is_signed_by(cert, cert))
		e = arena_span(w->v->arena, crypto_cert_der(cert),
		    &sig->issuers[sig->n_issuers++]);
	return e;
}

static enum err
collect(struct work *w, const struct cms_signer *s, struct crypto_cert *cert,
    struct crypto_signature *sig)
{
	struct crypto_cert *answer = answer_with(w, s, cert);

	sig->caps_known = s->caps.len > 0 &&
			  crypto_cms_caps_parse(s->caps, &sig->caps) == ERR_OK;
	if (sig->caps_known &&
	    arena_span(w->v->arena, s->caps, &sig->caps_der) != ERR_OK)
		return ERR_NOMEM;
	if (answer != NULL && arena_span(w->v->arena, crypto_cert_der(answer),
				  &sig->encrypt_cert) != ERR_OK)
		return ERR_NOMEM;
	return cert == NULL ? ERR_OK : collect_issuers(w, cert, sig);
}

/* --- one signer --- */

/* Over which digest it is made: of the attributes, or of the content. */
static const char *
digest_signed(struct work *w, const struct cms_signer *s,
    const struct cms_sig_alg *alg, uint8_t *out, unsigned *len)
{
	const struct span content =
	    SPAN(w->digest[alg->hash].octets, w->digest[alg->hash].len);
	static const uint8_t set = BER_SET;
	EVP_MD_CTX *ctx;
	bool done;

	if (s->attrs.len == 0) {
		/* what are attributes to one is content to another: a content
		   that could be attributes is nothing anybody signed */
		if (w->first.len > 0 && w->first.data[0] == BER_SET)
			return "the content is made to look like attributes";
		memcpy(out, content.data, content.len);
		*len = (unsigned)content.len;
		return NULL;
	}
	if (!span_eq(s->content_type, w->signed_data.type))
		return "it is about another type of content";
	if (!span_eq(s->digest, content))
		return "the content was changed";
	/* RFC 5652 §5.4: with the tag of a SET */
	ctx = EVP_MD_CTX_new();
	done =
	    ctx != NULL &&
	    EVP_DigestInit_ex(ctx, cms_hash_md(alg->hash), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, &set, 1) == 1 &&
	    EVP_DigestUpdate(ctx, s->attrs.data + 1, s->attrs.len - 1) == 1 &&
	    EVP_DigestFinal_ex(ctx, out, len) == 1;
	EVP_MD_CTX_free(ctx);
	return done ? NULL : "its digest cannot be made";
}

/* What belief means for the verdict. */
static const struct {
	enum err e;
	enum crypto_signed status;
} beliefs[] = {
    {ERR_OK, CRYPTO_SIGNED_GOOD},
    {ERR_KEY_UNTRUSTED, CRYPTO_SIGNED_UNKNOWN_KEY},
    {ERR_RUNG_FAILED, CRYPTO_SIGNED_UNKNOWN_KEY},
    {ERR_KEY_EXPIRED, CRYPTO_SIGNED_KEY_EXPIRED},
    {ERR_KEY_REVOKED, CRYPTO_SIGNED_KEY_REVOKED},
    {ERR_KEY_UNUSABLE, CRYPTO_SIGNED_KEY_UNUSABLE},
    {ERR_KEY_ADDR, CRYPTO_SIGNED_KEY_UNUSABLE},
    {ERR_UNSUPPORTED, CRYPTO_SIGNED_UNSUPPORTED},
};

static enum err
judge(struct work *w, struct crypto_cert *cert, struct crypto_signature *sig)
{
	struct err_why why = {""};
	char escaped[sizeof(why.text)] = "";
	enum err e = w->verifier->judge(
	    w->verifier->ctx, cert, w->certs, w->n_certs, sig->made, &why);

	for (size_t i = 0; i < sizeof(beliefs) / sizeof(beliefs[0]); i++) {
		if (beliefs[i].e != e)
			continue;
		if (e != ERR_OK)
			text_escape(span_str(why.text[0] != '\0' ? why.text
								 : err_text(e)),
			    escaped, sizeof(escaped));
		say(sig, beliefs[i].status, keep(w, escaped));
		return ERR_OK;
	}
	return e;
}

/* The signature is right; is the certificate, and when? */
static enum err
believe(struct work *w, const struct cms_signer *s, struct crypto_cert *cert,
    struct crypto_signature *sig)
{
	enum err e;

	sig->made = time_of(&s->time);
	if (sig->made > w->verifier->now + CLOCK_SKEW)
		crypto_verdict_note(
		    w->v, "a signature says that it was made in the future");
	e = judge(w, cert, sig);
	if (e == ERR_OK && sig->status == CRYPTO_SIGNED_GOOD)
		e = collect(w, s, cert, sig);
	return e;
}

static enum err
verify_with(struct work *w, const struct cms_signer *s,
    const struct cms_sig_alg *alg, struct crypto_cert *cert,
    struct crypto_signature *sig)
{
	EVP_PKEY *key = X509_get0_pubkey(cert->x509);
	uint8_t digest[EVP_MAX_MD_SIZE];
	const char *fault;
	unsigned len = 0;
	enum err e = describe(w, cert, alg, sig);

	if (e != ERR_OK)
		return e;
	fault = digest_signed(w, s, alg, digest, &len);
	if (fault == NULL && (key == NULL || !cms_sig_check(key, alg,
						 SPAN(digest, len), s->sig)))
		fault = "the signature is wrong";
	if (fault != NULL) {
		say(sig, CRYPTO_SIGNED_BAD, fault);
		return ERR_OK;
	}
	return believe(w, s, cert, sig);
}

static enum err
verify_signer(struct work *w, const struct cms_signer *s)
{
	struct crypto_signature *sig;
	struct crypto_cert *cert = NULL;
	struct cms_sig_alg alg;
	const char *why = "";
	enum err e =
	    crypto_verdict_add_signature(w->v, CRYPTO_FORM_SMIME, &sig);

	if (e != ERR_OK)
		return e;
	if (s->fault != NULL) {
		say(sig, CRYPTO_SIGNED_BAD, s->fault);
		return ERR_OK;
	}
	sig->serial = keep_hex(w, s->sid.serial);
	e = cms_sig_alg_parse(s, &alg, &why);
	if (e != ERR_OK) {
		if (e == ERR_UNSUPPORTED)
			say(sig, CRYPTO_SIGNED_UNSUPPORTED, why);
		else
			say(sig, CRYPTO_SIGNED_BAD,
			    "its algorithms contradict each other");
		return ERR_OK;
	}
	e = find_cert(w, &s->sid, &cert);
	if (e == ERR_NOT_FOUND) {
		say(sig, CRYPTO_SIGNED_UNKNOWN_KEY,
		    "its certificate is neither in the message nor known");
		return ERR_OK;
	}
	if (e == ERR_OK)
		e = verify_with(w, s, &alg, cert, sig);
	crypto_cert_unref(cert);
	return e;
}

/* --- all --- */

/* Is there one content, and is it mail? */
static const char *
content_fault(const struct cms_signed *s, const struct span *detached)
{
	if (detached != NULL && s->content.tag != 0)
		return "it signs a content of its own beside the message";
	if (detached == NULL && s->content.tag == 0)
		return "what it signs is not there";
	if (!cms_signed_is_data(s))
		return "what it signs is no mail but another type";
	return NULL;
}

/* Every signer has this fault. */
static enum err
fault_all(struct work *w, const char *fault)
{
	struct crypto_signature *sig;
	enum err e = ERR_OK;

	for (size_t i = 0; i < w->signed_data.n_signers && e == ERR_OK; i++) {
		e = crypto_verdict_add_signature(w->v, CRYPTO_FORM_SMIME, &sig);
		if (e == ERR_OK)
			say(sig, CRYPTO_SIGNED_BAD, fault);
	}
	return e;
}

static enum err
verify_all(struct work *w, const struct span *detached)
{
	const char *fault = content_fault(&w->signed_data, detached);
	enum err e;

	if (fault != NULL)
		return fault_all(w, fault);
	e = digest_content(w, detached);
	if (e == ERR_MALFORMED)
		return fault_all(w, "its content is malformed");
	if (e != ERR_OK)
		return e;
	read_certs(w);
	for (size_t i = 0; i < w->signed_data.n_signers && e == ERR_OK; i++)
		e = verify_signer(w, &w->signed_data.signers[i]);
	return e;
}

static void
work_free(struct work *w)
{
	for (size_t i = 0; i < HASHES; i++)
		EVP_MD_CTX_free(w->digest[i].ctx);
	for (size_t i = 0; i < w->n_certs; i++)
		crypto_cert_unref(w->certs[i]);
	free(w);
}

enum err
crypto_cms_verify(struct span in, const struct span *detached,
    const struct crypto_cms_verifier *verifier, struct crypto_verdict *v,
    struct err_why *why)
{
	struct work *w = calloc(1, sizeof(*w));
	enum err e;

	if (w == NULL)
		return err_why(why, ERR_NOMEM, "%s", err_text(ERR_NOMEM));
	w->verifier = verifier;
	w->v = v;
	ERR_clear_error();
	e = cms_signed_parse(in, &w->signed_data);
	if (e == ERR_OK && w->signed_data.n_signers == 0)
		e = ERR_NOT_FOUND;
	if (e == ERR_OK &&
	    w->signed_data.n_signers > CRYPTO_VERDICT_SIGS - v->n_sigs)
		e = ERR_LIMIT;
	if (e == ERR_OK)
		e = crypto_verdict_add_layer(
		    v, CRYPTO_LAYER_SIGNED, CRYPTO_FORM_SMIME);
	if (e == ERR_OK)
		e = verify_all(w, detached);
	if (e != ERR_OK)
		err_why(why, e, e == ERR_NOT_FOUND ? "nobody signed it" : "%s",
		    err_text(e));
	work_free(w);
	ERR_clear_error();
	return e;
}

struct content_out {
	int fd;
	size_t left;
};

static enum err
content_put(void *ctx, struct span piece)
{
	struct content_out *o = ctx;

	if (piece.len > o->left)
		return ERR_TOO_BIG;
	o->left -= piece.len;
	return memfd_write(o->fd, piece);
}

enum err
crypto_cms_content(struct span in, size_t max, int *fd_out, struct err_why *why)
{
	struct content_out o = {.fd = -1, .left = max};
	struct cms_signed *s = calloc(1, sizeof(*s));
	enum err e = s == NULL ? ERR_NOMEM : cms_signed_parse(in, s);

	if (e == ERR_OK && s->content.tag == 0)
		e = ERR_NOT_FOUND;
	if (e == ERR_OK && !cms_signed_is_data(s))
		e = ERR_UNSUPPORTED;
	if (e == ERR_OK)
		e = memfd_new(&o.fd);
	if (e == ERR_OK)
		e = ber_octets_each(&s->content, content_put, &o);
	if (e == ERR_OK)
		e = memfd_seal(o.fd);
	if (e == ERR_OK)
		*fd_out = o.fd;
	else if (o.fd >= 0)
		close(o.fd);
	free(s);
	return e == ERR_OK
		   ? e
		   : err_why(why, e, "the signed content: %s", err_text(e));
}
