/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * Private keys with their certificates: opened with a passphrase, sealed at
 * once to the key that only the keys process has. Nothing here can open them
 * again.
 */
#include <stdlib.h>

#include "common/arena.h"
#include "common/sealed.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/pkcs12.h"
#include "crypto/private_key.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_import.h"
#include "keystore/private.h"

enum err
key_import_private(
    struct key_import *im, const struct ks_record *r, struct err_why *why)
{
	struct ks_private p = {.kind = r->kind,
	    .fpr = r->fpr,
	    .added = im->origin.now,
	    .domain = r->domain,
	    .n_addrs = r->n_addrs,
	    .addrs = r->addrs};
	enum err e = ks_private_put(
	    im->store, &p, &im->pub, secret_span(im->with_private));

	return e == ERR_OK
		   ? e
		   : err_why(why, e, "the private key: %s", err_text(e));
}

/* Open it; with a passphrase only if it needs one. */
static enum err
open_bundle(struct key_import *im, const char *file, struct span in,
    struct crypto_bundle *out, struct err_why *why)
{
	const struct secret *pass = NULL;
	enum err e = crypto_bundle_open(in, NULL, out, why);

	if (e != ERR_PASSPHRASE)
		return e;
	e = cli_passphrase_get(&im->passphrase, file, &pass, why);
	if (e == ERR_OK)
		e = crypto_bundle_open(in, pass, out, why);
	cli_passphrase_forget(&im->passphrase);
	return e;
}

/* A certificate that comes along says who issued another: that is no reason to
   trust what it issues. */
static enum err
take_cert(struct key_import *im, const char *file,
    const struct crypto_cert *cert, const struct secret *key,
    struct arena *arena)
{
	struct ks_origin origin = im->origin;
	struct err_why why = {""};
	struct ks_record *r = NULL;
	enum err e;

	if (crypto_cert_info(cert)->is_ca && !im->anchor)
		origin.trust = KS_CANDIDATE;
	e = ks_admit_cert(cert, &origin, arena, &r, &why);
	if (e == ERR_OK && key != NULL)
		r->domain = im->domain;
	im->with_private = key;
	e = key_import_keep(im, file, r, e, &why, arena);
	im->with_private = NULL;
	return e;
}

/* --- a key without its certificate --- */

enum { OWNERS_MAX = 16 };

struct owners {
	const struct crypto_private *key;
	struct arena *arena;
	struct ks_record *found[OWNERS_MAX];
	size_t n;
};

static enum err
visit(void *ctx, const struct ks_record *r)
{
	struct owners *o = ctx;
	struct crypto_cert *cert = NULL;
	enum err e = ERR_OK;

	if (r->kind != KS_SMIME ||
	    crypto_cert_parse(r->key, &cert, NULL) != ERR_OK)
		return ERR_OK;
	if (crypto_private_fits(o->key, cert) && o->n < OWNERS_MAX) {
		e = ks_record_copy(r, true, o->arena, &o->found[o->n]);
		o->n += e == ERR_OK;
	}
	crypto_cert_unref(cert);
	return e;
}

/* Its certificates are in the store already. */
static enum err
take_lone_key(struct key_import *im, const char *file, const struct secret *key,
    struct arena *arena)
{
	struct owners o = {.arena = arena};
	struct crypto_private *parsed = NULL;
	struct err_why why = {""};
	enum err e = crypto_private_parse(secret_span(key), &parsed);

	o.key = parsed;
	if (e == ERR_OK)
		e = ks_each(im->store, SPAN(NULL, 0), visit, &o);
	crypto_private_free(parsed);
	if (e == ERR_OK && o.n == 0)
		e = err_why(&why, ERR_NO_KEY,
		    "no certificate for the private key: import both, or the "
		    "certificate first");
	if (e != ERR_OK) {
		key_import_refuse(im, file, e, why.text);
		return e;
	}
	im->with_private = key;
	for (size_t i = 0; i < o.n && e == ERR_OK; i++) {
		if (im->domain.len > 0)
			o.found[i]->domain = im->domain;
		e = key_import_keep(im, file, o.found[i], e, &why, arena);
	}
	im->with_private = NULL;
	return e;
}

static bool
has_cert(const struct crypto_bundle *b, size_t key)
{
	for (size_t i = 0; i < b->n_certs; i++)
		if (b->key_of[i] == (int)key)
			return true;
	return false;
}

enum err
key_import_bundle(struct key_import *im, const char *file, struct span in,
    struct arena *arena, struct err_why *why)
{
	struct crypto_bundle b = {0};
	enum err e, result = key_import_public(im, &im->pub, why);

	if (result == ERR_OK)
		result = open_bundle(im, file, in, &b, why);
	if (result != ERR_OK) {
		key_import_refuse(im, file, result, why->text);
		return result;
	}
	for (size_t i = 0; i < b.n_certs; i++) {
		const struct secret *key =
		    b.key_of[i] < 0 ? NULL : b.keys[b.key_of[i]];

		e = take_cert(im, file, b.certs[i], key, arena);
		result = result != ERR_OK ? result : e;
	}
	for (size_t k = 0; k < b.n_keys; k++) {
		if (has_cert(&b, k))
			continue;
		e = take_lone_key(im, file, b.keys[k], arena);
		result = result != ERR_OK ? result : e;
	}
	crypto_bundle_clear(&b);
	return result;
}
