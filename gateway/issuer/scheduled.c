/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is due by the clock. Each look begins with what the keystore says, so
 * nothing has to be remembered: what failed, or was cut off by a restart, is
 * due again.
 */
#include <string.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/text.h"
#include "crypto/key_delegate.h"
#include "gateway/ca.h"
#include "gateway/conf.h"
#include "gateway/issuer/issuer_private.h"
#include "gateway/proto.h"
#include "gateway/publish.h"
#include "gateway/role.h"
#include "keystore/history.h"
#include "keystore/private.h"

enum {
	CAS_MAX = 16,	    /* that are looked after */
	RENEW_AT_ONCE = 16, /* certificates replaced in one look */
	PUBLISH_S = 3600,   /* for keys that have expired */
};

static void
failed(const char *what, struct span fpr, const struct err_why *why, enum err e)
{
	char hex[2 * KS_FPR_MAX + 1];

	text_hex(fpr, hex);
	log_event(LOG_LVL_ERR, NULL, what, KV_STR("fingerprint", hex),
	    KV_STR("reason", why->text), KV_ERR(e));
}

/* --- lists --- */

struct lists {
	int64_t due; /* a list that ends before this is made anew */
	uint8_t fpr[CAS_MAX][KS_FPR_MAX];
	size_t len[CAS_MAX];
	size_t n;
};

static enum err
gather_due(void *ctx, const struct ks_ca *ca)
{
	struct lists *l = ctx;

	if (ca->next_update > l->due || l->n == CAS_MAX)
		return ERR_OK;
	memcpy(l->fpr[l->n], ca->fpr.data, ca->fpr.len);
	l->len[l->n++] = ca->fpr.len;
	return ERR_OK;
}

static enum err
send_list(struct issuer *i, const struct ks_ca *made, struct err_why *why)
{
	const struct proto_ca_list m = {.ca = made->fpr,
	    .number = made->crl_number,
	    .this_update = made->this_update,
	    .next_update = made->next_update,
	    .crl = made->crl};
	struct buf b;
	enum err e;

	buf_init(&b, KS_CRL_MAX + 1024);
	e = proto_ca_list_pack(&m, &b);
	if (e == ERR_OK)
		e = issuer_store(i, PROTO_CA_LIST, buf_span(&b), why);
	buf_clear(&b);
	return e;
}

static enum err
make_list(struct issuer *i, struct span fpr, int64_t now, struct err_why *why)
{
	const struct conf *conf = role_conf(i->role);
	struct crypto_key_delegate *key = NULL;
	struct issuer_ca_key ctx;
	struct ca ca = {0};
	struct ks_ca made;
	enum err e = ca_find(i->store, fpr, now, i->arena, &ca, why);

	/* one that may not issue any more makes no lists either */
	if (e != ERR_OK)
		return e == ERR_KEY_EXPIRED || e == ERR_KEY_UNTRUSTED ||
			       e == ERR_NOT_FOUND
			   ? ERR_OK
			   : e;
	ctx = (struct issuer_ca_key){i, ca.record->fpr};
	e = issuer_ca_key_new(&ca, &ctx, &key, why);
	if (e == ERR_OK)
		e = ca_make_list(i->store, &ca, crypto_key_delegate_pkey(key),
		    now, (int64_t)conf->ca.crl_s, i->arena, &made, why);
	if (e == ERR_OK)
		e = send_list(i, &made, why);
	if (e == ERR_OK)
		i->published = 0;
	crypto_key_delegate_free(key);
	ca_clear(&ca);
	return e;
}

static void
make_lists(struct issuer *i, int64_t now)
{
	const struct conf *conf = role_conf(i->role);
	struct lists l = {.due = now + (int64_t)conf->ca.crl_s / 2};
	enum err e = ks_ca_each(i->store, gather_due, &l);

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "crl", KV_ERR(e));
	for (size_t k = 0; k < l.n; k++) {
		struct err_why why = {""};

		e = make_list(i, SPAN(l.fpr[k], l.len[k]), now, &why);
		if (e != ERR_OK)
			failed("crl", SPAN(l.fpr[k], l.len[k]), &why, e);
		arena_reset(i->arena);
	}
}

/* --- certificates --- */

struct renewals {
	struct issuer *i;
	int64_t now, due;
	uint8_t fpr[RENEW_AT_ONCE][KS_FPR_MAX];
	size_t n;
};

/* Another of the same address that lasts longer. */
struct later {
	struct ks_store *store;
	const struct ks_record *than;
	bool found;
};

static enum err
is_later(void *ctx, const struct ks_record *r)
{
	struct later *l = ctx;

	if (r->kind == KS_SMIME && r->source == KS_SOURCE_CA &&
	    r->flaw == KS_FLAW_NONE && r->not_after > l->than->not_after &&
	    ks_private_has(l->store, r->fpr) == ERR_OK)
		l->found = true;
	return ERR_OK;
}

static enum err
gather_issued(void *ctx, const struct ks_issued *row)
{
	struct renewals *g = ctx;

	if (!row->automatic || row->revoked_at != 0 ||
	    row->not_after > g->due || row->not_after <= g->now ||
	    g->n == RENEW_AT_ONCE)
		return ERR_OK;
	/* those in whose place there is another do not fill the list */
	{
		struct later l = {.store = g->i->store};
		struct ks_record *r;
		enum err e = ks_get(l.store, row->fpr, g->i->arena, &r);

		if (e != ERR_OK || r->n_addrs == 0 || r->trust < KS_TRUSTED)
			return e == ERR_NOT_FOUND ? ERR_OK : e;
		l.than = r;
		e = ks_find(l.store, KS_BY_ADDR, r->addrs[0], is_later, &l);
		if (e != ERR_OK || l.found)
			return e;
	}
	memcpy(g->fpr[g->n++], row->fpr.data, row->fpr.len);
	return ERR_OK;
}

static enum err
gather_of_ca(void *ctx, const struct ks_ca *ca)
{
	struct renewals *g = ctx;

	return ks_issued_each(g->i->store, ca->fpr, gather_issued, g);
}

static void
renew(struct issuer *i, int64_t now)
{
	const struct conf *conf = role_conf(i->role);
	struct renewals g = {
	    .i = i, .now = now, .due = now + (int64_t)conf->ca.renew_s};
	enum err e = ks_ca_each(i->store, gather_of_ca, &g);

	if (e != ERR_OK)
		log_event(LOG_LVL_ERR, NULL, "renew", KV_ERR(e));
	for (size_t k = 0; k < g.n; k++) {
		struct span fpr = SPAN(g.fpr[k], KS_FPR_MAX);
		struct err_why why = {""};
		struct ks_record *r;

		arena_reset(i->arena);
		e = ks_get(i->store, fpr, i->arena, &r);
		if (e == ERR_OK)
			e = issuer_issue(i, 0, r->addrs[0], fpr, &why);
		if (e != ERR_OK)
			failed("renew", fpr, &why, e);
	}
	arena_reset(i->arena);
}

/* Whatever happens to a key is an event of the keystore: what is published
   follows at the next look. */
static void
publish(struct issuer *i, int64_t now)
{
	struct err_why why = {""};
	uint64_t last = i->seen;
	bool late = i->published == 0 || now - i->published >= PUBLISH_S ||
		    now < i->published;

	if (ks_history_last(i->store, &last) == ERR_OK && last == i->seen &&
	    !late)
		return;
	if (publish_sync(role_conf(i->role), i->store, now, &why) == ERR_OK) {
		i->published = now;
		i->seen = last;
	} else {
		log_event(
		    LOG_LVL_ERR, NULL, "publish", KV_STR("reason", why.text));
	}
}

void
issuer_scheduled(struct issuer *i)
{
	int64_t now = (int64_t)(clock_unix_ms() / 1000);

	make_lists(i, now);
	renew(i, now);
	publish(i, now);
}
