/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Records of certificates and OpenPGP keys. Addresses become the keys that
 * mime/addr.h makes; what it does not take is not admitted as an address.
 */
#include "keystore/admit.h"

#include <string.h>

#include "common/arena.h"
#include "common/digest.h"
#include "crypto/cert.h"
#include "crypto/openpgp.h"
#include "mime/addr.h"

enum { KEY_ID_SIZE = 8 };

static enum ks_flaw
flaw_of(enum err e)
{
	switch (e) {
	case ERR_OK:
	case ERR_KEY_EXPIRED: /* told by the record's validity */
		return KS_FLAW_NONE;
	case ERR_KEY_REVOKED:
		return KS_FLAW_REVOKED;
	case ERR_UNSUPPORTED:
		return KS_FLAW_UNSUPPORTED;
	default:
		return KS_FLAW_UNSUITABLE;
	}
}

/* Text for a person may be cut; what is compared may not. */
static struct span
cut(const char *text)
{
	struct span s = text == NULL ? SPAN(NULL, 0) : span_str(text);

	if (s.len > KS_TEXT_MAX)
		s.len = KS_TEXT_MAX;
	return s;
}

static bool
has_addr(const struct ks_record *r, struct span addr)
{
	for (size_t i = 0; i < r->n_addrs; i++)
		if (span_eq(r->addrs[i], addr))
			return true;
	return false;
}

static enum err
add_addr(struct ks_record *r, const char *text, struct arena *arena,
    struct err_why *why)
{
	struct mime_addr addr;
	struct err_why ignored;
	enum err e;

	e = mime_addr_parse(
	    span_str(text), MIME_ADDR_UTF8, arena, &addr, &ignored);
	if (e == ERR_NOMEM)
		return e;
	if (e != ERR_OK || has_addr(r, span_str(addr.key)))
		return ERR_OK;
	if (r->n_addrs == KS_ADDRS_MAX)
		return err_why(
		    why, ERR_LIMIT, "more than %d addresses", KS_ADDRS_MAX);
	r->addrs[r->n_addrs++] = span_str(addr.key);
	return ERR_OK;
}

static enum err
start(const struct ks_origin *origin, size_t n_addrs, struct arena *arena,
    struct ks_record **out)
{
	struct ks_record *r = arena_alloc(arena, sizeof(*r));

	if (r == NULL)
		return ERR_NOMEM;
	r->source = origin->source;
	r->trust = origin->trust;
	r->url = origin->url;
	r->added = origin->now;
	if (n_addrs > KS_ADDRS_MAX)
		n_addrs = KS_ADDRS_MAX;
	r->addrs = arena_array(arena, n_addrs + 1, sizeof(*r->addrs));
	r->key_ids = arena_array(arena, 1, sizeof(*r->key_ids));
	if (r->addrs == NULL || r->key_ids == NULL)
		return ERR_NOMEM;
	*out = r;
	return ERR_OK;
}

/* "RSA 3072", "P-256" */
static enum err
set_alg(
    struct ks_record *r, const char *alg, unsigned bits, struct arena *arena)
{
	const char *text = strncmp(alg, "RSA", 3) == 0
			       ? arena_printf(arena, "%s %u", alg, bits)
			       : arena_strdup(arena, alg);

	if (text == NULL)
		return ERR_NOMEM;
	r->alg = cut(text);
	return ERR_OK;
}

static enum err
set_ids(struct ks_record *r, const struct crypto_cert_info *info,
    struct err_why *why)
{
	if (info->serial_raw.len > KS_ID_MAX ||
	    info->issuer_der.len > KS_TEXT_MAX)
		return err_why(why, ERR_LIMIT,
		    "the issuer's name or the serial number is too long");
	r->issuer = info->issuer_der;
	r->serial = info->serial_raw;
	/* Found by issuer and serial number as well. */
	if (info->ski.len <= KS_ID_MAX)
		r->ski = info->ski;
	return ERR_OK;
}

void
ks_admit_name(struct span name, uint8_t out[KS_NAME_SIZE])
{
	digest_sha256(&name, 1, out);
}

/* What a CA issued finds it by its name. */
static enum err
set_name(struct ks_record *r, const struct crypto_cert_info *info,
    struct arena *arena)
{
	uint8_t *name = arena_alloc(arena, KS_NAME_SIZE);

	if (name == NULL)
		return ERR_NOMEM;
	ks_admit_name(info->subject_der, name);
	r->key_ids[0] = SPAN(name, KS_NAME_SIZE);
	r->n_key_ids = 1;
	return ERR_OK;
}

enum err
ks_admit_cert(const struct crypto_cert *cert, const struct ks_origin *origin,
    struct arena *arena, struct ks_record **out, struct err_why *why)
{
	const struct crypto_cert_info *info = crypto_cert_info(cert);
	struct ks_record *r;
	enum err e;

	e = start(origin, info->n_addrs, arena, &r);
	if (e != ERR_OK)
		return e;
	r->kind = KS_SMIME;
	r->fpr = SPAN(info->fpr, CRYPTO_CERT_FPR_SIZE);
	r->key = crypto_cert_der(cert);
	r->not_before = info->not_before;
	r->not_after = info->not_after;
	r->subject = cut(info->subject);
	r->issuer_text = cut(info->issuer);
	if (info->is_ca)
		r->good_for |= KS_GOOD_ISSUE;
	if (info->can_seal) {
		r->good_for |= KS_GOOD_SEAL;
	} else {
		r->flaw = flaw_of(info->seal_err);
		r->flaw_text = cut(info->seal_why);
	}
	for (size_t i = 0; i < info->n_addrs && e == ERR_OK; i++)
		e = add_addr(r, info->addrs[i], arena, why);
	if (e == ERR_OK)
		e = set_ids(r, info, why);
	if (e == ERR_OK && info->is_ca)
		e = set_name(r, info, arena);
	if (e == ERR_OK)
		e = set_alg(r, info->alg, info->bits, arena);
	if (e == ERR_OK)
		*out = r;
	return e;
}

/* The earlier of two ends, 0 being none. */
static int64_t
earlier(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a == 0 ? b : a;
	return a < b ? a : b;
}

/* RFC 9580 section 5.5.4: the last octets of a version 4 fingerprint, the
   first of later ones. */
static void
set_key_id(struct ks_record *r, const struct crypto_pgp_cert *key)
{
	const uint8_t *id = key->version <= 4
				? key->fpr + key->fpr_len - KEY_ID_SIZE
				: key->fpr;

	r->key_ids[0] = SPAN(id, KEY_ID_SIZE);
	r->n_key_ids = 1;
}

static void
describe_pgp(
    struct ks_record *r, const struct crypto_pgp_cert *key, int64_t now)
{
	r->kind = KS_OPENPGP;
	r->fpr = SPAN(key->fpr, key->fpr_len);
	r->key = buf_span(&key->minimal);
	r->not_before = key->created;
	r->not_after = earlier(key->expires, key->seal_until);
	/* Whatever ended, it has ended by now. */
	if (key->seal_err == ERR_KEY_EXPIRED &&
	    (r->not_after == 0 || r->not_after > now))
		r->not_after = now;
	if (key->n_uids > 0)
		r->subject = cut(key->uids[0].text);
	/* A revoked subkey may get a successor, a revoked key not. */
	r->flaw = key->revoked			     ? KS_FLAW_REVOKED
		  : key->seal_err == ERR_KEY_REVOKED ? KS_FLAW_UNSUITABLE
						     : flaw_of(key->seal_err);
	if (r->flaw != KS_FLAW_NONE)
		r->flaw_text = cut(key->seal_why.text);
	else
		r->good_for |= KS_GOOD_SEAL;
	set_key_id(r, key);
}

enum err
ks_admit_pgp(const struct crypto_pgp_cert *key, const struct ks_origin *origin,
    struct arena *arena, struct ks_record **out, struct err_why *why)
{
	struct ks_record *r;
	enum err e;

	if (key->minimal.len == 0 || key->fpr_len < KS_FPR_MIN)
		return err_why(why, ERR_NO_KEY, "%s",
		    key->seal_why.text[0] != '\0' ? key->seal_why.text
						  : "nothing usable in it");
	e = start(origin, key->n_uids, arena, &r);
	if (e != ERR_OK)
		return e;
	describe_pgp(r, key, origin->now);
	for (size_t i = 0; i < key->n_uids && e == ERR_OK; i++)
		/* of a revoked key every user ID is: what it was for stays */
		if (key->uids[i].addr != NULL &&
		    (key->revoked || !key->uids[i].revoked))
			e = add_addr(r, key->uids[i].addr, arena, why);
	if (e == ERR_OK)
		e = set_alg(r,
		    key->seal_alg[0] != '\0' ? key->seal_alg : key->alg,
		    key->seal_alg[0] != '\0' ? key->seal_bits : key->bits,
		    arena);
	if (e == ERR_OK)
		*out = r;
	return e;
}

enum err
ks_admit(struct ks_store *s, const struct ks_record *r, struct arena *arena,
    enum ks_admitted *out)
{
	struct ks_record *old = NULL, merged = *r;
	enum ks_admitted what = KS_UPDATED;
	enum err e = ks_get(s, r->fpr, arena, &old);

	if (e == ERR_NOT_FOUND) {
		e = ks_put(s, r);
		if (e == ERR_OK)
			*out = KS_ADDED;
		return e;
	}
	if (e != ERR_OK)
		return e;
	if (old->kind != r->kind)
		return ERR_EXISTS;
	if (old->flaw == KS_FLAW_REVOKED && r->flaw != KS_FLAW_REVOKED) {
		*out = KS_STAYS_REVOKED;
		return ERR_OK;
	}
	merged.added = old->added;
	if (old->trust == KS_DISTRUSTED)
		what = KS_STAYS_DISTRUSTED;
	if (old->trust == KS_DISTRUSTED || old->trust > r->trust)
		merged.trust = old->trust;
	/* Whoever vouches for it most is named as its source. */
	if (old->source < r->source) {
		merged.source = old->source;
		merged.url = old->url;
	}
	merged.domain = old->domain.len > 0 ? old->domain : r->domain;
	merged.n_caps = old->n_caps;
	merged.caps = old->caps;
	e = ks_put(s, &merged);
	if (e == ERR_OK)
		*out = what;
	return e;
}
