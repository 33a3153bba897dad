/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * One certificate, from the address to the commit: keys makes the private key
 * and keeps it, the certificate is built here from nothing but the address and
 * the public half, keys signs its digest and seals the private key beside the
 * address, store writes all of it at once. Died in between, nothing was there.
 */
#include <stdio.h>

#include "common/arena.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "crypto/issue.h"
#include "crypto/key_delegate.h"
#include "crypto/own_key.h"
#include "gateway/ca.h"
#include "gateway/conf.h"
#include "gateway/issuer/issuer_private.h"
#include "gateway/proto.h"
#include "gateway/role.h"
#include "keystore/private.h"

/* --- has it one, may it have one? --- */

struct look {
	struct ks_store *store;
	int64_t now;
	bool has;    /* one that can be used */
	bool barred; /* one was taken back for good */
};

/* Reasons after which the address still is our user's, with another key. */
static bool
is_replaceable(uint8_t reason)
{
	return reason == CRYPTO_REASON_KEY_COMPROMISE ||
	       reason == CRYPTO_REASON_SUPERSEDED;
}

static enum err
look_at(void *ctx, const struct ks_record *r)
{
	struct look *l = ctx;
	int64_t revoked_at;
	uint8_t reason = 0;
	enum err e;

	if (r->kind != KS_SMIME || r->source != KS_SOURCE_CA)
		return ERR_OK;
	if (r->flaw == KS_FLAW_REVOKED) {
		e = ks_issued_state(l->store, r->serial, &revoked_at, &reason);
		if (e == ERR_OK && !is_replaceable(reason))
			l->barred = true;
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	}
	if (r->flaw == KS_FLAW_NONE && r->trust >= KS_TRUSTED &&
	    r->not_after > l->now && ks_private_has(l->store, r->fpr) == ERR_OK)
		l->has = true;
	return ERR_OK;
}

/* ERR_EXISTS: it has one, and wants no other. */
static enum err
check_addr(struct issuer *i, struct span addr, bool renewal, int64_t now,
    struct err_why *why)
{
	const struct conf *conf = role_conf(i->role);
	struct look l = {.store = i->store, .now = now};
	enum err e;

	if (!conf_domain_is_ours(conf, ks_addr_domain(addr)))
		return err_why(why, ERR_POLICY_REJECT,
		    "certificates are issued for own domains only");
	e = ks_find(i->store, KS_BY_ADDR, addr, look_at, &l);
	if (e != ERR_OK)
		return err_why(why, e, "keystore: %s", err_text(e));
	if (l.has && !renewal)
		return ERR_EXISTS;
	if (l.barred)
		return err_why(
		    why, ERR_POLICY_REJECT, "its certificate was revoked");
	return ERR_OK;
}

/* --- making one --- */

/* One run of it. */
struct making {
	struct issuer *i;
	struct ca ca;
	struct issuer_ca_key ca_key;
	struct crypto_key_delegate *key;
	uint64_t handle;
	struct buf spki, row, record, payload;
	struct ca_made made;
};

static enum err
keep(struct making *m, int64_t now, struct err_why *why)
{
	const struct proto_key_seal seal = {.handle = m->handle,
	    .fpr = m->made.record->fpr,
	    .added = (uint64_t)now};
	struct proto_ca_keep keep = {
	    .ca = m->ca.record->fpr, .automatic = true};
	enum err e = issuer_key_seal(m->i, &seal, &m->row);

	if (e != ERR_OK)
		return err_why(why, e, "the new key: %s", err_text(e));
	e = ks_record_encode(m->made.record, &m->record);
	keep.record = buf_span(&m->record);
	keep.private = buf_span(&m->row);
	if (e == ERR_OK)
		e = proto_ca_keep_pack(&keep, &m->payload);
	if (e != ERR_OK)
		return err_why(why, e, "%s", err_text(e));
	return issuer_store(m->i, PROTO_CA_KEEP, buf_span(&m->payload), why);
}

/* A renewal stands for the domain that the old one stands for. */
static enum err
domain_of(struct issuer *i, struct span old, struct span *out)
{
	struct ks_record *r;
	enum err e = ERR_OK;

	if (old.len > 0) {
		e = ks_get(i->store, old, i->arena, &r);
		if (e == ERR_OK)
			*out = r->domain;
	}
	return e;
}

static enum err
make(struct making *m, uint64_t id, struct span addr, struct span old,
    int64_t now, struct err_why *why)
{
	const struct conf *conf = role_conf(m->i->role);
	const struct proto_key_new ask = {
	    .alg = (uint8_t)(CRYPTO_OWN_P256 + conf->ca.alg),
	    .addr = addr,
	    .old = old};
	struct ca_request what = {.profile = CRYPTO_PROFILE_BOTH,
	    .addrs = &addr,
	    .n_addrs = 1,
	    .now = now,
	    .valid_s = (int64_t)conf->ca.validity_s,
	    .automatic = true};
	enum err e =
	    ca_find(m->i->store, SPAN(NULL, 0), now, m->i->arena, &m->ca, why);

	if (e == ERR_OK)
		e = domain_of(m->i, old, &what.domain);
	if (e != ERR_OK)
		return e;
	m->ca_key = (struct issuer_ca_key){m->i, m->ca.record->fpr};
	e = issuer_ca_key_new(&m->ca, &m->ca_key, &m->key, why);
	if (e != ERR_OK)
		return e;
	e = issuer_key_new(m->i, id, &ask, &m->handle, &m->spki);
	if (e != ERR_OK)
		return err_why(why, e, "a new key: %s", err_text(e));
	what.spki = buf_span(&m->spki);
	e = ca_make(conf, &m->ca, crypto_key_delegate_pkey(m->key), &what,
	    m->i->arena, &m->made, why);
	return e == ERR_OK ? keep(m, now, why) : e;
}

static void
tell(struct span addr, const struct ks_record *r, bool renewed)
{
	char hex[2 * KS_FPR_MAX + 1], text[KS_ADDR_MAX + 1];

	text_hex(r->fpr, hex);
	snprintf(
	    text, sizeof(text), "%.*s", (int)addr.len, (const char *)addr.data);
	log_event(LOG_LVL_NOTICE, NULL,
	    renewed ? "cert-renewed" : "cert-issued", KV_STR("addr", text),
	    KV_STR("fingerprint", hex));
}

enum err
issuer_issue(struct issuer *i, uint64_t id, struct span addr, struct span old,
    struct err_why *why)
{
	int64_t now = (int64_t)(clock_unix_ms() / 1000);
	struct making m = {.i = i};
	enum err e = check_addr(i, addr, old.len > 0, now, why);

	if (e != ERR_OK)
		return e == ERR_EXISTS ? ERR_OK : e;
	buf_init(&m.spki, CRYPTO_SPKI_MAX);
	buf_init(&m.row, KS_PRIVATE_MAX);
	buf_init(&m.record, KS_RECORD_MAX);
	buf_init(&m.payload, KS_RECORD_MAX + KS_PRIVATE_MAX + 1024);
	e = make(&m, id, addr, old, now, why);
	if (e == ERR_OK)
		tell(addr, m.made.record, old.len > 0);
	buf_clear(&m.spki);
	buf_clear(&m.row);
	buf_clear(&m.record);
	buf_clear(&m.payload);
	ca_made_clear(&m.made);
	crypto_key_delegate_free(m.key);
	ca_clear(&m.ca);
	return e;
}
