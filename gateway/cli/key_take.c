/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The Sealgate authors
 *
 * What is in a file that is imported: certificates go through OpenSSL, OpenPGP
 * keys through gpg in a scratch home of its own; both only describe, what is
 * kept is keystore/admit.c's. Secret parts are sealed to the process keys
 * before they reach the store.
 */
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "common/limits.h"
#include "common/secret.h"
#include "crypto/cert.h"
#include "crypto/openpgp.h"
#include "crypto/openpgp_secret.h"
#include "crypto/pkcs12.h"
#include "gateway/cli/cli.h"
#include "gateway/cli/key_import.h"
#include "gateway/cli/own.h"
#include "keystore/admit.h"
#include "keystore/private.h"

enum {
	CERTS_MAX = 1000,
	MEMORY = 256 << 20, /* octets of records made from one piece */
};

static enum err
open_pgp(struct key_import *im, struct err_why *why)
{
	return im->gpg.engine != NULL ? ERR_OK : cli_gpg_open(&im->gpg, why);
}

enum err
key_import_keep(struct key_import *im, const char *file,
    const struct ks_record *r, enum err e, struct err_why *why,
    struct arena *arena)
{
	enum ks_admitted what;

	if (e == ERR_OK)
		e = ks_admit(im->store, r, arena, &what);
	if (e == ERR_OK && im->with_private != NULL)
		e = key_import_private(im, r, why);
	if (e != ERR_OK) {
		key_import_refuse(im, file, e, why->text);
		return e;
	}
	key_import_tell(im, file, r, what);
	return key_import_step(im, r);
}

/* A key stands for its domain; a CA is believed for it. */
static enum err
set_domain(
    const struct key_import *im, struct ks_record *r, struct err_why *why)
{
	if (r->good_for & KS_GOOD_ISSUE)
		r->domain = im->anchor_for;
	else if (im->anchor_for.len > 0)
		return err_why(why, ERR_USAGE,
		    "no CA certificate, and only one can be an anchor");
	else
		r->domain = im->domain;
	return ERR_OK;
}

static enum err
take_cert(struct key_import *im, const char *file,
    const struct crypto_cert *cert, struct arena *arena)
{
	struct err_why own = {""};
	struct ks_record *r = NULL;
	struct secret *key = NULL;
	enum err e = ks_admit_cert(cert, &im->origin, arena, &r, &own);

	if (e == ERR_OK)
		e = set_domain(im, r, &own);
	if (e == ERR_OK)
		e = key_claim(im, cert, r, arena, &key, &own);
	im->with_private = key;
	e = key_import_keep(im, file, r, e, &own, arena);
	im->with_private = NULL;
	if (e == ERR_OK && key != NULL)
		e = key_claimed(im, cert);
	secret_free(key);
	return e;
}

enum err
key_import_certs(struct key_import *im, const char *file,
    struct crypto_cert **certs, size_t n, struct arena *arena)
{
	enum err e, result = ERR_OK;

	for (size_t i = 0; i < n; i++) {
		e = take_cert(im, file, certs[i], arena);
		result = result != ERR_OK ? result : e;
		crypto_cert_unref(certs[i]);
	}
	return result;
}

/* Some error of a file, ERR_OK when all of it is in. */
static enum err
import_certs(struct key_import *im, const char *file, struct span in,
    struct arena *arena, struct err_why *why)
{
	struct crypto_cert **certs =
	    calloc(CERTS_MAX, sizeof(struct crypto_cert *));
	enum err e, result;
	size_t n = 0;

	if (certs == NULL)
		return ERR_NOMEM;
	result = crypto_cert_parse_all(in, certs, CERTS_MAX, &n, why);
	if (result != ERR_OK)
		key_import_refuse(im, file, result, why->text);
	e = key_import_certs(im, file, certs, n, arena);
	free(certs);
	return result != ERR_OK ? result : e;
}

/* Append what the store has of the key already. */
static enum err
put_known(struct key_import *im, const struct crypto_pgp_cert *cert,
    struct arena *arena, struct buf *out)
{
	struct ks_record *old;
	enum err e;

	if (cert->fpr_len == 0)
		return ERR_OK;
	e = ks_get(im->store, SPAN(cert->fpr, cert->fpr_len), arena, &old);
	if (e != ERR_OK)
		return e == ERR_NOT_FOUND ? ERR_OK : e;
	return old->kind == KS_OPENPGP ? buf_put(out, old->key) : ERR_OK;
}

/* Let gpg put together what we have and what comes, so that an older copy
   takes back neither a revocation nor a later expiry. */
static enum err
merge_known(struct key_import *im, struct crypto_pgp_list *list,
    struct arena *arena, struct err_why *why)
{
	struct crypto_pgp_list merged = {0};
	enum err e = ERR_OK;
	struct buf both;
	size_t known;

	buf_init(&both, 2 * LIMIT_KEYS_SIZE);
	for (size_t i = 0; i < list->n && e == ERR_OK; i++)
		e = put_known(im, &list->certs[i], arena, &both);
	known = both.len;
	for (size_t i = 0; i < list->n && e == ERR_OK; i++)
		e = buf_put(&both, buf_span(&list->certs[i].minimal));
	if (e == ERR_OK && known > 0)
		e = crypto_pgp_inspect(
		    im->gpg.engine, buf_span(&both), &merged, why);
	if (e == ERR_OK && known > 0) {
		crypto_pgp_list_clear(list);
		*list = merged;
	}
	buf_clear(&both);
	return e;
}

/* Keep what was found; some error, ERR_OK when all is in. */
static enum err
keep_pgp(struct key_import *im, const char *file, struct crypto_pgp_list *list,
    struct arena *arena)
{
	enum err e, result = ERR_OK;

	for (size_t i = 0; i < list->n; i++) {
		struct err_why own = {""};
		struct ks_record *r = NULL;

		e = ks_admit_pgp(&list->certs[i], &im->origin, arena, &r, &own);
		if (e == ERR_OK)
			r->domain = im->domain;
		e = key_import_keep(im, file, r, e, &own, arena);
		result = result != ERR_OK ? result : e;
	}
	return result;
}

enum err
key_import_listed(struct key_import *im, const char *file,
    struct crypto_pgp_list *list, enum err e, struct err_why *why, size_t n)
{
	struct arena *arena = arena_new(MEMORY);

	if (arena == NULL)
		e = ERR_NOMEM;
	if (e == ERR_OK)
		e = open_pgp(im, why);
	if (e == ERR_OK)
		e = merge_known(im, list, arena, why);
	if (e == ERR_OK)
		e = keep_pgp(im, file, list, arena);
	else if (n > 1)
		e = ERR_AGAIN;
	else
		key_import_refuse(im, file, e, why->text);
	arena_free(arena);
	return e;
}

static enum err
import_pgp(struct key_import *im, const char *file, struct span in,
    struct arena *arena, struct err_why *why)
{
	struct crypto_pgp_list list = {0};
	enum err result = open_pgp(im, why);

	if (result == ERR_OK)
		result = crypto_pgp_inspect(im->gpg.engine, in, &list, why);
	if (result == ERR_OK)
		result = merge_known(im, &list, arena, why);
	if (result == ERR_OK)
		result = keep_pgp(im, file, &list, arena);
	else
		key_import_refuse(im, file, result, why->text);
	crypto_pgp_list_clear(&list);
	return result;
}

/* --- secret keys --- */

enum err
key_import_public(
    struct key_import *im, struct sealed_pub *out, struct err_why *why)
{
	return cli_seal_public(im->cli, out, why);
}

/* Open the keys, asking for a passphrase only if they have one. */
static enum err
take_secrets(struct key_import *im, const char *file, struct span in,
    struct crypto_pgp_secrets *out, struct err_why *why)
{
	const struct secret *passphrase;
	enum err e =
	    crypto_pgp_take_secrets(im->gpg.engine, in, NULL, out, why);

	if (e != ERR_PASSPHRASE)
		return e;
	e = cli_passphrase_get(&im->passphrase, file, &passphrase, why);
	if (e == ERR_OK)
		e = crypto_pgp_take_secrets(
		    im->gpg.engine, in, passphrase, out, why);
	cli_passphrase_forget(&im->passphrase);
	return e;
}

/* Seal the secret part beside the addresses of the key's record. */
static enum err
keep_secret(struct key_import *im, const struct crypto_pgp_secret *key,
    const struct sealed_pub *pub, struct arena *arena, struct err_why *why)
{
	struct ks_private private = {.kind = KS_OPENPGP,
	    .fpr = SPAN(key->fpr, key->fpr_len),
	    .added = im->origin.now};
	struct ks_record *record;
	enum err e;

	if (key->octets == NULL)
		return err_why(why, key->sign_err, "key %s does not sign: %s",
		    key->fpr_hex, key->sign_why.text);
	e = ks_get(im->store, private.fpr, arena, &record);
	if (e == ERR_OK && record->n_addrs == 0)
		return err_why(why, ERR_KEY_ADDR,
		    "key %s has no mail address: nobody can sign with it",
		    key->fpr_hex);
	if (e == ERR_OK) {
		private.domain = record->domain;
		private.n_addrs = record->n_addrs;
		private.addrs = record->addrs;
		e = ks_private_put(
		    im->store, &private, pub, secret_span(key->octets));
	}
	return e == ERR_OK ? e
			   : err_why(why, e, "the secret part of key %s: %s",
				 key->fpr_hex, err_text(e));
}

static enum err
keep_secrets(struct key_import *im, const char *file,
    const struct crypto_pgp_secrets *secrets, const struct sealed_pub *pub,
    struct arena *arena)
{
	enum err e, result = ERR_OK;

	for (size_t i = 0; i < secrets->n; i++) {
		struct err_why own = {""};

		e = keep_secret(im, &secrets->keys[i], pub, arena, &own);
		if (e != ERR_OK)
			key_import_refuse(im, file, e, own.text);
		else
			key_import_tell_secret(im, file, &secrets->keys[i]);
		result = result != ERR_OK ? result : e;
	}
	return result;
}

static enum err
import_secret(struct key_import *im, const char *file, struct span in,
    struct arena *arena, struct err_why *why)
{
	struct crypto_pgp_secrets secrets = {0};
	struct sealed_pub pub;
	enum err e, result = key_import_public(im, &pub, why);

	if (result == ERR_OK)
		result = open_pgp(im, why);
	if (result == ERR_OK)
		result = take_secrets(im, file, in, &secrets, why);
	if (result == ERR_OK)
		result = merge_known(im, &secrets.certs, arena, why);
	if (result == ERR_OK) {
		result = keep_pgp(im, file, &secrets.certs, arena);
		e = keep_secrets(im, file, &secrets, &pub, arena);
		result = result != ERR_OK ? result : e;
	} else {
		key_import_refuse(im, file, result, why->text);
	}
	crypto_pgp_secrets_clear(&secrets);
	return result;
}

/* Its armor, or binary, where every packet begins with the high bit set
   (RFC 9580 section 4.2). All else is for the certificate parser. */
bool
key_import_is_pgp(struct span in)
{
	struct span begin = SPAN_LIT("-----BEGIN ");
	struct span pgp = SPAN_LIT("-----BEGIN PGP ");
	size_t at = span_find(in, 0, begin);

	if (in.len > 0 && (in.data[0] & 0x80))
		return true;
	return at < in.len && span_find(in, at, pgp) == at;
}

bool
key_import_is_bundle(struct span in)
{
	if (key_import_is_pgp(in))
		return crypto_pgp_has_secret(in);
	return crypto_is_pkcs12(in) || crypto_is_private_pem(in);
}

enum err
key_import_octets(struct key_import *im, const char *file, struct span in)
{
	struct arena *arena = arena_new(MEMORY);
	struct err_why why = {""};
	enum err e;

	if (arena == NULL)
		return ERR_NOMEM;
	if (key_import_is_pgp(in) && crypto_pgp_has_secret(in))
		e = import_secret(im, file, in, arena, &why);
	else if (key_import_is_pgp(in))
		e = import_pgp(im, file, in, arena, &why);
	else if (crypto_is_pkcs12(in) || crypto_is_private_pem(in))
		e = key_import_bundle(im, file, in, arena, &why);
	else
		e = import_certs(im, file, in, arena, &why);
	arena_free(arena);
	return e;
}
