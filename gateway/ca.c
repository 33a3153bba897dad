/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Certificates and lists of our own CA as rows of the keystore. Which process
 * has the CA's key, and who commits what is made, is the caller's.
 */
#include "gateway/ca.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/text.h"
#include "crypto/cert.h"
#include "gateway/conf.h"
#include "keystore/admit.h"
#include "keystore/private.h"

enum {
	BACKDATE_S = 300, /* for clocks that are behind */
	/* A revoked certificate stays on the list for so long after its end,
	   so that at least one list after that still has it (RFC 5280 §3.3). */
	LISTED_S = 60 * 24 * 3600,
};

/* --- which --- */

struct search {
	struct ks_store *store;
	struct arena *arena;
	struct span fpr; /* empty: any */
	int64_t now;
	struct ks_record *best;
	enum err e; /* why there is none */
};

/* Whether a CA may issue now. */
static enum err
judge(const struct search *s, const struct ks_record *r)
{
	if (r->trust < KS_TRUSTED || r->flaw == KS_FLAW_REVOKED)
		return ERR_KEY_UNTRUSTED;
	if (r->not_before > s->now ||
	    (r->not_after != 0 && r->not_after <= s->now))
		return ERR_KEY_EXPIRED;
	return ERR_OK;
}

static enum err
look(void *ctx, const struct ks_ca *ca)
{
	struct search *s = ctx;
	struct ks_record *r = NULL;
	enum err e;

	if (s->fpr.len > 0 && !span_eq(s->fpr, ca->fpr))
		return ERR_OK;
	e = ks_private_has(s->store, ca->fpr);
	if (e == ERR_OK)
		e = ks_get(s->store, ca->fpr, s->arena, &r);
	/* its record was deleted */
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e != ERR_OK)
		return e;
	e = judge(s, r);
	if (e != ERR_OK)
		s->e = e;
	else if (s->best == NULL || r->not_before > s->best->not_before)
		s->best = r;
	return ERR_OK;
}

enum err
ca_find(struct ks_store *s, struct span fpr, int64_t now, struct arena *arena,
    struct ca *out, struct err_why *why)
{
	struct search x = {.store = s,
	    .arena = arena,
	    .fpr = fpr,
	    .now = now,
	    .e = ERR_NOT_FOUND};
	struct crypto_cert *cert = NULL;
	enum err e = ks_ca_each(s, look, &x);

	if (e != ERR_OK)
		return err_why(why, e, "keystore: %s", err_text(e));
	if (x.best == NULL)
		return err_why(why, x.e,
		    x.e == ERR_NOT_FOUND ? "there is no CA with its key here: "
					   "make one with sealgate ca init"
					 : "the CA may not issue: %s",
		    err_text(x.e));
	e = crypto_cert_parse(x.best->key, &cert, why);
	if (e == ERR_OK)
		*out = (struct ca){x.best, cert};
	return e;
}

void
ca_clear(struct ca *ca)
{
	crypto_cert_unref(ca->cert);
	*ca = (struct ca){0};
}

/* --- certificates --- */

void
ca_list_name(struct span fpr, char out[CA_LIST_NAME])
{
	char hex[2 * KS_FPR_MAX + 1] = "";

	if (fpr.len <= KS_FPR_MAX)
		text_hex(fpr, hex);
	memcpy(out, hex, strlen(hex));
	memcpy(out + strlen(hex), ".crl", sizeof(".crl"));
}

const char *
ca_list_url(const struct conf *conf, struct span fpr, struct arena *arena)
{
	const char *base = conf->ca.crl_url;
	char name[CA_LIST_NAME];

	if (base == NULL && conf->portal.present)
		base = conf->portal.url;
	if (base == NULL)
		return NULL;
	ca_list_name(fpr, name);
	return arena_printf(arena, "%s/crl/%s", base, name);
}

enum err
ca_make(const struct conf *conf, const struct ca *ca, struct evp_pkey_st *key,
    const struct ca_request *r, struct arena *arena, struct ca_made *out,
    struct err_why *why)
{
	const struct crypto_cert_info *issuer = crypto_cert_info(ca->cert);
	const struct crypto_issuer by = {ca->cert, key};
	const struct ks_origin origin = {
	    .source = KS_SOURCE_CA, .trust = KS_TRUSTED, .now = r->now};
	struct crypto_issue what = {.profile = r->profile,
	    .spki = r->spki,
	    .name = r->name,
	    .addrs = r->addrs,
	    .n_addrs = r->n_addrs,
	    .not_before = r->now - BACKDATE_S,
	    .not_after = r->now + r->valid_s,
	    .crl_url = ca_list_url(conf, ca->record->fpr, arena)};
	struct ca_made made = {0};
	struct buf der;
	enum err e;

	/* a CA that is younger than that has nothing to backdate to */
	if (what.not_before < issuer->not_before)
		what.not_before = issuer->not_before;
	buf_init(&der, CRYPTO_ISSUED_MAX);
	e = crypto_issue_cert(&what, &by, &der, why);
	if (e == ERR_OK)
		e = crypto_cert_parse(buf_span(&der), &made.cert, why);
	if (e == ERR_OK)
		e = ks_admit_cert(made.cert, &origin, arena, &made.record, why);
	buf_clear(&der);
	if (e != ERR_OK) {
		ca_made_clear(&made);
		return e;
	}
	made.record->domain = r->domain;
	made.issued = (struct ks_issued){.ca = ca->record->fpr,
	    .serial = made.record->serial,
	    .fpr = made.record->fpr,
	    .not_after = made.record->not_after,
	    .automatic = r->automatic};
	*out = made;
	return ERR_OK;
}

void
ca_made_clear(struct ca_made *m)
{
	crypto_cert_unref(m->cert);
	*m = (struct ca_made){0};
}

enum err
ca_keep(struct ks_store *s, const struct ca_made *m, struct arena *arena)
{
	enum ks_admitted what;
	enum err e = ks_admit(s, m->record, arena, &what);

	return e == ERR_OK ? ks_issued_put(s, &m->issued) : e;
}

/* --- lists --- */

struct gather {
	struct arena *arena;
	struct crypto_revoked *list; /* NULL: only count */
	size_t n, max;
	int64_t now;
};

static enum err
gather_one(void *ctx, const struct ks_issued *i)
{
	struct gather *g = ctx;
	struct crypto_revoked *r;

	if (i->revoked_at == 0 || i->not_after + LISTED_S < g->now)
		return ERR_OK;
	if (g->list == NULL) {
		g->n++;
		return ERR_OK;
	}
	/* revoked since they were counted: a later list has it */
	if (g->n == g->max)
		return ERR_OK;
	r = &g->list[g->n++];
	r->at = i->revoked_at;
	r->reason = (enum crypto_reason)i->reason;
	return arena_span(g->arena, i->serial, &r->serial);
}

static enum err
gather(struct ks_store *s, struct span ca, int64_t now, struct arena *arena,
    struct crypto_crl *out)
{
	struct gather g = {.arena = arena, .now = now};
	enum err e = ks_issued_each(s, ca, gather_one, &g);

	if (e != ERR_OK)
		return e;
	g.list = arena_array(arena, g.n + 1, sizeof(*g.list));
	if (g.list == NULL)
		return ERR_NOMEM;
	g.max = g.n;
	g.n = 0;
	e = ks_issued_each(s, ca, gather_one, &g);
	out->revoked = g.list;
	out->n = g.n;
	return e;
}

enum err
ca_make_list(struct ks_store *s, const struct ca *ca, struct evp_pkey_st *key,
    int64_t now, int64_t next_s, struct arena *arena, struct ks_ca *out,
    struct err_why *why)
{
	const struct crypto_issuer by = {ca->cert, key};
	struct crypto_crl list = {
	    .this_update = now, .next_update = now + next_s};
	struct ks_ca *row = NULL, next;
	struct buf der;
	enum err e = ks_ca_get(s, ca->record->fpr, arena, &row);

	buf_init(&der, CRYPTO_CRL_MAX);
	if (e == ERR_OK)
		e = gather(s, ca->record->fpr, now, arena, &list);
	if (e != ERR_OK) {
		err_why(why, e, "keystore: %s", err_text(e));
		goto out;
	}
	next = *row;
	list.number = row->crl_number + 1;
	e = crypto_issue_crl(&list, &by, &der, why);
	if (e == ERR_OK)
		e = arena_span(arena, buf_span(&der), &next.crl);
	if (e == ERR_OK) {
		next.crl_number = list.number;
		next.this_update = list.this_update;
		next.next_update = list.next_update;
		*out = next;
	}
out:
	buf_clear(&der);
	return e;
}
