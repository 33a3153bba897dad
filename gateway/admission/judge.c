/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * OpenPGP is stripped first and read by gpg then; X.509 is read by OpenSSL. A
 * key that carries the address and is of no use becomes a record that says so;
 * one that does not carry it becomes none.
 */
#include "gateway/admission/judge.h"

#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "crypto/cert.h"
#include "crypto/cms_certs.h"
#include "crypto/cms_form.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_packet.h"
#include "crypto/openpgp_strip.h"
#include "keystore/admit.h"

enum { CERTS_MAX = 32 };

struct work {
	struct crypto_pgp *pgp;
	const struct proto_propose *m;
	struct span addr;
	struct ks_origin origin;
	struct arena *arena;
	struct judgement *out;
};

/* Which key it is that is refused as a whole. */
static enum err
note_fpr(struct work *w, struct span binary)
{
	uint8_t fpr[CRYPTO_PGP_FPR_MAX];
	struct crypto_pgp_packet p;
	size_t len = 0;

	if (w->out->fpr.len > 0 ||
	    crypto_pgp_packet_next(binary, &p) != ERR_OK ||
	    p.tag != CRYPTO_PGP_TAG_PUBLIC_KEY ||
	    crypto_pgp_fpr(p.body, fpr, &len) != ERR_OK)
		return ERR_OK;
	return arena_span(w->arena, SPAN(fpr, len), &w->out->fpr);
}

/* What is wrong with the octets as a whole; the first reason is told. */
static enum err
refuse_all(struct work *w, enum err e, const struct err_why *why)
{
	/* these are our troubles, not the key's */
	if (e == ERR_NOMEM || e == ERR_TIMEOUT || e == ERR_IO ||
	    e == ERR_ENGINE || e == ERR_DISK_FULL)
		return e;
	if (e == ERR_PERMISSION)
		w->out->secret = true;
	if (w->out->err == ERR_OK) {
		w->out->err = e;
		w->out->why = *why;
		if (why->text[0] == '\0')
			(void)!err_why(&w->out->why, e, "%s", err_text(e));
	}
	return ERR_OK;
}

static struct judged *
add(struct work *w, struct span fpr, const char *what)
{
	struct judged *j;

	if (w->out->n == PROTO_BLOBS_MAX || what == NULL)
		return NULL;
	j = &w->out->key[w->out->n];
	*j = (struct judged){.what = what};
	if (arena_span(w->arena, fpr, &j->fpr) != ERR_OK)
		return NULL;
	w->out->n++;
	return j;
}

/* The record lives in the certificate's memory until it is copied. */
static enum err
keep(struct work *w, struct judged *j, enum err e, const struct ks_record *r,
    const struct err_why *why)
{
	if (e == ERR_NOMEM)
		return e;
	if (e != ERR_OK) {
		j->why = *why;
		return ERR_OK;
	}
	return ks_record_copy(r, true, w->arena, &j->record);
}

/* --- OpenPGP --- */

static bool
is_addr(const struct work *w, const char *addr)
{
	size_t len = strlen(addr);

	if (w->addr.len == 0 || w->addr.data[0] != '@')
		return span_eq_str(w->addr, addr);
	return len > w->addr.len &&
	       memcmp(addr + len - w->addr.len, w->addr.data, w->addr.len) == 0;
}

/* A user ID with the address that the key itself vouches for. */
static bool
pgp_carries(const struct work *w, const struct crypto_pgp_cert *c)
{
	for (size_t i = 0; i < c->n_uids; i++)
		if (c->uids[i].addr != NULL && !c->uids[i].revoked &&
		    is_addr(w, c->uids[i].addr))
			return true;
	return false;
}

static enum err
judge_pgp_cert(struct work *w, const struct crypto_pgp_cert *c, bool weak)
{
	struct ks_record *r = NULL;
	struct err_why why = {""};
	struct judged *j = add(w, SPAN(c->fpr, c->fpr_len),
	    arena_printf(w->arena, "OpenPGP %s%s%s", c->alg,
		c->n_uids > 0 ? " " : "",
		c->n_uids > 0 ? c->uids[0].text : ""));
	enum err e;

	if (j == NULL)
		return ERR_NOMEM;
	if (c->version != 4 || c->minimal.len == 0) {
		(void)!err_why(&j->why, ERR_UNSUPPORTED, "%s",
		    weak ? "its own signatures use a digest that is broken "
			   "(SHA-1, MD5)"
			 : c->seal_why.text);
		return ERR_OK;
	}
	/* a revoked key is told to the keystore, whatever its user IDs say */
	if (!c->revoked && !pgp_carries(w, c)) {
		(void)!err_why(&j->why, ERR_KEY_ADDR,
		    "no valid user ID with the address that was asked for");
		return ERR_OK;
	}
	e = ks_admit_pgp(c, &w->origin, w->arena, &r, &why);
	return keep(w, j, e, r, &why);
}

static enum err
judge_pgp(struct work *w, struct span blob)
{
	struct crypto_pgp_stripped counts = {0};
	struct crypto_pgp_list list = {0};
	struct err_why why = {""};
	struct buf binary, kept;
	enum err e;

	buf_init(&binary, LIMIT_KEY_SIZE);
	buf_init(&kept, LIMIT_KEY_SIZE);
	e = crypto_pgp_dearmor(blob, &binary, &why);
	if (e == ERR_OK)
		e = crypto_pgp_strip(
		    buf_span(&binary), w->addr, &kept, &counts, &why);
	if (e == ERR_OK)
		e = crypto_pgp_inspect(w->pgp, buf_span(&kept), &list, &why);
	if (e != ERR_OK)
		e = refuse_all(w, e, &why);
	if (e == ERR_OK && w->out->err != ERR_OK)
		e = note_fpr(w, buf_span(&binary));
	for (size_t i = 0; i < list.n && e == ERR_OK; i++)
		e = judge_pgp_cert(w, &list.certs[i], counts.n_weak > 0);
	crypto_pgp_list_clear(&list);
	buf_clear(&kept);
	buf_clear(&binary);
	return e;
}

/* --- X.509 --- */

static bool
cert_carries(const struct work *w, const struct crypto_cert_info *info)
{
	for (size_t i = 0; i < info->n_addrs; i++)
		if (is_addr(w, info->addrs[i]))
			return true;
	return false;
}

/* It is no key of the address, but its chain may lead through it. */
static enum err
keep_issuer(struct work *w, const struct crypto_cert *cert)
{
	struct ks_record *r = NULL;
	struct err_why why = {""};
	enum err e;

	if (w->out->n_issuers == JUDGE_ISSUERS)
		return ERR_OK;
	e = ks_admit_cert(cert, &w->origin, w->arena, &r, &why);
	if (e != ERR_OK)
		return e == ERR_NOMEM ? e : ERR_OK;
	r->n_addrs = 0;
	e = ks_record_copy(
	    r, true, w->arena, &w->out->issuer[w->out->n_issuers]);
	if (e == ERR_OK)
		w->out->n_issuers++;
	return e;
}

/* What the mail it came with says that its owner's software can. */
static enum err
add_caps(struct work *w, struct ks_record *r)
{
	unsigned caps;

	if (w->m->caps.len == 0 ||
	    crypto_cms_caps_parse(w->m->caps, &caps) != ERR_OK)
		return ERR_OK;
	r->caps = arena_alloc(w->arena, sizeof(*r->caps));
	if (r->caps == NULL)
		return ERR_NOMEM;
	*r->caps = (struct ks_cap){KS_CAP_SMIME, w->m->caps};
	r->n_caps = 1;
	return ERR_OK;
}

static enum err
judge_cert(struct work *w, const struct crypto_cert *cert)
{
	const struct crypto_cert_info *info = crypto_cert_info(cert);
	struct ks_record *r = NULL;
	struct err_why why = {""};
	struct judged *j = add(w, SPAN(info->fpr, sizeof(info->fpr)),
	    arena_printf(w->arena, "X.509 %s %s", info->alg, info->subject));
	enum err e;

	if (j == NULL)
		return ERR_NOMEM;
	if (!cert_carries(w, info)) {
		j->issuer = info->is_ca;
		(void)!err_why(&j->why, ERR_KEY_ADDR,
		    info->is_ca ? "a certificate of an issuer, for chains only"
				: "it does not carry the address that was "
				  "asked for");
		return info->is_ca ? keep_issuer(w, cert) : ERR_OK;
	}
	e = ks_admit_cert(cert, &w->origin, w->arena, &r, &why);
	if (e == ERR_OK && add_caps(w, r) != ERR_OK)
		return ERR_NOMEM;
	return keep(w, j, e, r, &why);
}

/* DER or PEM, or a bundle (RFC 2798 §2.8: SignedData without content). */
static enum err
judge_x509(struct work *w, struct span blob)
{
	struct crypto_cert *certs[CERTS_MAX];
	struct err_why why = {""};
	size_t n = 0;
	enum err e = crypto_cert_parse_all(blob, certs, CERTS_MAX, &n, &why);

	if (e == ERR_MALFORMED &&
	    crypto_cms_certs(blob, certs, CERTS_MAX, &n) == ERR_OK)
		e = ERR_OK;
	if (e != ERR_OK)
		return refuse_all(w, e, &why);
	for (size_t i = 0; i < n; i++) {
		if (e == ERR_OK)
			e = judge_cert(w, certs[i]);
		crypto_cert_unref(certs[i]);
	}
	return e;
}

enum err
judge(struct crypto_pgp *pgp, const struct proto_propose *m, int64_t now,
    struct arena *arena, struct judgement *out, struct err_why *why)
{
	struct work w = {.pgp = pgp,
	    .m = m,
	    .addr = span_str(m->key),
	    .arena = arena,
	    .out = out};
	enum err e = ERR_OK;

	*out = (struct judgement){.n = 0};
	w.origin = (struct ks_origin){.source = (enum ks_source)m->source,
	    .trust = (enum ks_trust)m->trust,
	    .url = span_str(m->url),
	    .now = now};
	/* a certificate is worth what its chain is, unless DNSSEC vouches for
	   it itself (RFC 8162: usage 3) */
	if (!m->openpgp && !m->asserted)
		w.origin.trust = KS_CANDIDATE;
	if (w.origin.trust > KS_DISCOVERED)
		w.origin.trust = KS_DISCOVERED;
	for (uint32_t i = 0; i < m->n && e == ERR_OK; i++)
		e = m->openpgp ? judge_pgp(&w, m->blob[i])
			       : judge_x509(&w, m->blob[i]);
	return e == ERR_OK ? e : err_why(why, e, "%s", err_text(e));
}
