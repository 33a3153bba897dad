/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * The keys of a sender. Only the one address in From is signed for, and only
 * if it is the envelope sender, too, or who has signed in may use it: whoever
 * reads the message takes the signature for the word of who stands in From.
 */
#include "gateway/signer.h"

#include <string.h>

#include "common/arena.h"
#include "crypto/cert_cache.h"
#include "crypto/cms_sign.h"
#include "gateway/entry.h"
#include "gateway/message.h"
#include "gateway/proto_keys.h"
#include "keystore/private.h"

struct search {
	const struct signer_facts *f;
	struct arena *arena;
	struct span addr;
	struct signer_key *smime, *pgp;
};

static bool
is_over(const struct ks_record *r, int64_t now)
{
	return now < r->not_before || (r->not_after != 0 && now > r->not_after);
}

/* What the certificate says of signing; records tell of sealing only. */
static enum err
certificate_signs(const struct signer_facts *f, const struct ks_record *r,
    struct err_why *why)
{
	struct crypto_cert *cert = NULL;
	enum err e = f->certs == NULL || r->fpr.len != CRYPTO_CERT_FPR_SIZE
			 ? crypto_cert_parse(r->key, &cert, why)
			 : crypto_cert_cache_get(
			       f->certs, r->fpr.data, r->key, &cert, why);

	if (e == ERR_OK)
		e = crypto_cms_can_sign(cert, f->now_s, why);
	crypto_cert_unref(cert);
	return e;
}

/* ERR_OK: it may sign. */
static enum err
verdict(struct search *s, const struct ks_record *r, struct err_why *why)
{
	struct ks_private *p;
	enum err e = ks_private_get(s->f->keys, r->fpr, s->arena, &p);

	if (e != ERR_OK)
		return e;
	/* an administrator gave the private half; who was given it since then
	   does not count */
	if (r->trust < KS_TRUSTED)
		return err_why(why, ERR_KEY_UNTRUSTED, "not trusted");
	if (r->flaw == KS_FLAW_REVOKED)
		return err_why(why, ERR_KEY_REVOKED, "revoked");
	if (!ks_private_speaks_for(p, s->addr))
		return err_why(why, ERR_KEY_ADDR, "not for this address");
	if (r->kind == KS_SMIME)
		return certificate_signs(s->f, r, why);
	return is_over(r, s->f->now_s)
		   ? err_why(why, ERR_KEY_EXPIRED, "expired")
		   : ERR_OK;
}

static bool
is_better(const struct ks_record *r, const struct ks_record *than)
{
	if (than == NULL)
		return true;
	if (r->trust != than->trust)
		return r->trust > than->trust;
	/* of two valid ones the newer: its successors begin where it does when
	   the CA is younger than the time they are backdated by */
	if (r->not_before != than->not_before)
		return r->not_before > than->not_before;
	return r->not_after != than->not_after ? r->not_after > than->not_after
					       : r->added > than->added;
}

static enum err
visit(void *ctx, const struct ks_record *r)
{
	struct search *s = ctx;
	struct signer_key *k = r->kind == KS_SMIME ? s->smime : s->pgp;
	struct err_why why = {""};
	struct ks_record *copy;
	enum err e;

	if (!is_better(r, k->record))
		return ERR_OK;
	e = verdict(s, r, &why);
	if (e == ERR_NOT_FOUND)
		return ERR_OK;
	if (e != ERR_OK && why.text[0] == 0)
		return e;
	if (e != ERR_OK) {
		k->why = arena_printf(s->arena, "its key is %s", why.text);
		return k->why == NULL ? ERR_NOMEM : ERR_OK;
	}
	e = ks_record_copy(r, true, s->arena, &copy);
	if (e == ERR_OK)
		k->record = copy;
	return e;
}

static enum err
find_keys(struct search *s, enum ks_index index, struct span key)
{
	s->smime->why = "there is no certificate with a private key for it";
	s->pgp->why = "there is no OpenPGP key with a secret part for it";
	return ks_find(s->f->keys, index, key, visit, s);
}

/* An address that a user is listed with by its domain alone is not meant: keys
   would have to be let loose for all of the domain. */
static bool
is_own(const struct signer_facts *f, const char *author)
{
	return strcmp(author, f->from_key) == 0 ||
	       (f->auth_from != NULL &&
		   entry_auth_may_use(f->auth_from, author, false));
}

/* Why nobody signs this, whatever keys there are; NULL: it may be signed. */
static const char *
objection(const struct signer_facts *f)
{
	if (f->from_key[0] == 0)
		return "it has no sender";
	if (!f->may_sign)
		return "the client is not listed in may-sign";
	if (f->message == NULL)
		return NULL;
	if (f->message->author == NULL)
		return "From is not one address";
	if (!is_own(f, f->message->author))
		return "From is another address than the sender of the "
		       "envelope";
	return NULL;
}

/* The keys that speak for an address, and those of its domain. */
static enum err
find_for(const struct signer_facts *f, struct arena *arena, const char *addr,
    struct signer *out)
{
	struct search s = {.f = f, .arena = arena, .addr = span_str(addr)};
	enum err e;

	out->addr = addr;
	s.smime = &out->smime;
	s.pgp = &out->pgp;
	e = find_keys(&s, KS_BY_ADDR, s.addr);
	s.smime = &out->domain_smime;
	s.pgp = &out->domain_pgp;
	return e == ERR_OK ? find_keys(&s, KS_BY_DOMAIN, ks_addr_domain(s.addr))
			   : e;
}

static bool
has_key(const struct signer *s)
{
	return s->smime.record != NULL || s->pgp.record != NULL ||
	       s->domain_smime.record != NULL || s->domain_pgp.record != NULL;
}

/* Who will stand in From is not known yet: it may be any address of the user,
   and one that can be signed for is promised. */
static enum err
find_any(const struct signer_facts *f, struct arena *arena, struct signer *out)
{
	struct proto_register own;
	struct signer other;
	enum err e = find_for(f, arena, f->from_key, out);

	if (e != ERR_OK || f->auth_from == NULL || has_key(out))
		return e;
	e = proto_register_sender(f->from_key, f->auth_from, arena, &own);
	for (uint32_t i = 1; e == ERR_OK && i < own.n_addr; i++) {
		other = (struct signer){.err = ERR_OK};
		e = find_for(f, arena, own.addr[i], &other);
		if (e != ERR_OK || !has_key(&other))
			continue;
		*out = other;
		break;
	}
	return e;
}

void
signer_find(
    const struct signer_facts *f, struct arena *arena, struct signer *out)
{
	struct signer found = {.why = objection(f)};

	if (found.why == NULL && f->keys == NULL)
		found.err = ERR_DB;
	else if (found.why == NULL && f->message == NULL)
		found.err = find_any(f, arena, &found);
	else if (found.why == NULL)
		found.err = find_for(f, arena, f->message->author, &found);
	*out = found;
}
